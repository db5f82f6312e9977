/* SPDX-License-Identifier: MIT */
#include "client/lib/shared.h"

#include "client/lib/give_way.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Some times of what it takes the daemon to look and decide; to ask it takes more. Give-backs. */
#define LOOKED_MOST (NSEC_PER_MSEC / 50)
#define HURRIES_FOR 5

/* There may be numbers again by then. */
#define REFUSED_FOR 1000

/* One per daemon; it stays for as long as this process, as some thread may always be about to look. */
struct shared_page {
    struct shared_page *next;
    uint64_t number; /* of no other one here, nor in our children: a thread's slot is of this one */
    ino_t inode;
    struct page *memory;
};

_Thread_local struct shared_self shared_self;

/* ---- the word ---- */

bool shared_stands(struct page_word *word, uint64_t before)
{
    uint64_t seen = before | shared_self.slot | WORD_DEPTH_ONE;

    if (shared_swap(word, &seen, before, memory_order_release) || word_is_gone(seen) ||
        word_owner(seen) != shared_self.slot)
        return false;
    /* a daemon has taken it: the one that died, or one that goes on with the page and says so */
    if (!shared_has_died(word))
        return true;
    shared_self.unsure = word;
    return false;
}

int shared_settle(void)
{
    const struct page_word *word = shared_self.unsure;
    uint64_t seen = atomic_load_explicit(&word->value, memory_order_acquire);

    shared_self.unsure = NULL;
    if (word_is_gone(seen) || word_owner(seen) != shared_self.slot || shared_has_died(word))
        return 0;
    return seen & WORD_ABANDONED ? 2 : 1;
}

int shared_acquire_seen(struct shared *shared, bool is_recursive, uint64_t seen)
{
    struct page_word *word = shared_word(shared);

    if (!word || shared_has_died(word) || shared_self.unsure == word)
        return 0;
    while (!(seen & WORD_CLOSED)) {
        if (word_owner(seen) == 0) {
            if (shared_take_word(word, &seen)) {
                atomic_store_explicit(&shared->guess, seen & WORD_KEPT_MASK, memory_order_relaxed);
                return seen & WORD_ABANDONED ? 2 : 1;
            }
        } else if (is_recursive && word_owner(seen) == shared_self.slot &&
                   word_depth(seen) < WORD_DEPTH_MAX - 1) {
            if (shared_swap(word, &seen, seen + WORD_DEPTH_ONE, memory_order_relaxed))
                return 1;
        } else {
            break;
        }
    }
    return 0;
}

/* Only its owner may give an rlock back, and knows how deep it is. */
static bool may_release(const struct shared *shared, bool is_recursive, uint64_t seen)
{
    return word_owner(seen) != 0 &&
           (!is_recursive || (shared_knows_slot(shared) && word_owner(seen) == shared_self.slot &&
                              word_depth(seen) < WORD_DEPTH_MAX));
}

/* The swap has made the lock another thread's: it sleeps, or is about to look. */
void shared_ring(const struct page_word *word, uint64_t slot)
{
    _Atomic uint32_t *bell = &shared_page_of(word)->bells[slot].is_set;

    if (atomic_exchange(bell, 0) != 0 && syscall(SYS_futex, bell, FUTEX_WAKE, 1, NULL, NULL, 0) > 0 &&
        way_may_be_given()) {
        int64_t span;

        /* who has been woken is to run: here, where others are busy */
        (void) way_give(clock_monotonic(), &span);
        way_note(span);
    }
}

/* A look that the one at the link comes behind. */
static bool is_still(const struct page_word *word, uint64_t *seen)
{
    uint64_t before = *seen;

    *seen = atomic_load_explicit(&word->value, memory_order_acquire);
    return *seen == before;
}

/* What its release makes of a closed word; WORD_GONE: that is for the daemon to say. */
static uint64_t moved_on(const struct page_word *word, uint64_t seen)
{
    uint64_t index = (uint64_t) (word - shared_page_of(word)->words);

    if (word_can_be_handed(seen))
        return word_handed(seen, index, shared_link(word, word_next(seen)));
    if (word_can_be_opened(seen, index, shared_link(word, word_owner(seen))))
        return word_opened(seen);
    return WORD_GONE;
}

/* The daemon has it in its hands, and is about to say who comes next. Not where that is in vain, as it does
 * not run, or leaves the word like that. */
static bool has_looked(const struct page_word *word, uint64_t *seen)
{
    int64_t until;

    if (!(*seen & WORD_LOOKED) || word_is_gone(*seen))
        return false;
    if (shared_self.hurries > 0) {
        shared_self.hurries--;
        return false;
    }
    if (way_is_confined())
        return false;
    until = clock_monotonic() + LOOKED_MOST;
    do {
        way_pause();
        *seen = atomic_load_explicit(&word->value, memory_order_relaxed);
        if (!(*seen & WORD_LOOKED) || word_is_gone(*seen))
            return !word_is_gone(*seen);
    } while (clock_monotonic() < until);
    shared_self.hurries = HURRIES_FOR;
    return false;
}

bool shared_release_seen(struct shared *shared, bool is_recursive, uint64_t seen)
{
    struct page_word *word = shared_word(shared);
    bool may_wait = true;

    while (may_release(shared, is_recursive, seen)) {
        bool is_deep = is_recursive && word_depth(seen) > 1;
        uint64_t next = word_next(seen), after;

        if (!(seen & WORD_CLOSED)) {
            if (shared_swap(word, &seen, is_deep ? seen - WORD_DEPTH_ONE : seen & WORD_KEPT_MASK,
                            memory_order_release))
                return true;
        } else if (!word_can_be_handed(seen) && !word_is_at_end(seen)) {
            if (!may_wait || !has_looked(word, &seen))
                break;
            may_wait = false;
        } else if (!is_still(word, &seen)) {
            continue;
        } else if ((after = moved_on(word, seen)) == WORD_GONE) {
            break;
        } else if (shared_swap(word, &seen, after, memory_order_seq_cst)) {
            if (next > 0)
                shared_ring(word, next);
            return true;
        }
    }
    return false;
}

/* ---- waiting ---- */

bool shared_take_handed(struct page_word *word)
{
    uint64_t seen = atomic_load(&word->value);

    /* whoever has not taken it from a word is told by an answer */
    while (word_is_handed(seen, shared_self.slot) && !shared_has_died(word))
        if (shared_take_word(word, &seen))
            return true;
    return false;
}

static bool take_grant(void *context)
{
    struct shared *shared = context;
    struct page_word *word = shared_word(shared);

    if (shared_self.unsure == word)
        return !shared_has_died(word) && shared_settle() > 0;
    return shared_take_handed(word);
}

struct bell shared_bell_of(const struct page_word *word, bool (*take)(void *context), void *context)
{
    return (struct bell){.is_set = &shared_page_of(word)->bells[shared_self.slot].is_set,
                         .take_grant = take,
                         .context = context};
}

bool shared_bell(const struct shared *shared, struct bell *ret_bell)
{
    const struct page_word *word = shared_word(shared);

    if (!word || shared_has_died(word) || !shared_knows_slot(shared) ||
        shared_owner(shared) == shared_self.slot || shared_self.has_given_up)
        return false;
    *ret_bell = shared_bell_of(word, take_grant, (void *) shared);
    return true;
}

uint64_t shared_owner(const struct shared *shared)
{
    struct page_word *word = shared_word(shared);
    uint64_t seen = word && !shared_has_died(word) ? atomic_load(&word->value) : WORD_GONE;

    return word_is_gone(seen) || word_owner(seen) == WORD_OWNER_MAX ? 0 : word_owner(seen);
}

/* ---- events ---- */

int shared_event_put_seen(struct shared *shared, bool is_set, uint64_t seen)
{
    struct page_word *word = shared_word(shared);

    if (!word || shared_has_died(word))
        return SHARED_ASK;
    while (!(seen & WORD_CLOSED))
        if (shared_swap(word, &seen, is_set ? seen | WORD_SET : seen & ~WORD_SET, memory_order_acq_rel)) {
            atomic_store_explicit(&shared->guess, seen & WORD_KEPT_MASK, memory_order_relaxed);
            return 0;
        }
    return SHARED_ASK;
}

bool shared_round_is_over(const struct shared_round *round)
{
    return !shared_has_died(round->word) && atomic_load(&round->word->round) != round->number;
}

static bool is_over(void *round)
{
    return shared_round_is_over(round);
}

bool shared_round(const struct shared *shared, struct shared_round *ret_round, struct bell *ret_bell)
{
    const struct page_word *word = shared_word(shared);

    if (!word || shared_has_died(word) || !shared_knows_slot(shared) || !connection_has_two_bells())
        return false;
    *ret_round = (struct shared_round){.word = word, .number = atomic_load(&word->round)};
    if (ret_round->number == 0 || word_is_gone(atomic_load_explicit(&word->value, memory_order_relaxed)))
        return false; /* of a daemon that has none, or not this event's any more */
    *ret_bell = (struct bell){.is_set = &shared_page_of(word)->bells[shared_self.slot].is_set,
                              .take_grant = is_over,
                              .context = ret_round,
                              .other = page_round_futex(word),
                              .number = (uint32_t) ret_round->number};
    return true;
}

/* ---- the memory ---- */

/* At a multiple of its size, see shared_page_of. */
static struct page *map_memory(int fd)
{
    const size_t size = sizeof(struct page);
    char *room = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t before = -(uintptr_t) room & (size - 1);
    char *memory;

    if (room == MAP_FAILED)
        return NULL;
    memory = room + before;
    if (mmap(memory, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
        madvise(memory, size, MADV_DONTFORK) < 0) {
        munmap(room, 2 * size);
        return NULL;
    }
    if (before > 0)
        munmap(room, before);
    munmap(memory + size, size - before);
    return (struct page *) memory;
}

static struct shared_page *make_page(struct library *here, int fd, ino_t inode)
{
    static uint64_t last_number; /* under the library's lock; a child counts on */
    struct shared_page *page = calloc(1, sizeof *page);

    if (!page)
        return NULL;
    page->memory = map_memory(fd);
    if (!page->memory) {
        free(page);
        return NULL;
    }
    page->inode = inode;
    page->number = ++last_number;
    page->next = here->pages;
    here->pages = page;
    return page;
}

/* What is not of the right size is no page: a look at it could end this process. */
static const struct shared_page *find_page(int fd)
{
    struct library *here = library();
    struct shared_page *page;
    struct stat status;

    if (!here || fstat(fd, &status) < 0 || status.st_size != sizeof(struct page))
        return NULL;
    pthread_mutex_lock(&here->lock);
    page = here->pages;
    while (page && page->inode != status.st_ino)
        page = page->next;
    if (!page)
        page = make_page(here, fd, status.st_ino);
    pthread_mutex_unlock(&here->lock);
    return page;
}

/* ---- asking for it ---- */

/* How many words a handle uses is said once, as a thread could look at `word` before it is another object's
 * of the same name, and at `words` after that. An object that has more is used with so many; one that has
 * less is asked for each time. */
static bool use_words(struct shared *shared, uint32_t count)
{
    uint32_t known = 0;

    if (!atomic_compare_exchange_strong_explicit(&shared->words, &known, count, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        atomic_store_explicit(&shared->is_short, known < count, memory_order_relaxed);
        return known <= count;
    }
    atomic_store_explicit(&shared->mask, (UINT32_C(1) << (31 - __builtin_clz(count))) - 1,
                          memory_order_relaxed);
    return true;
}

static bool take_answer(struct shared *shared, const json_t *result, int fd)
{
    json_int_t word = json_integer_value(json_object_get(result, "word"));
    const json_t *count = json_object_get(result, "words");
    json_int_t words = count ? json_integer_value(count) : 1;
    json_int_t slot = json_integer_value(json_object_get(result, "slot"));
    const struct shared_page *page;

    if (word <= 0 || words <= 0 || words > PAGE_PERMITS || word + words > PAGE_WORDS || slot <= 0 ||
        slot >= (json_int_t) WORD_OWNER_MAX || !use_words(shared, (uint32_t) words))
        return false;
    page = find_page(fd);
    if (!page)
        return false;
    /* what an earlier daemon may still serve has nothing to do with this one's */
    if (shared_self.page != page->number)
        shared_self.has_given_up = shared_self.is_in_doubt = false;
    shared_self.page = page->number;
    shared_self.slot = (uint64_t) slot;
    atomic_store_explicit(&shared->page, page->number, memory_order_relaxed);
    atomic_store_explicit(&shared->word, &page->memory->words[word], memory_order_release);
    return true;
}

static bool is_worthwhile(struct shared *shared, bool needs_slot)
{
    const struct page_word *word = shared_word(shared);
    uint16_t refused = atomic_load_explicit(&shared->refused, memory_order_relaxed);

    if (refused > 0) {
        atomic_store_explicit(&shared->refused, refused - 1, memory_order_relaxed);
        return false;
    }
    return !word || (needs_slot && !shared_knows_slot(shared)) ||
           shared_has_died(word) || word_is_gone(atomic_load_explicit(&word->value, memory_order_relaxed));
}

static bool map(struct shared *shared, const struct object *object, int64_t deadline, bool needs_slot)
{
    struct incoming answer = {0};
    json_t *result = NULL;
    bool is_mapped;
    int r;

    if (library_is_remote() || !is_worthwhile(shared, needs_slot))
        return false;
    r = object_ask(object, "object.map", object_add_holder(json_object()), deadline, &answer, &result);
    is_mapped = r == 0 && json_is_true(json_object_get(result, "mapped")) && answer.fd_count == 1 &&
                take_answer(shared, result, answer.fds[0]);
    /* one that has died was not revived: the keeper has no room for it */
    if (is_mapped && shared_has_died(shared_word(shared)))
        is_mapped = false;
    if (!is_mapped && (r == 0 || r == PROCD_E_METHOD_NOT_FOUND || r == PROCD_E_LIMIT_EXCEEDED))
        atomic_store_explicit(&shared->refused, REFUSED_FOR, memory_order_relaxed);
    incoming_done(&answer);
    return is_mapped;
}

static bool is_answer(int r)
{
    return r >= 0 || r <= -4096;
}

int shared_ask(const struct object *object, int64_t deadline)
{
    struct incoming answer;
    int r = object_ask(object, "object.info", json_object(), deadline, &answer, NULL);

    incoming_done(&answer);
    return is_answer(r) ? shared_settle() : r;
}

int shared_settled(int r)
{
    int has = is_answer(r) ? shared_settle() : 0;

    return r <= 0 && has > 0 ? has : r;
}

bool shared_map(struct shared *shared, const struct object *object, int64_t deadline)
{
    return map(shared, object, deadline, true);
}

bool shared_map_event(struct shared *shared, const struct object *object, int64_t deadline)
{
    return map(shared, object, deadline, false);
}
