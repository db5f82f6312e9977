/* SPDX-License-Identifier: MIT */
/*
 * Shared memory that anybody writes to: whatever a word says, the core takes it, its invariants hold, and it
 * is freed. A core that was saved and loaded goes on with the same memory.
 *
 * The input: a mood, how often a word is spoilt and the core is saved, and then choices.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/core/invariants.h"
#include "tests/unit/core/must.h"
#include "tests/unit/core/pages.h"
#include "tests/unit/core/sync_chance.h"
#include "tests/unit/core/twin.h"

#include <stdlib.h>

const char fuzz_target[] = "words";

#define STEPS_MAX 2000
#define WORDS     16 /* the first ones of each page, of which some are used */

/* What might be meant: an owner, a depth, flags and an order, of which each may be as it was. */
static void spoil(struct chance *chance, struct pages *pages)
{
    static const uint32_t uids[] = {0, 1000, 1001};
    uint64_t *word = pages_word(pages, uids[chance_below(chance, 3)], (uint32_t) chance_below(chance, WORDS));
    uint64_t parts[] = {chance_below(chance, WORD_OWNER_MAX + 1) >> chance_below(chance, WORD_OWNER_BITS),
                        chance_below(chance, WORD_DEPTH_MAX + 1) << WORD_DEPTH_SHIFT,
                        chance_below(chance, 32) * WORD_CLOSED,
                        chance_below(chance, 8) << WORD_NEXT_SHIFT,
                        chance_below(chance, WORD_ORDER_MAX + 1) << WORD_ORDER_SHIFT};
    static const uint64_t masks[] = {WORD_OWNER_MAX, WORD_DEPTH_MAX << WORD_DEPTH_SHIFT, 31 * WORD_CLOSED,
                                     WORD_NEXT_MASK, WORD_ORDER_MASK};

    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++)
        if (chance_once_in(chance, i == 4 ? 8 : 2))
            *word = (*word & ~masks[i]) | (parts[i] & masks[i]);
}

static void step(struct sync_chance *chance, struct core *core, struct pages *pages)
{
    struct core_input input, words;

    sync_chance_input(chance, core, &input);
    while (pages_look(pages, core, &input, &words)) {
        must(core_step(core, &words) == 0);
        core_delivered(core);
        check_core(core);
    }
    must(core_step(core, &input) == 0);
    sync_chance_lose(chance, core);
    pages_store(pages, core);
    core_delivered(core);
    check_core(core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    struct core *core = core_new(), *twin;
    struct pages *pages = calloc(1, sizeof *pages);
    struct sync_chance chance;
    int every, often;

    sync_chance_begin(&chance, source_byte(&source));
    often = 1 + source_byte(&source) % 8;
    every = 16 + source_byte(&source);
    chance.chance.bytes = source.at;
    chance.chance.bytes_left = source.left;
    for (int i = 1; i <= STEPS_MAX && chance.chance.bytes_left > 0; i++) {
        if (chance_once_in(&chance.chance, (uint64_t) often))
            spoil(&chance.chance, pages);
        step(&chance, core, pages);
        if (i % every == 0) {
            twin = twin_of(core);
            core_free(core);
            core = twin;
        }
    }
    core_free(core);
    free(pages);
    return 0;
}
