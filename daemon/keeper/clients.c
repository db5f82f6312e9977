/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/clients.h"

#include "daemon/base/cleanup.h"
#include "daemon/keeper/drop.h"
#include "daemon/keeper/handover_layout.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/store.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/wire.h"

#include <sys/stat.h>
#include <sys/vfs.h>

#define PIDFS_MAGIC 0x50494446

/* ---- clients ---- */

bool client_alive(const struct client *client)
{
    return !client->forgotten && pidfd_alive(client->pidfd);
}

/* Do two pidfds with the same number speak of the same process? Since Linux 6.9 their inodes tell, dead or
 * alive; before that only what lives has its number for sure. 0 or 1; -errno: no answer is better than a
 * wrong one, by which a process would be two clients. */
static int same_process(int one, int other)
{
    struct statfs fs;
    struct stat first, second;

    if (fstatfs(one, &fs) < 0)
        return -errno;
    if (fs.f_type != PIDFS_MAGIC)
        return pidfd_alive(one) && pidfd_alive(other);
    if (fstat(one, &first) < 0 || fstat(other, &second) < 0)
        return -errno;
    return first.st_ino == second.st_ino;
}

/* The managed process that the client is, or 0. */
static int process_of(const struct keeper *keeper, pid_t pid, int pidfd, uint64_t *ret_process)
{
    const struct slot *slot = pid > 0 ? slot_by_pid(keeper, pid) : NULL;
    int same = slot && slot->pidfd >= 0 ? same_process(slot->pidfd, pidfd) : 0;

    *ret_process = same > 0 ? slot->process : 0;
    return same < 0 ? same : 0;
}

struct client *client_find(const struct keeper *keeper, uint64_t client)
{
    struct node *node = map_find(&keeper->clients.by_client, client);
    return node ? owner_of(node, struct client, by_client) : NULL;
}

static struct client *client_add(struct keeper *keeper, uint64_t number, uint64_t process, pid_t pid,
                                 int pidfd, uid_t uid)
{
    struct clients *clients = &keeper->clients;
    struct client *client = calloc(1, sizeof *client);

    if (!client)
        return NULL;
    client->client = number;
    client->process = process;
    client->pid = pid;
    client->pidfd = pidfd;
    client->uid = uid;
    map_add(&clients->by_client, &client->by_client, client->client);
    map_add(&clients->by_pid, &client->by_pid, (uint64_t) pid);
    TAILQ_INSERT_TAIL(&clients->all, client, order);
    return client;
}

/* For whoever takes over. One without a number here is found by what is in the store. */
static void client_record(struct keeper *keeper, struct client *client)
{
    client->pid_seen = clock_boot();
    if (!pidfd_alive(client->pidfd)) /* then the number may have been another's by that time */
        client->pid_seen = 0;
    if (client->pid == 0)
        store_client(keeper, client);
    ledger_client(keeper, client);
}

static struct client *client_new(struct keeper *keeper, pid_t pid, int pidfd, uid_t uid)
{
    struct client *client;
    uint64_t process;
    uint32_t place = 0;

    if (process_of(keeper, pid, pidfd, &process) < 0 || ledger_client_place(keeper, &place) < 0)
        return NULL;
    client = client_add(keeper, keeper->clients.last_client + 1, process, pid, pidfd, uid);
    if (!client) {
        ledger_give_back(keeper, place);
        return NULL;
    }
    client->place = place;
    keeper->clients.last_client++;
    client_record(keeper, client);
    return client;
}

int client_restore(struct keeper *keeper, const struct handover_client *from)
{
    struct client *client =
        client_add(keeper, from->client, from->process, from->pid, from->pidfd, from->uid);

    if (!client)
        return -ENOMEM;
    client->pid_seen = from->pid_seen;
    client->place = from->place;
    client->stored = from->stored;
    return 0;
}

struct client *client_get(struct keeper *keeper, pid_t pid, int pidfd, uid_t uid, bool *ret_is_new)
{
    struct node *node = pid > 0 ? map_find(&keeper->clients.by_pid, (uint64_t) pid) : NULL;
    struct client *client = node ? owner_of(node, struct client, by_pid) : NULL;
    int same = client ? same_process(client->pidfd, pidfd) : 0;

    *ret_is_new = same == 0;
    if (same == 0)
        client = client_new(keeper, pid, pidfd, uid);
    if (same != 0 || !client)
        close_fd(pidfd);
    return same < 0 ? NULL : client;
}

static void client_free_unused(struct client *client)
{
    if (client->forgotten && client->connections == 0)
        free(client);
}

void client_forget(struct keeper *keeper, struct client *client)
{
    struct clients *clients = &keeper->clients;

    if (keeper->link.client_cursor == client)
        keeper->link.client_cursor = TAILQ_NEXT(client, order);
    spawn_disown(keeper, client);
    store_leave_client(keeper, client);
    ledger_drop_client(keeper, client);
    map_remove(&clients->by_client, &client->by_client);
    map_remove(&clients->by_pid, &client->by_pid);
    TAILQ_REMOVE(&clients->all, client, order);
    client->pidfd = close_fd(client->pidfd);
    client->forgotten = true;
    client_free_unused(client);
}

/* Why the client cannot have it identified: errno, 0: it can. The number that it means is one of its own pid
 * namespace; so that must be ours. */
static int not_identified(const struct connection *connection, pid_t pid, int pidfd, uid_t *ret_uid)
{
    bool same, asker_same = true;
    uid_t unused;
    int r;

    if (pidfd < 0 || !connection)
        return tells_nothing(pidfd) ? -pidfd : ESRCH;
    r = connection->client->pid > 0 ? proc_identity(connection->client->pid, &unused, &asker_same) : 0;
    if (tells_nothing(r))
        return -r;
    r = proc_identity(pid, ret_uid, &same);
    if (r < 0 || !pidfd_alive(pidfd))
        return tells_nothing(r) ? -r : ESRCH;
    if (connection->client->pid <= 0 || !asker_same || !same ||
        (connection->uid != 0 && connection->uid != *ret_uid))
        return EPERM;
    return 0;
}

int client_identify(struct keeper *keeper, const struct link_identify *order,
                    struct link_identity *ret_answer)
{
    struct connection *connection = connection_find(keeper, order->connection);
    int pidfd = order->pid > 0 ? pidfd_open_process(order->pid) : -ESRCH;
    struct client *client;
    bool is_new;
    uid_t uid;

    *ret_answer = (struct link_identity){.tag = order->tag, .pid = order->pid};
    ret_answer->error = not_identified(connection, order->pid, pidfd, &uid);
    if (ret_answer->error != 0)
        return close_fd(pidfd);
    client = client_get(keeper, order->pid, pidfd, uid, &is_new);
    ret_answer->error = client ? 0 : ENOMEM;
    if (!client)
        return -1;
    ret_answer->client = client->client;
    ret_answer->process = client->process;
    ret_answer->uid = uid;
    ret_answer->client_is_new = is_new;
    return is_new ? client->pidfd : -1;
}

/* ---- connections ---- */

struct connection *connection_find(const struct keeper *keeper, uint64_t connection)
{
    struct node *node = map_find(&keeper->clients.by_connection, connection);
    return node ? owner_of(node, struct connection, by_connection) : NULL;
}

struct connection *connection_free(struct keeper *keeper, struct connection *connection)
{
    struct clients *clients = &keeper->clients;

    if (connection->fd >= 0)
        TAILQ_REMOVE(&clients->waiting, connection, order);
    else
        TAILQ_REMOVE(&clients->connections, connection, order);
    map_remove(&clients->by_connection, &connection->by_connection);
    connection->client->connections--;
    client_free_unused(connection->client);
    drop_connection(keeper, connection->fd);
    free(connection->groups);
    free(connection);
    return NULL;
}

void connections_free(struct keeper *keeper)
{
    struct connection *connection;

    while ((connection = TAILQ_FIRST(&keeper->clients.connections)))
        connection_free(keeper, connection);
    while ((connection = TAILQ_FIRST(&keeper->clients.waiting)))
        connection_free(keeper, connection);
}

bool connections_hand_over(struct keeper *keeper)
{
    struct connection *connection;

    while ((connection = TAILQ_FIRST(&keeper->clients.waiting))) {
        const struct client *client = connection->client;
        struct link_connection message = {
            .head = {.kind = LINK_CONNECTION, .size = sizeof message},
            .connection = connection->connection,
            .client = client->client,
            .process = client->process,
            .pid = client->pid,
            .uid = connection->uid,
            .gid = connection->gid,
            .client_is_new = connection->is_new && client->pidfd >= 0,
        };
        int fds[2] = {connection->fd, client->pidfd};

        if (!link_send(keeper, &message, sizeof message, fds, 1 + message.client_is_new))
            return false;
        TAILQ_REMOVE(&keeper->clients.waiting, connection, order);
        TAILQ_INSERT_TAIL(&keeper->clients.connections, connection, order);
        connection->fd = close_fd(connection->fd);
    }
    return true;
}
