/* SPDX-License-Identifier: MIT */
/*
 * What the journal costs: procd against a build of it that keeps none. Rounds are so long that snapshots fall
 * into them.
 */
#include "tests/bench/bench.h"
#include "tests/bench/events.h"
#include "tests/bench/spawns.h"

#include <stdio.h>
#include <string.h>

#define PAIRS 20000   /* of a round: more than fills the journal once */
#define OBJECTS 10000 /* beside them, in the snapshot */
#define SPAWNS 2048

#define REQUEST(method, params)                                                                              \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":{" params "}}\n"

struct side {
    const struct subject *subject;
    struct wire wire;
    struct lanes *lanes;
    struct source *source;
};

static struct side without, with;
static char *child;

static void make_objects(struct side *side)
{
    char line[256];

    for (int i = 0; i < OBJECTS; i++)
        wire_call(&side->wire, line,
                  (size_t) snprintf(line, sizeof line,
                                    REQUEST("object.create", "\"kind\":\"lock\",\"name\":\"crowd-%d\""), i));
}

static void begin(struct side *side, const struct subject *subject)
{
    side->subject = subject;
    subject_connect(subject, &side->wire);
    side->lanes = lanes_open(subject);
    side->source = source_daemon(subject, 1);
}

static double locks(struct side *side)
{
    static const char acquire[] = REQUEST("lock.acquire", "\"name\":\"bench\"");
    static const char release[] = REQUEST("lock.release", "\"name\":\"bench\"");
    double begin = bench_seconds();

    for (int i = 0; i < PAIRS; i++) {
        wire_call(&side->wire, acquire, sizeof acquire - 1);
        wire_call(&side->wire, release, sizeof release - 1);
    }
    return (bench_seconds() - begin) / PAIRS * 1e6;
}

#define ROUNDS(name, value)                                                                                  \
    static double name##_without(void *context)                                                              \
    {                                                                                                        \
        struct side *side = &without;                                                                        \
                                                                                                             \
        (void) context;                                                                                      \
        return value;                                                                                        \
    }                                                                                                        \
                                                                                                             \
    static double name##_with(void *context)                                                                 \
    {                                                                                                        \
        struct side *side = &with;                                                                           \
                                                                                                             \
        (void) context;                                                                                      \
        return value;                                                                                        \
    }                                                                                                        \
                                                                                                             \
    static const struct bench_case name = {.floor = name##_without, .subject = name##_with};

ROUNDS(holding, locks(side))
ROUNDS(spawning, spawns_a_second(side->lanes, child, SPAWNS))
ROUNDS(telling, source_round(side->source))

int main(int argc, char **argv)
{
    int processor;

    bench_begin(argc, argv, "what the journal costs");
    child = bench_beside("nothing");
    begin(&without, subject_start_program(bench_beside("procd_unrecorded")));
    begin(&with, subject_start());
    bench_compare(FIGURE_JOURNAL_EVENTS, &telling);
    if (bench_processors(&processor, 1) == 1) {
        bench_pin(0, processor);
        bench_pin(without.subject->broker, processor);
        bench_pin(with.subject->broker, processor);
    }
    bench_compare(FIGURE_JOURNAL_LOCK, &holding);
    make_objects(&without);
    make_objects(&with);
    bench_compare(FIGURE_JOURNAL_OBJECTS, &holding);
    bench_pin(0, -1);
    bench_pin(without.subject->broker, -1);
    bench_pin(with.subject->broker, -1);
    bench_compare(FIGURE_JOURNAL_SPAWN, &spawning);
    return 0;
}
