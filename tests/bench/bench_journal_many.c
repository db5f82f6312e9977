/* SPDX-License-Identifier: MIT */
/*
 * What the journal costs where there is much to keep: ten thousand children, connections, objects with long
 * names. A bout is one round of each daemon, and may give values for several figures.
 */
#include "tests/bench/bench.h"
#include "tests/bench/raw.h"
#include "tests/bench/spawns.h"
#include "tests/bench/swarm.h"
#include "tests/bench/trees.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHILDREN 10000 /* for their memory, their start, list and end */
#define LISTS 10       /* of them */
#define REST_MS 100
#define CONNECTIONS 10000
#define OBJECTS 10000
#define SPAWNS 6000   /* of a round: beside those objects a snapshot falls into it */
#define LARGE 25000   /* objects, with those; a snapshot is 15 MB */
#define WIDTH 240     /* of the names of those behind the first */
#define PAIRS 24000   /* of a round: a snapshot falls into it */
#define FILLING 40000 /* pairs, more than fill both areas of the journal */

#define BOUTS 6 /* one of them to warm up */

/* What a bout may find; EACH, LONGEST: of what is done one after the other. */
enum value { START, LIST, END, MEMORY, EACH, LONGEST, VALUES };

struct side {
    const struct subject *subject;
    struct wire wire;
    double memory; /* KiB, of a child or a connection */
    double values[BOUTS][VALUES];
    unsigned made, told[VALUES];
};

static struct side without, again, with; /* again: without, too */
static struct side *const sides[] = {&without, &with, &again};
static const size_t side_count = sizeof sides / sizeof *sides;
static char *child, *sleeper;

/* ---- bouts ---- */

static void (*bout)(struct side *side, double *ret_values);

static void next_bout(struct side *side)
{
    bout(side, side->values[side->made]);
    side->made++;
}

static double tell(struct side *side, enum value value)
{
    unsigned number = side->told[value]++;

    while (side->made <= number)
        for (size_t i = 0; i < side_count; i++)
            if (sides[i] == side || !bench_is_watched())
                next_bout(sides[i]);
    return side->values[number][value];
}

struct told {
    struct side *side; /* that is held against the one without */
    enum value value;
};

static double tell_floor(void *context)
{
    const struct told *told = context;

    return tell(&without, told->value);
}

static double tell_subject(void *context)
{
    const struct told *told = context;

    return tell(told->side, told->value);
}

static void compare(enum bench_figure figure, struct side *side, enum value value)
{
    struct told told = {side, value};
    struct bench_case of = {
        .floor = tell_floor, .subject = tell_subject, .context = &told, .rounds = BOUTS - 1};

    without.told[value] = side->told[value] = 0;
    bench_compare(figure, &of);
}

static void begin_bouts(void (*run)(struct side *side, double *ret_values))
{
    bout = run;
    for (size_t i = 0; i < side_count; i++)
        sides[i]->made = 0;
}

/* ---- daemons ---- */

/* In microseconds a pair; ret_longest: the longest of them, in milliseconds. */
static double pairs(struct side *side, int count, int width, double *ret_longest)
{
    char acquire[512], release[512];
    size_t acquire_size = (size_t) snprintf(acquire, sizeof acquire,
                                            WIRE_REQUEST("lock.acquire", "\"name\":\"l%0*u\""), width, 0);
    size_t release_size = (size_t) snprintf(release, sizeof release,
                                            WIRE_REQUEST("lock.release", "\"name\":\"l%0*u\""), width, 0);
    double begin = bench_seconds(), before = begin, longest = 0;

    for (int i = 0; i < count; i++) {
        double now;

        wire_call(&side->wire, acquire, acquire_size);
        wire_call(&side->wire, release, release_size);
        now = bench_seconds();
        longest = now - before > longest ? now - before : longest;
        before = now;
    }
    *ret_longest = longest * 1e3;
    return (before - begin) / count * 1e6;
}

/* What the journal takes of any daemon is bounded, and there from then on. */
static void begin(struct side *side, const struct subject *subject)
{
    double longest;
    int processor;

    side->subject = subject;
    subject_connect(subject, &side->wire);
    if (bench_processors(&processor, 1) == 1)
        subject_pin(subject, processor);
    (void) pairs(side, FILLING, 1, &longest);
}

/* Where one waits for the other it is steadier on one processor, also of ours: the sum of all the work. */
static void begin_all(void)
{
    const char *other = bench_beside("procd_unrecorded");

    begin(&without, subject_start_program(other));
    begin(&with, subject_start());
    begin(&again, subject_start_program(other));
}

static void end_all(void)
{
    for (size_t i = 0; i < side_count; i++)
        wire_close(&sides[i]->wire);
}

/* ---- children ---- */

static long ids[CHILDREN];

static void start(struct side *side, int from, int to)
{
    char line[SPAWNS_REQUEST_SIZE];
    size_t size = (size_t) snprintf(line, sizeof line, SPAWNS_REQUEST, sleeper);

    for (int i = from; i < to; i++)
        ids[i] = wire_number(wire_call(&side->wire, line, size), "\"id\":");
}

static void list(struct side *side)
{
    static const char line[] = WIRE_REQUEST("process.list", "\"alive\":true");

    for (int i = 0; i < LISTS; i++)
        wire_call(&side->wire, line, sizeof line - 1);
}

/* One request waits for the end of all; then each is killed, by requests that nobody answers. */
static char *end_request(int count, size_t *ret_size)
{
    char *text;
    FILE *stream = open_memstream(&text, ret_size);

    fputs("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"process.wait\",\"params\":{\"mode\":\"all\","
          "\"processes\":[",
          stream);
    for (int i = 0; i < count; i++)
        fprintf(stream, i ? ",%ld" : "%ld", ids[i]);
    fputs("]}}\n", stream);
    for (int i = 0; i < count; i++)
        fprintf(stream, "{\"jsonrpc\":\"2.0\",\"method\":\"process.kill\",\"params\":{\"process\":%ld}}\n",
                ids[i]);
    fclose(stream);
    return text;
}

/* What a daemon puts off until it has nothing else to do is not to be the next one's burden. */
static void await_rest(const struct side *side)
{
    long long before, now = subject_work(side->subject).cpu;

    do {
        before = now;
        poll(NULL, 0, REST_MS);
        now = subject_work(side->subject).cpu;
    } while (now != before);
    trees_rest();
}

/* In microseconds, each. */
static double end(struct side *side, int count)
{
    size_t size;
    char *text = end_request(count, &size);
    double begin = bench_seconds(), span;

    wire_send(&side->wire, text, size);
    wire_expect(wire_line(&side->wire), "\"done\":[");
    span = bench_seconds() - begin;
    free(text);
    await_rest(side);
    return span / count * 1e6;
}

/* Of the first ones: later ones have what those before them have left. */
static double memory_of_child(struct side *side)
{
    double bytes;
    long before;

    start(side, 0, 1); /* what is needed for any */
    before = subject_memory(side->subject);
    start(side, 1, CHILDREN);
    bytes = (double) (subject_memory(side->subject) - before);
    (void) end(side, CHILDREN);
    return bytes / 1024 / (CHILDREN - 1);
}

static void children(struct side *side, double *ret_values)
{
    double times[3];

    if (side->made == 0)
        side->memory = memory_of_child(side);
    times[0] = bench_seconds();
    start(side, 0, CHILDREN);
    times[1] = bench_seconds();
    list(side);
    times[2] = bench_seconds();
    ret_values[START] = (times[1] - times[0]) / CHILDREN * 1e6;
    ret_values[LIST] = (times[2] - times[1]) / LISTS * 1e3;
    ret_values[END] = end(side, CHILDREN);
    ret_values[MEMORY] = side->memory;
}

/* ---- connections ---- */

static double memory_of_connection(const struct side *side)
{
    static int fds[CONNECTIONS];
    double bytes;
    long before;

    swarm_connect_alone(side->subject, fds, 1);
    before = subject_memory(side->subject);
    swarm_connect_alone(side->subject, fds + 1, CONNECTIONS - 1);
    bytes = (double) (subject_memory(side->subject) - before);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    return bytes / 1024 / (CONNECTIONS - 1);
}

static void connections(struct side *side, double *ret_values)
{
    if (side->made == 0)
        side->memory = memory_of_connection(side);
    ret_values[MEMORY] = side->memory;
}

/* ---- a large daemon ---- */

static void make_objects(struct side *side, int width, unsigned from, unsigned to)
{
    char line[512];

    for (unsigned i = from; i < to; i++)
        wire_call(&side->wire, line,
                  (size_t) snprintf(line, sizeof line,
                                    WIRE_REQUEST("object.create", "\"kind\":\"lock\",\"name\":\"%0*u\""),
                                    width, i));
}

static void make_all_objects(int width, unsigned from, unsigned to)
{
    for (size_t i = 0; i < side_count; i++)
        make_objects(sides[i], width, from, to);
}

/* Those that have ended are closed: what is kept of ten thousand would make snapshots larger and rarer. */
static void spawn_join_close(struct wire *wire, const char *spawn, size_t size)
{
    long id = wire_number(wire_call(wire, spawn, size), "\"id\":");
    char line[128];

    size = (size_t) snprintf(line, sizeof line, WIRE_REQUEST("process.join", "\"process\":%ld"), id);
    wire_expect(wire_call(wire, line, size), "\"exitcode\":0");
    size = (size_t) snprintf(line, sizeof line, WIRE_REQUEST("process.close", "\"process\":%ld"), id);
    wire_call(wire, line, size);
}

static void spawns(struct side *side, double *ret_values)
{
    char spawn[SPAWNS_REQUEST_SIZE];
    size_t size = (size_t) snprintf(spawn, sizeof spawn, SPAWNS_REQUEST, child);
    double begin = bench_seconds();

    for (int i = 0; i < SPAWNS; i++)
        spawn_join_close(&side->wire, spawn, size);
    ret_values[EACH] = (bench_seconds() - begin) / SPAWNS * 1e6;
}

static void locks(struct side *side, double *ret_values)
{
    ret_values[EACH] = pairs(side, PAIRS, WIDTH - 1, &ret_values[LONGEST]);
}

/* ---- figures ---- */

static void skip_crowds(void)
{
    static const enum bench_figure crowds[] = {
        FIGURE_JOURNAL_CHILDREN,      FIGURE_JOURNAL_CHILDREN_NONE,
        FIGURE_JOURNAL_CHILDREN_LIST, FIGURE_JOURNAL_CHILDREN_LIST_NONE,
        FIGURE_JOURNAL_CHILDREN_KILL, FIGURE_JOURNAL_CHILDREN_KILL_NONE,
        FIGURE_JOURNAL_CHILDREN_MEMORY, FIGURE_JOURNAL_CONNECTION_MEMORY,
    };

    for (size_t i = 0; i < sizeof crowds / sizeof *crowds; i++)
        bench_skip(crowds[i], "it needs 10,100 descriptors: raise the hard limit");
}

static void compare_children(void)
{
    begin_bouts(children);
    compare(FIGURE_JOURNAL_CHILDREN, &with, START);
    compare(FIGURE_JOURNAL_CHILDREN_NONE, &again, START);
    compare(FIGURE_JOURNAL_CHILDREN_LIST, &with, LIST);
    compare(FIGURE_JOURNAL_CHILDREN_LIST_NONE, &again, LIST);
    compare(FIGURE_JOURNAL_CHILDREN_KILL, &with, END);
    compare(FIGURE_JOURNAL_CHILDREN_KILL_NONE, &again, END);
    compare(FIGURE_JOURNAL_CHILDREN_MEMORY, &with, MEMORY);
}

static void compare_spawns(void)
{
    begin_bouts(spawns);
    compare(FIGURE_JOURNAL_LARGE_SPAWN, &with, EACH);
    compare(FIGURE_JOURNAL_LARGE_SPAWN_NONE, &again, EACH);
}

static void compare_locks(void)
{
    make_all_objects(WIDTH, OBJECTS, LARGE);
    begin_bouts(locks);
    compare(FIGURE_JOURNAL_LARGE_LOCK, &with, EACH);
    compare(FIGURE_JOURNAL_LARGE_LOCK_NONE, &again, EACH);
    compare(FIGURE_JOURNAL_LARGE_LONGEST, &with, LONGEST);
    compare(FIGURE_JOURNAL_LARGE_LONGEST_NONE, &again, LONGEST);
}

static void compare_connections(void)
{
    begin_bouts(connections);
    compare(FIGURE_JOURNAL_CONNECTION_MEMORY, &with, MEMORY);
}

int main(int argc, char **argv)
{
    bool has_room;
    int processor;

    bench_begin(argc, argv, "what the journal costs where there is much to keep");
    child = bench_beside("nothing");
    sleeper = bench_beside("sleeper");
    has_room = raw_descriptors(CHILDREN + 100);
    if (bench_processors(&processor, 1) == 1)
        bench_pin(0, processor);
    begin_all();
    if (has_room)
        compare_connections();
    else
        skip_crowds();
    make_all_objects(1, 0, OBJECTS);
    compare_locks();
    end_all();
    begin_all(); /* with fewer objects, and no memory left by others */
    make_all_objects(1, 0, OBJECTS);
    compare_spawns();
    end_all();
    begin_all(); /* last, as its cgroups take the longest to be freed */
    if (has_room)
        compare_children();
    end_all();
    return 0;
}
