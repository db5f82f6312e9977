/* SPDX-License-Identifier: MIT */
/* What a broker that was taken over can have of the keeper: spawns as users whose clients are there, signals
 * to children, and no more. */
#include "daemon/keeper/spec.h"
#include "tests/unit/keeper/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

#define ANN 1000
#define BOB 1001

static struct harness harness;
static struct spec_builder spec;

static void as(struct spec_builder *builder, uint32_t uid, uint32_t gid)
{
    spec_head(builder)->flags |= LINK_SPEC_AS;
    spec_head(builder)->as_uid = uid;
    spec_head(builder)->as_gid = gid;
}

/* A spawn of `spec` for this connection, which must fail. */
static void refused(uint64_t connection, int error, uint32_t stage)
{
    uint64_t process = harness_spawn(&harness, connection, &spec, NULL, 0);
    union message message;

    harness_expect(&harness, LINK_SPAWN_FAILED, &message);
    ck_assert_uint_eq(message.failed.process, process);
    ck_assert_msg(message.failed.error == error && message.failed.stage == stage,
                  "connection %llu: errno %d at stage %u", (unsigned long long) connection,
                  message.failed.error, message.failed.stage);
    harness_acknowledge(&harness, message.head.number);
}

static void about_connection(uint32_t kind, uint64_t connection)
{
    struct link_connection_ref order = {.head = {.kind = kind, .size = sizeof order},
                                        .connection = connection};

    if (kind == LINK_FORGET_CLIENT)
        order.head.number = ++harness.order;
    harness_send(&harness, &order, sizeof order, NULL, 0);
}

/* ---- as whom ---- */

/* Root's client lives, but its connection is closed: there is no number, old, new or made up, and no member
 * of the spec, that makes a child of root, or of somebody who is not there. */
START_TEST(only_whose_client_is_connected)
{
    static const uint64_t made_up[] = {0, 1 << 20, UINT64_C(1) << 32, INT64_MAX, UINT64_MAX};
    char text[256];
    uint64_t connection;
    pid_t ann;

    if (geteuid() != 0)
        return;
    harness_start(&harness);
    connection = harness_connect_as(&harness, ANN, &ann);
    about_connection(LINK_CLOSE_CONNECTION, harness.connection);
    spec_shell(&spec, "id -u; id -g; id -G; grep -E 'NoNewPrivs|CapPrm|CapEff' /proc/self/status");
    for (uint64_t number = 0; number < 16; number++)
        if (number != connection)
            refused(number, ESRCH, LINK_STAGE_CREDENTIALS);
    for (size_t i = 0; i < sizeof made_up / sizeof *made_up; i++)
        refused(made_up[i], ESRCH, LINK_STAGE_CREDENTIALS);
    harness_output(&harness, connection, &spec, text, sizeof text);
    ck_assert_str_eq(text, "1000\n1000\n1000 1001 1002\nCapPrm:\t0000000000000000\n"
                           "CapEff:\t0000000000000000\nNoNewPrivs:\t1\n");
    for (uint32_t uid = 0; uid <= BOB; uid += uid == 0 ? ANN : 1) {
        for (uint32_t gid = 0; gid <= ANN; gid += ANN) {
            spec_shell(&spec, "true");
            as(&spec, uid, gid);
            refused(connection, EPERM, LINK_STAGE_CREDENTIALS);
        }
    }
    process_end(ann);
    harness_stop(&harness);
}
END_TEST

/* Though its process lives: the core has buried it. */
START_TEST(not_whose_client_is_forgotten)
{
    uint64_t connection;
    pid_t ann;

    if (geteuid() != 0)
        return;
    harness_start(&harness);
    connection = harness_connect_as(&harness, ANN, &ann);
    spec_shell(&spec, "true");
    about_connection(LINK_FORGET_CLIENT, 2); /* clients are numbered as they come */
    refused(connection, ESRCH, LINK_STAGE_CREDENTIALS);
    ck_assert_int_eq(harness_exit(&harness, harness_shell(&harness, "exit 7", NULL)), 7);
    process_end(ann);
    harness_stop(&harness);
}
END_TEST

/* Whoever it is named as (owner_pid) is a client, but has no connection: nothing is spawned in its name. */
START_TEST(not_who_is_only_identified)
{
    struct link_identify ask = {.head = {.kind = LINK_IDENTIFY, .size = sizeof ask}, .tag = 1};
    union message message;
    uint64_t connection;
    pid_t ann;

    if (geteuid() != 0)
        return;
    harness_start(&harness);
    connection = harness_connect_as(&harness, ANN, &ann);
    ask.connection = harness.connection;
    ask.pid = harness.keeper;
    harness_send(&harness, &ask, sizeof ask, NULL, 0);
    harness_expect(&harness, LINK_IDENTITY, &message);
    ck_assert_int_eq(message.identity.error, 0); /* root may name any; of a keeper it has nothing */
    about_connection(LINK_CLOSE_CONNECTION, harness.connection);
    spec_shell(&spec, "true");
    for (uint64_t number = 0; number < 16; number++)
        if (number != connection)
            refused(number, ESRCH, LINK_STAGE_CREDENTIALS);
    process_end(ann);
    harness_stop(&harness);
}
END_TEST

/* Beyond what the client's process could do by itself. */
START_TEST(no_more_than_the_client_may)
{
    struct link_limit limit = {.resource = RLIMIT_NOFILE, .soft = 400, .hard = 401};
    struct rlimit own, low = {.rlim_cur = 300, .rlim_max = 400};
    uint64_t connection;
    pid_t ann;

    if (geteuid() != 0)
        return;
    harness_start(&harness);
    getrlimit(RLIMIT_NOFILE, &own);
    setrlimit(RLIMIT_NOFILE, &low); /* for the client, which is forked from here */
    connection = harness_connect_as(&harness, ANN, &ann);
    setrlimit(RLIMIT_NOFILE, &own);
    spec_shell(&spec, "true");
    spec_head(&spec)->limits = spec_add(&spec, &limit, sizeof limit);
    spec_head(&spec)->limit_count = 1;
    refused(connection, EPERM, LINK_STAGE_LIMITS);
    spec_shell(&spec, "true");
    spec_head(&spec)->flags = LINK_SPEC_NICE;
    spec_head(&spec)->nice = -1;
    refused(connection, EACCES, LINK_STAGE_NICE);
    spec_shell(&spec, "true");
    spec_head(&spec)->stdio[0] =
        (struct link_stdio){.kind = LINK_STDIO_READ, .path = spec_text(&spec, "/etc/shadow")};
    refused(connection, EACCES, LINK_STAGE_STDIO);
    process_end(ann);
    harness_stop(&harness);
}
END_TEST

/* ---- whom it signals ---- */

/* Orders name children by the daemon's numbers: the number of a process is none. */
START_TEST(no_signal_to_others)
{
    pid_t client, other, child;
    uint64_t process;
    union message message;

    if (geteuid() != 0)
        return;
    harness_start(&harness);
    harness_connect_as(&harness, ANN, &client);
    other = process_as(ANN);
    harness.process = UINT64_C(1) << 40; /* no pid */
    process = harness_shell(&harness, "sleep 100", &child);
    {
        const pid_t pids[] = {client, other, child, getpid(), harness.keeper, harness.stand_in, 1, -1, 0};

        for (size_t i = 0; i < 2 * sizeof pids / sizeof *pids; i++) {
            pid_t pid = pids[i / 2];

            harness_signal(&harness, (uint64_t) pid, SIGKILL, i % 2);
            harness_ask_pidfd(&harness, (uint64_t) pid, i);
            harness_expect(&harness, LINK_PIDFD, &message);
            ck_assert_int_eq(message.pidfd.error, ESRCH);
            harness_about(&harness, LINK_WATCH_TREE, (uint64_t) pid);
        }
    }
    harness_barrier(&harness);
    ck_assert_int_eq(waitpid(client, NULL, WNOHANG), 0);
    ck_assert_int_eq(waitpid(other, NULL, WNOHANG), 0);
    ck_assert_int_eq(kill(child, 0), 0);
    harness_signal(&harness, process, SIGTERM, false);
    ck_assert_int_eq(harness_exit(&harness, process), -SIGTERM);
    process_end(client);
    process_end(other);
    harness_stop(&harness);
}
END_TEST

/* The kernel delivers packets whole: what is shorter or longer than it says, or than its kind, was sent so.
 * None of it is executed, and its number is still free. */
START_TEST(no_packet_that_is_not_whole)
{
    unsigned char bytes[sizeof(struct link_signal) + 64] = {0};
    struct link_signal order = {.head = {.kind = LINK_SIGNAL}, .signal = SIGKILL};
    uint64_t process;
    pid_t child;

    harness_start(&harness);
    order.process = process = harness_shell(&harness, "sleep 100", &child);
    order.head.number = harness.order + 1;
    for (size_t size = 1; size <= sizeof bytes; size++) {
        const size_t said[] = {sizeof order, size, LINK_MESSAGE_MAX};

        for (size_t i = 0; i < sizeof said / sizeof *said && size != sizeof order; i++) {
            order.head.size = (uint32_t) said[i];
            memcpy(bytes, &order, sizeof order);
            harness_send(&harness, bytes, size, NULL, 0);
        }
    }
    harness_barrier(&harness);
    ck_assert_int_eq(kill(child, 0), 0);
    harness_signal(&harness, process, SIGTERM, false);
    ck_assert_int_eq(harness_exit(&harness, process), -SIGTERM);
    harness_stop(&harness);
}
END_TEST

/* ---- too much ---- */

static int sealed(size_t size)
{
    int fd = memfd_create("spec", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct link_spec *head = spec_head(&spec);

    spec_shell(&spec, "exit 0");
    head->size = (uint32_t) size;
    ck_assert_int_eq(ftruncate(fd, (off_t) size), 0);
    ck_assert_int_eq(pwrite(fd, spec.data, sizeof spec.data, 0), (ssize_t) sizeof spec.data);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    return fd;
}

static void spawn_from(int fd, union message *message)
{
    struct link_spawn order = {.head = {.kind = LINK_SPAWN, .size = sizeof order, .number = ++harness.order},
                               .process = ++harness.process,
                               .connection = harness.connection};

    harness_send(&harness, &order, sizeof order, &fd, 1);
    harness_receive(&harness, message, NULL);
    close(fd);
}

START_TEST(specs_up_to_their_limit)
{
    union message message;

    harness_start(&harness);
    spawn_from(sealed(SPEC_SIZE_MAX), &message);
    ck_assert_uint_eq(message.head.kind, LINK_SPAWNED);
    harness_exit(&harness, message.spawned.process);
    spawn_from(sealed(SPEC_SIZE_MAX + 8), &message);
    ck_assert_uint_eq(message.head.kind, LINK_SPAWN_FAILED);
    ck_assert_int_eq(message.failed.error, EINVAL);
    ck_assert_uint_eq(message.failed.stage, LINK_STAGE_SPEC);
    harness_stop(&harness);
}
END_TEST

#define FDS_MOST 253 /* the kernel's SCM_MAX_FD */

static void send_with_most(const void *message, size_t size, int fd)
{
    int fds[FDS_MOST];
    char control[CMSG_SPACE(sizeof fds)] __attribute__((aligned(8))) = {0};
    struct iovec iov = {.iov_base = (void *) message, .iov_len = size};
    struct msghdr header = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    struct pollfd room = {.fd = harness.link, .events = POLLOUT};

    for (int i = 0; i < FDS_MOST; i++)
        fds[i] = fd;
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(rights), fds, sizeof fds);
    ck_assert_int_eq(poll(&room, 1, 20000), 1);
    ck_assert_int_eq(sendmsg(harness.link, &header, 0), (ssize_t) size);
}

/* With messages of every sort: the keeper keeps none. A spawn of which some were lost fails. */
START_TEST(floods_of_descriptors)
{
    static const uint32_t kinds[] = {LINK_SPAWN, LINK_SIGNAL, LINK_ACK_REPORTS, LINK_GET_PIDFD, 77};
    static struct {
        struct link_spawn order;
        struct spec_builder spec;
    } spawn;
    struct pollfd end_of_pipe;
    union message message;
    size_t before;
    int pair[2];

    harness.no_cgroups = true;
    harness_start(&harness);
    harness_barrier(&harness);
    before = harness_keeper_fds(&harness);
    ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
    for (int round = 0; round < 200; round++) {
        struct link_head head = {.kind = kinds[round % 5], .size = sizeof head, .number = harness.order + 1};

        send_with_most(&head, sizeof head, pair[1]);
    }
    spec_shell(&spawn.spec, "true");
    spawn.order = (struct link_spawn){.head = {.kind = LINK_SPAWN, .number = ++harness.order},
                                      .process = ++harness.process,
                                      .connection = harness.connection,
                                      .spec_size = spec_head(&spawn.spec)->size};
    spawn.order.head.size = (uint32_t) sizeof spawn.order + spawn.order.spec_size;
    send_with_most(&spawn, spawn.order.head.size, pair[1]);
    harness_expect(&harness, LINK_SPAWN_FAILED, &message);
    ck_assert_int_eq(message.failed.error, EBADF);
    ck_assert_uint_eq(message.failed.stage, LINK_STAGE_SPEC);
    close(pair[1]);
    end_of_pipe = (struct pollfd){.fd = pair[0], .events = POLLIN};
    ck_assert_int_eq(poll(&end_of_pipe, 1, 20000), 1);
    close(pair[0]);
    ck_assert_uint_eq(harness_keeper_fds(&harness), before);
    harness_stop(&harness);
}
END_TEST

/* Where the kernel can keep them away. */
START_TEST(no_descriptors_to_the_lookup_helper)
{
    struct lookup_question question = {.uid = ANN};
    const struct iovec iov = {.iov_base = &question, .iov_len = sizeof question};
    int pair[2], no = 0;
    bool has_option;

    harness_start(&harness);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    has_option = setsockopt(pair[0], SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof no) == 0;
    ck_assert_int_eq(fdpass_send(harness.lookup, &iov, 1, &pair[1], 1),
                     has_option ? -EPERM : (ssize_t) sizeof question);
    ck_assert_int_eq(fdpass_send(harness.lookup, &iov, 1, NULL, 0), sizeof question);
    close(pair[0]);
    close(pair[1]);
    harness_stop(&harness);
}
END_TEST

static void add(TCase *test)
{
    tcase_add_test(test, only_whose_client_is_connected);
    tcase_add_test(test, not_whose_client_is_forgotten);
    tcase_add_test(test, not_who_is_only_identified);
    tcase_add_test(test, no_more_than_the_client_may);
    tcase_add_test(test, no_signal_to_others);
    tcase_add_test(test, no_packet_that_is_not_whole);
    tcase_add_test(test, specs_up_to_their_limit);
    tcase_add_test(test, floods_of_descriptors);
    tcase_add_test(test, no_descriptors_to_the_lookup_helper);
}

int main(void)
{
    return harness_main("hostile", add);
}
