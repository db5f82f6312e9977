/* SPDX-License-Identifier: MIT */
/*
 * Sessions about objects as a fuzzer has them: its bytes choose each input. After each step the invariants
 * hold, and the answers and the state are those of the model; now and then the core goes on as what was saved
 * and loaded of it.
 *
 * The input: a mood, how often the core is saved, and then choices.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/core/invariants.h"
#include "tests/unit/core/model.h"
#include "tests/unit/core/must.h"
#include "tests/unit/core/sync_chance.h"
#include "tests/unit/core/twin.h"
#include "tests/unit/core/word_chance.h"

#include <stdlib.h>

const char fuzz_target[] = "session";

#define STEPS_MAX 1000 /* what the model has room for */

static void look(struct core *core, struct model *model, struct pages *pages, const struct core_input *input)
{
    struct core_input words;

    while (pages_look(pages, core, input, &words)) {
        must(core_step(core, &words) == 0);
        model_compare_early(model, core);
        core_delivered(core);
    }
}

static void step(struct sync_chance *chance, struct core *core, struct model *model, struct pages *pages)
{
    struct core_input input;

    word_chance_move(&chance->chance, core, pages, model);
    sync_chance_input(chance, core, &input);
    look(core, model, pages, &input);
    must(core_step(core, &input) == 0);
    model_step(model, &input);
    model_compare_answers(model, core);
    sync_chance_lose(chance, core);
    pages_store(pages, core);
    core_delivered(core);
    check_core(core);
    model_compare(model, core, pages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    struct core *core = core_new();
    struct model *model = model_new();
    struct pages *pages = calloc(1, sizeof *pages);
    struct sync_chance chance;
    int every;

    sync_chance_begin(&chance, source_byte(&source));
    every = 16 + source_byte(&source);
    chance.chance.bytes = source.at;
    chance.chance.bytes_left = source.left;
    for (int i = 1; i <= STEPS_MAX && chance.chance.bytes_left > 0; i++) {
        step(&chance, core, model, pages);
        if (i % every == 0) {
            struct core *twin = twin_of(core);

            check_core_deeply(twin);
            core_free(core);
            core = twin;
        }
    }
    core_free(core);
    model_free(model);
    free(pages);
    return 0;
}
