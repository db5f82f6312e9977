/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/clients.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/drop.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/table.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define ACCEPT_BATCH 32
#define ACCEPT_PAUSE (100 * NSEC_PER_MSEC)

/* Linux 6.5 and later; before that the number may in theory have come again since the connect. */
static int peer_pidfd(int fd, pid_t pid)
{
    int pidfd;
    socklen_t size = sizeof pidfd;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
        return pidfd;
    return errno == ENOPROTOOPT && pid > 0 ? pidfd_open_process(pid) : -errno;
}

static int peer_groups(int fd, gid_t **ret_groups, size_t *ret_count)
{
    socklen_t size = 0;
    CLEANUP_MEMORY gid_t *groups = NULL;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0) {
        *ret_count = 0;
        return 0;
    }
    if (errno != ERANGE)
        return -errno;
    groups = malloc(size);
    if (!groups)
        return -ENOMEM;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
        return -errno;
    *ret_count = size / sizeof *groups;
    *ret_groups = TAKE(groups);
    return 0;
}

static bool is_served(const struct keeper *keeper, uid_t uid)
{
    return keeper->config->system || uid == 0 || uid == geteuid();
}

/* Takes fd over, unless it fails. */
static int connection_new(struct keeper *keeper, int fd)
{
    CLEANUP_MEMORY struct connection *connection = calloc(1, sizeof *connection);
    struct clients *clients = &keeper->clients;
    struct slot *slot;
    struct ucred peer;
    socklen_t size = sizeof peer;
    int pidfd, r;

    if (!connection)
        return -ENOMEM;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return -errno;
    if (!is_served(keeper, peer.uid))
        return -EPERM;
    pidfd = peer_pidfd(fd, peer.pid);
    if (pidfd < 0)
        return pidfd;
    r = peer_groups(fd, &connection->groups, &connection->group_count);
    if (r < 0) {
        close_fd(pidfd);
        return r;
    }
    slot = slot_by_pid(keeper, peer.pid);
    if (slot && pidfd_alive(pidfd)) /* else the number may have been another's when it connected */
        spawn_talks(keeper, slot);
    connection->client = client_get(keeper, peer.pid, pidfd, peer.uid, &connection->is_new);
    if (!connection->client) {
        free(connection->groups);
        return -ENOMEM;
    }
    connection->client->connections++;
    connection->connection = ++clients->last_connection;
    connection->uid = peer.uid;
    connection->gid = peer.gid;
    connection->fd = fd;
    map_add(&clients->by_connection, &connection->by_connection, connection->connection);
    TAILQ_INSERT_TAIL(&clients->waiting, connection, order);
    connection = NULL;
    return 0;
}

/* No descriptor is left: with the spare one the next connection is closed, so that it does not wake us for
 * ever. A thread closes it, for what it may have sent: the spare one can come back later. */
static void accept_without_room(struct keeper *keeper)
{
    struct clients *clients = &keeper->clients;
    int fd;

    if (log_again(&clients->tell_at, keeper->now))
        log_warning("no descriptor is left: connections are refused");
    clients->spare = close_fd(clients->spare);
    fd = accept4(clients->listening.fd, NULL, NULL, SOCK_CLOEXEC);
    drop_descriptors(&fd, fd >= 0);
    clients->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    clients->paused_until = keeper->now + ACCEPT_PAUSE;
}

unsigned clients_accept(struct keeper *keeper)
{
    struct clients *clients = &keeper->clients;
    unsigned count = 0;

    if (clients->spare < 0)
        clients->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (; count < ACCEPT_BATCH; count++) {
        int fd = accept4(clients->listening.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        int r;

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                accept_without_room(keeper);
            break;
        }
        r = connection_new(keeper, fd);
        if (r < 0)
            drop_connection(keeper, fd);
        if (r < 0 && r != -EPERM)
            log_debug("a connection was refused: %s", strerror(-r));
    }
    return count;
}

static void listening_ready(struct keeper *keeper, struct watch *watch, uint32_t events)
{
    (void) watch;
    (void) events;
    if (clients_accept(keeper) > 0)
        spawn_settle_all(keeper); /* that a child has begun is told before it, or its own, has a connection */
}

int64_t clients_gate(struct keeper *keeper)
{
    struct clients *clients = &keeper->clients;
    bool paused = clients->paused_until > keeper->now;
    bool open = keeper->link.ready && !keeper->link.full && !paused && TAILQ_EMPTY(&clients->waiting);

    loop_arm(&keeper->loop, &clients->listening, open ? EPOLLIN : 0);
    return paused ? clients->paused_until : INT64_MAX;
}

int clients_listen(struct keeper *keeper, int fd)
{
    struct clients *clients = &keeper->clients;

    clients_stop_listening(keeper);
    return loop_add(&keeper->loop, &clients->listening, fd, 0, listening_ready);
}

void clients_stop_listening(struct keeper *keeper)
{
    struct clients *clients = &keeper->clients;

    if (!clients->listening.ready)
        return;
    loop_remove(&keeper->loop, &clients->listening);
    drop_held(keeper, &clients->listening.fd, 1); /* with whom it has not accepted, and what they have sent */
    clients->listening.fd = -1;
}

int clients_begin(struct keeper *keeper)
{
    struct clients *clients = &keeper->clients;

    TAILQ_INIT(&clients->all);
    TAILQ_INIT(&clients->connections);
    TAILQ_INIT(&clients->waiting);
    if (map_open(&clients->by_client) < 0 || map_open(&clients->by_pid) < 0 ||
        map_open(&clients->by_connection) < 0)
        return -ENOMEM;
    return 0;
}

int clients_open(struct keeper *keeper)
{
    int r = clients_begin(keeper);

    keeper->clients.spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return r < 0 ? r : clients_listen(keeper, keeper->config->listen_fd);
}
