/* SPDX-License-Identifier: MIT */
/* Spawn and join, one at a time: how long one takes. */
#include "tests/bench/bench.h"
#include "tests/bench/peers.h"
#include "tests/bench/raw.h"
#include "tests/bench/spawns.h"
#include "tests/bench/spooler.h"
#include "tests/bench/subject.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#define COUNT 300 /* of a round */

static const char *child[2];
static struct wire wire;
static int epoll;

static double raw_round(const char *const *argv, const char *const *envp)
{
    double begin = bench_seconds();

    for (int i = 0; i < COUNT; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        int pidfd;

        raw_start(argv, envp, &pidfd);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) < 0 || epoll_wait(epoll, &event, 1, -1) != 1)
            bench_die("epoll");
        raw_reap(pidfd);
    }
    return (bench_seconds() - begin) / COUNT * 1e6;
}

static double floor_round(void *context)
{
    (void) context;
    return raw_round(child, NULL);
}

/* Where its children have to run on the processor that it is on, too: elsewhere that one must be woken. */
static int own_processor;

static double quick_floor_round(void *context)
{
    double each;

    bench_pin(0, own_processor);
    each = floor_round(context);
    bench_pin(0, -1);
    return each;
}

static double spooler_round(void *context)
{
    const struct spooler *spooler = context;

    return raw_round(spooler->argv, spooler->envp);
}

static double subject_round(void *context)
{
    (void) context;
    return spawns_one_at_a_time(&wire, child[0], COUNT);
}

/* ---- of a daemon that has much to remember, and of one that has not ----
 *
 * Both are new, so that neither has ended processes to forget. A snapshot of so much is due only after as
 * much has been recorded, and falls into no round: this is what a spawn itself takes. All is on one
 * processor: on two a daemon stays in one of two modes, and which one is chance. */

#define LARGE (150L << 20) /* bytes at least */
#define PROGRAMS 600       /* that have ended; what they were started with is up to 64 MiB of a uid */
#define PROGRAM_WIDTH 100000
#define OBJECTS 60000 /* of 65,536 that a uid may have */
#define OBJECT_WIDTH 240
#define PARTS 600 /* in which it grows, of programs and of objects */

static const struct subject *large_subject;
static struct wire small, large;
static unsigned parts;

/* Requests with a text, and with a number of that many digits: names are long, and each is another one. */
static void repeat(const char *format, const char *text, int width, unsigned from, unsigned count)
{
    static char line[PROGRAM_WIDTH + SPAWNS_REQUEST_SIZE];

    for (unsigned i = from; i < from + count; i++)
        wire_call(&large, line, (size_t) snprintf(line, sizeof line, format, text, width, i));
}

static void add_part(void)
{
    repeat(WIRE_REQUEST("process.spawn", "\"argv\":[\"%s\",\"%0*u\"],\"env\":{},"
                                         "\"stdout\":\"null\",\"stderr\":\"null\""),
           child[0], PROGRAM_WIDTH, parts * (PROGRAMS / PARTS), PROGRAMS / PARTS);
    repeat(WIRE_REQUEST("object.create", "\"kind\":\"%s\",\"name\":\"%0*u\""), "lock", OBJECT_WIDTH,
           parts * (OBJECTS / PARTS), OBJECTS / PARTS);
    parts++;
}

static bool enlarge(unsigned mebibytes)
{
    while (subject_memory(large_subject) < (long) mebibytes << 20 && parts < PARTS)
        add_part();
    return subject_memory(large_subject) >= (long) mebibytes << 20;
}

static double small_round(void *context)
{
    (void) context;
    return spawns_one_at_a_time(&small, child[0], COUNT);
}

static double large_round(void *context)
{
    (void) context;
    return spawns_one_at_a_time(&large, child[0], COUNT);
}

static void on_one_processor(const struct subject *subject, int processor)
{
    bench_pin(0, processor);
    subject_pin(subject, processor);
}

static const struct subject *start_there(struct wire *ret_wire)
{
    const struct subject *subject = subject_start();
    int processor;

    if (bench_processors(&processor, 1) == 1)
        on_one_processor(subject, processor);
    subject_connect(subject, ret_wire);
    return subject;
}

/* How far two daemons are apart that differ in nothing. */
static void compare_alike(void)
{
    struct bench_case of = {.floor = small_round, .subject = large_round};

    (void) start_there(&large);
    bench_compare(FIGURE_SPAWN_ALIKE, &of);
    wire_close(&large);
}

static void compare_large(void)
{
    struct bench_case of = {.floor = small_round, .subject = large_round};

    large_subject = start_there(&large);
    (void) start_there(&small);
    bench_grow(CURVE_MEMORY, &of, enlarge);
    while (parts < PARTS)
        add_part();
    errno = 0;
    if (subject_memory(large_subject) < LARGE)
        bench_die("the daemon that was to be large has %ld bytes", subject_memory(large_subject));
    bench_compare(FIGURE_SPAWN_LARGE, &of);
    wire_close(&large);
    compare_alike();
    wire_close(&small);
}

int main(int argc, char **argv)
{
    struct bench_case of = {.floor = floor_round, .subject = subject_round, .count = COUNT};
    struct bench_case quick = {.floor = quick_floor_round, .subject = subject_round, .count = COUNT};
    const struct spooler *spooler;
    const struct subject *subject;
    int processor;

    bench_begin(argc, argv, "spawn and join");
    child[0] = bench_beside("nothing");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    subject = subject_start();
    subject_connect(subject, &wire);
    spooler = spooler_start(child[0], 1);
    if (spooler)
        bench_peer("task-spooler", spooler_round, (void *) spooler);
    peers_python("spawn");
    wire.looks = true;
    bench_compare(FIGURE_SPAWN_ONE, &of);
    if (bench_processors(&own_processor, 1) == 1)
        bench_compare(FIGURE_SPAWN_ONE_QUICK, &quick);
    wire.looks = false;
    bench_compare(FIGURE_SPAWN_ONE_SLEEPS, &of);
    wire.looks = true;
    if (bench_processors(&processor, 1) == 1) {
        on_one_processor(subject, processor);
        bench_compare(FIGURE_SPAWN_ONE_CORE, &of);
        on_one_processor(subject, -1);
    }
    wire_close(&wire);
    if (!bench_is_watched())
        compare_large();
    return 0;
}
