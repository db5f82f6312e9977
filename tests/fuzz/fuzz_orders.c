/* SPDX-License-Identifier: MIT */
/*
 * A keeper whose broker is hostile: whatever comes over the link, the keeper lives, loses no descriptor, and
 * what it says is in order. No child is made: see no_children.h.
 *
 * The input: messages. Each is how it is sent, its kind, the length of what follows its head, and that.
 */
#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/broker.h"
#include "daemon/keeper/cgroup.h"
#include "daemon/keeper/clients.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/limits.h"
#include "daemon/keeper/orders.h"
#include "daemon/keeper/pages.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/wire.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/no_children.h"
#include "tests/unit/base/descriptors.h"
#include "tests/unit/core/must.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

const char fuzz_target[] = "orders";

enum how {
    HOW_FDS = 7,        /* so many descriptors */
    HOW_RAW = 1 << 3,   /* size and number are the input's, too */
    HOW_MEMFD = 1 << 4, /* what follows a spawn's struct is in a sealed memfd */
};

static struct keeper_config config = {.no_cgroups = true, .system = true, .broker_user = ""};
static struct keeper keeper; /* as in keeper_run */
static int ours, client;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_size = sizeof(sa_family_t);
static uint64_t last_report;

/* ---- a keeper, and one client ---- */

static int make_listener(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    must(fd >= 0 && bind(fd, (struct sockaddr *) &address, address_size) == 0 && listen(fd, 4) == 0);
    address_size = sizeof address; /* a name of the kernel's choice, which stays ours */
    must(getsockname(fd, (struct sockaddr *) &address, &address_size) == 0);
    return fd;
}

/* A check of another program: there is none here. */
static int start_nothing(const struct keeper_config *unused, const char *role, bool fresh, int link_fd,
                         int *ret_pidfd)
{
    (void) unused;
    (void) role;
    (void) fresh;
    (void) link_fd;
    (void) ret_pidfd;
    return -EAGAIN;
}

static void keeper_begin(void)
{
    bool written;

    no_children();
    log_open("fuzz", LOG_LEVEL_ERROR);
    TAILQ_INIT(&keeper.jobs);
    TAILQ_INIT(&keeper.free_jobs);
    config.listen_fd = make_listener();
    config.start = start_nothing;
    keeper.config = &config;
    keeper.link.fd = -1;
    keeper.link.executed_at = INT64_MAX;
    keeper.privileged = true;
    keeper.now = clock_monotonic();
    limits_open(&keeper);
    must(ledger_open(&keeper.ledger, -1, &written) == 0);
    must(loop_open(&keeper.loop) == 0 && table_open(&keeper.table) == 0 &&
         cgroups_begin(&keeper.cgroups) == 0 && clients_open(&keeper) == 0);
    broker_open(&keeper);
    must(broker_begin(&keeper) == 0);
    cgroups_open(&keeper);
}

/* A broker may have made it leave. */
static void keeper_again(void)
{
    if (!keeper.config)
        keeper_begin();
    if (!keeper.clients.listening.ready)
        must(clients_listen(&keeper, make_listener()) == 0);
}

/* As it was before its first broker. */
static void begin(void)
{
    int pair[2];

    keeper.state = STATE_RUNNING;
    keeper.stop_at = keeper.sweep_at = keeper.leave_until = keeper.kill_at = INT64_MAX;
    keeper.link.executed = keeper.link.due = 0;
    keeper.table.last_report = last_report = 0;
    keeper.clients.last_client = keeper.clients.last_connection = 0;
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    ours = pair[1];
    must(link_up(&keeper, pair[0]) == 0);
    keeper.link.told_malformed = true; /* not each time */
    client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(connect(client, (struct sockaddr *) &address, address_size) == 0);
    must(clients_accept(&keeper) == 1);
    link_flush(&keeper);
}

static void end(void)
{
    struct slot *slot;
    struct client *one;

    ours = close_fd(ours);
    orders_drain(&keeper);
    link_down(&keeper);
    while ((slot = TAILQ_FIRST(&keeper.table.used)))
        slot_free(&keeper, slot);
    while ((one = TAILQ_FIRST(&keeper.clients.all)))
        client_forget(&keeper, one);
    pages_close(&keeper);
    must(TAILQ_EMPTY(&keeper.table.reports) && TAILQ_EMPTY(&keeper.jobs) && keeper.job_count == 0);
    client = close_fd(client);
}

/* ---- what the keeper says ---- */

static void must_be_said(const struct link_head *head, size_t size, const struct fdpass *fds)
{
    must(size >= sizeof *head && head->size == size && !fds->truncated);
    must(head->kind >= LINK_SPAWNED && head->kind <= LINK_ATTACHED);
    must(head->kind != LINK_SPAWNED && head->kind != LINK_EXITED);
    if (head->kind < LINK_HELLO) {
        must(head->number > last_report && head->number <= keeper.table.last_report);
        last_report = head->number;
    } else if (head->kind == LINK_EXECUTED) {
        must(head->number <= keeper.link.executed);
    }
}

static void hear(void)
{
    static _Alignas(16) char message[LINK_MESSAGE_MAX];

    for (;;) {
        CLEANUP(fdpass_close) struct fdpass fds = {.count = 0};
        ssize_t size = fdpass_receive(ours, message, sizeof message, &fds);

        if (size <= 0)
            return;
        must_be_said((const struct link_head *) (const void *) message, (size_t) size, &fds);
    }
}

/* ---- and what it is told ---- */

static int sealed(const void *bytes, size_t size)
{
    int fd = memfd_create("spec", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    must(fd >= 0 && write(fd, bytes, size) == (ssize_t) size);
    must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
    return fd;
}

/* Most of what is wrong shall be so inside: what a message is refused for at first sight is made right. */
static void make_right(char *message, size_t *size, bool in_memfd, int *ret_memfd)
{
    struct link_head *head = (void *) message;
    struct link_spawn *spawn = (void *) message;

    if (head->kind == LINK_SPAWN && *size > sizeof *spawn) {
        spawn->spec_size = (uint32_t) (*size - sizeof *spawn);
        if (in_memfd) {
            *ret_memfd = sealed(spawn + 1, spawn->spec_size);
            spawn->spec_size = 0;
            *size = sizeof *spawn;
        }
    }
    head->size = (uint32_t) *size;
    if (head->kind < LINK_READY)
        head->number = keeper.link.executed + 1;
}

static void tell(struct source *source)
{
    static _Alignas(16) char message[LINK_MESSAGE_MAX];
    struct link_head *head = (void *) message;
    uint8_t how = source_byte(source);
    int fds[HOW_FDS + 1], memfd = -1;
    size_t count = how & HOW_FDS, size;
    struct iovec iov = {.iov_base = message};
    const void *bytes;

    head->kind = source_byte(source);
    bytes = source_take(source, source_short(source), &size);
    if (how & HOW_RAW)
        size = size < sizeof message ? size : sizeof message;
    else
        size = size < sizeof message - sizeof *head ? size : sizeof message - sizeof *head;
    memcpy(how & HOW_RAW ? message : message + sizeof *head, bytes, size);
    if (!(how & HOW_RAW)) {
        size += sizeof *head;
        make_right(message, &size, how & HOW_MEMFD, &memfd);
    }
    for (size_t i = 0; i < count; i++)
        fds[i] = keeper.state_fd;
    if (memfd >= 0 && count > 0)
        fds[0] = memfd;
    iov.iov_len = size;
    (void) fdpass_send(ours, &iov, 1, fds, count);
    close_fd(memfd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    size_t open_before;

    keeper_again();
    open_before = descriptors_count();
    begin();
    while (source.left > 0 && keeper.link.fd >= 0) {
        uint64_t executed = keeper.link.executed;

        tell(&source);
        keeper.now = clock_monotonic();
        orders_read(&keeper);
        must(keeper.link.executed >= executed);
        link_tick(&keeper);
        link_flush(&keeper);
        hear();
    }
    end();
    keeper_again();
    must(descriptors_count() == open_before);
    return 0;
}
