/* SPDX-License-Identifier: MIT */
/* daemon/keeper/accept.c: who a client is, is settled when its connection is accepted, on every kernel. */
#include "tests/unit/keeper/harness.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static struct harness harness;
static size_t keeper_fds;

/* ---- the keeper's kernel ---- */

/* What it does not tell, and why; shared with the keeper, which is another process. */
static struct {
    int option, error;
} *refusing;

int __real_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size);

int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
    if (refusing && level == SOL_SOCKET && option == refusing->option && refusing->error) {
        errno = refusing->error;
        return -1;
    }
    return __real_getsockopt(fd, level, option, value, size);
}

static void start(void)
{
    refusing = mmap(NULL, sizeof *refusing, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(refusing != MAP_FAILED);
    refusing->error = 0;
    harness.no_cgroups = true; /* of which it opens some ahead: its descriptors are counted */
    harness_start(&harness);
    harness_barrier(&harness);
    keeper_fds = harness_keeper_fds(&harness);
}

static void refuse(int option, int error)
{
    refusing->option = option;
    refusing->error = error;
}

/* ---- clients ---- */

static void connect_here(int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", harness.path);
    if (connect(fd, (struct sockaddr *) &address, sizeof address) < 0)
        _exit(1);
}

/* The socket of a process that has connected; it lives until it is killed. */
static int client_of(pid_t *ret_pid)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), connected[2];
    char byte;

    ck_assert_int_eq(pipe(connected), 0);
    *ret_pid = fork();
    if (*ret_pid == 0) {
        connect_here(fd);
        close(connected[0]);
        close(connected[1]);
        for (;;)
            pause();
    }
    close(connected[1]);
    ck_assert_int_eq(read(connected[0], &byte, 1), 0);
    close(connected[0]);
    return fd;
}

static bool is_alive(int pidfd)
{
    struct pollfd wait_for = {.fd = pidfd, .events = POLLIN};

    return poll(&wait_for, 1, 0) == 0;
}

/* The number of the process behind a pidfd, -1 after its end. */
static int pid_of(int pidfd)
{
    char path[64], line[256];
    int pid = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Pid: %d", &pid) == 1)
            break;
    fclose(file);
    return pid;
}

static void spawn_refused(uint64_t connection)
{
    static struct spec_builder spec;
    union message message;

    spec_shell(&spec, "true");
    harness_spawn(&harness, connection, &spec, NULL, 0);
    harness_expect(&harness, LINK_SPAWN_FAILED, &message);
    ck_assert_int_eq(message.failed.error, ESRCH);
    ck_assert_uint_eq(message.failed.stage, LINK_STAGE_CREDENTIALS);
    harness_acknowledge(&harness, message.head.number);
}

/* The end of its stream comes, and the broker hears nothing of it. */
static void turned_away(int fd)
{
    struct pollfd wait_for = {.fd = fd, .events = POLLIN};
    char byte;

    ck_assert_int_eq(poll(&wait_for, 1, 20000), 1);
    ck_assert_int_le(read(fd, &byte, 1), 0);
    close(fd);
    harness_barrier(&harness);
}

/* ---- the tests ---- */

/* The pidfd is of who connected, with the kernel's help or without, and with its end the connection proves
 * nothing more, though somebody has the socket still. */
START_TEST(the_process_that_connected)
{
    static const int errors[] = {0, ENOPROTOOPT};
    union message message;
    struct fdpass fds;
    pid_t pid;
    int fd;

    start();
    for (int i = 0; i < 2; i++) {
        refuse(SO_PEERPIDFD, errors[i]);
        fd = client_of(&pid);
        harness_receive(&harness, &message, &fds);
        ck_assert_uint_eq(message.head.kind, LINK_CONNECTION);
        ck_assert_int_eq(message.connection.pid, pid);
        ck_assert_uint_eq(fds.count, 2);
        ck_assert_int_eq(pid_of(fds.fd[1]), pid);
        ck_assert(is_alive(fds.fd[1]));
        process_end(pid);
        ck_assert(!is_alive(fds.fd[1]));
        spawn_refused(message.connection.connection);
        fdpass_close(&fds);
        close(fd);
    }
    harness_stop(&harness);
}
END_TEST

/* It has ended before it was accepted: nobody who has its number by then is taken for it. */
START_TEST(a_process_that_has_ended)
{
    static const int errors[] = {0, ENOPROTOOPT};
    union message message;
    struct fdpass fds;
    pid_t pid;
    int fd;

    start();
    for (int i = 0; i < 2; i++) {
        struct pollfd sides[2] = {{.events = POLLIN}, {.events = POLLIN}};

        refuse(SO_PEERPIDFD, errors[i]);
        harness_kill_broker(&harness);
        harness_next_broker(&harness, NULL); /* which does not serve yet: nothing is accepted */
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        pid = fork();
        if (pid == 0) {
            connect_here(fd);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
        harness_ready(&harness);
        sides[0].fd = harness.link;
        sides[1].fd = fd;
        ck_assert_int_ge(poll(sides, 2, 20000), 1);
        if (sides[1].revents == 0) { /* a newer kernel knows the dead, too */
            ck_assert_int_eq(errors[i], 0);
            harness_receive(&harness, &message, &fds);
            ck_assert_uint_eq(message.head.kind, LINK_CONNECTION);
            ck_assert_uint_eq(fds.count, 2);
            ck_assert(!is_alive(fds.fd[1]));
            spawn_refused(message.connection.connection);
            fdpass_close(&fds);
        }
        close(fd);
    }
    harness_stop(&harness);
}
END_TEST

/* What the kernel does not tell is not guessed: the connection ends. */
START_TEST(whoever_cannot_be_known)
{
    static const struct {
        int option, error;
    } cases[] = {{SO_PEERPIDFD, EMFILE},  {SO_PEERPIDFD, EINVAL},  {SO_PEERPIDFD, ESRCH},
                 {SO_PEERPIDFD, ENODATA}, {SO_PEERCRED, EINVAL},   {SO_PEERGROUPS, ENOMEM},
                 {SO_PEERGROUPS, EINVAL}, {SO_PEERGROUPS, ENODATA}};
    pid_t pid;

    start();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refuse(cases[i].option, cases[i].error);
        turned_away(client_of(&pid));
        process_end(pid);
    }
    ck_assert_uint_eq(harness_keeper_fds(&harness), keeper_fds);
    refuse(0, 0);
    harness_stop(&harness);
}
END_TEST

/* Idle, says the broker; but a connection was on its way to it: who has come stays served. */
START_TEST(who_comes_while_it_leaves)
{
    struct link_leave leave = {.head = {.kind = LINK_LEAVE, .size = sizeof leave}, .if_idle = 1};
    union message message;
    struct fdpass fds;
    pid_t pid;
    uint64_t told;
    int fd;

    start();
    fd = client_of(&pid);
    harness_receive(&harness, &message, &fds);
    ck_assert_uint_eq(message.head.kind, LINK_CONNECTION);
    told = message.connection.connection;
    leave.last_connection = told - 1;
    harness_send(&harness, &leave, sizeof leave, NULL, 0);
    harness_expect(&harness, LINK_STAYS, &message);
    ck_assert_int_eq(access(harness.path, F_OK), 0);
    process_end(pid);
    close(fd);
    fdpass_close(&fds);
    /* one that the broker was told of, and that has gone, is no reason to stay */
    leave.last_connection = told;
    harness_send(&harness, &leave, sizeof leave, NULL, 0);
    harness_gone(&harness);
}
END_TEST

/* Those of an earlier broker are gone with it. */
START_TEST(who_came_before_is_no_reason_to_stay)
{
    struct link_leave leave = {.head = {.kind = LINK_LEAVE, .size = sizeof leave}, .if_idle = 1};
    union message message;
    struct fdpass fds;
    pid_t pid;
    int fd;

    start();
    fd = client_of(&pid);
    harness_receive(&harness, &message, &fds);
    fdpass_close(&fds);
    close(fd);
    process_end(pid);
    harness_kill_broker(&harness);
    harness_next_broker(&harness, NULL);
    harness_ready(&harness);
    harness_send(&harness, &leave, sizeof leave, NULL, 0);
    harness_gone(&harness);
}
END_TEST

static void add(TCase *test)
{
    tcase_add_test(test, the_process_that_connected);
    tcase_add_test(test, a_process_that_has_ended);
    tcase_add_test(test, whoever_cannot_be_known);
    tcase_add_test(test, who_comes_while_it_leaves);
    tcase_add_test(test, who_came_before_is_no_reason_to_stay);
}

int main(void)
{
    return harness_main("accept", add);
}
