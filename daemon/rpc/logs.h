/* SPDX-License-Identifier: MIT */
/*
 * What processes have written, as the keeper keeps it (daemon/logs/): the broker's view of it, and those who
 * follow a log.
 *
 * A follower is a cursor into the log, and is told what is before it when its session drains: who reads
 * slowly costs no memory and holds up nobody; what the log has dropped meanwhile is told as a gap. Its end
 * comes with that of the process, once it has been told everything that was written until then.
 */
#ifndef PROCD_RPC_LOGS_H
#define PROCD_RPC_LOGS_H

#include "daemon/base/fdpass.h"
#include "daemon/logs/view.h"
#include "daemon/rpc/session.h"
#include "proto/writer.h"

#define LOGS_ANY_STREAM (-1)

struct log_follow {
    uint64_t id; /* on its session */
    uint64_t process;
    struct session *session;
    struct logs_cursor cursor;
    int stream;    /* enum logs_stream, or LOGS_ANY_STREAM */
    uint64_t seen; /* seq of the last line that it was told of, or does not want */
    bool is_idle;  /* nothing was left at the last look */
    LIST_ENTRY(log_follow) of_session, of_server;
};

/* The keeper shares its logs: LINK_LOGS. */
void logs_shared(struct server *server, struct fdpass *fds);
/* Can lines be read here? Without memory the broker may have to do without, and knows nothing of them. */
bool logs_are_kept(const struct server *server);
/* At the broker's end. */
void logs_end(struct server *server);

/* Takes the cursor over. NULL without memory; it is still the caller's. */
struct log_follow *log_follow_new(struct session *session, const struct logs_cursor *cursor, int stream,
                                  uint64_t seen);
void log_follow_free(struct log_follow *follow);
struct log_follow *log_follow_find(struct session *session, uint64_t id);

/* Tells the session's followers what is new, as far as its buffer may grow. */
void log_follows_tell(struct session *session);
/* Once a turn: whoever may have something to be told is told it in this one. */
void log_follows_wake(struct server *server);
void log_follows_drop(struct session *session);

/* The members of a line. */
void log_line_write(struct writer *writer, const struct logs_line *line);

#endif
