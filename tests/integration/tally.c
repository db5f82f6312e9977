/* SPDX-License-Identifier: MIT */
/*
 * What is added to procd for test_economy.py: it counts. The test finds `tally` by its name, and reads it
 * through /proc. The linker leads the calls here (--wrap).
 */
#include "daemon/base/fdpass.h"
#include "daemon/rpc/render.h"
#include "proto/frame.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct tally {
    int64_t trees;  /* that were written as text */
    int64_t events; /* the same */
    int64_t sends;  /* to clients */
};

extern struct tally tally;
struct tally tally __attribute__((used));

int __real_json_dump_callback(const json_t *tree, json_dump_callback_t put, void *context, size_t flags);
int __wrap_json_dump_callback(const json_t *tree, json_dump_callback_t put, void *context, size_t flags);
void __real_render_event(struct writer *writer, const struct event_entry *entry);
void __wrap_render_event(struct writer *writer, const struct event_entry *entry);
ssize_t __real_fdpass_send(int socket, const struct iovec *iov, size_t iov_count, const int *fds,
                           size_t fd_count);
ssize_t __wrap_fdpass_send(int socket, const struct iovec *iov, size_t iov_count, const int *fds,
                           size_t fd_count);

int __real_frame_flush(struct frame_writer *writer, int socket);
int __wrap_frame_flush(struct frame_writer *writer, int socket);

static bool flushes;

int __wrap_json_dump_callback(const json_t *tree, json_dump_callback_t put, void *context, size_t flags)
{
    tally.trees++;
    return __real_json_dump_callback(tree, put, context, flags);
}

void __wrap_render_event(struct writer *writer, const struct event_entry *entry)
{
    tally.events++;
    __real_render_event(writer, entry);
}

ssize_t __wrap_fdpass_send(int socket, const struct iovec *iov, size_t iov_count, const int *fds,
                           size_t fd_count)
{
    tally.sends += flushes;
    return __real_fdpass_send(socket, iov, iov_count, fds, fd_count);
}

int __wrap_frame_flush(struct frame_writer *writer, int socket)
{
    int r;

    flushes = true;
    r = __real_frame_flush(writer, socket);
    flushes = false;
    return r;
}
