/* SPDX-License-Identifier: MIT */
/* Trees: with cgroups where there are some, and without; signals that reach all of them and nobody else. */
#include "tests/unit/keeper/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct harness harness;

static void start(int without)
{
    harness.no_cgroups = without;
    harness_start(&harness);
}

/* Runs until its input ends: a pipe that everything in the tree holds, so that its end tells that all are
 * gone. */
static uint64_t begin_tree(const char *command, int *ret_witness, pid_t *ret_pid)
{
    static struct spec_builder spec;
    union message message;
    uint64_t process;
    int pair[2];

    ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
    spec_shell(&spec, command);
    spec_head(&spec)->stdio[1] = (struct link_stdio){.kind = LINK_STDIO_FD, .fd = 0};
    process = harness_spawn(&harness, harness.connection, &spec, &pair[1], 1);
    close(pair[1]);
    harness_expect(&harness, LINK_SPAWNED, &message);
    *ret_witness = pair[0];
    if (ret_pid)
        *ret_pid = message.spawned.pid;
    return process;
}

/* Reads `count` bytes: each member of the tree writes one when it is there. */
static void await_members(int witness, int count)
{
    char byte;

    for (int i = 0; i < count; i++)
        ck_assert_int_eq(read(witness, &byte, 1), 1);
}

static void await_nobody(int witness)
{
    struct pollfd wait_for = {.fd = witness, .events = POLLIN};
    char byte;

    ck_assert_int_eq(poll(&wait_for, 1, 10000), 1);
    ck_assert_int_eq(read(witness, &byte, 1), 0);
    close(witness);
}

START_TEST(kill_reaches_every_descendant)
{
    int witness;
    uint64_t process;
    union message message;

    start(_i);
    process = begin_tree("(sh -c 'printf x; sleep 100 & printf x; wait' & printf x; wait) & printf x; wait",
                         &witness, NULL);
    await_members(witness, 4);
    harness_about(&harness, LINK_WATCH_TREE, process);
    harness_signal(&harness, process, SIGKILL, true);
    await_nobody(witness);
    ck_assert_int_eq(harness_exit(&harness, process), -SIGKILL);
    harness_expect(&harness, LINK_TREE_GONE, &message);
    ck_assert_uint_eq(message.process.process, process);
    harness_stop(&harness);
}
END_TEST

/* The keeper may have so many more descriptors than it has now; -1: as many as before. */
static void leave_descriptors(int count)
{
    static struct rlimit before;
    struct rlimit limit = before;
    char path[64] = "/proc/self";

    if (count >= 0) {
        ck_assert_int_eq(prlimit(harness.keeper, RLIMIT_NOFILE, NULL, &before), 0);
        for (int fd = 0; access(path, F_OK) == 0; fd++) {
            limit = (struct rlimit){.rlim_cur = (rlim_t) (fd + count), .rlim_max = before.rlim_max};
            snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", harness.keeper, fd);
        }
    }
    ck_assert_int_eq(prlimit(harness.keeper, RLIMIT_NOFILE, &limit, NULL), 0);
}

/* It looks again, and those that it cannot see are not gone: none of several. */
START_TEST(kill_without_descriptors)
{
    int ends[3];
    union message message;
    uint64_t tree[3], left = 0;

    start(_i);
    for (int i = 0; i < 3; i++) {
        tree[i] = begin_tree("sh -c 'printf x; sleep 99 & printf x; wait' & printf x; wait", &ends[i], NULL);
        await_members(ends[i], 3);
        harness_about(&harness, LINK_WATCH_TREE, tree[i]);
        left += tree[i];
    }
    leave_descriptors(0);
    for (int i = 0; i < 3; i++)
        harness_signal(&harness, tree[i], SIGKILL, true);
    for (int i = 0; i < 3; i++) {
        harness_expect(&harness, LINK_EXITED, &message);
        ck_assert_int_eq(message.exited.exitcode, -SIGKILL);
    }
    ck_assert(harness_silent(&harness, 150));
    leave_descriptors(-1);
    for (int i = 0; i < 3; i++)
        await_nobody(ends[i]);
    for (; left > 0; left -= message.process.process)
        harness_expect(&harness, LINK_TREE_GONE, &message);
    harness_stop(&harness);
}
END_TEST

/* One is left, for the folder of processes, and none for what is in it. */
START_TEST(who_cannot_be_looked_at_is_not_gone)
{
    int witness;
    union message message;
    uint64_t process;

    start(_i);
    process = begin_tree("sleep 100 & printf x; wait", &witness, NULL);
    await_members(witness, 1);
    harness_signal(&harness, process, SIGKILL, false);
    ck_assert_int_eq(harness_exit(&harness, process), -SIGKILL);
    leave_descriptors(1);
    harness_about(&harness, LINK_WATCH_TREE, process);
    ck_assert(harness_silent(&harness, 150));
    leave_descriptors(-1);
    harness_signal(&harness, process, SIGKILL, true);
    await_nobody(witness);
    harness_expect(&harness, LINK_TREE_GONE, &message);
    ck_assert_uint_eq(message.process.process, process);
    harness_stop(&harness);
}
END_TEST

START_TEST(other_signals_reach_every_descendant)
{
    int witness;
    uint64_t process;

    start(_i);
    process = begin_tree("(trap 'exit 0' USR1; printf x; while :; do sleep 0.05; done) & "
                         "trap 'exit 5' USR1; printf x; while :; do sleep 0.05; done", &witness, NULL);
    await_members(witness, 2);
    harness_signal(&harness, process, SIGUSR1, true);
    await_nobody(witness);
    ck_assert_int_eq(harness_exit(&harness, process), 5);
    harness_stop(&harness);
}
END_TEST

/* The child ends, a grandchild lives: the tree is gone with the last one, and can be killed after the child's
 * end. */
START_TEST(a_tree_outlives_its_child)
{
    int witness;
    uint64_t process;
    union message message;

    start(_i);
    process = begin_tree("(sleep 100; true) & printf x; exit 3", &witness, NULL);
    await_members(witness, 1);
    ck_assert_int_eq(harness_exit(&harness, process), 3);
    harness_about(&harness, LINK_WATCH_TREE, process);
    ck_assert(harness_silent(&harness, 200));
    harness_signal(&harness, process, SIGKILL, true);
    harness_expect(&harness, LINK_TREE_GONE, &message);
    ck_assert_uint_eq(message.process.process, process);
    await_nobody(witness);
    harness_about(&harness, LINK_FORGET_PROCESS, process);
    harness_stop(&harness);
}
END_TEST

START_TEST(a_tree_that_ends_by_itself)
{
    int witness, release[2];
    static struct spec_builder spec;
    uint64_t process;
    union message message;

    start(_i);
    ck_assert_int_eq(pipe2(release, O_CLOEXEC), 0);
    spec_shell(&spec, "(read x <&3; true) & exit 0");
    {
        const struct link_placed_fd placed = {.fd = 0, .target = 3};

        spec_head(&spec)->placed = spec_add(&spec, &placed, sizeof placed);
        spec_head(&spec)->placed_count = 1;
    }
    process = harness_spawn(&harness, harness.connection, &spec, &release[0], 1);
    ck_assert_int_eq(harness_exit(&harness, process), 0);
    harness_about(&harness, LINK_WATCH_TREE, process);
    ck_assert(harness_silent(&harness, 150));
    close(release[1]);
    harness_expect(&harness, LINK_TREE_GONE, &message);
    close(release[0]);
    (void) witness;
    /* one that is asked about too late is answered at once */
    process = harness_shell(&harness, "true", NULL);
    harness_exit(&harness, process);
    harness_about(&harness, LINK_WATCH_TREE, process);
    harness_expect(&harness, LINK_TREE_GONE, &message);
    harness_stop(&harness);
}
END_TEST

START_TEST(stops_are_reported)
{
    union message message;
    uint64_t process;

    start(_i);
    process = harness_shell(&harness, "while :; do sleep 0.05; done", NULL);
    for (int i = 0; i < 3; i++) {
        harness_signal(&harness, process, SIGSTOP, false);
        harness_expect(&harness, LINK_STOPPED, &message);
        harness_signal(&harness, process, SIGCONT, false);
        harness_expect(&harness, LINK_CONTINUED, &message);
    }
    harness_signal(&harness, process, SIGTERM, false);
    ck_assert_int_eq(harness_exit(&harness, process), -SIGTERM);
    harness_stop(&harness);
}
END_TEST

/*
 * The last member of a session is the child of a process that left it, and dies: its parent is told, and the
 * keeper is not. `*ret_stray` is the parent, which is nobody's when the session has gone.
 */
static uint64_t begin_unseen(int *ret_witness, pid_t *ret_last, pid_t *ret_stray)
{
    const char *command = "(sleep 100 & echo $!; exec setsid sh -c 'echo $$; exec sleep 100') & exit 0";
    uint64_t process = begin_tree(command, ret_witness, NULL);
    char text[64] = "";
    size_t used = 0;

    while (sscanf(text, "%d\n%d", ret_last, ret_stray) != 2 || text[used - 1] != '\n') {
        ssize_t got = read(*ret_witness, text + used, sizeof text - 1 - used);

        ck_assert_int_gt(got, 0);
        text[used += (size_t) got] = '\0';
    }
    ck_assert_int_eq(harness_exit(&harness, process), 0);
    return process;
}

START_TEST(the_last_of_a_session_is_not_our_child)
{
    pid_t last, stray;
    int witness;
    uint64_t process;
    union message message;

    start(1);
    process = begin_unseen(&witness, &last, &stray);
    harness_about(&harness, LINK_WATCH_TREE, process);
    ck_assert(harness_silent(&harness, 300)); /* what is looked for just after an end is over */
    kill(last, SIGKILL);
    harness_expect(&harness, LINK_TREE_GONE, &message);
    ck_assert_uint_eq(message.process.process, process);
    kill(stray, SIGKILL);
    await_nobody(witness);
    harness_stop(&harness);
}
END_TEST

/* The file of a process's cgroup, "" where it is not one of a keeper's. */
static void cgroup_file(pid_t pid, const char *file, char *path, size_t size)
{
    char name[64], line[4096], mount[1024] = "";
    FILE *stream = fopen("/proc/self/mountinfo", "re");

    path[0] = '\0';
    while (fgets(line, sizeof line, stream))
        if (!mount[0] && strstr(line, " - cgroup2 "))
            sscanf(line, "%*s %*s %*s %*s %1023s", mount);
    fclose(stream);
    snprintf(name, sizeof name, "/proc/%d/cgroup", pid);
    stream = fopen(name, "re");
    while (fgets(line, sizeof line, stream)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::", 3) == 0 && strstr(line, "/procd-"))
            ck_assert_int_lt(snprintf(path, size, "%s%s/%s", mount, line + 3, file), (int) size);
    }
    fclose(stream);
}

/* The last in the cgroup is a stranger: its parent is told of its end, and the keeper is not. */
START_TEST(the_last_in_a_cgroup_is_not_our_child)
{
    char path[8192];
    union message message;
    int witness, file, status;
    pid_t pid, stranger;
    uint64_t process;

    start(0);
    process = begin_tree("printf x; exec sleep 100", &witness, &pid);
    await_members(witness, 1);
    cgroup_file(pid, "cgroup.procs", path, sizeof path);
    file = open(path, O_WRONLY | O_CLOEXEC);
    if (file >= 0) { /* else there are no cgroups, or not ours */
        stranger = fork();
        if (stranger == 0)
            for (;;)
                pause();
        ck_assert_int_gt(dprintf(file, "%d", stranger), 0);
        close(file);
        harness_signal(&harness, process, SIGKILL, false);
        ck_assert_int_eq(harness_exit(&harness, process), -SIGKILL);
        harness_about(&harness, LINK_WATCH_TREE, process);
        ck_assert(harness_silent(&harness, 300));
        kill(stranger, SIGKILL);
        waitpid(stranger, &status, 0);
        harness_expect(&harness, LINK_TREE_GONE, &message);
        ck_assert_uint_eq(message.process.process, process);
    }
    close(witness);
    harness_stop(&harness);
}
END_TEST

/* Whoever was alone in it has left nothing there: another process can have it. But for those that the kernel
 * has not taken out of theirs yet when we hear of their end. */
START_TEST(cgroups_are_used_again_after_a_kill)
{
    char before[8192] = "", path[8192], events[8192];
    int again = 0;

    start(0);
    for (int i = 0; i < 11; i++, strcpy(before, path)) {
        pid_t pid;
        uint64_t process = harness_shell(&harness, "exec sleep 100", &pid);

        cgroup_file(pid, "", path, sizeof path);
        cgroup_file(pid, "memory.events", events, sizeof events);
        again += strcmp(path, before) == 0;
        harness_signal(&harness, process, SIGKILL, true);
        ck_assert_int_eq(harness_exit(&harness, process), -SIGKILL);
    }
    if (*path && access(events, F_OK) < 0) /* else its counters would tell of the one before */
        ck_assert_int_ge(again, 5);
    harness_stop(&harness);
}
END_TEST

/* By somebody else, who may do so with what is empty; here before the keeper sees that it is. */
START_TEST(cgroups_that_are_removed_are_made_again)
{
    static char paths[30][8192];
    union message message;
    char path[8192];
    pid_t pids[30], pid;

    start(0);
    for (int i = 0; i < 30; i++) {
        harness_shell(&harness, "exec sleep 100", &pids[i]);
        cgroup_file(pids[i], "", paths[i], sizeof *paths);
    }
    kill(harness.keeper, SIGSTOP);
    for (int i = 0; i < 30; i++) {
        kill(pids[i], SIGKILL);
        harness_until(!paths[i][0] || rmdir(paths[i]) == 0 || errno != EBUSY);
    }
    kill(harness.keeper, SIGCONT);
    for (int ended = 0; ended < 30; ended += message.head.kind == LINK_EXITED)
        harness_receive(&harness, &message, NULL);
    for (int i = 0; i < 30 && paths[0][0]; i++) {
        harness_shell(&harness, "exec sleep 100", &pid);
        cgroup_file(pid, "", path, sizeof path);
        ck_assert_str_ne(path, "");
    }
    harness_stop(&harness);
}
END_TEST

/* How often the keeper has gone to sleep. */
static unsigned long sleeps(void)
{
    char path[64], line[256];
    unsigned long count = 0;
    FILE *stream;

    snprintf(path, sizeof path, "/proc/%d/status", harness.keeper);
    stream = fopen(path, "re");
    while (fgets(line, sizeof line, stream))
        sscanf(line, "voluntary_ctxt_switches: %lu", &count);
    fclose(stream);
    return count;
}

START_TEST(a_tree_that_nobody_waits_for_wakes_nobody)
{
    unsigned long before;
    int witness, tries = 0;
    uint64_t process;
    union message message;

    start(_i);
    process = begin_tree("sleep 100 & printf x; exit 0", &witness, NULL);
    await_members(witness, 1);
    ck_assert_int_eq(harness_exit(&harness, process), 0);
    do {
        before = sleeps();
        ck_assert(harness_silent(&harness, 200));
        ck_assert_int_lt(tries++, 50);
    } while (before == 0 || sleeps() != before);
    harness_about(&harness, LINK_WATCH_TREE, process);
    harness_signal(&harness, process, SIGKILL, true);
    harness_expect(&harness, LINK_TREE_GONE, &message);
    await_nobody(witness);
    harness_stop(&harness);
}
END_TEST

/* A core that has lost its state asks once more. */
START_TEST(whoever_asks_again_is_told_again)
{
    uint64_t process;
    union message message;

    start(_i);
    process = harness_shell(&harness, "exit 0", NULL);
    harness_exit(&harness, process);
    for (int i = 0; i < 2; i++) {
        harness_about(&harness, LINK_WATCH_TREE, process);
        harness_expect(&harness, LINK_TREE_GONE, &message);
        harness_acknowledge(&harness, message.head.number);
    }
    harness_stop(&harness);
}
END_TEST

/* A process with this very number, a session of its own, which is nobody's child here. */
static pid_t process_with_pid(pid_t number)
{
    pid_t wanted[1] = {number};
    struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t) wanted, .set_tid_size = 1};
    long pid = syscall(SYS_clone3, &args, sizeof args);

    if (pid == 0) {
        setsid();
        for (;;)
            pause();
    }
    return (pid_t) pid;
}

/* The number of an ended process comes again: its id must never reach the new holder. */
START_TEST(a_number_that_comes_again_is_not_hit)
{
    pid_t pid, again = -1;
    uint64_t process;
    int status;

    if (geteuid() != 0)
        return;
    start(_i);
    process = harness_shell(&harness, "exit 0", &pid);
    ck_assert_int_eq(harness_exit(&harness, process), 0);
    harness_until((again = process_with_pid(pid)) == pid); /* free once its session is known to be empty */
    harness_signal(&harness, process, SIGKILL, false);
    harness_signal(&harness, process, SIGKILL, true);
    harness_signal(&harness, process, SIGTERM, true);
    ck_assert_int_eq(harness_exit(&harness, harness_shell(&harness, "exit 4", NULL)), 4);
    ck_assert_int_eq(waitpid(again, &status, WNOHANG), 0);
    kill(again, SIGKILL);
    waitpid(again, &status, 0);
    harness_stop(&harness);
}
END_TEST

/* Without cgroups the number stays taken as long as somebody is in the session. */
START_TEST(a_number_is_not_free_while_its_session_lives)
{
    pid_t pid;
    int witness;
    uint64_t process;
    union message message;

    if (geteuid() != 0)
        return;
    start(1);
    process = begin_tree("sleep 100 & printf x; exit 0", &witness, &pid);
    await_members(witness, 1);
    ck_assert_int_eq(harness_exit(&harness, process), 0);
    ck_assert_int_lt(process_with_pid(pid), 0);
    harness_about(&harness, LINK_WATCH_TREE, process);
    harness_signal(&harness, process, SIGTERM, true);
    harness_expect(&harness, LINK_TREE_GONE, &message);
    await_nobody(witness);
    harness_until(kill(pid, 0) < 0);
    harness_stop(&harness);
}
END_TEST

START_TEST(leaving_kills_what_is_left)
{
    struct link_leave leave = {.head = {.kind = LINK_LEAVE, .size = sizeof leave}};
    int witness;

    start(_i);
    begin_tree("(sleep 100; true) & printf x; sleep 100", &witness, NULL);
    await_members(witness, 1);
    harness_send(&harness, &leave, sizeof leave, NULL, 0);
    await_nobody(witness);
    harness_gone(&harness);
}
END_TEST

/* Also of a process that was forgotten: its cgroup is all that is left of it. */
START_TEST(leaving_kills_what_nobody_knows)
{
    struct link_leave leave = {.head = {.kind = LINK_LEAVE, .size = sizeof leave}};
    char path[8192];
    int witness;
    uint64_t process;
    pid_t pid;

    start(0);
    process = begin_tree("(sleep 100; true) & printf x; exec sleep 100", &witness, &pid);
    await_members(witness, 1);
    cgroup_file(pid, "", path, sizeof path);
    /* without cgroups there would be no trace of it */
    harness_signal(&harness, process, SIGKILL, !path[0]);
    ck_assert_int_lt(harness_exit(&harness, process), 0);
    harness_about(&harness, LINK_FORGET_PROCESS, process);
    harness_barrier(&harness);
    harness_send(&harness, &leave, sizeof leave, NULL, 0);
    await_nobody(witness);
    harness_gone(&harness);
}
END_TEST

START_TEST(detached_children_live_on)
{
    struct link_leave leave = {.head = {.kind = LINK_LEAVE, .size = sizeof leave}, .detach = 1};
    int witness;
    uint64_t process;

    start(_i);
    process = begin_tree("printf x; sleep 100", &witness, NULL);
    await_members(witness, 1);
    harness_send(&harness, &leave, sizeof leave, NULL, 0);
    harness_until(access(harness.path, F_OK) < 0);
    ck_assert_int_eq(kill(harness.keeper, 0), 0);
    harness_signal(&harness, process, SIGKILL, true);
    await_nobody(witness);
    harness_gone(&harness);
}
END_TEST

static void add(TCase *test)
{
    tcase_add_loop_test(test, kill_reaches_every_descendant, 0, 2);
    tcase_add_loop_test(test, kill_without_descriptors, 0, 2);
    tcase_add_loop_test(test, who_cannot_be_looked_at_is_not_gone, 0, 2);
    tcase_add_loop_test(test, other_signals_reach_every_descendant, 0, 2);
    tcase_add_loop_test(test, a_tree_outlives_its_child, 0, 2);
    tcase_add_loop_test(test, a_tree_that_ends_by_itself, 0, 2);
    tcase_add_test(test, the_last_of_a_session_is_not_our_child);
    tcase_add_test(test, the_last_in_a_cgroup_is_not_our_child);
    tcase_add_test(test, cgroups_are_used_again_after_a_kill);
    tcase_add_test(test, cgroups_that_are_removed_are_made_again);
    tcase_add_loop_test(test, a_tree_that_nobody_waits_for_wakes_nobody, 0, 2);
    tcase_add_loop_test(test, whoever_asks_again_is_told_again, 0, 2);
    tcase_add_loop_test(test, stops_are_reported, 0, 2);
    tcase_add_loop_test(test, a_number_that_comes_again_is_not_hit, 0, 2);
    tcase_add_test(test, a_number_is_not_free_while_its_session_lives);
    tcase_add_loop_test(test, leaving_kills_what_is_left, 0, 2);
    tcase_add_test(test, leaving_kills_what_nobody_knows);
    tcase_add_loop_test(test, detached_children_live_on, 0, 2);
}

int main(void)
{
    return harness_main("tree", add);
}
