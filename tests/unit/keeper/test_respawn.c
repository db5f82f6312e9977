/* SPDX-License-Identifier: MIT */
/* Tickets: what a process begins again from, and that nothing else ever comes of them, whatever a broker
 * says; and who is heard on NOTIFY_SOCKET. */
#include "tests/unit/keeper/harness.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ANN 1000

static struct harness harness;
static struct spec_builder spec;

/* With a ticket. */
static uint64_t begin(uint64_t connection, const char *command, const int *fds, size_t count)
{
    union message message;
    uint64_t process;

    spec_shell(&spec, command);
    if (count > 0)
        spec_head(&spec)->stdio[1] = (struct link_stdio){.kind = LINK_STDIO_FD};
    harness.flags = LINK_SPAWN_TICKET;
    process = harness_spawn(&harness, connection, &spec, fds, count);
    harness.flags = 0;
    harness_expect(&harness, LINK_SPAWNED, &message);
    return process;
}

static void again(uint64_t process)
{
    harness_about(&harness, LINK_RESPAWN, process);
}

static pid_t begun_again(uint64_t process)
{
    union message message;

    again(process);
    harness_expect(&harness, LINK_SPAWNED, &message);
    ck_assert_uint_eq(message.spawned.process, process);
    ck_assert_uint_eq(message.spawned.has_pidfd, 0);
    return message.spawned.pid;
}

static void must_fail(uint64_t process, int error, uint32_t stage)
{
    union message message;

    harness_expect(&harness, LINK_SPAWN_FAILED, &message);
    ck_assert_uint_eq(message.failed.process, process);
    ck_assert_int_eq(message.failed.error, error);
    ck_assert_uint_eq(message.failed.stage, stage);
}

static void drop_and_forget(uint64_t process)
{
    harness_about(&harness, LINK_DROP, process);
    harness_about(&harness, LINK_FORGET_PROCESS, process);
    harness_barrier(&harness);
}

static size_t text_of(int fd, char *text, size_t size)
{
    size_t length = 0;
    ssize_t got;

    while ((got = read(fd, text + length, size - 1 - length)) > 0)
        length += (size_t) got;
    text[length] = '\0';
    close(fd);
    return length;
}

/* ---- what comes of one ---- */

/* The same number, another pid; each run is reported as the first. The descriptors are kept, no longer. */
START_TEST(the_same_again)
{
    char text[64];
    uint64_t process;
    int out[2];

    harness_start(&harness);
    ck_assert_int_eq(pipe(out), 0);
    process = begin(harness.connection, "echo run; exit 3", &out[1], 1);
    close(out[1]);
    ck_assert_int_eq(harness_exit(&harness, process), 3);
    for (int i = 0; i < 3; i++) {
        begun_again(process);
        ck_assert_int_eq(harness_exit(&harness, process), 3);
    }
    drop_and_forget(process);
    text_of(out[0], text, sizeof text);
    ck_assert_str_eq(text, "run\nrun\nrun\nrun\n");
    harness_stop(&harness);
}
END_TEST

/* The client is gone, with its connection; what it was proven to be stays. */
START_TEST(credentials_are_frozen)
{
    struct link_connection_ref gone = {.head = {.kind = LINK_CLOSE_CONNECTION, .size = sizeof gone}};
    char text[256], want[256];
    uint64_t process;
    int out[2];
    pid_t ann;

    if (geteuid() != 0)
        return;
    harness_start(&harness);
    gone.connection = harness_connect_as(&harness, ANN, &ann);
    ck_assert_int_eq(pipe(out), 0);
    process = begin(gone.connection, "id -u; id -g; id -G; ulimit -Hn; grep NoNewPrivs /proc/self/status",
                    &out[1], 1);
    close(out[1]);
    harness_exit(&harness, process);
    process_end(ann);
    harness_send(&harness, &gone, sizeof gone, NULL, 0);
    begun_again(process);
    harness_exit(&harness, process);
    drop_and_forget(process);
    text_of(out[0], text, sizeof text);
    ck_assert_int_eq(strncmp(text, "1000\n1000\n1000 1001 1002\n", 25), 0);
    snprintf(want, sizeof want, "%.*s", (int) strlen(text) / 2, text);
    ck_assert_str_eq(text + strlen(text) / 2, want);
    harness_stop(&harness);
}
END_TEST

/* ---- what does not ---- */

START_TEST(nothing_without_a_ticket)
{
    uint64_t plain, with;

    harness_start(&harness);
    plain = harness_shell(&harness, "exit 1", NULL);
    harness_exit(&harness, plain);
    with = begin(harness.connection, "exit 2", NULL, 0);
    harness_exit(&harness, with);
    again(plain);
    again(0);
    again(UINT64_MAX);
    harness_about(&harness, LINK_DROP, plain);
    harness_about(&harness, LINK_DROP, UINT64_MAX);
    harness_about(&harness, LINK_DROP, with);
    again(with);
    harness_barrier(&harness);
    ck_assert(harness_silent(&harness, 50));
    harness_about(&harness, LINK_FORGET_PROCESS, with);
    again(with);
    harness_barrier(&harness);
    ck_assert(harness_silent(&harness, 50));
    harness_stop(&harness);
}
END_TEST

/* One of a process that has not ended, or of one that is about to begin, is none; and order is order. */
START_TEST(one_run_at_a_time)
{
    struct link_process order = {.head = {.kind = LINK_RESPAWN, .size = sizeof order}};
    union message message;
    pid_t pid;

    harness_start(&harness);
    order.process = begin(harness.connection, "sleep 1000", NULL, 0);
    again(order.process);
    harness_barrier(&harness);
    harness_signal(&harness, order.process, SIGKILL, true);
    ck_assert_int_eq(harness_exit(&harness, order.process), -SIGKILL);
    again(order.process);
    again(order.process);
    order.head.number = harness.order; /* which was executed */
    harness_send(&harness, &order, sizeof order, NULL, 0);
    harness_expect(&harness, LINK_SPAWNED, &message);
    pid = message.spawned.pid;
    harness_barrier(&harness);
    ck_assert_int_eq(kill(pid, 0), 0);
    harness_signal(&harness, order.process, SIGKILL, true);
    ck_assert_int_eq(harness_exit(&harness, order.process), -SIGKILL);
    drop_and_forget(order.process);
    harness_stop(&harness);
}
END_TEST

/* A first start that fails leaves no ticket; a later one leaves it where it is. */
START_TEST(failures)
{
    char *const argv[] = {(char *) "/nonexistent", NULL};
    char path[128], command[256];
    uint64_t process;
    FILE *file;

    harness_start(&harness);
    spec_begin(&spec, argv);
    harness.flags = LINK_SPAWN_TICKET;
    harness_fails(&harness, &spec, ENOENT, LINK_STAGE_EXEC);
    harness.flags = 0;
    again(harness.process);
    harness_barrier(&harness);
    snprintf(path, sizeof path, "%s/script", harness.folder);
    snprintf(command, sizeof command, "#!/bin/sh\nrm %s\nexit 4\n", path);
    for (int turn = 0; turn < 2; turn++) {
        char *const script[] = {path, NULL};
        union message message;

        file = fopen(path, "we");
        fputs(command, file);
        fclose(file);
        ck_assert_int_eq(chmod(path, 0755), 0);
        if (turn == 0) {
            spec_begin(&spec, script);
            harness.flags = LINK_SPAWN_TICKET;
            process = harness_spawn(&harness, harness.connection, &spec, NULL, 0);
            harness.flags = 0;
            harness_expect(&harness, LINK_SPAWNED, &message);
        } else {
            begun_again(process);
        }
        ck_assert_int_eq(harness_exit(&harness, process), 4);
        for (int i = 0; i < 3; i++) {
            again(process);
            must_fail(process, ENOENT, LINK_STAGE_EXEC);
        }
    }
    drop_and_forget(process);
    harness_kill_broker(&harness);
    harness_next_broker(&harness, NULL);
    harness_ready(&harness);
    harness_served(&harness); /* a keeper that has not read this leaves without asking us */
    harness_stop(&harness);
}
END_TEST

/* ---- two runs never meet ---- */

/* A child of a run that lives on holds a lock on a file, which the next run would not get. */
static void the_tree_goes_first(bool cgroups)
{
    char command[256];
    uint64_t process;

    harness.no_cgroups = !cgroups;
    harness_start(&harness);
    snprintf(command, sizeof command, "exec 9>%s/lock; flock -n 9 || exit 7; sleep 1000 & exit 1",
             harness.folder);
    process = begin(harness.connection, command, NULL, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(harness_exit(&harness, process), 1);
        begun_again(process);
    }
    ck_assert_int_eq(harness_exit(&harness, process), 1);
    harness_signal(&harness, process, SIGKILL, true);
    drop_and_forget(process);
    snprintf(command, sizeof command, "%s/lock", harness.folder);
    unlink(command);
    harness_stop(&harness);
    harness.no_cgroups = false;
}

START_TEST(the_cgroup_goes_first)
{
    the_tree_goes_first(true);
}
END_TEST

START_TEST(the_session_goes_first)
{
    the_tree_goes_first(false);
}
END_TEST

/* ---- another broker ---- */

static uint64_t seen;
static unsigned seen_count;

static void see(const union message *message)
{
    if (message->head.kind != LINK_CHILD || message->child.process != seen)
        return;
    seen_count++;
    ck_assert_uint_eq(message->child.ended, 1);
    ck_assert(message->child.flags & LINK_SPAWN_TICKET);
}

/* The ticket is the keeper's. */
START_TEST(a_broker_dies_between_two_runs)
{
    union message message;

    harness_start(&harness);
    seen = begin(harness.connection, "exit 5", NULL, 0);
    harness_exit(&harness, seen);
    harness_kill_broker(&harness);
    harness_next_broker(&harness, see);
    harness_ready(&harness);
    ck_assert_uint_eq(seen_count, 1);
    do
        harness_receive(&harness, &message, NULL);
    while (message.head.kind != LINK_EXITED);
    harness_acknowledge(&harness, message.head.number);
    begun_again(seen);
    ck_assert_int_eq(harness_exit(&harness, seen), 5);
    drop_and_forget(seen);
    harness_stop(&harness);
}
END_TEST

/* ---- NOTIFY_SOCKET ---- */

static void say(const char *path, const char *words)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    sendto(fd, words, strlen(words), MSG_DONTWAIT, (const struct sockaddr *) &address, sizeof address);
    close(fd);
}

static void notify(bool cgroups)
{
    union message message;
    char path[108];
    uint64_t process;
    ssize_t size;
    int out[2], in[2];

    harness.no_cgroups = !cgroups;
    harness_start(&harness);
    ck_assert_int_eq(pipe(out), 0);
    ck_assert_int_eq(pipe(in), 0);
    spec_shell(&spec, "echo $NOTIFY_SOCKET; read x; python3 -c \"import os, socket; "
                      "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', "
                      "os.environ['NOTIFY_SOCKET'])\"; exit 6");
    spec_head(&spec)->stdio[0] = (struct link_stdio){.kind = LINK_STDIO_FD};
    spec_head(&spec)->stdio[1] = (struct link_stdio){.kind = LINK_STDIO_FD, .fd = 1};
    harness.flags = LINK_SPAWN_NOTIFY;
    process = harness_spawn(&harness, harness.connection, &spec, (int[]){in[0], out[1]}, 2);
    harness.flags = 0;
    close(in[0]);
    close(out[1]);
    harness_expect(&harness, LINK_SPAWNED, &message);
    size = read(out[0], path, sizeof path - 1);
    ck_assert_int_gt(size, 1);
    path[size - 1] = '\0';
    ck_assert_int_eq(access(path, F_OK), 0);
    say(path, "READY=1"); /* of none of the tree's */
    say(path, "READY=1\n");
    harness_barrier(&harness);
    ck_assert(harness_silent(&harness, 50));
    close(in[1]);
    harness_expect(&harness, LINK_NOTIFIED, &message);
    ck_assert_uint_eq(message.process.process, process);
    ck_assert_int_eq(harness_exit(&harness, process), 6);
    harness_until(access(path, F_OK) < 0);
    close(out[0]);
    drop_and_forget(process);
    harness_stop(&harness);
    harness.no_cgroups = false;
}

START_TEST(ready_in_a_cgroup)
{
    notify(true);
}
END_TEST

START_TEST(ready_in_a_session)
{
    notify(false);
}
END_TEST

static void add(TCase *test)
{
    tcase_add_test(test, the_same_again);
    tcase_add_test(test, credentials_are_frozen);
    tcase_add_test(test, nothing_without_a_ticket);
    tcase_add_test(test, one_run_at_a_time);
    tcase_add_test(test, failures);
    tcase_add_test(test, the_cgroup_goes_first);
    tcase_add_test(test, the_session_goes_first);
    tcase_add_test(test, a_broker_dies_between_two_runs);
    tcase_add_test(test, ready_in_a_cgroup);
    tcase_add_test(test, ready_in_a_session);
}

int main(void)
{
    return harness_main("respawn", add);
}
