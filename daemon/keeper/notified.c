/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/notified.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/drop.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/plan.h"
#include "daemon/keeper/said.h"
#include "daemon/keeper/socket.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/store.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define INFIX       ".n" /* PATH.n17 is that of process 17 */
#define TURN_MOST   16   /* datagrams of one socket: then it is not heard for PAUSE */
#define PAUSE       (10 * NSEC_PER_MSEC)

/* ---- names ---- */

/* "": the daemon's own socket has none. */
static const char *base_path(struct keeper *keeper)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof address - 1;

    if (keeper->notify_base[0])
        return keeper->notify_base;
    if (keeper->socket.path)
        snprintf(keeper->notify_base, sizeof keeper->notify_base, "%s", keeper->socket.path);
    else if (keeper->clients.listening.ready &&
             getsockname(keeper->clients.listening.fd, (struct sockaddr *) &address, &size) == 0)
        snprintf(keeper->notify_base, sizeof keeper->notify_base, "%s", address.sun_path);
    return keeper->notify_base;
}

/* The child looks for it from wherever it is. */
static int address_of(struct keeper *keeper, const struct slot *slot, struct sockaddr_un *ret_address)
{
    const char *base = base_path(keeper);
    int length;

    if (base[0] != '/')
        return -EADDRNOTAVAIL;
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    length = snprintf(ret_address->sun_path, sizeof ret_address->sun_path, "%s" INFIX "%llu", base,
                      (unsigned long long) slot->process);
    return length < (int) sizeof ret_address->sun_path ? 0 : -ENAMETOOLONG;
}

void notified_clean(const char *socket_path)
{
    const char *slash = strrchr(socket_path, '/'), *base = slash ? slash + 1 : socket_path;
    size_t length = strlen(base);
    struct dirent *entry;
    char folder[SOCKET_PATH_MAX + 1];
    DIR *dir;

    snprintf(folder, sizeof folder, "%.*s", slash ? (int) (slash - socket_path) + 1 : 1,
             slash ? socket_path : ".");
    dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        const char *number = entry->d_name + length + strlen(INFIX);

        if (strncmp(entry->d_name, base, length) == 0 &&
            strncmp(entry->d_name + length, INFIX, strlen(INFIX)) == 0 && *number &&
            number[strspn(number, "0123456789")] == '\0')
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

/* ---- hearing ---- */

/* One of the lines. */
static bool says_ready(const struct said *said)
{
    static const char ready[] = "READY=1";
    const size_t length = sizeof ready - 1;
    const char *at = said->text, *end = said->text + said->size;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t) (end - at));

        line_end = line_end ? line_end : end;
        if ((size_t) (line_end - at) == length && memcmp(at, ready, length) == 0)
            return true;
        at = line_end + 1;
    }
    return false;
}

/* The kernel tells who sends. Nobody but the process's user and root can, which the name's mode sees to;
 * between the processes of one user it is order, not protection. */
static bool may_speak(struct keeper *keeper, const struct slot *slot, const struct ucred *who)
{
    return (who->uid == slot->uid || who->uid == 0) && who->pid > 0 && tree_holds(keeper, slot, who->pid);
}

/* Each run tells once. Returns how many datagrams there were, TURN_MOST at most. */
static int hear(struct keeper *keeper, struct slot *slot)
{
    static struct said said;
    int count = 0;

    while (count < TURN_MOST && said_receive(slot->notify_fd, &said)) {
        count++;
        if (!said.truncated && said.size > 0 && says_ready(&said) && may_speak(keeper, slot, &said.who) &&
            slot->reports[REPORT_READY].kind == 0)
            report_put(keeper, slot, LINK_NOTIFIED);
        drop_descriptors(said.fds, said.fd_count);
    }
    return count;
}

static void mute(struct keeper *keeper, struct slot *slot)
{
    loop_arm(&keeper->loop, &slot->notify, 0);
    slot->is_mute = true;
    TAILQ_INSERT_TAIL(&keeper->mute, slot, mute);
    if (keeper->speak_at == INT64_MAX)
        keeper->speak_at = keeper->now + PAUSE;
}

static void unmute(struct keeper *keeper, struct slot *slot)
{
    slot->is_mute = false;
    TAILQ_REMOVE(&keeper->mute, slot, mute);
}

static void notify_ready(struct keeper *keeper, struct watch *watch, uint32_t events)
{
    struct slot *slot = owner_of(watch, struct slot, notify);

    (void) events;
    /* what says so has become another program, which is to be reported first */
    spawn_settle(keeper, slot, false);
    if (slot->notify_fd >= 0 && hear(keeper, slot) == TURN_MOST)
        mute(keeper, slot);
}

int64_t notified_tick(struct keeper *keeper)
{
    struct slot *slot;

    if (keeper->speak_at > keeper->now)
        return keeper->speak_at;
    keeper->speak_at = INT64_MAX;
    while ((slot = TAILQ_FIRST(&keeper->mute))) {
        unmute(keeper, slot);
        loop_arm(&keeper->loop, &slot->notify, EPOLLIN);
    }
    return INT64_MAX;
}

void notified_drain(struct keeper *keeper, struct slot *slot)
{
    if (slot->notify_fd >= 0)
        (void) hear(keeper, slot);
}

/* ---- life ---- */

/* Nobody else may send from its birth on: an owner that differs from us comes after. */
static int bind_for(struct keeper *keeper, int fd, const struct sockaddr_un *address,
                    uid_t uid, gid_t gid)
{
    int yes = 1, r;
    mode_t before;

    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) < 0)
        return -errno;
    if (unlink(address->sun_path) < 0 && errno != ENOENT)
        return -errno;
    before = umask(0177);
    r = bind(fd, (const struct sockaddr *) address, sizeof *address) < 0 ? -errno : 0;
    umask(before);
    if (r == 0 && keeper->privileged && uid != 0 &&
        fchownat(AT_FDCWD, address->sun_path, uid, gid, AT_SYMLINK_NOFOLLOW) < 0) {
        r = -errno;
        unlink(address->sun_path);
    }
    return r;
}

static int make(struct keeper *keeper, struct slot *slot, const struct sockaddr_un *address)
{
    CLEANUP_FD int fd = -1;
    int r;

    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    r = bind_for(keeper, fd, address, slot->uid, slot->gid);
    if (r < 0)
        return r;
    slot->notify_fd = take_fd(&fd);
    r = loop_add(&keeper->loop, &slot->notify, slot->notify_fd, EPOLLIN, notify_ready);
    if (r < 0)
        notified_close(keeper, slot);
    return r;
}

/* So that what is said while there is no keeper is heard. Where it cannot be kept the next one makes another
 * of the same name. */
static void keep(struct keeper *keeper, struct slot *slot)
{
    if (!keeper->store.is_open || store_put(keeper, STORE_NOTIFY, slot->process, slot->notify_fd) < 0)
        return;
    slot->notify_kept = true;
    ledger_touch(keeper, slot);
}

int notified_open(struct keeper *keeper, struct slot *slot, struct job *job)
{
    struct sockaddr_un address;
    int r = address_of(keeper, slot, &address);

    if (r < 0 || (r = plan_variable(job, "NOTIFY_SOCKET", address.sun_path)) < 0)
        return r;
    slot->uid = job->plan.uid;
    slot->gid = job->plan.gid;
    r = make(keeper, slot, &address);
    if (r == 0)
        keep(keeper, slot);
    return r;
}

void notified_adopt(struct keeper *keeper, struct shelf *shelf, struct slot *slot)
{
    struct sockaddr_un address;
    int r;

    if (!(slot->flags & LINK_SPAWN_NOTIFY) || slot->ended)
        return;
    slot->notify_fd = store_take(keeper, shelf, STORE_NOTIFY, slot->process);
    slot->notify_kept = slot->notify_fd >= 0;
    if (slot->notify_kept) {
        (void) notified_restore(keeper, slot); /* heard at its end, at the latest */
        return;
    }
    r = address_of(keeper, slot, &address);
    if (r == 0)
        r = make(keeper, slot, &address);
    if (r < 0)
        log_warning("process %llu: nobody will hear that it is ready: %s", (unsigned long long) slot->process,
                    strerror(-r));
}

int notified_restore(struct keeper *keeper, struct slot *slot)
{
    if (slot->notify_fd < 0)
        return 0;
    return loop_add(&keeper->loop, &slot->notify, slot->notify_fd, EPOLLIN, notify_ready);
}

void notified_close(struct keeper *keeper, struct slot *slot)
{
    struct sockaddr_un address;

    if (slot->notify_fd < 0)
        return;
    loop_remove(&keeper->loop, &slot->notify);
    if (slot->is_mute)
        unmute(keeper, slot);
    if (address_of(keeper, slot, &address) == 0)
        unlink(address.sun_path);
    if (slot->notify_kept)
        store_take_out(keeper, STORE_NOTIFY, slot->process);
    slot->notify_kept = false;
    said_end(keeper, slot->notify_fd);
    slot->notify_fd = -1;
}
