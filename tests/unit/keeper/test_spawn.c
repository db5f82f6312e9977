/* SPDX-License-Identifier: MIT */
/* Spawning by a real keeper: errors by stage, descriptors, identity, limits, and children that are held
 * up. */
#include "tests/unit/keeper/harness.h"

#include "daemon/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct harness harness;
static struct spec_builder spec;

START_TEST(exit_codes_and_rusage)
{
    union message message;

    harness_start(&harness);
    ck_assert_int_eq(harness_exit(&harness, harness_shell(&harness, "exit 7", NULL)), 7);
    ck_assert_int_eq(harness_exit(&harness, harness_shell(&harness, "kill -9 $$", NULL)), -9);
    harness_shell(&harness, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done", NULL);
    harness_expect(&harness, LINK_EXITED, &message);
    ck_assert_int_eq(message.exited.known, 1);
    ck_assert_int_gt(message.exited.rusage.utime + message.exited.rusage.stime, 0);
    ck_assert_int_gt(message.exited.rusage.maxrss, 100000);
    harness_stop(&harness);
}
END_TEST

static void with_argv0(const char *name)
{
    char *const argv[] = {(char *) name, NULL};

    spec_begin(&spec, argv);
}

START_TEST(errors_by_stage)
{
    const struct link_limit limit = {.resource = RLIMIT_CORE, .soft = 2, .hard = 1};
    const struct link_limit nofile = {.resource = RLIMIT_NOFILE, .soft = 4, .hard = 3};

    harness_start(&harness);
    with_argv0("no-such-program-here");
    harness_fails(&harness, &spec, ENOENT, LINK_STAGE_EXEC);
    with_argv0("");
    harness_fails(&harness, &spec, ENOENT, LINK_STAGE_EXEC);
    with_argv0("/etc/passwd");
    harness_fails(&harness, &spec, EACCES, LINK_STAGE_EXEC);
    with_argv0("passwd");
    spec_head(&spec)->search = spec_text(&spec, "/no:/etc:/etc/passwd");
    harness_fails(&harness, &spec, EACCES, LINK_STAGE_EXEC);
    with_argv0("sh");
    spec_head(&spec)->search = spec_text(&spec, "");
    harness_fails(&harness, &spec, ENOENT, LINK_STAGE_EXEC);
    with_argv0("/bin/true");
    spec_head(&spec)->cwd = spec_text(&spec, "/no/such/folder");
    harness_fails(&harness, &spec, ENOENT, LINK_STAGE_CHDIR);
    with_argv0("/bin/true");
    spec_head(&spec)->stdio[0] =
        (struct link_stdio){.kind = LINK_STDIO_READ, .path = spec_text(&spec, "/no/file")};
    harness_fails(&harness, &spec, ENOENT, LINK_STAGE_STDIO);
    with_argv0("/bin/true");
    spec_head(&spec)->limits = spec_add(&spec, &limit, sizeof limit);
    spec_head(&spec)->limit_count = 1;
    harness_fails(&harness, &spec, EINVAL, LINK_STAGE_LIMITS);
    with_argv0("/bin/true");
    spec_head(&spec)->limits = spec_add(&spec, &nofile, sizeof nofile);
    spec_head(&spec)->limit_count = 1;
    harness_fails(&harness, &spec, EINVAL, LINK_STAGE_LIMITS);
    with_argv0("/bin/true");
    spec_head(&spec)->umask = 01000;
    harness_fails(&harness, &spec, EINVAL, LINK_STAGE_SPEC);
    harness_stop(&harness);
}
END_TEST

/* Each descriptor is a pipe into which one letter was written; the child reads them by their numbers. */
START_TEST(descriptors_in_any_order)
{
    const struct link_placed_fd placed[] = {{0, 5}, {1, 3}, {2, 4}, {0, 9}, {3, 200}, {2, 6}};
    int pipes[4][2], fds[5];
    char text[256];
    struct link_spec *head;

    harness_start(&harness);
    for (int i = 0; i < 4; i++) {
        char name[32];
        FILE *file;

        snprintf(name, sizeof name, "/tmp/keeper-test-fd-%d", i);
        file = fopen(name, "w+");
        unlink(name);
        fprintf(file, "%c", 'a' + i);
        fflush(file);
        pipes[i][0] = dup(fileno(file));
        fclose(file);
        fds[i + 1] = pipes[i][0];
    }
    spec_shell(&spec, "for n in 3 4 5 6 9; do printf %s $n; head -c1 /proc/self/fd/$n; done; ls "
                      "/proc/self/fd | tr '\\n' ' '");
    head = spec_head(&spec);
    head->placed = spec_add(&spec, placed, sizeof placed);
    head->placed_count = sizeof placed / sizeof *placed;
    for (uint32_t i = 0; i < head->placed_count; i++)
        ((struct link_placed_fd *) (void *) (spec.data + head->placed))[i].fd++;
    {
        int output[2];
        union message message;
        uint64_t process;
        ssize_t got;

        ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
        fds[0] = output[1];
        head->stdio[1] = (struct link_stdio){.kind = LINK_STDIO_FD, .fd = 0};
        process = harness_spawn(&harness, harness.connection, &spec, fds, 5);
        harness_expect(&harness, LINK_SPAWNED, &message);
        ck_assert_int_eq(harness_exit(&harness, process), 0);
        got = read(output[0], text, sizeof text - 1);
        text[got > 0 ? got : 0] = '\0';
        close(output[0]);
        close(output[1]);
    }
    /* 3 is what ls has opened in a table in which nothing else lies below 200 but what was placed */
    ck_assert_msg(strncmp(text, "3b4c5a6c9a", 10) == 0, "%s", text);
    ck_assert_msg(strstr(text, "0 1 2 200 3 4 5 6 7 9") != NULL, "%s", text);
    for (int i = 0; i < 4; i++)
        close(pipes[i][0]);
    harness_stop(&harness);
}
END_TEST

START_TEST(runs_as_its_caller)
{
    char text[1024], expected[256];
    uint64_t connection;
    pid_t client;

    if (geteuid() != 0)
        return;
    harness_start(&harness);
    connection = harness_connect_as(&harness, 1234, &client);
    spec_shell(&spec, "grep -E '^(Uid|Gid|Groups|NoNewPrivs|CapEff|SigBlk|SigIgn):' /proc/self/status; cat "
                      "/proc/self/oom_score_adj; "
                      "umask; pwd; echo $TEST $HOME; ps -o sid= -p $$ | grep -qw $$ && echo leader");
    harness_output(&harness, connection, &spec, text, sizeof text);
    snprintf(expected, sizeof expected,
             "Uid:\t1234\t1234\t1234\t1234\nGid:\t1234\t1234\t1234\t1234\nGroups:\t1235 1236 \n");
    ck_assert_msg(strncmp(text, expected, strlen(expected)) == 0, "%s", text);
    ck_assert_msg(strstr(text, "NoNewPrivs:\t1") && strstr(text, "CapEff:\t0000000000000000"), "%s", text);
    ck_assert_msg(strstr(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000"), "%s", text);
    ck_assert_msg(strstr(text, "\n0\n0022\n/\n1\nleader\n"), "%s", text);
    /* root may choose, others may not */
    spec_shell(&spec, "id -u; id -G");
    spec_head(&spec)->flags = LINK_SPEC_AS;
    spec_head(&spec)->as_uid = 65534;
    spec_head(&spec)->as_gid = 4321;
    harness_output(&harness, harness.connection, &spec, text, sizeof text);
    ck_assert_str_eq(text, "65534\n4321\n");
    harness_spawn(&harness, connection, &spec, NULL, 0);
    {
        union message message;

        harness_expect(&harness, LINK_SPAWN_FAILED, &message);
        ck_assert_int_eq(message.failed.error, EPERM);
        ck_assert_uint_eq(message.failed.stage, LINK_STAGE_CREDENTIALS);
        /* a dead client's connection proves nothing */
        kill(client, SIGKILL);
        waitpid(client, NULL, 0);
        spec_shell(&spec, "true");
        harness_spawn(&harness, connection, &spec, NULL, 0);
        harness_expect(&harness, LINK_SPAWN_FAILED, &message);
        ck_assert_int_eq(message.failed.error, ESRCH);
        harness_spawn(&harness, 999, &spec, NULL, 0);
        harness_expect(&harness, LINK_SPAWN_FAILED, &message);
        ck_assert_int_eq(message.failed.error, ESRCH);
    }
    harness_stop(&harness);
}
END_TEST

START_TEST(limits_of_the_caller)
{
    const struct link_limit asked[] = {{.resource = RLIMIT_NOFILE, .soft = 50, .hard = 100},
                                       {.resource = RLIMIT_CORE, .soft = 0, .hard = 0}};
    struct rlimit low = {.rlim_cur = 300, .rlim_max = 400}, own;
    char text[256], expected[64];
    uint64_t connection;
    pid_t client;

    if (geteuid() != 0)
        return;
    getrlimit(RLIMIT_NOFILE, &own);
    own.rlim_cur = 512;
    setrlimit(RLIMIT_NOFILE, &own);
    harness_start(&harness);
    spec_shell(&spec, "ulimit -Sn; ulimit -Hn");
    harness_output(&harness, harness.connection, &spec, text, sizeof text);
    snprintf(expected, sizeof expected, "512\n%llu\n", (unsigned long long) own.rlim_max);
    ck_assert_str_eq(text, expected); /* the soft one that procd was started with, not what it raised */
    setrlimit(RLIMIT_NOFILE, &low); /* for the client, which is forked from here */
    connection = harness_connect_as(&harness, 1234, &client);
    harness_output(&harness, connection, &spec, text, sizeof text);
    ck_assert_str_eq(text, "400\n400\n");
    spec_head(&spec)->limits = spec_add(&spec, asked, sizeof asked);
    spec_head(&spec)->limit_count = 2;
    harness_output(&harness, connection, &spec, text, sizeof text);
    ck_assert_str_eq(text, "50\n100\n");
    kill(client, SIGKILL);
    waitpid(client, NULL, 0);
    harness_stop(&harness);
}
END_TEST

/* A FIFO without a reader holds up its own child only, and none of what others wait to see closed. */
START_TEST(a_fifo_holds_nobody_else_up)
{
    union message message;
    char fifo[96];
    uint64_t held;
    int output[2];
    char byte;

    harness_start(&harness);
    snprintf(fifo, sizeof fifo, "%s/fifo", harness.folder);
    mkfifo(fifo, 0600);
    spec_shell(&spec, "exit 3");
    spec_head(&spec)->stdio[1] =
        (struct link_stdio){.kind = LINK_STDIO_WRITE, .path = spec_text(&spec, fifo)};
    held = harness_spawn(&harness, harness.connection, &spec, NULL, 0);
    ck_assert_int_eq(harness_exit(&harness, harness_shell(&harness, "exit 4", NULL)), 4);
    ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
    spec_shell(&spec, "true");
    spec_head(&spec)->stdio[1] = (struct link_stdio){.kind = LINK_STDIO_FD, .fd = 0};
    harness_exit(&harness, harness_spawn(&harness, harness.connection, &spec, &output[1], 1));
    close(output[1]);
    ck_assert_int_eq(read(output[0], &byte, 1), 0);
    close(output[0]);
    close(open(fifo, O_RDONLY | O_NONBLOCK));
    {
        int reader = open(fifo, O_RDONLY | O_NONBLOCK);

        harness_expect(&harness, LINK_SPAWNED, &message);
        ck_assert_uint_eq(message.spawned.process, held);
        ck_assert_int_eq(harness_exit(&harness, held), 3);
        close(reader);
    }
    unlink(fifo);
    harness_stop(&harness);
}
END_TEST

/* The child that sleeps before its exec: a session of its own, still this program, and in the directory that
 * is its last step before its standard descriptors. */
static pid_t child_before_exec(pid_t parent, pid_t but)
{
    char path[64], text[4096], own[256], other[256] = "", cwd[256] = "";
    int fd;
    ssize_t got;
    long pid;

    own[readlink("/proc/self/exe", own, sizeof own - 1)] = '\0';
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", parent, parent);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = read(fd, text, sizeof text - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    for (char *at = text; (pid = strtol(at, &at, 10)) > 0;) {
        char stat[512] = "";

        snprintf(path, sizeof path, "/proc/%ld/exe", pid);
        got = readlink(path, other, sizeof other - 1);
        other[got > 0 ? got : 0] = '\0';
        snprintf(path, sizeof path, "/proc/%ld/cwd", pid);
        got = readlink(path, cwd, sizeof cwd - 1);
        cwd[got > 0 ? got : 0] = '\0';
        snprintf(path, sizeof path, "/proc/%ld/stat", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        got = read(fd, stat, sizeof stat - 1);
        close(fd);
        if (pid != but && getsid((pid_t) pid) == pid && strcmp(own, other) == 0 &&
            strcmp(cwd, harness.folder) == 0 && strstr(stat, ") S "))
            return (pid_t) pid;
    }
    return 0;
}

START_TEST(stopped_or_killed_before_its_exec)
{
    union message message;
    char fifo[96];
    pid_t pid = 0;
    int64_t begun;

    harness_start(&harness);
    snprintf(fifo, sizeof fifo, "%s/fifo", harness.folder);
    mkfifo(fifo, 0600);
    spec_shell(&spec, "exit 3");
    spec_head(&spec)->stdio[1] =
        (struct link_stdio){.kind = LINK_STDIO_WRITE, .path = spec_text(&spec, fifo)};
    spec_head(&spec)->cwd = spec_text(&spec, harness.folder);
    harness_spawn(&harness, harness.connection, &spec, NULL, 0);
    harness_until((pid = child_before_exec(harness.keeper, 0)) != 0);
    kill(pid, SIGKILL);
    harness_expect(&harness, LINK_SPAWN_FAILED, &message);
    ck_assert_int_eq(message.failed.error, ECANCELED);
    ck_assert_uint_eq(message.failed.stage, LINK_STAGE_STDIO);

    begun = clock_monotonic();
    harness_spawn(&harness, harness.connection, &spec, NULL, 0);
    harness_until((pid = child_before_exec(harness.keeper, pid)) != 0);
    kill(pid, SIGSTOP);
    ck_assert_int_eq(harness_exit(&harness, harness_shell(&harness, "exit 4", NULL)), 4);
    harness_expect(&harness, LINK_SPAWN_FAILED, &message);
    ck_assert_int_eq(message.failed.error, ETIMEDOUT);
    ck_assert_uint_eq(message.failed.stage, LINK_STAGE_STDIO);
    ck_assert_int_ge(clock_monotonic() - begun, 9900 * NSEC_PER_MSEC);
    harness_until(kill(pid, 0) < 0);
    ck_assert(harness_silent(&harness, 100)); /* and no end of something that never began */
    unlink(fifo);
    harness_stop(&harness);
}
END_TEST

START_TEST(a_spec_in_a_memfd)
{
    struct link_spawn order = {.head = {.kind = LINK_SPAWN, .size = sizeof order}};
    union message message;
    int memfd;

    harness_start(&harness);
    memfd = memfd_create("spec", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    spec_shell(&spec, "exit 9");
    ck_assert_int_eq(write(memfd, spec.data, spec_head(&spec)->size), spec_head(&spec)->size);
    order.connection = harness.connection;
    for (int sealed = 0; sealed < 2; sealed++) {
        order.head.number = ++harness.order;
        order.process = ++harness.process;
        harness_send(&harness, &order, sizeof order, &memfd, 1);
        if (!sealed) {
            harness_expect(&harness, LINK_SPAWN_FAILED, &message);
            ck_assert_uint_eq(message.failed.stage, LINK_STAGE_SPEC);
            fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
        }
    }
    ck_assert_int_eq(harness_exit(&harness, harness.process), 9);
    close(memfd);
    harness_stop(&harness);
}
END_TEST

START_TEST(a_descriptor_is_executed)
{
    int fds[2];
    char script[96];
    char *const argv[] = {(char *) "any name", (char *) "-c", (char *) "exit 6", NULL};
    uint64_t process;

    harness_start(&harness);
    fds[0] = open("/bin/sh", O_PATH | O_CLOEXEC);
    spec_begin(&spec, argv);
    spec_head(&spec)->flags = LINK_SPEC_EXE_FD;
    process = harness_spawn(&harness, harness.connection, &spec, fds, 1);
    ck_assert_int_eq(harness_exit(&harness, process), 6);
    snprintf(script, sizeof script, "%s/script", harness.folder);
    fds[1] = open(script, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    ck_assert_int_eq(write(fds[1], "#!/bin/sh\nexit 8\n", 17), 17);
    close(fds[1]);
    fds[1] = open(script, O_PATH | O_CLOEXEC);
    spec_head(&spec)->exe_fd = 1;
    process = harness_spawn(&harness, harness.connection, &spec, fds, 2);
    ck_assert_int_eq(harness_exit(&harness, process), 8);
    unlink(script);
    close(fds[0]);
    close(fds[1]);
    harness_stop(&harness);
}
END_TEST

START_TEST(a_thousand_exits_in_a_burst)
{
    enum { COUNT = 1000 };
    static int codes[COUNT + 1];
    static char spawned[COUNT + 1];
    int start[2], seen = 0, held = 0;
    union message message;

    harness_start(&harness);
    ck_assert_int_eq(pipe2(start, O_CLOEXEC), 0);
    for (int i = 0; i < COUNT; i++) {
        char command[32];

        snprintf(command, sizeof command, "read x; exit %d", i % 200);
        spec_shell(&spec, command);
        spec_head(&spec)->stdio[0] = (struct link_stdio){.kind = LINK_STDIO_FD, .fd = 0};
        harness_spawn(&harness, harness.connection, &spec, start, 1);
        while (held <= i && i - held >= 100) {
            harness_expect(&harness, LINK_SPAWNED, &message);
            spawned[message.spawned.process] = 1, held++;
        }
    }
    for (; held < COUNT; held++) {
        harness_expect(&harness, LINK_SPAWNED, &message);
        spawned[message.spawned.process] = 1;
    }
    close(start[0]);
    close(start[1]);
    for (; seen < COUNT; seen++) {
        harness_expect(&harness, LINK_EXITED, &message);
        ck_assert_int_eq(spawned[message.exited.process]++, 1);
        codes[message.exited.process] = message.exited.exitcode;
    }
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(codes[i + 1], i % 200);
    harness_stop(&harness);
}
END_TEST

START_TEST(nothing_leaks)
{
    int rounds = getenv("TEST_ROUNDS") ? atoi(getenv("TEST_ROUNDS")) : 10000;
    union message message;
    size_t before = 0;
    int pair[2];

    harness_start(&harness);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    for (int i = 0; i < rounds; i++) {
        uint64_t process;

        with_argv0(i % 4 ? "/bin/true" : "/bin/no");
        spec_head(&spec)->stdio[1] = (struct link_stdio){.kind = LINK_STDIO_FD, .fd = i % 2};
        process = harness_spawn(&harness, harness.connection, &spec, pair, 2);
        harness_receive(&harness, &message, NULL);
        if (message.head.kind == LINK_SPAWNED) {
            harness_expect(&harness, LINK_EXITED, &message);
            harness_acknowledge(&harness, message.head.number);
            harness_about(&harness, LINK_FORGET_PROCESS, process);
        } else {
            harness_acknowledge(&harness, message.head.number);
        }
        if (i == 200)
            before = harness_keeper_fds(&harness);
    }
    close(pair[0]);
    close(pair[1]);
    harness_until(harness_keeper_fds(&harness) <= before + 1);
    harness_stop(&harness);
}
END_TEST

/* A TCP socket full of data that nobody reads: its last close takes as long as it lingers. */
static int lingering_socket(int *ret_peer)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 60};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static const char data[65536];

    ck_assert_int_eq(bind(server, (struct sockaddr *) &address, sizeof address), 0);
    ck_assert_int_eq(listen(server, 1), 0);
    getsockname(server, (struct sockaddr *) &address, &size);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    *ret_peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    close(server);
    while (send(fd, data, sizeof data, MSG_DONTWAIT) > 0)
        ;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return fd;
}

START_TEST(a_lingering_socket_delays_nobody)
{
    struct link_signal refused = {.head = {.kind = LINK_SIGNAL, .size = sizeof refused}};
    int64_t begun;
    int peer, fd;

    harness_start(&harness);
    fd = lingering_socket(&peer);
    /* with an order that has no use for it, and while the keeper cannot look, so that its copy is the last
     * one */
    refused.head.number = ++harness.order;
    kill(harness.keeper, SIGSTOP);
    harness_send(&harness, &refused, sizeof refused, &fd, 1);
    close(fd);
    begun = clock_monotonic();
    kill(harness.keeper, SIGCONT);
    for (int i = 0; i < 20; i++)
        harness_exit(&harness, harness_shell(&harness, "true", NULL));
    ck_assert_int_lt(clock_monotonic() - begun, 20 * NSEC_PER_SEC);
    close(peer);
    harness_stop(&harness);
}
END_TEST

static void add(TCase *test)
{
    tcase_add_test(test, exit_codes_and_rusage);
    tcase_add_test(test, errors_by_stage);
    tcase_add_test(test, descriptors_in_any_order);
    tcase_add_test(test, runs_as_its_caller);
    tcase_add_test(test, limits_of_the_caller);
    tcase_add_test(test, a_fifo_holds_nobody_else_up);
    tcase_add_test(test, stopped_or_killed_before_its_exec);
    tcase_add_test(test, a_spec_in_a_memfd);
    tcase_add_test(test, a_descriptor_is_executed);
    tcase_add_test(test, a_thousand_exits_in_a_burst);
    tcase_add_test(test, nothing_leaks);
    tcase_add_test(test, a_lingering_socket_delays_nobody);
}

int main(void)
{
    return harness_main("spawn", add);
}
