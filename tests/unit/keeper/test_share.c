/* SPDX-License-Identifier: MIT */
/* Children that begin with the keeper's descriptors (share.h): each has its own, and nobody another's. */
#include "daemon/base/clock.h"
#include "daemon/keeper/drop.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/said.h"
#include "daemon/keeper/share.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/table.h"
#include "tests/unit/keeper/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LASTING 40 /* more than it takes for a table to be long */
#define AT_ONCE 60

static struct harness harness;
static struct spec_builder spec;

static void start_with_many(void)
{
    harness_start(&harness);
    for (int i = 0; i < LASTING; i++)
        harness_shell(&harness, "exec sleep 1000", NULL);
}

/* Spawns without waiting; its stdout is the pipe's end, of which nobody else here has a copy. */
static uint64_t begin_with_pipe(const char *command, int *ret_read_end)
{
    int ends[2];
    uint64_t process;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    spec_shell(&spec, command);
    spec_head(&spec)->stdio[1] = (struct link_stdio){.kind = LINK_STDIO_FD, .fd = 0};
    process = harness_spawn(&harness, harness.connection, &spec, &ends[1], 1);
    close(ends[1]);
    *ret_read_end = ends[0];
    return process;
}

static void expect_text(int fd, const char *expected)
{
    char text[256];
    size_t size = 0;
    ssize_t got;

    while ((got = read(fd, text + size, sizeof text - 1 - size)) > 0)
        size += (size_t) got;
    text[size] = '\0';
    ck_assert_str_eq(text, expected);
    close(fd);
}

/* All that is still to be said of those. */
static void hear_ends(unsigned count)
{
    union message message;

    while (count > 0) {
        harness_receive(&harness, &message, NULL);
        ck_assert_uint_ne(message.head.kind, LINK_SPAWN_FAILED);
        count -= message.head.kind == LINK_EXITED;
        harness_acknowledge(&harness, message.head.number);
    }
}

START_TEST(each_has_its_own)
{
    int fds[AT_ONCE];

    start_with_many();
    for (int i = 0; i < AT_ONCE; i++) {
        char command[64];

        snprintf(command, sizeof command, "echo %d; ls /proc/self/fd | tr '\\n' ' '", i);
        begin_with_pipe(command, &fds[i]);
    }
    for (int i = 0; i < AT_ONCE; i++) {
        char expected[64];

        snprintf(expected, sizeof expected, "%d\n0 1 2 3 ", i);
        expect_text(fds[i], expected); /* up to the end: nobody else has it */
    }
    hear_ends(AT_ONCE);
    harness_stop(&harness);
}
END_TEST

START_TEST(failures_are_told)
{
    char *const argv[] = {(char *) "/no/such/program", NULL};
    int fd;

    start_with_many();
    for (int i = 0; i < 20; i++) {
        spec_begin(&spec, argv);
        harness_fails(&harness, &spec, ENOENT, LINK_STAGE_EXEC);
    }
    begin_with_pipe("echo fine", &fd);
    expect_text(fd, "fine\n");
    hear_ends(1);
    harness_stop(&harness);
}
END_TEST

/* Some of them before they have a table of their own. */
START_TEST(killed_on_their_way)
{
    unsigned told = 0;
    int fds[AT_ONCE];

    start_with_many();
    for (int i = 0; i < AT_ONCE; i++) {
        uint64_t process = begin_with_pipe("exec sleep 1000", &fds[i]);

        harness_signal(&harness, process, SIGKILL, false);
    }
    while (told < AT_ONCE) {
        union message message;

        harness_receive(&harness, &message, NULL);
        told += message.head.kind == LINK_EXITED || message.head.kind == LINK_SPAWN_FAILED;
        if (message.head.kind == LINK_SPAWN_FAILED)
            ck_assert_int_eq(message.failed.error, ECANCELED);
        harness_acknowledge(&harness, message.head.number);
    }
    for (int i = 0; i < AT_ONCE; i++)
        expect_text(fds[i], "");
    harness_stop(&harness);
}
END_TEST

/* What a child is to have stands below what it is not: that is what the kernel then need not copy. */
START_TEST(what_lasts_stands_high)
{
    const struct dirent *entry;
    unsigned low = 0, high = 0;
    char path[64];
    DIR *dir;

    start_with_many();
    snprintf(path, sizeof path, "/proc/%d/fd", harness.keeper);
    dir = opendir(path);
    if (dir) { /* else it is not shown to us */
        while ((entry = readdir(dir)))
            if (entry->d_name[0] != '.')
                atoi(entry->d_name) < 64 ? low++ : high++;
        closedir(dir);
        ck_assert_uint_ge(high, LASTING - 8);
        ck_assert_uint_le(low, 30);
    }
    harness_stop(&harness);
}
END_TEST

/* ---- without a keeper of its own ---- */

/* Clones a process that has the table of this one, and lives for a moment longer; this one then dies. */
static void die_before_a_child(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(fd, F_SETLK, &whole) == 0 && syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0) == 0)
        poll(NULL, 0, 100);
    _exit(0);
}

/* The lock of a keeper's ledger is its table's: where that has died, a child may hold it for a moment. */
START_TEST(a_lock_that_is_let_go)
{
    int fd = memfd_create("ledger-test", MFD_CLOEXEC), status;
    struct ledger ledger;
    bool written;
    pid_t pid = fork();

    if (pid == 0)
        die_before_a_child(fd);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(ledger_open(&ledger, fd, &written), 0);
    ledger_close(&ledger);
    close(fd);
}
END_TEST

/* Whoever asks between two turns whether it has begun is told, though our end of its pipe is open yet. */
START_TEST(what_has_begun_is_seen_at_once)
{
    static struct keeper keeper;
    struct spawn_progress progress = {.in_exec = 1};
    struct slot *slot;
    struct job *job;
    int status[2];

    TAILQ_INIT(&keeper.jobs);
    TAILQ_INIT(&keeper.free_jobs);
    TAILQ_INIT(&keeper.sharing);
    keeper.link.fd = -1;
    ck_assert_int_eq(table_open(&keeper.table), 0);
    ck_assert_int_eq(pipe2(status, O_CLOEXEC | O_NONBLOCK), 0);
    slot = slot_new(&keeper, 7);
    job = job_new(&keeper, 0);
    job->slot = slot;
    slot->job = job;
    TAILQ_INSERT_TAIL(&keeper.jobs, job, order);
    job->status_fd = status[0];
    job->plan.progress = &progress;
    job->plan.keep[0] = status[1];
    job->plan.keep_count = 1;
    share_begin(&keeper, job);
    spawn_settle(&keeper, slot, false);
    ck_assert_ptr_eq(slot->job, job);
    ck_assert_uint_eq(keeper.held_count, 1);
    ck_assert_int_ne(share_tick(&keeper), INT64_MAX);
    ck_assert_ptr_eq(slot->job, job);
    atomic_store(&job->plan.is_apart, true);
    if (_i == 0)
        spawn_settle(&keeper, slot, false);
    else
        ck_assert_int_eq(share_tick(&keeper), INT64_MAX);
    ck_assert_ptr_null(slot->job);
    ck_assert_uint_eq(slot->reports[REPORT_START].kind, LINK_SPAWNED);
    ck_assert_uint_eq(keeper.held_count, 0);
    ck_assert(fcntl(status[0], F_GETFD) < 0 && fcntl(status[1], F_GETFD) < 0);
}
END_TEST

/* ---- copies ---- */

static struct job *cloned;
static pid_t child;

/* A child that may have copies of what we have. */
static void have_child(struct keeper *keeper)
{
    TAILQ_INIT(&keeper->jobs);
    TAILQ_INIT(&keeper->free_jobs);
    ck_assert_int_eq(table_open(&keeper->table), 0);
    cloned = job_new(keeper, 0);
    cloned->slot = slot_new(keeper, 7);
    TAILQ_INSERT_TAIL(&keeper->jobs, cloned, order);
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    cloned->slot->pidfd = pidfd_open_process(child);
    ck_assert_int_ge(cloned->slot->pidfd, 0);
}

static void lose_child(void)
{
    ck_assert_int_eq(kill(child, SIGKILL) + close(cloned->slot->pidfd), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

static void *close_in_child(void *watched)
{
    struct pollfd its_end = {.fd = *(int *) watched};

    ck_assert_int_eq(poll(&its_end, 1, 10), 0); /* that long it is open */
    atomic_store(&cloned->plan.has_closed, true);
    return NULL;
}

START_TEST(what_is_dropped_no_child_closes_last)
{
    static struct keeper keeper;
    pthread_t thread;
    int pair[2];

    have_child(&keeper);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, close_in_child, &pair[1]), 0);
    drop_held(&keeper, &pair[0], 1);
    ck_assert(atomic_load(&cloned->plan.has_closed) && !cloned->is_slow);
    ck_assert(fcntl(pair[0], F_GETFD) < 0);
    pthread_join(thread, NULL);
    close(pair[1]);

    atomic_store(&cloned->plan.has_closed, false); /* the close of a pipe blocks nobody */
    ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
    drop_held(&keeper, pair, 2);
    ck_assert(!cloned->is_slow && fcntl(pair[0], F_GETFD) < 0 && fcntl(pair[1], F_GETFD) < 0);
    lose_child();
}
END_TEST

START_TEST(a_child_that_does_not_come_to_it)
{
    static struct keeper keeper;
    int64_t begun;

    have_child(&keeper);
    begun = clock_monotonic();
    share_await_closed(&keeper, 20 * NSEC_PER_MSEC);
    ck_assert_int_ge(clock_monotonic() - begun, 20 * NSEC_PER_MSEC);
    ck_assert(cloned->is_slow);
    share_await_closed(&keeper, INT64_MAX / 2); /* not again */
    cloned->is_slow = false;
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    share_await_closed(&keeper, INT64_MAX / 2);
    ck_assert(!cloned->is_slow);
    lose_child();
}
END_TEST

/* ---- what was said ---- */

/* A socket whose close takes a second, as its peer reads nothing. */
static void lingering(int ends[2])
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 1};
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    static char bytes[65536];

    ck_assert_int_eq(bind(listening, (struct sockaddr *) &address, size) + listen(listening, 1), 0);
    ck_assert_int_eq(getsockname(listening, (struct sockaddr *) &address, &size), 0);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(ends[0], (struct sockaddr *) &address, size), 0);
    ends[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    close(listening);
    while (send(ends[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    ck_assert_int_eq(setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
}

/* Down `to` goes such a one, and is nobody else's. */
static int send_what_lingers(int to)
{
    int ends[2];
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec one = {.iov_base = &ends, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &one, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes};

    lingering(ends);
    memcpy(CMSG_DATA(&control.header), &ends[0], sizeof(int));
    ck_assert_int_eq(sendmsg(to, &message, 0), 1);
    close(ends[0]);
    return ends[1];
}

/* Who waits for its number to be free has nothing to do with the close itself. */
START_TEST(what_is_dropped_is_not_ours_to_close)
{
    for (int i = 0; i < 2000; i++) {
        int64_t begun;
        int ends[2];

        lingering(ends);
        begun = clock_monotonic();
        drop_descriptors(&ends[0], 1);
        ck_assert_msg(clock_monotonic() - begun < 800 * NSEC_PER_MSEC, "%d", i);
        close(ends[1]); /* which ends the other close, too */
    }
}
END_TEST

/* Also where its peer has gone without reading what we have said, or has said more than is taken out. */
START_TEST(what_was_said_blocks_nobody)
{
    static struct keeper keeper;
    int pair[2], yes = 1, others[6], count = _i == 2 ? 6 : 1;
    int64_t begun;

    TAILQ_INIT(&keeper.jobs);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes), 0);
    for (int i = 0; i < count; i++)
        others[i] = send_what_lingers(pair[1]);
    if (_i == 1)
        ck_assert_int_eq(send(pair[0], "unread", 6, 0), 6);
    close(pair[1]);
    begun = clock_monotonic();
    said_end(&keeper, pair[0]);
    ck_assert_int_lt(clock_monotonic() - begun, 800 * NSEC_PER_MSEC);
    ck_assert(fcntl(pair[0], F_GETFD) < 0);
    for (int i = 0; i < count; i++)
        close(others[i]);
}
END_TEST

/* ---- few descriptors ---- */

static void limit_descriptors(rlim_t count)
{
    const struct rlimit limit = {count, count};

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(a_burst_that_is_short_of_descriptors)
{
    int fds[30];

    limit_descriptors(512);
    harness_start(&harness);
    for (int i = 0; i < 10; i++)
        harness_shell(&harness, "exec sleep 1000", NULL);
    for (int i = 0; i < 30; i++)
        fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
    spec_shell(&spec, "exit 0");
    for (int i = 0; i < AT_ONCE; i++)
        harness_spawn(&harness, harness.connection, &spec, fds, 30);
    for (int i = 0; i < 30; i++)
        close(fds[i]);
    hear_ends(AT_ONCE);
    harness_stop(&harness);
}
END_TEST

START_TEST(hardly_any_descriptors)
{
    limit_descriptors(64);
    harness_start(&harness);
    ck_assert_int_eq(harness_exit(&harness, harness_shell(&harness, "exit 3", NULL)), 3);
    harness_stop(&harness);
}
END_TEST

static void add(TCase *test)
{
    tcase_add_test(test, a_lock_that_is_let_go);
    tcase_add_loop_test(test, what_has_begun_is_seen_at_once, 0, 2);
    tcase_add_test(test, what_is_dropped_no_child_closes_last);
    tcase_add_test(test, a_child_that_does_not_come_to_it);
    tcase_add_test(test, what_is_dropped_is_not_ours_to_close);
    tcase_add_loop_test(test, what_was_said_blocks_nobody, 0, 3);
    tcase_add_test(test, a_burst_that_is_short_of_descriptors);
    tcase_add_test(test, hardly_any_descriptors);
    tcase_add_test(test, each_has_its_own);
    tcase_add_test(test, failures_are_told);
    tcase_add_test(test, killed_on_their_way);
    tcase_add_test(test, what_lasts_stands_high);
}

int main(void)
{
    return harness_main("share", add);
}
