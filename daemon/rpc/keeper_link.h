/* SPDX-License-Identifier: MIT */
/*
 * The broker's end of the link to the keeper (daemon/keeper/link.h): sends, or queues while the keeper is
 * busy; and turns what arrives into inputs of the core.
 */
#ifndef PROCD_RPC_KEEPER_LINK_H
#define PROCD_RPC_KEEPER_LINK_H

#include "daemon/base/fdpass.h"
#include "daemon/rpc/server.h"

struct keeper_link;

/* Serves the link from now on. 0 or -errno. */
int keeper_link_open(struct server *server, int fd, struct keeper_link **ret_link);
struct keeper_link *keeper_link_close(struct keeper_link *link);

/* Sends a message that begins with a struct link_head, which is filled in here. The descriptors stay the
 * caller's. What cannot be sent now is queued; without memory for that the link is lost, and with it this
 * broker: a new one begins from the journal. */
void keeper_link_send(struct keeper_link *link, enum link_kind kind, uint64_t number, void *message,
                      size_t size, const int *fds, size_t fd_count);

/* The same with a second piece behind the message. */
void keeper_link_send_with(struct keeper_link *link, enum link_kind kind, uint64_t number, void *message,
                           size_t size, const void *more, size_t more_size, const int *fds, size_t fd_count);

/* Is nothing queued? */
bool keeper_link_idle(const struct keeper_link *link);
/* Sends what is queued, waiting for room. For the end, after the loop. */
void keeper_link_finish(struct keeper_link *link);

/* Reads one message, waiting for it. For the start, before there is a loop. Bytes, or -errno. */
int keeper_link_wait(int fd, void *buffer, size_t size, struct fdpass *ret_fds);

/* Acts on one message of the keeper; takes the descriptors that it keeps out of fds. */
void keeper_link_receive(struct server *server, const struct link_head *head, size_t size,
                         struct fdpass *fds);

#endif
