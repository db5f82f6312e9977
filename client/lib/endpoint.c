/* SPDX-License-Identifier: MIT */
#include "client/lib/endpoint.h"

#include "client/lib/autostart.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define RETRY_FIRST (1 * NSEC_PER_MSEC)
#define RETRY_LAST  (20 * NSEC_PER_MSEC)
#define DEATHS_MAX  8 /* daemons that die at their start, until we give up */

/* The daemon that is started there has another directory, and its client may go to another before it connects
 * again: the path becomes absolute, where it fits. */
int endpoint_named(const char *path, struct endpoint *ret_endpoint)
{
    char here[ENDPOINT_PATH_MAX], whole[2 * ENDPOINT_PATH_MAX];
    size_t length = strlen(path);

    if (length == 0)
        return -EINVAL;
    if (length >= sizeof ret_endpoint->path)
        return -ENAMETOOLONG;
    memcpy(ret_endpoint->path, path, length + 1);
    ret_endpoint->own = false;
    ret_endpoint->host[0] = '\0';
    if (path[0] == '/' || !getcwd(here, sizeof here))
        return 0;
    snprintf(whole, sizeof whole, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path);
    if (strlen(whole) < sizeof ret_endpoint->path)
        memcpy(ret_endpoint->path, whole, strlen(whole) + 1);
    return 0;
}

/* sudo and su leave a foreign XDG_RUNTIME_DIR behind; what is put there would be seen, or removed, by
 * others. */
static bool is_private(const char *folder, uid_t uid)
{
    struct stat info;

    return stat(folder, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == uid &&
           (info.st_mode & 07777) == 0700;
}

static int own_below(struct endpoint *ret_endpoint, const char *folder, const char *rest)
{
    int length = snprintf(ret_endpoint->path, sizeof ret_endpoint->path, "%s%s/procd.sock", folder, rest);

    if (length < 0 || (size_t) length >= sizeof ret_endpoint->path)
        return -ENAMETOOLONG;
    ret_endpoint->own = true;
    ret_endpoint->host[0] = '\0';
    return 0;
}

int endpoint_own(uid_t uid, const char *runtime_dir, const char *run_user, const char *tmp,
                 struct endpoint *ret_endpoint)
{
    char folder[ENDPOINT_PATH_MAX], rest[32];

    if (runtime_dir && runtime_dir[0] == '/' && is_private(runtime_dir, uid))
        return own_below(ret_endpoint, runtime_dir, "/procd");
    snprintf(folder, sizeof folder, "%s/%u", run_user, (unsigned) uid);
    if (is_private(folder, uid))
        return own_below(ret_endpoint, folder, "/procd");
    snprintf(rest, sizeof rest, "/procd-%u", (unsigned) uid);
    return own_below(ret_endpoint, tmp, rest);
}

static void folder_of(const struct endpoint *endpoint, char *ret_folder)
{
    memcpy(ret_folder, endpoint->path, sizeof endpoint->path);
    *strrchr(ret_folder, '/') = '\0';
}

/* Anybody can make a folder in /tmp; we would hand our environment and descriptors to whoever listens
 * there. */
static int check_folder(const struct endpoint *endpoint)
{
    char folder[ENDPOINT_PATH_MAX];
    struct stat info;

    folder_of(endpoint, folder);
    if (lstat(folder, &info) < 0)
        return -errno;
    return S_ISDIR(info.st_mode) && info.st_uid == geteuid() && (info.st_mode & 022) == 0 ? 0 : -EPERM;
}

/* A full backlog blocks connect(2), which then obeys the time-out for sending. */
static void limit_time(int fd, int64_t deadline)
{
    int64_t rest = deadline - clock_monotonic();
    struct timeval limit;

    if (rest < NSEC_PER_MSEC)
        rest = NSEC_PER_MSEC;
    limit = (struct timeval) {.tv_sec = rest / NSEC_PER_SEC, .tv_usec = rest % NSEC_PER_SEC / 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

/* Never 0 to 2: whoever runs with those closed would print into it. */
static int make_socket(void)
{
    CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd > 2)
        return take_fd(&fd);
    if (fd >= 0) {
        int higher = fcntl(fd, F_DUPFD_CLOEXEC, 3);

        if (higher >= 0)
            return higher;
    }
    return -errno;
}

int endpoint_connect(const struct endpoint *endpoint, int64_t deadline)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP_FD int fd = -1;
    int error;

    if (endpoint->host[0])
        return remote_connect(endpoint->host, endpoint->path);
    error = endpoint->own ? check_folder(endpoint) : 0;
    if (error < 0)
        return error;
    fd = make_socket();
    if (fd < 0)
        return fd;
    memcpy(address.sun_path, endpoint->path, sizeof address.sun_path);
    do {
        limit_time(fd, deadline);
        error = connect(fd, (struct sockaddr *) &address, sizeof address) < 0 ? errno : 0;
    } while (error == EINTR);
    if (error == EAGAIN)
        return -ETIMEDOUT;
    return error ? -error : take_fd(&fd);
}

/* No daemon is there. (Another error means that there is one, which we may not or cannot reach.) */
static bool is_absent(int error)
{
    return error == -ENOENT || error == -ECONNREFUSED;
}

/* Of many simultaneous starters one forks. Its lock goes with its process, so a starter that dies is
 * replaced. The directory, where there is none, is made as the daemon would make it. */
static int take_start_lock(const struct endpoint *endpoint)
{
    char path[ENDPOINT_PATH_MAX + sizeof ".start"];
    CLEANUP_FD int fd = -1;

    if (endpoint->path[0] == '/') {
        folder_of(endpoint, path);
        mkdir(path, 0700);
    }
    snprintf(path, sizeof path, "%s.start", endpoint->path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    return take_fd(&fd);
}

/* What one client's attempt to start a daemon has come to. */
struct starter {
    int lock;   /* of the one client that may start */
    int daemon; /* a pidfd of the one started */
    int deaths;
};

/* Starts a daemon if nobody else is about to. 0: wait for it; 1: look once more, at once; -errno: there
 * will be none. */
static int take_turn(struct starter *starter, const struct endpoint *endpoint, const char *program)
{
    if (starter->daemon >= 0)
        return 0;
    if (starter->lock < 0) {
        starter->lock = take_start_lock(endpoint);
        if (starter->lock == -EWOULDBLOCK)
            return 0;
        return starter->lock < 0 ? starter->lock : 1; /* the starter before us may just have succeeded */
    }
    starter->daemon = autostart_daemon(program, endpoint->path);
    return starter->daemon < 0 ? starter->daemon : 0;
}

/* Waits a little, or until the daemon that we started has died: one that was there first, and is just
 * leaving, sends ours away, so it may have to be started again. */
static void wait_a_little(struct starter *starter, long nanoseconds)
{
    struct pollfd entry = {.fd = starter->daemon, .events = POLLIN};
    struct timespec span = {.tv_nsec = nanoseconds};

    if (ppoll(&entry, 1, &span, NULL) <= 0)
        return;
    starter->daemon = close_fd(starter->daemon);
    starter->deaths++;
    clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL);
}

static int connect_or_start(const struct endpoint *endpoint, const char *program, int64_t deadline)
{
    struct starter starter = {.lock = -1, .daemon = -1};
    long span = RETRY_FIRST;
    int fd, turn;

    for (;;) {
        fd = endpoint_connect(endpoint, deadline);
        if (!is_absent(fd) || starter.deaths >= DEATHS_MAX)
            break;
        turn = take_turn(&starter, endpoint, program);
        if (turn < 0)
            break;
        if (turn == 1)
            continue;
        if (clock_monotonic() >= deadline) {
            fd = -ETIMEDOUT;
            break;
        }
        wait_a_little(&starter, span);
        span = span < RETRY_LAST / 2 ? span * 2 : RETRY_LAST;
    }
    close_fd(starter.lock);
    close_fd(starter.daemon);
    return fd;
}

static bool may_start(const struct endpoint_options *options, const struct endpoint *endpoint)
{
    const char *wish = secure_getenv("PROCD_AUTOSTART");

    return !options->no_autostart && !(wish && strcmp(wish, "0") == 0) &&
           strcmp(endpoint->path, ENDPOINT_SYSTEM) != 0;
}

/* The rules. A socket if that was the only way to know, else 0 and the endpoint; or -errno. */
static int choose(const struct endpoint_options *options, int64_t deadline, struct endpoint *ret_endpoint)
{
    const char *named = options->socket ? options->socket : secure_getenv("PROCD_SOCKET");
    int fd;

    if (named && named[0])
        return endpoint_named(named, ret_endpoint);
    endpoint_named(ENDPOINT_SYSTEM, ret_endpoint);
    fd = endpoint_connect(ret_endpoint, deadline);
    if (fd >= 0)
        return fd;
    return endpoint_own(geteuid(), secure_getenv("XDG_RUNTIME_DIR"), "/run/user", "/tmp", ret_endpoint);
}

const char *endpoint_host(const struct endpoint_options *options)
{
    const char *host = options->host ? options->host : secure_getenv("PROCD_HOST");

    return host && *host ? host : NULL;
}

/* The rules for a socket there are for those to know who are there. */
static int open_remote(const struct endpoint_options *options, const char *host,
                       struct endpoint *ret_endpoint)
{
    int r;

    *ret_endpoint = (struct endpoint) {0};
    if (options->socket && strlen(options->socket) >= sizeof ret_endpoint->path)
        return -ENAMETOOLONG;
    if (options->socket)
        strcpy(ret_endpoint->path, options->socket);
    r = remote_parse(host, ret_endpoint->host);
    return r < 0 ? r : endpoint_connect(ret_endpoint, 0);
}

int endpoint_open(const struct endpoint_options *options, int64_t deadline, struct endpoint *ret_endpoint)
{
    const char *host = endpoint_host(options);
    int r;

    if (host)
        return open_remote(options, host, ret_endpoint);
    if (options->first.path[0]) {
        *ret_endpoint = options->first;
        r = endpoint_connect(ret_endpoint, deadline);
        if (!is_absent(r))
            return r;
    }
    r = choose(options, deadline, ret_endpoint);
    if (r != 0)
        return r;
    if (!may_start(options, ret_endpoint))
        return endpoint_connect(ret_endpoint, deadline);
    return connect_or_start(ret_endpoint, options->program, deadline);
}
