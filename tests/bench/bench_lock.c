/* Locks through the socket: the time of a free one, and what ten thousand others cost. */
#include "tests/bench/bench.h"
#include "tests/bench/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT  2000 /* of a round */
#define MANY   10000
#define MEMORY 20000 /* objects whose memory is measured */
#define EVENTS 10000 /* two of each make the log of events full */

static struct wire wire, crowd;

#define REQUEST(method, params)                                                                              \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":{" params "}}\n"

static const char ping[] = REQUEST("daemon.ping", "");
static const char acquire[] = REQUEST("lock.acquire", "\"name\":\"bench\"");
static const char release[] = REQUEST("lock.release", "\"name\":\"bench\"");

static double pair_round(const char *first, const char *second)
{
    double begin = bench_seconds();

    for (int i = 0; i < COUNT; i++) {
        wire_call(&wire, first, strlen(first));
        wire_call(&wire, second, strlen(second));
    }
    return (bench_seconds() - begin) / COUNT * 1e6;
}

static double two_pings(void *context)
{
    (void) context;
    return pair_round(ping, ping);
}

static double acquire_release(void *context)
{
    (void) context;
    return pair_round(acquire, release);
}

/* ---- the crowd ---- */

/* Requests that are answered at once, in batches that fit the socket. */
static void answered(const char *format, int from, int to)
{
    char line[256];
    int pending = 0;

    for (int i = from; i < to; i++) {
        wire_send(&crowd, line, (size_t) snprintf(line, sizeof line, format, i));
        pending++;
        if (pending < 64 && i + 1 < to)
            continue;
        for (; pending > 0; pending--)
            wire_expect(wire_line(&crowd), "");
    }
}

static void make_objects(int from, int to)
{
    answered(REQUEST("object.create", "\"kind\":\"lock\",\"name\":\"crowd-%d\""), from, to);
}

/* All in the queue of one lock that is held. */
static void make_waiters(int from, int to)
{
    char line[256];
    int size;

    for (int i = from; i < to; i++) {
        size = snprintf(line, sizeof line,
                        "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"lock.acquire\",\"params\":"
                        "{\"name\":\"held\",\"holder\":\"w%d\",\"timeout\":86400}}\n",
                        i + 10, i);
        wire_send(&crowd, line, (size_t) size);
    }
    wire_call(&crowd, ping, sizeof ping - 1);
}

/* The cost of a free lock beside so many others is held against that beside none. */
static void curve(const char *what, void (*make)(int from, int to))
{
    static const int sizes[] = {100, 1000, MANY};
    double alone = 0, beside;
    char name[64];
    int made = 0;

    for (int i = 0; i < 5; i++)
        alone += acquire_release(NULL) / 5;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        make(made, sizes[i]);
        made = sizes[i];
        beside = 0;
        for (int round = 0; round < 5; round++)
            beside += acquire_release(NULL) / 5;
        snprintf(name, sizeof name, "beside %d %s / beside none", sizes[i], what);
        bench_figure(name, "", beside / alone, AIM_AT_MOST, 1.25);
    }
}

/* ---- memory ---- */

/* proc(5): the broker's memory without the journal's, which is shared and bounded. Bytes. */
static long heap_of(pid_t pid)
{
    char path[32], line[128];
    long kib = -1;
    FILE *status;

    snprintf(path, sizeof path, "/proc/%d/status", pid);
    status = fopen(path, "re");
    while (status && kib < 0 && fgets(line, sizeof line, status))
        (void) sscanf(line, "RssAnon: %ld", &kib);
    if (kib < 0)
        bench_die("%s", path);
    fclose(status);
    return kib * 1024;
}

static double memory_of_one(pid_t broker)
{
    long before;

    /* the log of events, which is bounded, too, is full from then on */
    for (int i = 0; i < EVENTS; i++) {
        answered(REQUEST("object.create", "\"kind\":\"lock\",\"name\":\"short-%d\""), 0, 1);
        answered(REQUEST("object.unlink", "\"name\":\"short-%d\""), 0, 1);
    }
    before = heap_of(broker);
    make_objects(MANY, MANY + MEMORY);
    return (double) (heap_of(broker) - before) / MEMORY;
}

int main(int argc, char **argv)
{
    struct bench_case of = {.name = "acquire + release, free lock", .unit = "us", .floor = two_pings,
                            .subject = acquire_release, .aim = AIM_AT_MOST, .limit = 1};
    static const char held[] = REQUEST("lock.acquire", "\"name\":\"held\",\"holder\":\"first\"");

    const struct subject *subject;
    int processor;

    bench_begin(argc, argv, "a free lock; floor: two pings");
    subject = subject_start();
    subject_connect(&wire);
    subject_connect(&crowd);
    /* across cores a wake-up takes one of two very different times */
    if (bench_processors(&processor, 1) == 1) {
        bench_pin(0, processor);
        bench_pin(subject->broker, processor);
    }
    bench_compare(&of);
    curve("objects", make_objects);
    wire_call(&crowd, held, sizeof held - 1);
    curve("waiters", make_waiters);
    bench_figure("memory of an idle object", "bytes", memory_of_one(subject->broker), AIM_AT_MOST, 512);
    wire_close(&crowd);
    wire_close(&wire);
    return 0;
}
