/* SPDX-License-Identifier: MIT */
/*
 * The keeper's end of the link: what goes out. What comes in is in orders.h.
 */
#ifndef PROCD_KEEPER_WIRE_H
#define PROCD_KEEPER_WIRE_H

#include "daemon/keeper/state.h"

/* A new broker has the other end of fd, which is taken over. It gets the hello, the table, the reports. */
int link_up(struct keeper *keeper, int fd);
/* Everything that was about that broker alone is forgotten, its connections first. No-op when down. */
void link_down(struct keeper *keeper);

/* Sends one message; its descriptors stay the caller's. False: not sent, the link is full. */
bool link_send(struct keeper *keeper, const void *message, size_t size, const int *fds, size_t fd_count);
/* Sends the answer to what was read last, now or as soon as there is room; until then nothing more is
 * read. */
void link_answer(struct keeper *keeper, const void *message, size_t size, const int *fds, size_t count);
/* One that is kept is not to be sent any more. */
void link_answer_close(struct keeper *keeper);
/* An order was executed: the broker is told, not each time (that would be a wake for nothing else), but soon.
 */
void link_executed(struct keeper *keeper);
/* Returns when that is due, CLOCK_MONOTONIC, ns, or INT64_MAX. */
int64_t link_tick(struct keeper *keeper);
/* Sends as much as there is and fits: table, answers, reports. False: something is left. Not connections: it
 * may be that another of this turn's events is first to show that their client has begun. */
bool link_report(struct keeper *keeper);
/* The same, and connections. At the end of each turn. */
void link_flush(struct keeper *keeper);

#endif
