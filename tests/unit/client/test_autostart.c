/* SPDX-License-Identifier: MIT */
/*
 * The start of a daemon on demand. Started with --user this program is that daemon: it tells in a file how it
 * was started, answers one daemon.hello after the other, and leaves when the file "leave" appears.
 */
#include "client/lib/connection.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "tests/unit/client/fake_daemon.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define STARTERS 60

static char folder[40], path[64], program[4096];
static struct endpoint_options options = {.program = program, .socket = path};

/* ---- the daemon ---- */

static int count_fds(void)
{
    DIR *list = opendir("/proc/self/fd");
    int count = -3; /* ".", "..", and the list itself */

    while (readdir(list))
        count++;
    closedir(list);
    return count;
}

static bool is_null(int fd)
{
    struct stat null, info;

    return stat("/dev/null", &null) == 0 && fstat(fd, &info) == 0 && info.st_rdev == null.st_rdev;
}

/* Not the starter's, whose number comes in the environment: the parent may still be the process between the
 * two, which began the session. */
static bool has_own_session(void)
{
    const char *starter = getenv("KEPT");

    return starter && getsid(0) != atoi(starter);
}

static void write_report(const char *socket)
{
    struct sigaction action;
    char name[80], cwd[64] = "";
    sigset_t mask;
    FILE *report;
    int fds = count_fds();
    bool is_plain =
        is_null(0) && is_null(1) && is_null(2) && getcwd(cwd, sizeof cwd) && strcmp(cwd, "/") == 0;

    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigaction(SIGUSR1, NULL, &action);
    snprintf(name, sizeof name, "%s.report", socket);
    report = fopen(name, "ae");
    fprintf(report, "pid %d fds %d plain %d session %d signals %d env %d\n", (int) getpid(), fds, is_plain,
            has_own_session(),
            action.sa_handler == SIG_DFL && !sigismember(&mask, SIGUSR1),
            getenv("LISTEN_FDS") || getenv("NOTIFY_SOCKET") || getenv("WATCHDOG_USEC") ? 0
                                                                                       : !!getenv("KEPT"));
    fclose(report);
}

/* One of many wins, as with the real one. */
static bool take_lock(const char *socket)
{
    char name[80];
    int fd;

    snprintf(name, sizeof name, "%s.lock", socket);
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* Or when nobody can find it any more: a test may have given up. */
static bool shall_leave(const char *socket)
{
    char name[80];

    snprintf(name, sizeof name, "%s.leave", socket);
    return access(name, F_OK) == 0 || access(socket, F_OK) < 0;
}

static int be_daemon(int argc, char **argv)
{
    struct fake fake = {.listener = -1};
    struct pollfd entry;

    if (argc != 6 || strcmp(argv[2], "--idle-exit") != 0 || strcmp(argv[4], "--socket") != 0)
        return 2;
    write_report(argv[5]);
    if (!take_lock(argv[5]))
        return 125;
    snprintf(fake.path, sizeof fake.path, "%s", argv[5]);
    fake_listen(&fake);
    entry = (struct pollfd) {.fd = fake.listener, .events = POLLIN};
    while (!shall_leave(argv[5])) {
        struct fake_peer peer;

        if (poll(&entry, 1, 10) > 0) {
            fake_greet(&fake, &peer, "e");
            fake_hang_up(&peer);
        }
    }
    fake_close(&fake);
    return 0;
}

/* ---- the tests ---- */

static void begin(void)
{
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    char session[16];

    ck_assert_int_gt(length, 0);
    program[length] = '\0';
    strcpy(folder, "/tmp/procd-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    snprintf(session, sizeof session, "%d", (int) getsid(0));
    setenv("KEPT", session, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("NOTIFY_SOCKET", "/n", 1);
    setenv("WATCHDOG_USEC", "1", 1);
    unsetenv("PROCD_AUTOSTART");
}

/* How many daemons were started; ret_pid: the last one that wrote. */
static int read_reports(int *ret_pid, int *ret_good)
{
    char name[80], line[200];
    int count = 0, fds, plain, session, signals, env;
    FILE *reports;

    *ret_good = 0;
    snprintf(name, sizeof name, "%s.report", path);
    reports = fopen(name, "re");
    ck_assert_ptr_nonnull(reports);
    while (fgets(line, sizeof line, reports)) {
        ck_assert_int_eq(sscanf(line, "pid %d fds %d plain %d session %d signals %d env %d", ret_pid, &fds,
                                &plain, &session, &signals, &env),
                         6);
        ck_assert_msg(fds == 3 && plain && session && signals && env, "%s", line);
        *ret_good += 1;
        count++;
    }
    fclose(reports);
    return count;
}

static void touch(const char *suffix)
{
    char name[80];

    snprintf(name, sizeof name, "%s%s", path, suffix);
    close_fd(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/* Until it is gone, its pidfd tells. */
static void end_daemon(int pid)
{
    struct pollfd entry = {.fd = (int) syscall(434 /* pidfd_open */, pid, 0), .events = POLLIN};

    touch(".leave");
    if (entry.fd >= 0) {
        ck_assert_int_eq(poll(&entry, 1, 20000), 1);
        close_fd(entry.fd);
    }
}

static void remove_folder(void)
{
    static const char *const suffixes[] = {"", ".report", ".leave", ".lock", ".start"};
    char name[80];

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}

static _Atomic int child_signals;

static void count_child(int signal)
{
    (void) signal;
    child_signals++;
}

START_TEST(detached_in_every_respect)
{
    struct connection *connection;
    struct sigaction action = {.sa_handler = count_child};
    sigset_t blocked, before;
    int pid, good, inherited = open("/dev/zero", O_RDONLY); /* not CLOEXEC */

    sigaction(SIGCHLD, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    ck_assert_int_eq(connection_open(&options, &connection), 0);
    connection_free(connection);
    close_fd(inherited);

    sigprocmask(SIG_SETMASK, NULL, &before);
    ck_assert(sigismember(&before, SIGUSR1) && !sigismember(&before, SIGCHLD));
    ck_assert_int_eq(child_signals, 0);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1);
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_int_eq(read_reports(&pid, &good), 1);
    end_daemon(pid);
    remove_folder();
}
END_TEST

/* Many first commands at once: all of them are served, one daemon was started. */
START_TEST(one_of_many_starts)
{
    int pid, good, go[2];
    char byte;

    ck_assert_int_eq(pipe(go), 0);
    for (int i = 0; i < STARTERS; i++) {
        if (fork() == 0) {
            struct connection *connection;

            close_fd(go[1]);
            if (read(go[0], &byte, 1) != 0)
                _exit(2);
            close_fd(go[0]);
            _exit(connection_open(&options, &connection) == 0 ? 0 : 1);
        }
    }
    close_fd(go[0]);
    close_fd(go[1]);
    for (int i = 0; i < STARTERS; i++) {
        int status;

        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_int_eq(read_reports(&pid, &good), 1);
    end_daemon(pid);
    remove_folder();
}
END_TEST

/* The daemon that was there holds its lock while it leaves, and sends the one that we start away. */
START_TEST(start_again_while_one_leaves)
{
    struct connection *connection;
    char name[80];
    int lock, pid, good;
    pid_t leaving;

    snprintf(name, sizeof name, "%s.lock", path);
    leaving = fork();
    if (leaving == 0) {
        lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        flock(lock, LOCK_EX);
        touch(".held");
        snprintf(name, sizeof name, "%s.report", path);
        while (access(name, F_OK) < 0) /* until one was sent away */
            ;
        _exit(0);
    }
    snprintf(name, sizeof name, "%s.held", path);
    while (access(name, F_OK) < 0)
        ;
    ck_assert_int_eq(connection_open(&options, &connection), 0);
    connection_free(connection);
    ck_assert_int_eq(waitpid(leaving, NULL, 0), leaving);
    ck_assert_int_ge(read_reports(&pid, &good), 1);
    end_daemon(pid);
    unlink(name);
    remove_folder();
}
END_TEST

START_TEST(not_started)
{
    struct connection *connection;
    struct endpoint_options never = {.program = program, .socket = path, .no_autostart = true};
    struct endpoint_options missing = {.program = "/does/not/exist", .socket = path};
    struct endpoint_options useless = {.program = "/bin/false", .socket = path};
    int64_t begun = clock_monotonic();

    ck_assert_int_eq(connection_open(&never, &connection), -ENOENT);
    setenv("PROCD_AUTOSTART", "0", 1);
    ck_assert_int_eq(connection_open(&options, &connection), -ENOENT);
    setenv("PROCD_AUTOSTART", "1", 1);
    ck_assert_int_eq(connection_open(&missing, &connection), -ENOENT);
    ck_assert_int_eq(connection_open(&useless, &connection), -ENOENT);
    setenv("PROCD_DAEMON", "/bin/false", 1);
    ck_assert_int_eq(connection_open(&(struct endpoint_options) {.socket = path}, &connection), -ENOENT);
    ck_assert_int_lt(clock_monotonic() - begun, 8 * NSEC_PER_SEC);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1);
    remove_folder();
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("autostart");
    TCase *tcase = tcase_create("autostart");
    SRunner *runner;
    int failed;

    if (argc > 1 && strcmp(argv[1], "--user") == 0)
        return be_daemon(argc, argv);
    tcase_add_checked_fixture(tcase, begin, NULL);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, detached_in_every_respect);
    tcase_add_test(tcase, one_of_many_starts);
    tcase_add_test(tcase, start_again_while_one_leaves);
    tcase_add_test(tcase, not_started);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
