/* SPDX-License-Identifier: MIT */
/*
 * The keeper's event loop: raw epoll, level-triggered. A watch is embedded in whatever owns the descriptor;
 * it may be removed (and its owner freed) from within any callback of the same turn.
 */
#ifndef PROCD_KEEPER_LOOP_H
#define PROCD_KEEPER_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/queue.h>

#define LOOP_BATCH 64

struct keeper;
struct watch;

typedef void watch_fn(struct keeper *keeper, struct watch *watch, uint32_t events);

struct watch {
    int fd; /* not owned by the watch */
    uint32_t events;
    watch_fn *ready; /* NULL: not in the loop */
    bool is_late;    /* wants other events, which the kernel has refused: among those of the loop */
    uint32_t wanted;
    LIST_ENTRY(watch) late;
};

struct loop {
    int epoll;
    int at, count; /* where in the batch the turn is */
    struct epoll_event batch[LOOP_BATCH];
    LIST_HEAD(, watch) late;
};

#define owner_of(pointer, type, member) ((type *) (void *) ((char *) (pointer) - offsetof(type, member)))

int loop_open(struct loop *loop);
void loop_close(struct loop *loop);
int loop_add(struct loop *loop, struct watch *watch, int fd, uint32_t events, watch_fn *ready);
/* Sets what is waited for; 0 pauses. Nothing happens when it is set already. Where the kernel has no means it
 * is tried again each turn, and soon. */
void loop_arm(struct loop *loop, struct watch *watch, uint32_t events);
/* The watch is not called any more, not even for events that were fetched already. No-op when it is not in
 * the loop. */
void loop_remove(struct loop *loop, struct watch *watch);
/* One turn: waits at most until `until` (ns of CLOCK_MONOTONIC; INT64_MAX: for ever), calls what is ready.
 * Returns how many were. */
int loop_turn(struct keeper *keeper, struct loop *loop, int64_t now, int64_t until);

#endif
