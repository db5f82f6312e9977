/* SPDX-License-Identifier: MIT */
/*
 * Whatever comes in whatever order: the invariants hold after each step; each request is answered once, and
 * waits until then; a core that was saved and loaded goes on as the first one; a step without memory changes
 * nothing, and what has happened needs none.
 *
 * How rounds are chosen and replayed: rounds.h.
 */
#include "tests/unit/core/chance.h"
#include "tests/unit/core/invariants.h"
#include "tests/unit/core/memory.h"
#include "tests/unit/core/must.h"
#include "tests/unit/core/rounds.h"
#include "tests/unit/core/twin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS      500
#define ROUNDS_LONG 8000
#define STEPS       600 /* of a round */

struct open_request {
    uint64_t ticket, connection;
};

struct run {
    struct chance chance;
    struct core *core, *twin; /* twin: NULL for a while */
    struct state before, after;
    struct open_request *open; /* asked and not answered */
    size_t open_count, open_room;
    unsigned scarce; /* one step in so many is tried without memory */
    char *encoded;
};

/* ---- each request is answered once ---- */

static void ask(struct run *run, const struct core_input *input)
{
    const struct input_request *request = &input->body.request;

    if (!core_connection(run->core, request->connection))
        return; /* nobody is there to be told */
    if (run->open_count == run->open_room) {
        run->open_room = run->open_room * 2 + 64;
        run->open = realloc(run->open, run->open_room * sizeof *run->open);
        must(run->open != NULL);
    }
    run->open[run->open_count++] = (struct open_request){request->ticket, request->connection};
}

static void take_answer(struct run *run, const struct waiter *answer)
{
    size_t at = 0;

    while (at < run->open_count && run->open[at].ticket != answer->data.ticket)
        at++;
    must(at < run->open_count && run->open[at].connection == answer->data.connection);
    run->open[at] = run->open[--run->open_count];
}

/* What was not answered waits, unless its connection is closed. */
static void check_open(struct run *run)
{
    size_t kept = 0;
    struct waiter *waiter;

    for (size_t i = 0; i < run->open_count; i++) {
        struct open_request open = run->open[i];

        HASH_FIND(hh, run->core->waiters, &open.ticket, sizeof open.ticket, waiter);
        must(!core_connection(run->core, open.connection) || waiter);
        if (waiter && waiter->connection)
            run->open[kept++] = open;
    }
    run->open_count = kept;
}

/* ---- a step ---- */

/* Each allocation fails in turn, until the step gets through. */
static void step_without_memory(struct run *run, const struct core_input *input)
{
    bool lasting = chance_once_in(&run->chance, 2);
    int r;

    state_take(&run->before, run->core);
    for (size_t which = 1;; which++) {
        memory_fails(which, lasting);
        r = core_step(run->core, input);
        must(!is_fact(input->kind) || memory_asked() == 0);
        memory_fails(0, false);
        if (r == 0)
            return;
        must(r == -ENOMEM);
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
    must(input_decode(run->encoded, size, &read) == (int64_t) size);
    must(core_step(run->twin, &read) == 0);
    must_put_out_the_same(run->core, run->twin, seq);
    core_delivered(run->twin);
}

static void step(struct run *run)
{
    uint64_t seq = run->core->counters.seq;
    const struct waiter *answer;
    struct core_input input;

    chance_input(&run->chance, run->core, &input);
    if (is_request(input.kind))
        ask(run, &input);
    if (chance_once_in(&run->chance, run->scarce))
        step_without_memory(run, &input);
    else
        must(core_step(run->core, &input) == 0);
    if (run->twin)
        step_twin(run, &input, seq);
    TAILQ_FOREACH(answer, &run->core->replies, of_output)
        take_answer(run, answer);
    core_delivered(run->core);
    check_core(run->core);
    check_open(run);
}

/* ---- a round ---- */

/* One goes on for both: a twin's twin is a twin, too. */
static void part(struct run *run)
{
    struct core *other = run->twin;

    must_be_twins(run->core, run->twin);
    check_core_deeply(run->twin);
    if (chance_once_in(&run->chance, 2)) {
        other = run->core;
        run->core = run->twin;
    }
    core_free(other);
    run->twin = NULL;
}

static void play(uint64_t seed_of_round)
{
    static const unsigned scarcities[] = {2, 20, 1000000};
    struct run run = {.core = core_new()};
    size_t held = memory_held();

    run.core->counters.adopts = 1;
    chance_begin(&run.chance, seed_of_round);
    run.scarce = scarcities[chance_below(&run.chance, 3)];
    for (int i = 0; i < STEPS; i++) {
        step(&run);
        if (run.twin ? chance_once_in(&run.chance, 30) : chance_once_in(&run.chance, 50)) {
            if (run.twin)
                part(&run);
            else
                run.twin = twin_of(run.core);
        }
    }
    if (run.twin)
        part(&run);
    check_core_deeply(run.core);
    core_free(run.core);
    state_free(&run.before);
    state_free(&run.after);
    free(run.open);
    free(run.encoded);
    must(memory_held() <= held);
}

int main(void)
{
    static const struct rounds rounds = {"property", ROUNDS, ROUNDS_LONG, play};

    return rounds_run(&rounds);
}
