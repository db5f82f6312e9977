/* SPDX-License-Identifier: MIT */
#include "daemon/lookup.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/link.h"

#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define FAILED 125

static int become(uid_t uid, gid_t gid)
{
    if (geteuid() != 0 || uid == 0)
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return -errno;
    return 0;
}

static void answer_groups(const char *user, gid_t gid, struct lookup_answer *answer)
{
    gid_t groups[LOOKUP_GROUPS_MAX];
    int count = LOOKUP_GROUPS_MAX;

    /* more groups than fit: the first ones, which getgrouplist has written all the same */
    if (getgrouplist(user, gid, groups, &count) < 0)
        count = LOOKUP_GROUPS_MAX;
    answer->group_count = (uint32_t) count;
    for (int i = 0; i < count; i++)
        answer->groups[i] = groups[i];
}

static void answer_question(const struct lookup_question *question, struct lookup_answer *answer)
{
    struct passwd entry, *found = NULL;
    char buffer[16384];

    *answer = (struct lookup_answer){.tag = question->tag, .uid = question->uid};
    if (getpwuid_r(question->uid, &entry, buffer, sizeof buffer, &found) != 0 || !found)
        return;
    /* a name that does not fit is none: half of it would be another one */
    if (snprintf(answer->user, sizeof answer->user, "%s", entry.pw_name) >= (int) sizeof answer->user ||
        snprintf(answer->home, sizeof answer->home, "%s", entry.pw_dir) >= (int) sizeof answer->home ||
        snprintf(answer->shell, sizeof answer->shell, "%s", entry.pw_shell) >= (int) sizeof answer->shell)
        return;
    answer->found = 1;
    answer->gid = entry.pw_gid;
    answer_groups(answer->user, entry.pw_gid, answer);
}

/* The socket does not block, and here we have all the time. */
static int wait_for(int socket, short events)
{
    struct pollfd poll_fd = {.fd = socket, .events = events};

    return poll(&poll_fd, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

static int serve_one(int socket)
{
    static struct lookup_answer answer;
    struct lookup_question question;
    ssize_t size = recv(socket, &question, sizeof question, 0);
    size_t used;

    if (size < 0)
        return errno == EAGAIN || errno == EINTR ? wait_for(socket, POLLIN) : -errno;
    if (size != sizeof question)
        return -EPIPE;
    answer_question(&question, &answer);
    used = offsetof(struct lookup_answer, groups) + answer.group_count * sizeof answer.groups[0];
    while (send(socket, &answer, used, MSG_NOSIGNAL) < 0)
        if ((errno != EAGAIN && errno != EINTR) || wait_for(socket, POLLOUT) < 0)
            return -errno;
    return 0;
}

int lookup_run(int socket, uid_t uid, gid_t gid)
{
    int r = become(uid, gid);

    if (r < 0) {
        log_error("cannot become uid %u: %s", uid, strerror(-r));
        return FAILED;
    }
    while ((r = serve_one(socket)) == 0)
        ;
    return r == -EPIPE || r == -ECONNRESET ? 0 : FAILED;
}
