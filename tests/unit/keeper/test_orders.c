/* SPDX-License-Identifier: MIT */
/* The keeper's orders, from a broker that is honest, dies, or is somebody else's by now. */
#include "tests/unit/keeper/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBER_GAP 1000000
#define ASKED_MOST 100000

static struct harness harness;
static struct spec_builder spec;
static size_t keeper_fds;

/* Without cgroups, of which the keeper opens some ahead: its descriptors are counted. */
static void start(void)
{
    harness.no_cgroups = true;
    harness_start(&harness);
    harness_barrier(&harness);
    keeper_fds = harness_keeper_fds(&harness);
}

static void stop(void)
{
    harness_until(harness_keeper_fds(&harness) == keeper_fds);
    harness_stop(&harness);
}

static bool is_alive(uint64_t process)
{
    struct pollfd pidfd = {.events = POLLIN};
    union message message;
    struct fdpass fds;
    bool alive;

    harness_ask_pidfd(&harness, process, 77);
    harness_receive(&harness, &message, &fds);
    ck_assert_uint_eq(message.head.kind, LINK_PIDFD);
    ck_assert_int_eq(message.pidfd.error, 0);
    ck_assert_uint_eq(fds.count, 1);
    pidfd.fd = fds.fd[0];
    alive = poll(&pidfd, 1, 0) == 0;
    fdpass_close(&fds);
    return alive;
}

static void signal_numbered(uint64_t number, uint64_t process, int signal)
{
    struct link_signal order = {
        .head = {.kind = LINK_SIGNAL, .size = sizeof order, .number = number},
        .process = process,
        .signal = signal};

    harness_send(&harness, &order, sizeof order, NULL, 0);
}

/* ---- numbers ---- */

START_TEST(each_number_once)
{
    union message message;
    uint64_t process;

    start();
    process = harness_shell(&harness, "sleep 100", NULL);
    signal_numbered(harness.order, process, SIGKILL);
    signal_numbered(0, process, SIGKILL);
    signal_numbered(harness.order + NUMBER_GAP + 1, process, SIGKILL);
    signal_numbered(UINT64_MAX, process, SIGKILL);
    harness_barrier(&harness);
    ck_assert(is_alive(process));
    /* what a broker has undone is left out */
    harness.order += NUMBER_GAP;
    signal_numbered(harness.order, process, SIGSTOP);
    harness_expect(&harness, LINK_STOPPED, &message);
    harness_kill_broker(&harness);
    harness_next_broker(&harness, NULL);
    ck_assert_uint_eq(harness.hello.head.number, harness.order);
    harness_ready(&harness);
    signal_numbered(harness.order, process, SIGKILL);
    signal_numbered(harness.order + 1, process, SIGTERM);
    signal_numbered(harness.order + 2, process, SIGCONT);
    ck_assert_int_eq(harness_exit(&harness, process), -SIGTERM);
    harness_stop(&harness);
}
END_TEST

/* ---- malformed messages ---- */

/* With descriptors of all sorts, which must not stay. */
static void send_malformed(const void *message, size_t size)
{
    int pair[2], fds[5];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    fds[2] = pair[0];
    fds[3] = pair[1];
    fds[4] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    harness_send(&harness, message, size, fds, 5);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
}

START_TEST(malformed_messages)
{
    static const uint32_t kinds[] = {0, 6, 63, 77, LINK_SPAWNED, LINK_HELLO, LINK_THREADS, UINT32_MAX};
    static const uint32_t known[] = {LINK_SIGNAL,        LINK_WATCH_TREE, LINK_FORGET_PROCESS,
                                     LINK_FORGET_CLIENT, LINK_READY,      LINK_ACK_REPORTS,
                                     LINK_CLOSE_CONNECTION, LINK_IDENTIFY, LINK_GET_PIDFD,
                                     LINK_PONG,          LINK_LEAVE,      LINK_REPLACE,
                                     LINK_COUNT_THREADS, LINK_CHECK};
    static _Alignas(8) unsigned char bytes[LINK_MESSAGE_MAX + 64];
    struct link_head *head = (void *) bytes;

    start();
    for (size_t size = 1; size < sizeof *head; size += 5)
        send_malformed(bytes, size);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        *head = (struct link_head){.kind = kinds[i], .size = sizeof *head, .number = harness.order + 1};
        send_malformed(bytes, sizeof *head);
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        *head = (struct link_head){.kind = known[i], .size = 64, .number = harness.order + 1};
        send_malformed(bytes, 64);
        head->size = (uint32_t) sizeof *head; /* not what was sent */
        send_malformed(bytes, 24);
    }
    *head = (struct link_head){.kind = LINK_SIGNAL, .size = sizeof bytes, .number = harness.order + 1};
    send_malformed(bytes, sizeof bytes); /* more than the keeper reads */
    harness_barrier(&harness);
    /* none of them has used the number */
    ck_assert_int_eq(harness_exit(&harness, harness_shell(&harness, "exit 3", NULL)), 3);
    keeper_fds++; /* the pidfd, while its start is not acknowledged */
    stop();
}
END_TEST

/* A broker that is not to be trusted cannot have another program started by a word. */
START_TEST(a_replacement_that_was_not_checked)
{
    struct link_head order = {.kind = LINK_REPLACE, .size = sizeof order};
    const struct link_checked *checked;
    static union message message;

    start();
    harness_send(&harness, &order, sizeof order, NULL, 0);
    harness_barrier(&harness);
    order.kind = LINK_CHECK; /* without the state */
    harness_send(&harness, &order, sizeof order, NULL, 0);
    harness_expect(&harness, LINK_CHECKED, &message);
    checked = (const void *) &message;
    ck_assert_uint_eq(checked->refused, 1);
    ck_assert_str_eq(checked->why, "there is no state");
    order.kind = LINK_REPLACE;
    harness_send(&harness, &order, sizeof order, NULL, 0);
    harness_barrier(&harness);
    stop();
}
END_TEST

START_TEST(spawns_whose_spec_is_not_there)
{
    static const struct {
        uint32_t sent, said;
    } sizes[] = {{0, 1},     {0, 200},   {0, 1 << 20}, {0, UINT32_MAX},
                 {200, 199}, {200, 201}, {200, 0},     {1, UINT32_MAX}};
    static _Alignas(8) unsigned char bytes[1024];
    struct link_spawn *order = (void *) bytes;

    start();
    spec_shell(&spec, "exit 4");
    /* what lies behind a shorter message in the keeper's buffer is a spec that is valid */
    harness_exit(&harness, harness_spawn(&harness, harness.connection, &spec, NULL, 0));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *order = (struct link_spawn){.head = {.kind = LINK_SPAWN,
                                              .size = (uint32_t) sizeof *order + sizes[i].sent,
                                              .number = harness.order + 1},
                                     .process = 1000 + i,
                                     .connection = harness.connection,
                                     .spec_size = sizes[i].said};
        send_malformed(bytes, order->head.size);
    }
    harness_barrier(&harness);
    ck_assert_int_eq(harness_exit(&harness, harness_shell(&harness, "exit 3", NULL)), 3);
    keeper_fds += 2;
    stop();
}
END_TEST

/* ---- hostile specs ---- */

static void refused(void)
{
    harness_fails(&harness, &spec, EINVAL, LINK_STAGE_SPEC);
}

START_TEST(hostile_specs)
{
    struct link_spec *head = spec_head(&spec);

#define REFUSED(...)                 \
    do {                             \
        spec_shell(&spec, "exit 0"); \
        __VA_ARGS__;                 \
        refused();                   \
    } while (0)
    start();
    REFUSED(head->argc = UINT32_MAX);
    REFUSED(head->envc = UINT32_MAX);
    REFUSED(head->argc = head->size); /* more than end before the end */
    REFUSED(head->argv = head->size - 1, spec.data[head->size - 1] = 'x'); /* no NUL */
    REFUSED(head->envp = UINT32_MAX - 3);
    REFUSED(head->cwd = head->size);
    REFUSED(head->search = UINT32_MAX);
    REFUSED(head->groups = 8, head->group_count = 0x40000001);  /* times 4 it is 4 */
    REFUSED(head->limits = 8, head->limit_count = 0x0aaaaaab);  /* times 24 it is 8 */
    REFUSED(head->placed = 8, head->placed_count = 0x20000001); /* times 8 it is 8 */
    REFUSED(head->placed = UINT32_MAX - 7, head->placed_count = 1);
    REFUSED(head->stdio[1] = ((struct link_stdio){.kind = LINK_STDIO_FD, .fd = 0}));
    REFUSED(head->stdio[1] = ((struct link_stdio){.kind = LINK_STDIO_WRITE, .path = UINT32_MAX}));
    REFUSED(head->stdio[1].kind = LINK_STDIO_PTY + 1);
    REFUSED(head->stdio[0].kind = LINK_STDIO_LOG);
    REFUSED(head->flags = LINK_SPEC_EXE_FD, head->exe_fd = UINT32_MAX);
    REFUSED(head->flags = ~0u);
    REFUSED(head->umask = UINT32_MAX);
    stop();
#undef REFUSED
}
END_TEST

/* A spec of its own descriptor: it must be a memfd that nobody can change any more, and of its size. */
static void spawn_from(int fd, uint64_t connection, int error, uint32_t stage)
{
    struct link_spawn order = {.head = {.kind = LINK_SPAWN, .size = sizeof order, .number = ++harness.order},
                               .process = ++harness.process,
                               .connection = connection};
    union message message;

    harness_send(&harness, &order, sizeof order, &fd, fd >= 0);
    harness_expect(&harness, LINK_SPAWN_FAILED, &message);
    ck_assert_uint_eq(message.failed.process, order.process);
    ck_assert_int_eq(message.failed.error, error);
    ck_assert_uint_eq(message.failed.stage, stage);
    harness_acknowledge(&harness, message.head.number);
    close(fd);
}

static int memfd_of(size_t size, int seals)
{
    int fd = memfd_create("spec", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    spec_shell(&spec, "exit 0");
    ck_assert_int_eq(write(fd, spec.data, sizeof(struct link_spec)), sizeof(struct link_spec));
    ck_assert_int_eq(ftruncate(fd, (off_t) size), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

START_TEST(specs_in_descriptors)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int pair[2];

    start();
    spawn_from(-1, harness.connection, EBADF, LINK_STAGE_SPEC);
    ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
    spawn_from(pair[0], harness.connection, EINVAL, LINK_STAGE_SPEC);
    close(pair[1]);
    spawn_from(open("/dev/zero", O_RDONLY | O_CLOEXEC), harness.connection, EINVAL, LINK_STAGE_SPEC);
    spawn_from(memfd_of(4096, F_SEAL_SHRINK | F_SEAL_GROW), harness.connection, EINVAL, LINK_STAGE_SPEC);
    spawn_from(memfd_of(8, seals), harness.connection, EINVAL, LINK_STAGE_SPEC);
    spawn_from(memfd_of(4096, seals), harness.connection, EINVAL, LINK_STAGE_SPEC); /* it says another size */
    spawn_from(memfd_of((size_t) 1 << 40, seals), harness.connection, EINVAL, LINK_STAGE_SPEC);
    spawn_from(memfd_of(4096, seals), harness.connection + 1, ESRCH, LINK_STAGE_CREDENTIALS);
    stop();
}
END_TEST

/* ---- processes ---- */

START_TEST(signals_that_reach_nobody)
{
    union message message;
    uint64_t ended, living;

    start();
    ended = harness_shell(&harness, "exit 5", NULL);
    ck_assert_int_eq(harness_exit(&harness, ended), 5);
    living = harness_shell(&harness, "sleep 100", NULL);
    for (int tree = 0; tree < 2; tree++) {
        harness_signal(&harness, ended, SIGKILL, tree);
        harness_signal(&harness, 9999, SIGKILL, tree);
        harness_signal(&harness, living, 0, tree);
        harness_signal(&harness, living, -1, tree);
        harness_signal(&harness, living, 65, tree);
    }
    harness_barrier(&harness);
    ck_assert(is_alive(living));
    ck_assert(!is_alive(ended));
    harness_signal(&harness, living, SIGSTOP, false);
    harness_expect(&harness, LINK_STOPPED, &message);
    harness_signal(&harness, living, SIGKILL, false);
    ck_assert_int_eq(harness_exit(&harness, living), -SIGKILL);
    harness_stop(&harness);
}
END_TEST

START_TEST(what_lives_is_not_forgotten)
{
    union message message;
    uint64_t process;

    start();
    process = harness_shell(&harness, "sleep 100", NULL);
    harness_about(&harness, LINK_FORGET_PROCESS, process);
    harness_about(&harness, LINK_FORGET_PROCESS, 9999);
    harness_barrier(&harness);
    ck_assert(is_alive(process));
    harness_signal(&harness, process, SIGTERM, false);
    harness_expect(&harness, LINK_EXITED, &message);
    ck_assert_int_eq(message.exited.exitcode, -SIGTERM);
    harness_acknowledge(&harness, message.head.number);
    harness_about(&harness, LINK_FORGET_PROCESS, process);
    harness_ask_pidfd(&harness, process, 1);
    harness_expect(&harness, LINK_PIDFD, &message);
    ck_assert_int_eq(message.pidfd.error, ESRCH);
    /* an id is never used again, but the keeper does not rely on that */
    harness.process--;
    ck_assert_int_eq(harness_exit(&harness, harness_shell(&harness, "exit 8", NULL)), 8);
    keeper_fds++;
    stop();
}
END_TEST

/* ---- clients ---- */

static struct link_identity identify(uint64_t connection, pid_t pid)
{
    static uint64_t tag;
    struct link_identify ask = {
        .head = {.kind = LINK_IDENTIFY, .size = sizeof ask},
        .connection = connection,
        .tag = ++tag,
        .pid = pid};
    union message message;
    struct fdpass fds;

    harness_send(&harness, &ask, sizeof ask, NULL, 0);
    harness_receive(&harness, &message, &fds);
    ck_assert_uint_eq(message.head.kind, LINK_IDENTITY);
    ck_assert_uint_eq(message.identity.tag, tag);
    ck_assert_int_eq(message.identity.pid, pid);
    ck_assert_uint_eq(fds.count, message.identity.client_is_new); /* its pidfd */
    ck_assert(message.identity.error != 0 || message.identity.client != 0);
    fdpass_close(&fds);
    return message.identity;
}

START_TEST(identify_others)
{
    struct link_client_ref forget = {.head = {.kind = LINK_FORGET_CLIENT, .size = sizeof forget}};
    struct link_identity own, root, first, again;
    pid_t ann, bob, other;
    uint64_t connection;

    if (geteuid() != 0)
        return;
    start();
    connection = harness_connect_as(&harness, 1000, &ann);
    other = process_as(1000);
    bob = process_as(1001);
    harness_until(identify(harness.connection, bob).uid == 1001);
    harness_until(identify(harness.connection, other).uid == 1000);
    own = identify(connection, ann);
    ck_assert(own.error == 0 && !own.client_is_new && own.uid == 1000);
    again = identify(connection, other);
    ck_assert(again.error == 0 && !again.client_is_new && again.process == 0);
    ck_assert_int_eq(identify(connection, bob).error, EPERM);
    ck_assert_int_eq(identify(connection, getpid()).error, EPERM);
    ck_assert_int_eq(identify(connection, 1).error, EPERM);
    ck_assert_int_eq(identify(connection + 1, ann).error, ESRCH);
    for (pid_t pid = -1; pid <= 0; pid++)
        ck_assert_int_eq(identify(connection, pid).error, ESRCH);
    root = identify(harness.connection, getpid());
    ck_assert(root.error == 0 && root.uid == 0);
    /* a dead one is nobody; forgotten and asked for again it is another client */
    process_end(other);
    ck_assert_int_eq(identify(connection, other).error, ESRCH);
    first = identify(harness.connection, bob);
    forget.client = first.client;
    forget.head.number = ++harness.order;
    harness_send(&harness, &forget, sizeof forget, NULL, 0);
    again = identify(harness.connection, bob);
    ck_assert(again.error == 0 && again.client_is_new && again.client > first.client);
    process_end(bob);
    process_end(ann);
    keeper_fds += 3; /* the pidfds of ann, bob and the other */
    stop();
}
END_TEST

/* ---- reports ---- */

static unsigned children, ended_with;

static void count_children(const union message *message)
{
    if (message->head.kind != LINK_CHILD)
        return;
    children++;
    if (message->child.ended)
        ended_with = (unsigned) message->child.end.exitcode;
}

static void next_broker(unsigned expected)
{
    children = 0;
    harness_kill_broker(&harness);
    harness_next_broker(&harness, count_children);
    harness_ready(&harness);
    ck_assert_uint_eq(children, expected);
}

START_TEST(reports_until_they_are_acknowledged)
{
    union message message;
    uint64_t process, spawned, exited, failed;

    start();
    process = harness_shell(&harness, "exit 9", NULL);
    harness_expect(&harness, LINK_EXITED, &message);
    exited = message.head.number;
    for (int i = 0; i < 2; i++) {
        next_broker(1);
        ck_assert_uint_eq(ended_with, 9);
        harness_expect(&harness, LINK_SPAWNED, &message);
        ck_assert_uint_eq(message.spawned.process, process);
        spawned = message.head.number;
        ck_assert_uint_lt(spawned, exited);
        harness_expect(&harness, LINK_EXITED, &message);
        ck_assert_uint_eq(message.head.number, exited);
        ck_assert_int_eq(message.exited.exitcode, 9);
    }
    harness_acknowledge(&harness, spawned);
    next_broker(1);
    harness_expect(&harness, LINK_EXITED, &message);
    ck_assert_uint_eq(message.head.number, exited);
    /* what was not sent yet is not acknowledged by a number that is too high */
    harness_acknowledge(&harness, UINT64_MAX);
    next_broker(1);
    harness_barrier(&harness);
    ck_assert_uint_eq(harness.hello.hello.last_report, exited);
    harness_about(&harness, LINK_FORGET_PROCESS, process);
    next_broker(0);
    /* a spawn that fails is a report, and never a child */
    spec_shell(&spec, "exit 0");
    harness_spawn(&harness, harness.connection, &spec, NULL, 0); /* that connection is gone */
    for (int i = 0; i < 2; i++) {
        harness_expect(&harness, LINK_SPAWN_FAILED, &message);
        failed = message.head.number;
        ck_assert_uint_gt(failed, exited);
        next_broker(0);
    }
    harness_expect(&harness, LINK_SPAWN_FAILED, &message);
    harness_acknowledge(&harness, message.head.number);
    next_broker(0);
    harness_barrier(&harness);
    stop();
}
END_TEST

/* ---- a link that is full ---- */

/* Questions until no more are taken: the keeper has nowhere to put the answers, and does not read. */
static uint64_t ask_until_full(uint64_t process)
{
    for (uint64_t tag = 1; tag <= ASKED_MOST; tag++) {
        /* a few with a descriptor: those under way are limited, too */
        struct link_get_pidfd ask = {.head = {.kind = LINK_GET_PIDFD, .size = sizeof ask},
                                     .process = tag % 16 == 0 ? process : 0,
                                     .tag = tag};
        const struct iovec iov = {.iov_base = &ask, .iov_len = sizeof ask};
        struct pollfd room = {.fd = harness.link, .events = POLLOUT};

        while (fdpass_send(harness.link, &iov, 1, NULL, 0) < 0)
            if (poll(&room, 1, 500) == 0)
                return tag - 1;
    }
    return 0;
}

START_TEST(answers_when_the_link_is_full)
{
    union message message;
    struct fdpass fds;
    uint64_t process, asked;

    start();
    process = harness_shell(&harness, "sleep 100", NULL);
    harness_acknowledge(&harness, 1);
    for (int round = 0; round < 2; round++) {
        asked = ask_until_full(process);
        ck_assert_uint_gt(asked, 0);
        for (uint64_t tag = 1; tag <= asked; tag++) {
            harness_receive(&harness, &message, &fds);
            ck_assert_uint_eq(message.head.kind, LINK_PIDFD);
            ck_assert_uint_eq(message.pidfd.tag, tag);
            ck_assert_uint_eq(fds.count, tag % 16 == 0);
            fdpass_close(&fds);
        }
        harness_barrier(&harness);
    }
    /* and one that dies while it is full */
    ck_assert_uint_gt(ask_until_full(process), 0);
    next_broker(1);
    harness_signal(&harness, process, SIGKILL, false);
    ck_assert_int_eq(harness_exit(&harness, process), -SIGKILL);
    keeper_fds = harness_keeper_fds(&harness);
    stop();
}
END_TEST

static void add(TCase *test)
{
    tcase_add_test(test, each_number_once);
    tcase_add_test(test, malformed_messages);
    tcase_add_test(test, a_replacement_that_was_not_checked);
    tcase_add_test(test, spawns_whose_spec_is_not_there);
    tcase_add_test(test, hostile_specs);
    tcase_add_test(test, specs_in_descriptors);
    tcase_add_test(test, signals_that_reach_nobody);
    tcase_add_test(test, what_lives_is_not_forgotten);
    tcase_add_test(test, identify_others);
    tcase_add_test(test, reports_until_they_are_acknowledged);
    tcase_add_test(test, answers_when_the_link_is_full);
}

int main(void)
{
    return harness_main("orders", add);
}
