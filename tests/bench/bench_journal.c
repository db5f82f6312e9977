/* SPDX-License-Identifier: MIT */
/*
 * What the journal costs: procd against a build of it that keeps none. Rounds are so long that snapshots fall
 * into them.
 */
#include "client/lib/procd.h"
#include "tests/bench/bench.h"
#include "tests/bench/events.h"
#include "tests/bench/spawns.h"
#include "tests/bench/targets.h"

#include <stdio.h>
#include <string.h>

#define PAIRS 20000   /* of a round: more than fills the journal once */
#define PINGS 4000    /* pairs of them, which it does not keep */
#define OBJECTS 10000 /* beside them, in the snapshot */
#define SPAWNS 2048
#define SPAWNS_ONE 1000 /* one at a time */
#define TARGETS 400
#define WAITERS 1000 /* for one event */
#define VOLLEYS 40   /* of a round: all wait, and are woken; fills the journal once */
#define RATED 40000  /* pings, with as many under way as connections have room for */

/* Of many at once: each has an id of its own, or none. */
#define WAIT "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"event.wait\",\"params\":{\"name\":\"gun\"}}\n"

struct side {
    const struct subject *subject;
    struct wire wire;
    struct lanes *lanes;
    struct source *source;
    struct source *crowd; /* the same for a hundred */
    struct targets_worker targets, copies;
    long idle; /* bytes, before it had objects */
};

static struct side without, again, with; /* again: without, too */
static char *child;

static void make_objects(struct side *side)
{
    char line[256];

    side->idle = subject_memory(side->subject);
    for (int i = 0; i < OBJECTS; i++)
        wire_call(&side->wire, line,
                  (size_t) snprintf(line, sizeof line,
                                    WIRE_REQUEST("object.create", "\"kind\":\"lock\",\"name\":\"crowd-%d\""),
                                    i));
}

static void begin(struct side *side, const struct subject *subject)
{
    side->subject = subject;
    subject_connect(subject, &side->wire);
    side->lanes = lanes_open(subject);
    side->source = source_daemon(subject, 1);
}

static const char ping[] = WIRE_REQUEST("daemon.ping", "");
static const char acquire[] = WIRE_REQUEST("lock.acquire", "\"name\":\"bench\"");
static const char release[] = WIRE_REQUEST("lock.release", "\"name\":\"bench\"");
static const char set[] = WIRE_REQUEST("event.set", "\"name\":\"gun\"");
static const char clear[] = WIRE_REQUEST("event.clear", "\"name\":\"gun\"");

static double exchanges(struct side *side, int count, const char *first, const char *second)
{
    size_t first_size = strlen(first), second_size = strlen(second);
    double begin = bench_seconds();

    for (int i = 0; i < count; i++) {
        wire_call(&side->wire, first, first_size);
        wire_call(&side->wire, second, second_size);
    }
    return (bench_seconds() - begin) / count * 1e6;
}

/* Requests that wait for an event; made once. */
static char *waiting;
static size_t waiting_size;

static void make_waiting(void)
{
    FILE *text = open_memstream(&waiting, &waiting_size);

    for (int id = 2; id < WAITERS + 2; id++)
        fprintf(text, WAIT, id);
    fclose(text);
}

enum half { WAITS, WAKES };

/* One of the two, of each that waits: until it is in the queue, or from there until it is answered. */
static double waits(struct side *side, enum half half)
{
    double span = 0;

    for (int i = 0; i < VOLLEYS; i++) {
        double begin = bench_seconds(), wait;

        wire_send(&side->wire, waiting, waiting_size);
        wire_call(&side->wire, ping, sizeof ping - 1); /* what came before it is in the queue */
        wait = bench_seconds() - begin;
        wire_send(&side->wire, set, sizeof set - 1);
        for (int answers = 0; answers < WAITERS + 1; answers++)
            wire_expect(wire_line(&side->wire), "");
        span += half == WAITS ? wait : bench_seconds() - begin - wait;
        wire_call(&side->wire, clear, sizeof clear - 1);
    }
    return span / VOLLEYS / WAITERS * 1e6;
}

static int unanswered, unasked;

static void ask_ping(struct lane *lane)
{
    unasked--;
    lane_ask(lane, "%.*s", (int) sizeof ping - 1, ping);
}

static void take_pong(struct lane *lane, char *line)
{
    wire_expect(line, "\"result\":");
    unanswered--;
    if (unasked > 0)
        ask_ping(lane);
}

static double pings_a_second(struct side *side)
{
    double begin = bench_seconds();

    unanswered = unasked = RATED;
    for (int i = 0; i < LANES * LANE_DEEP; i++)
        ask_ping(&side->lanes->lane[i % LANES]);
    for (int i = 0; i < LANES; i++)
        lane_flush(&side->lanes->lane[i]);
    lanes_run(side->lanes, take_pong, &unanswered);
    return RATED / (bench_seconds() - begin);
}

/* In bytes, of one of the objects. */
static double memory(const struct side *side)
{
    return (double) (subject_memory(side->subject) - side->idle) / OBJECTS;
}

#define ROUND_OF(name, which, value)                                                                         \
    static double name##_##which(void *context)                                                              \
    {                                                                                                        \
        struct side *side = &which;                                                                          \
                                                                                                             \
        (void) context;                                                                                      \
        return value;                                                                                        \
    }

#define ROUNDS(name, value)                                                                                  \
    ROUND_OF(name, without, value)                                                                           \
    ROUND_OF(name, with, value)                                                                              \
    static const struct bench_case name = {.floor = name##_without, .subject = name##_with};

/* How much two daemons differ that do not. */
#define ROUNDS_OF_ONE(name, value)                                                                           \
    ROUND_OF(name, again, value)                                                                             \
    static const struct bench_case name##_twice = {.floor = name##_without, .subject = name##_again};

ROUNDS(asking, exchanges(side, PINGS, ping, ping))
ROUNDS(holding, exchanges(side, PAIRS, acquire, release))
ROUNDS(queueing, waits(side, WAITS))
ROUNDS(waking, waits(side, WAKES))
ROUNDS(rating, pings_a_second(side))
ROUNDS(spawning, spawns_a_second(side->lanes, child, SPAWNS))
ROUNDS(alternating, spawns_one_at_a_time(&side->wire, child, SPAWNS_ONE))
ROUNDS(starting, targets_worker_round(&side->targets, TARGETS))
ROUNDS(copying, targets_worker_round(&side->copies, TARGETS))
ROUNDS(telling, source_round(side->source))
ROUNDS(telling_all, source_round(side->crowd))
ROUNDS(remembering, memory(side))
ROUNDS_OF_ONE(queueing, waits(side, WAITS))
ROUNDS_OF_ONE(holding, exchanges(side, PAIRS, acquire, release))
ROUNDS_OF_ONE(spawning, spawns_a_second(side->lanes, child, SPAWNS))
ROUNDS_OF_ONE(telling, source_round(side->source))

static void pin_broker(const struct subject *subject, int processor)
{
    bench_pin(subject->broker, processor);
}

/* Where one waits for the other it is steadier on one processor: the sum of all the work. */
static void pin(int processor, void (*pin_subject)(const struct subject *subject, int processor))
{
    bench_pin(0, processor);
    pin_subject(without.subject, processor);
    pin_subject(again.subject, processor);
    pin_subject(with.subject, processor);
}

static void begin_targets(struct side *side)
{
    targets_worker_begin(&side->targets, side->subject->socket, false);
    targets_worker_begin(&side->copies, side->subject->socket, true);
}

/* New daemons: the one subscriber of the others reads no more. */
static void compare_crowd(void)
{
    const struct subject *other = subject_start_program(bench_beside("procd_unrecorded"));

    without.crowd = source_daemon(other, EVENTS_SUBSCRIBERS);
    with.crowd = source_daemon(subject_start(), EVENTS_SUBSCRIBERS);
    bench_compare(FIGURE_JOURNAL_EVENTS_ALL, &telling_all);
}

int main(int argc, char **argv)
{
    bool has_processor;
    int processor;

    procd_init(argc, argv);
    bench_begin(argc, argv, "what the journal costs");
    child = bench_beside("nothing");
    make_waiting();
    begin(&without, subject_start_program(bench_beside("procd_unrecorded")));
    begin(&again, subject_start_program(bench_beside("procd_unrecorded")));
    begin(&with, subject_start());
    bench_compare(FIGURE_JOURNAL_EVENTS, &telling);
    bench_compare(FIGURE_JOURNAL_EVENTS_NONE, &telling_twice);
    has_processor = bench_processors(&processor, 1) == 1;
    if (has_processor)
        pin(processor, pin_broker);
    bench_compare(FIGURE_JOURNAL_PING, &asking);
    bench_compare(FIGURE_JOURNAL_RATE, &rating);
    bench_compare(FIGURE_JOURNAL_WAIT, &queueing);
    bench_compare(FIGURE_JOURNAL_WAIT_NONE, &queueing_twice);
    bench_compare(FIGURE_JOURNAL_WAKE, &waking);
    bench_compare(FIGURE_JOURNAL_LOCK, &holding);
    make_objects(&without);
    make_objects(&again);
    make_objects(&with);
    bench_compare(FIGURE_JOURNAL_OBJECTS, &holding);
    bench_compare(FIGURE_JOURNAL_OBJECTS_NONE, &holding_twice);
    bench_compare(FIGURE_JOURNAL_MEMORY, &remembering);
    pin(-1, pin_broker);
    bench_compare(FIGURE_JOURNAL_SPAWN, &spawning);
    bench_compare(FIGURE_JOURNAL_SPAWN_NONE, &spawning_twice);
    if (has_processor)
        pin(processor, subject_pin);
    bench_compare(FIGURE_JOURNAL_SPAWN_ONE, &alternating);
    begin_targets(&without);
    begin_targets(&with);
    bench_compare(FIGURE_JOURNAL_TARGET, &starting);
    bench_compare(FIGURE_JOURNAL_ZYGOTE, &copying);
    pin(-1, subject_pin);
    compare_crowd();
    return 0;
}
