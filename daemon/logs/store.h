/* SPDX-License-Identifier: MIT */
/*
 * The writer's side of what is described in layout.h: takes bytes out of pipes, keeps the newest of them
 * within limits, and drops the oldest. One process and one thread write.
 *
 * Nothing here waits: the memory is memory, and not a disk that may be full or hang.
 */
#ifndef PROCD_LOGS_STORE_H
#define PROCD_LOGS_STORE_H

#include "daemon/logs/layout.h"

#include <stdbool.h>
#include <stddef.h>

struct logs_limits {
    uint64_t log; /* bytes of one log, at least LOGS_LIMIT_MIN */
    uint64_t uid; /* bytes, in pages, of all logs of a uid: what was not written to for longest goes first */
    uint64_t total; /* of all; then it goes from the uid that has most */
    int64_t age;    /* ns; a line is kept no longer than this and an eighth */
};

#define LOGS_LIMIT_MIN (2 * LOGS_CHUNK)

struct logs {
    struct logs_index *index; /* NULL: not open */
    int index_fd, data_fd;
    struct logs_limits limits;
};

/* 0 or -errno. */
int logs_open(struct logs *logs, const struct logs_limits *limits);
/* Goes on with what an earlier program has left, whatever it was in the middle of. Takes the descriptors
 * over; 0 or -errno (-EBADMSG: it is not that). */
int logs_resume(struct logs *logs, const struct logs_limits *limits, int index_fd, int data_fd);
void logs_close(struct logs *logs);

/* A log for a process, or 0: no room. */
uint32_t logs_begin(struct logs *logs, uint64_t process, uint32_t uid);
void logs_forget(struct logs *logs, uint32_t log);
/* The log of that number, where it is this process's. */
bool logs_is(const struct logs *logs, uint32_t log, uint64_t process);

struct logs_clock {
    int64_t wall, mono;
};

/* Takes at most `most` bytes out of a pipe. Returns how many; 0 at its end, -EAGAIN when it is empty, or
 * -errno where it cannot be read. What there is no memory for is taken all the same, and recorded as lost. */
ssize_t logs_take(struct logs *logs, uint32_t log, enum logs_stream stream, int pipe, size_t most,
                  const struct logs_clock *now);

/* How far a log goes. */
struct logs_extent {
    uint64_t chunks;
    uint32_t used; /* bytes of the last one */
};

struct logs_extent logs_extent(const struct logs *logs, uint32_t log);
bool logs_is_extent(const struct logs *logs, uint32_t log, const struct logs_extent *extent);

/* Makes room: so many bytes, at least, the next logs_put keeps wholly or not at all. 0: there is none. */
size_t logs_room(struct logs *logs, uint32_t log, enum logs_stream stream, const struct logs_clock *now);

/* The same of bytes that were taken already; all of them. */
void logs_put(struct logs *logs, uint32_t log, enum logs_stream stream, const void *bytes, size_t size,
              const struct logs_clock *now);

/* A line of the stream that has begun is at its end. */
void logs_mark_end(struct logs *logs, uint32_t log, enum logs_stream stream, const struct logs_clock *now);

/* Drops what has not been written to for too long. Returns when (mono) it is to be called again: INT64_MAX
 * with nothing left. What is written later is not too old before mono and the age. */
int64_t logs_age(struct logs *logs, int64_t mono);

#endif
