/* SPDX-License-Identifier: MIT */
/*
 * The reader's side of what is described in layout.h: lines, one after the other, while the writer goes on.
 * What the writer drops under a reader is found by the numbers of the lines, which then jump.
 */
#ifndef PROCD_LOGS_VIEW_H
#define PROCD_LOGS_VIEW_H

#include "daemon/logs/layout.h"

#include <stdbool.h>
#include <stddef.h>

/* The memory, and a copy of the chunk that was read last. */
struct logs_view {
    const struct logs_index *index; /* NULL: not there */
    int data_fd;
    uint32_t chunk, used; /* of which there is a copy; 0: of none */
    uint64_t process, number;
    char copy[LOGS_CHUNK];
};

/* Takes the descriptors over; they may be readable only. 0 or -errno. */
int logs_view_open(struct logs_view *view, int index_fd, int data_fd);
void logs_view_close(struct logs_view *view);

/* Where a reader is in the log of a process. */
struct logs_cursor {
    uint64_t process;
    uint32_t log;   /* 0: it has none */
    uint32_t chunk; /* 0: before the first one */
    uint64_t number;
    uint32_t at;   /* in the chunk: of a record's header */
    uint32_t done; /* bytes of that record */
    struct logs_point point;
    bool is_cut[LOGS_STREAMS]; /* of the line that has begun, the beginning is gone */
    struct {
        char *bytes; /* of a line that has begun, or NULL */
        size_t size;
    } partial[LOGS_STREAMS];
};

struct logs_line {
    uint64_t seq; /* rises by one from line to line of both streams; where it jumps, lines are gone */
    int64_t wall; /* when its end came, ns since 1970 */
    enum logs_stream stream;
    bool is_split;     /* it goes on in the next line of the stream */
    const char *bytes; /* until the next call */
    size_t size;
};

/* At the oldest line that is kept. */
void logs_cursor_open(const struct logs_view *view, struct logs_cursor *cursor, uint64_t process);
void logs_cursor_close(struct logs_cursor *cursor);

/* 1 and the next line; 0: there is none now; -ENOMEM; another -errno: what is there cannot be read. A process
 * without a log has no lines. */
int logs_next(struct logs_view *view, struct logs_cursor *cursor, struct logs_line *ret_line);
/* Where a log ends now, for those who do not want to read as fast as it is written. */
struct logs_mark {
    uint64_t number;
    uint32_t at;
};

struct logs_mark logs_now(const struct logs_view *view, const struct logs_cursor *cursor);
bool logs_is_before(const struct logs_cursor *cursor, const struct logs_mark *mark);

/* Has something been written that the cursor has not come to? */
bool logs_has_more(const struct logs_view *view, const struct logs_cursor *cursor);

#endif
