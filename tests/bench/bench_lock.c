/* SPDX-License-Identifier: MIT */
/* Locks by the socket: the time of a free one, and what many others cost. */
#include "tests/bench/bench.h"
#include "tests/bench/peers.h"
#include "tests/bench/redis.h"
#include "tests/bench/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT 2000   /* of a round */
#define MEMORY 20000 /* objects whose memory is measured */
#define EVENTS 10000 /* two of each make the log of events full */

static struct wire wire, crowd;

static const char ping[] = WIRE_REQUEST("daemon.ping", "");
static const char acquire[] = WIRE_REQUEST("lock.acquire", "\"name\":\"bench\"");
static const char release[] = WIRE_REQUEST("lock.release", "\"name\":\"bench\"");

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

#define OBJECTS_OF_ONE 40000 /* of 65,536 that a uid may have, some before: more are another's, by root */

/* Requests that are answered at once, in batches that fit the socket. */
static void answered(const char *format, const char *more, unsigned from, unsigned to)
{
    char line[256];
    int pending = 0;

    for (unsigned i = from; i < to; i++) {
        wire_send(&crowd, line, (size_t) snprintf(line, sizeof line, format, i, more));
        pending++;
        if (pending < 64 && i + 1 < to)
            continue;
        for (; pending > 0; pending--)
            wire_expect(wire_line(&crowd), "");
    }
}

static bool make_objects(unsigned count)
{
    static const char create[] = WIRE_REQUEST("object.create", "\"kind\":\"lock\",\"name\":\"crowd-%u\"%s");
    static unsigned made;
    unsigned own = count < OBJECTS_OF_ONE ? count : OBJECTS_OF_ONE;

    if (count > OBJECTS_OF_ONE && geteuid() != 0)
        return false;
    answered(create, "", made, own);
    answered(create, ",\"uid\":65534", made > own ? made : own, count);
    made = count;
    return true;
}

/* ---- a queue ---- */

#define FIRST 2 /* 1 is that of requests that are alone under way */

static long holder = FIRST; /* of the lock that they wait for: a request's id */

static void wait_for_it(long who)
{
    char line[256];
    int size = snprintf(line, sizeof line,
                        "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"method\":\"lock.acquire\",\"params\":"
                        "{\"name\":\"held\",\"holder\":\"w%ld\",\"timeout\":86400}}\n",
                        who, who);

    wire_send(&crowd, line, (size_t) size);
}

/* All in the queue of one lock that is held. */
static bool make_waiters(unsigned count)
{
    static unsigned made;

    if (made == 0) {
        wait_for_it(FIRST);
        wire_expect(wire_line(&crowd), "\"acquired\":true");
    }
    while (made < count)
        wait_for_it(FIRST + ++made);
    wire_call(&crowd, ping, sizeof ping - 1);
    return true;
}

static long reply_id(const char *line)
{
    const char *id = strstr(line, "\"id\":");

    if (!id)
        bench_die("no reply: %s", line);
    return strtol(id + 5, NULL, 10);
}

/* It goes to the first in the queue, and who had it goes to its end. */
static double pass_on(void *context)
{
    static const char release_it[] = WIRE_REQUEST("lock.release", "\"name\":\"held\"");
    double begin = bench_seconds();

    (void) context;
    for (int i = 0; i < COUNT; i++) {
        long before = holder;
        char *granted;

        wire_call(&wire, release_it, sizeof release_it - 1);
        granted = wire_line(&crowd);
        holder = reply_id(granted);
        wire_expect(granted, "\"acquired\":true");
        wait_for_it(before);
    }
    return (bench_seconds() - begin) / COUNT * 1e6;
}

static double memory_of_one(const struct subject *subject)
{
    static const char create[] = WIRE_REQUEST("object.create", "\"kind\":\"lock\",\"name\":\"%u\"%s");
    long before;

    /* the log of events, which is bounded, is full from then on */
    for (int i = 0; i < EVENTS; i++) {
        answered(WIRE_REQUEST("object.create", "\"kind\":\"lock\",\"name\":\"short-%u\"%s"), "", 0, 1);
        answered(WIRE_REQUEST("object.unlink", "\"name\":\"short-%u\"%s"), "", 0, 1);
    }
    before = subject_heap(subject);
    answered(create, "", 0, MEMORY);
    return (double) (subject_heap(subject) - before) / MEMORY;
}

/* ---- redis, which knows no waiting: SET with NX, and DEL ---- */

static double redis_round(void *context)
{
    double begin = bench_seconds();

    for (int i = 0; i < COUNT; i++) {
        redis_call(context, "SET lock me NX\r\n", "+OK\r\n");
        redis_call(context, "DEL lock\r\n", ":1\r\n");
    }
    return (bench_seconds() - begin) / COUNT * 1e6;
}

int main(int argc, char **argv)
{
    struct bench_case of = {.floor = two_pings, .subject = acquire_release};
    struct bench_case in_turn = {.floor = two_pings, .subject = pass_on};
    const struct subject *subject;
    struct redis *redis;
    int processor;

    bench_begin(argc, argv, "locks by the socket");
    subject = subject_start();
    subject_connect(subject, &wire);
    subject_connect(subject, &crowd);
    bench_value(FIGURE_OBJECT_MEMORY, memory_of_one(subject));
    /* across cores a wake-up takes one of two very different times */
    if (bench_processors(&processor, 1) == 1) {
        bench_pin(0, processor);
        bench_pin(subject->broker, processor);
    }
    redis = redis_start();
    if (redis)
        bench_peer("redis, SET NX and DEL", redis_round, redis);
    peers_python("lock");
    bench_compare(FIGURE_LOCK_PAIR, &of);
    bench_grow(CURVE_OBJECTS, &of, make_objects);
    bench_grow(CURVE_WAITERS, &in_turn, make_waiters);
    wire_close(&crowd);
    wire_close(&wire);
    return 0;
}
