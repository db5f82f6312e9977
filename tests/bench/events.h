/* SPDX-License-Identifier: MIT */
/*
 * Events by the thousand: where they come from, and who reads them.
 */
#ifndef PROCD_TESTS_BENCH_EVENTS_H
#define PROCD_TESTS_BENCH_EVENTS_H

#include "tests/bench/subject.h"

#define EVENTS_SUBSCRIBERS 100 /* at most */
#define EVENTS_PUBLISHERS 4
#define EVENTS_BATCH 64 /* that are published at once */

struct source {
    unsigned subscribers, count;          /* of events in a round */
    unsigned per_event;                   /* lines that a subscriber gets of each */
    int epoll;                            /* of the subscribers' sockets */
    int publisher[EVENTS_PUBLISHERS];     /* in turn */
    const char *batch[EVENTS_PUBLISHERS]; /* what, sent to it, makes a batch */
    size_t batch_size;
};

/* Memory of the caller's, till the program's end. */
struct source *source_new(unsigned subscribers, unsigned per_event);
void source_subscriber(struct source *source, int fd);

/* A round, of a struct source: deliveries a second. */
double source_round(void *source);

/* A daemon as one: each publisher takes and leaves a lock of its own, which is traced, by requests that
 * nobody answers. */
struct source *source_daemon(const struct subject *subject, unsigned subscribers);

#endif
