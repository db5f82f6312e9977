/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/pages.h"

#include "tests/unit/core/must.h"

static size_t page_of(uint32_t uid)
{
    return uid == 0 ? 0 : uid == 1000 ? 1 : 2;
}

uint64_t *pages_word(struct pages *pages, uint32_t uid, uint32_t index)
{
    return &pages->words[page_of(uid)][index];
}

uint64_t pages_head(const struct pages *pages, uint32_t uid, uint32_t first)
{
    return pages->heads[page_of(uid)][first];
}

static void want(void *context, uint32_t uid, uint32_t index)
{
    struct pages *pages = context;
    uint64_t *word = pages_word(pages, uid, index);

    if (pages->most > 0 && pages->seen_count == pages->most) /* the rest is asked for again */
        return;
    must(pages->seen_count < sizeof pages->seen / sizeof *pages->seen);
    pages->seen[pages->seen_count++] = (struct input_word){.uid = uid, .index = index, .value = *word};
    *word |= WORD_CLOSED | WORD_LOOKED;
}

bool pages_look(struct pages *pages, struct core *core, const struct core_input *input,
                struct core_input *ret_words)
{
    pages->seen_count = 0;
    core_words_wanted(core, input, want, pages);
    *ret_words = (struct core_input){.kind = INPUT_WORDS, .mono = input->mono, .wall = input->wall};
    ret_words->blob[BLOB_WORDS] =
        (struct blob){(const char *) pages->seen, pages->seen_count * sizeof pages->seen[0]};
    return pages->seen_count > 0;
}

static void store_links(struct pages *pages, size_t page, const struct word *word)
{
    uint32_t slots[CORE_CHAIN_MAX + 1];
    bool is_first = word->object && word->data.first == word->data.index, is_all;
    size_t count = is_first && core_is_offered(word->object) ? core_word_chain(word, slots, &is_all) : 0;

    slots[count] = 0;
    for (size_t i = 0; i < count; i++)
        pages->links[page][slots[i]] = word_link(word->value, word->data.index, slots[i + 1]);
    if (count > 0 && is_all)
        pages->links[page][slots[count - 1]] = word_last_link(word->value, word->data.index);
    if (count > 0)
        pages->heads[page][word->data.index] = head_make(word->value, slots[0]);
}

void pages_store(struct pages *pages, const struct core *core)
{
    const struct word *word;

    TAILQ_FOREACH(word, &core->stores, of_list)
    {
        size_t page = page_of(word->account->uid);

        store_links(pages, page, word);
        pages->words[page][word->data.index] = word->value;
    }
}

int pages_acquire(uint64_t *word, uint32_t slot, bool is_recursive)
{
    uint64_t seen = *word;

    if (seen & WORD_CLOSED)
        return 0;
    if (word_owner(seen) == 0) {
        *word = seen | slot | WORD_DEPTH_ONE;
        return seen & WORD_ABANDONED ? 2 : 1;
    }
    if (!is_recursive || word_owner(seen) != slot || word_depth(seen) >= WORD_DEPTH_MAX - 1)
        return 0;
    *word = seen + WORD_DEPTH_ONE;
    return 1;
}

bool pages_take(uint64_t *word, uint32_t slot)
{
    if (!word_is_handed(*word, slot))
        return false;
    *word += WORD_DEPTH_ONE;
    return true;
}

bool pages_give(uint64_t *word, uint32_t slot)
{
    if (*word & WORD_CLOSED || word_owner(*word) != slot)
        return false;
    *word &= WORD_KEPT_MASK;
    return true;
}

/* ---- hand-overs of permits ---- */

static uint64_t *head_of(struct pages *pages, uint32_t uid, uint32_t first)
{
    return &pages->heads[page_of(uid)][first];
}

bool pages_offer(struct pages *pages, uint32_t uid, uint32_t first, uint32_t index, uint32_t slot)
{
    uint64_t *word = pages_word(pages, uid, index), head = *head_of(pages, uid, first);

    if (!permit_can_be_given(*word, slot) || !head_is_of(head, *word) || head_step(head) > 0 ||
        head_first(head) == 0)
        return false;
    *word = permit_given(*word);
    return true;
}

bool pages_begin(struct pages *pages, uint32_t uid, uint32_t first, uint32_t index)
{
    uint64_t *head = head_of(pages, uid, first), word = *pages_word(pages, uid, index);

    if (!permit_is_given(word) || !head_is_of(*head, word) || head_step(*head) > 0 || head_first(*head) == 0)
        return false;
    *head = head_at(*head, index - first);
    return true;
}

/* The word that the head is at; NULL: it is at none that somebody may change. */
static uint64_t *at_head(struct pages *pages, uint32_t uid, uint32_t first)
{
    uint64_t head = *head_of(pages, uid, first);
    uint64_t *word = pages_word(pages, uid, first + (uint32_t) head_step(head) - 1);

    return head_step(head) > 0 && !(*word & WORD_LOOKED) && head_is_of(head, *word) ? word : NULL;
}

/* Was it given by somebody before the one who is first? */
static bool is_to_be_handed(uint64_t word, uint64_t head)
{
    return permit_is_given(word) && word_next(word) != head_first(head);
}

uint32_t pages_hand(struct pages *pages, uint32_t uid, uint32_t first)
{
    uint64_t head = *head_of(pages, uid, first), *word = at_head(pages, uid, first);

    if (!word || !is_to_be_handed(*word, head))
        return 0;
    *word = permit_handed(*word, head_first(head));
    return (uint32_t) head_first(head);
}

bool pages_go_on(struct pages *pages, uint32_t uid, uint32_t first)
{
    uint64_t *head = head_of(pages, uid, first), *word = at_head(pages, uid, first);
    uint64_t link = pages->links[page_of(uid)][head_first(*head)];

    if (!word || is_to_be_handed(*word, *head))
        return false;
    *head = head_make(*head, word_behind(link, head_make(*head, 0), first));
    return true;
}

bool pages_event(uint64_t *word, bool is_set)
{
    if (*word & WORD_CLOSED)
        return false;
    *word = is_set ? *word | WORD_SET : *word & ~WORD_SET;
    return true;
}

static int move_on(struct pages *pages, uint64_t *word)
{
    size_t at = (size_t) (word - pages->words[0]);
    const uint64_t *links = pages->links[at / PAGE_WORDS];

    if (word_can_be_handed(*word)) {
        *word = word_handed(*word, at % PAGE_WORDS, links[word_next(*word)]);
        return 3;
    }
    if (!word_can_be_opened(*word, at % PAGE_WORDS, links[word_owner(*word)]))
        return 0;
    *word = word_opened(*word);
    return 1;
}

int pages_release(struct pages *pages, uint64_t *word, uint32_t slot, bool is_recursive)
{
    uint64_t seen = *word;

    if (word_owner(seen) == 0 ||
        (is_recursive && (word_owner(seen) != slot || word_depth(seen) == WORD_DEPTH_MAX)))
        return 0;
    if (seen & WORD_CLOSED)
        return move_on(pages, word);
    *word = is_recursive && word_depth(seen) > 1 ? seen - WORD_DEPTH_ONE : seen & WORD_KEPT_MASK;
    return 1;
}
