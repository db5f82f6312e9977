/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/backlog.h"

#include "daemon/rpc/session.h"

#include <stdlib.h>

struct backlog *backlog_get(struct server *server, uint32_t uid)
{
    struct backlog *backlog;

    HASH_FIND(hh, server->backlogs, &uid, sizeof uid, backlog);
    if (backlog) {
        backlog->sessions++;
        return backlog;
    }
    backlog = calloc(1, sizeof *backlog);
    if (!backlog)
        return NULL;
    backlog->uid = uid;
    backlog->sessions = 1;
    backlog->fds_max = uid == 0 ? SIZE_MAX : server->files / BACKLOG_FDS_SHARE;
    HASH_ADD(hh, server->backlogs, uid, sizeof backlog->uid, backlog);
    if (backlog->hh.tbl)
        return backlog;
    free(backlog);
    return NULL;
}

void backlog_put(struct server *server, struct backlog *backlog)
{
    if (!backlog || --backlog->sessions > 0)
        return;
    HASH_DEL(server->backlogs, backlog);
    free(backlog);
}

size_t backlog_subscriptions_limit(const struct backlog *backlog)
{
    return BACKLOG_SUBSCRIPTIONS_MAX + (backlog->uid == 0 ? QUOTA_ROOT_RESERVE : 0);
}

static void count_fds(struct session *session)
{
    size_t fds = session->reader.fd_count + session->writer.fd_count + session->fds_sent;

    session->backlog->fds += fds - session->counted_fds;
    session->counted_fds = fds;
}

void backlog_count_unread(struct session *session)
{
    size_t unread = frame_long_room(&session->reader);

    count_fds(session);
    session->backlog->unread += unread - session->counted_unread;
    session->counted_unread = unread;
}

void backlog_count(struct session *session)
{
    size_t unsent = frame_unsent(&session->writer);

    count_fds(session);
    session->backlog->unsent += unsent - session->counted;
    session->counted = unsent;
}
