/* SPDX-License-Identifier: MIT */
/*
 * Objects, whatever comes in whatever order: after each step the invariants hold, and the answers and the
 * state are those of a second, simpler program (model.h); a core that was saved and loaded goes on as the
 * first one; a step without memory changes nothing.
 *
 * How rounds are chosen and replayed: rounds.h.
 */
#include "tests/unit/core/invariants.h"
#include "tests/unit/core/memory.h"
#include "tests/unit/core/model.h"
#include "tests/unit/core/must.h"
#include "tests/unit/core/rounds.h"
#include "tests/unit/core/sync_chance.h"
#include "tests/unit/core/twin.h"
#include "tests/unit/core/word_chance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 1000
#define ROUNDS_LONG 40000
#define STEPS 1000 /* of a round */
#define CRASH 300  /* one step in so many is cut short by the broker's death */

struct run {
    struct sync_chance chance;
    struct core *core, *twin; /* twin: NULL for a while */
    struct model *model;
    struct pages *pages;
    bool has_crashed;
    struct state before, after;
    unsigned scarce; /* one step in so many is tried without memory */
    char *encoded;
};

static bool once_in(struct run *run, uint64_t times)
{
    return chance_once_in(&run->chance.chance, times);
}

/* What has happened needs no memory: nobody can be told to try again. */
static bool is_a_fact(uint32_t kind)
{
    return is_fact(kind) || kind == INPUT_UNDELIVERED || kind == INPUT_WORDS;
}

/* Each allocation fails in turn, until the step gets through. */
static void step_without_memory(struct run *run, const struct core_input *input)
{
    bool lasting = once_in(run, 2);
    int r = -ENOMEM;

    state_take(&run->before, run->core);
    for (size_t which = 1; r != 0; which++) {
        memory_fails(which, lasting);
        r = core_step(run->core, input);
        must(!is_a_fact(input->kind) || memory_asked() == 0);
        memory_fails(0, false);
        must(r == 0 || r == -ENOMEM);
        if (r == 0)
            break;
        must(TAILQ_EMPTY(&run->core->replies) && !run->core->first_new);
        state_take(&run->after, run->core);
        must(state_equals(&run->before, &run->after));
        check_core(run->core);
    }
}

/* The twin hears of it by the journal. */
static void step_twin(struct run *run, const struct core_input *input, uint64_t seq)
{
    size_t size = input_encoded_size(input), most = input_encoded_most(input);
    struct core_input read;

    run->encoded = realloc(run->encoded, most);
    must(run->encoded != NULL);
    must(input_encode(input, run->encoded) == size);
    must(input_decode(run->encoded, size, &read) == (int64_t)size);
    must(core_step(run->twin, &read) == 0);
    must_put_out_the_same(run->core, run->twin, seq);
    core_delivered(run->twin);
}

/* Nobody is counted for nothing, and nobody is left out. */
static void must_count_who_decides(struct run *run, const struct core_input *input)
{
    uint64_t ids[64];

    if (run->chance.waits)
        must((core_threads_wanted(run->core, &run->chance.wait, ids, 64) > 0) ==
             model_threads_decide(run->model, input));
}

/* ---- shared memory ---- */

static void take_restart(struct run *run, struct core_input *input)
{
    run->has_crashed = false;
    *input = (struct core_input){
        .kind = INPUT_RESTARTED, .mono = input->mono, .wall = input->wall, .body.number = UINT64_MAX};
    run->chance.waits = false;
}

/* Words are closed, and the core learns what they said. False: the broker dies in between. */
static bool look(struct run *run, const struct core_input *input)
{
    struct core_input words;

    run->pages->most = once_in(run, 4) ? 1 + chance_below(&run->chance.chance, 3) : 0;
    while (pages_look(run->pages, run->core, input, &words)) {
        if (once_in(run, CRASH)) {
            run->has_crashed = true;
            return false;
        }
        if (once_in(run, run->scarce))
            step_without_memory(run, &words);
        else
            must(core_step(run->core, &words) == 0);
        if (run->twin)
            step_twin(run, &words, run->core->counters.seq);
        model_compare_early(run->model, run->core);
        sync_chance_lose(&run->chance, run->core);
        core_delivered(run->core);
        check_core(run->core);
    }
    model_shared_look(run->model, run->core);
    return true;
}

static void step(struct run *run)
{
    uint64_t seq = run->core->counters.seq;
    struct core_input input;

    for (uint64_t moves = chance_below(&run->chance.chance, 4); moves > 0 && !run->has_crashed; moves--)
        word_chance_move(&run->chance.chance, run->core, run->pages, run->model);
    sync_chance_input(&run->chance, run->core, &input);
    if (run->has_crashed)
        take_restart(run, &input);
    if (!look(run, &input))
        return;
    must_count_who_decides(run, &input);
    if (once_in(run, run->scarce))
        step_without_memory(run, &input);
    else
        must(core_step(run->core, &input) == 0);
    if (run->twin)
        step_twin(run, &input, seq);
    model_step(run->model, &input);
    model_compare_answers(run->model, run->core);
    sync_chance_lose(&run->chance, run->core);
    run->has_crashed = !TAILQ_EMPTY(&run->core->stores) && once_in(run, CRASH);
    if (!run->has_crashed)
        pages_store(run->pages, run->core);
    core_delivered(run->core);
    check_core(run->core);
    if (!run->has_crashed)
        model_compare(run->model, run->core, run->pages);
}

/* One goes on for both: a twin's twin is a twin, too. */
static void part(struct run *run)
{
    struct core *other = run->twin;

    must_be_twins(run->core, run->twin);
    check_core_deeply(run->twin);
    if (once_in(run, 2)) {
        other = run->core;
        run->core = run->twin;
    }
    core_free(other);
    run->twin = NULL;
}

static void play(uint64_t seed_of_round)
{
    static const unsigned scarcities[] = {8, 100, 1000000};
    size_t held = memory_held();
    struct run run = {.core = core_new(), .model = model_new(), .pages = calloc(1, sizeof *run.pages)};

    sync_chance_begin(&run.chance, seed_of_round);
    run.scarce = scarcities[chance_below(&run.chance.chance, 3)];
    for (int i = 0; i < STEPS; i++) {
        step(&run);
        if (run.twin ? once_in(&run, 40) : once_in(&run, 200)) {
            if (run.twin)
                part(&run);
            else
                run.twin = twin_of(run.core);
        }
    }
    if (run.twin)
        part(&run);
    core_free(run.core);
    model_free(run.model);
    free(run.pages);
    state_free(&run.before);
    state_free(&run.after);
    free(run.encoded);
    ck_assert_uint_eq(memory_held(), held);
}

int main(void)
{
    static const struct rounds rounds = {"sync_property", ROUNDS, ROUNDS_LONG, play};

    return rounds_run(&rounds);
}
