#include "client/lib/autostart.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define IDLE_EXIT "60" /* seconds without anything after which the daemon leaves */

/* All that the new process needs, made before the fork: behind it only async-signal-safe calls are
 * allowed. */
struct plan {
    char program[4096];
    char **environment;
    const char *argv[8];
    int report;
};

/* $PATH, as execvp would; but before the fork. */
static int find_in_path(const char *name, char *ret_path, size_t size)
{
    const char *path = getenv("PATH");

    for (path = path ? path : "/usr/local/bin:/usr/bin:/bin"; *path; path += *path == ':') {
        size_t span = strcspn(path, ":");

        if (*path == '/' && span + strlen(name) + 2 <= size) {
            snprintf(ret_path, size, "%.*s/%s", (int) span, path, name);
            if (access(ret_path, X_OK) == 0)
                return 0;
        }
        path += span;
    }
    return -ENOENT;
}

/* Root's, or the caller's own. In a folder like /tmp anybody could have put it, or a link, where it is. */
static bool is_trusted(const char *program)
{
    struct stat link, file;

    if (lstat(program, &link) < 0 || stat(program, &file) < 0 || !S_ISREG(file.st_mode))
        return false;
    return (link.st_uid == 0 || link.st_uid == geteuid()) && (file.st_uid == 0 || file.st_uid == geteuid()) &&
           access(program, X_OK) == 0;
}

/* The one that came, or was built, with the running program. */
static int find_beside(const char *name, char *ret_path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", ret_path, size);
    char *end;

    if (length <= 0 || (size_t) length >= size)
        return -ENOENT;
    ret_path[length] = '\0';
    end = strrchr(ret_path, '/');
    if (!end || (size_t) (end + 1 - ret_path) + strlen(name) >= size)
        return -ENOENT;
    strcpy(end + 1, name);
    return is_trusted(ret_path) ? 0 : -ENOENT;
}

static int find_program(const char *program, char *ret_path, size_t size)
{
    int length;

    if (!program)
        program = secure_getenv("PROCD_DAEMON");
    if (!program && find_beside("procd", ret_path, size) == 0)
        return 0;
    if (!program && access(PROCD_BINDIR "/procd", X_OK) == 0)
        program = PROCD_BINDIR "/procd";
    if (!program)
        return find_in_path("procd", ret_path, size);
    length = snprintf(ret_path, size, "%s", program);
    return length > 0 && (size_t) length < size ? 0 : -ENAMETOOLONG;
}

/* What systemd said to the caller is not meant for a daemon of another life. */
static bool is_meant_for_caller(const char *variable)
{
    return strncmp(variable, "LISTEN_", 7) == 0 || strncmp(variable, "WATCHDOG_", 9) == 0 ||
           strncmp(variable, "NOTIFY_SOCKET=", 14) == 0;
}

static char **make_environment(void)
{
    size_t count = 0;
    char **copy;

    while (environ && environ[count])
        count++;
    copy = calloc(count + 1, sizeof *copy);
    if (!copy)
        return NULL;
    count = 0;
    for (char **variable = environ; variable && *variable; variable++) {
        if (!is_meant_for_caller(*variable))
            copy[count++] = *variable;
    }
    return copy;
}

static long clone_process(uint64_t flags, int *ret_pidfd)
{
    struct clone_args args = {.flags = flags, .pidfd = (uintptr_t) ret_pidfd};

    return syscall(SYS_clone3, &args, sizeof args);
}

static void reset_signals(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        sigaction(number, &plain, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The daemon lives for longer than its starter was meant to. The other limits are what its children get. */
static void reset_time_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CPU, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_CPU, &limit);
}

static int put_stdio_on_null(void)
{
    int null = open("/dev/null", O_RDWR);

    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        return -errno;
    return 0;
}

/* The daemon to be, until its exec. The report descriptor may itself be below 3. */
static _Noreturn void become_daemon(const struct plan *plan)
{
    int error, report = fcntl(plan->report, F_DUPFD_CLOEXEC, 3);

    error = report < 0 ? errno : 0;
    if (!error && chdir("/") < 0)
        error = errno;
    if (!error)
        error = -put_stdio_on_null();
    if (!error && syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        error = errno;
    if (!error) {
        reset_signals();
        reset_time_limit();
        execve(plan->program, (char **) plan->argv, plan->environment);
        error = errno;
    }
    if (report >= 0)
        send(report, &error, sizeof error, MSG_NOSIGNAL);
    _exit(127);
}

/* The process between caller and daemon: its end gives the daemon away to init. Reports a pidfd, or an
 * errno. */
static _Noreturn void become_middleman(const struct plan *plan)
{
    int pidfd = -1, error = 0;
    struct iovec iov = {.iov_base = &error, .iov_len = sizeof error};
    long pid;

    setsid();
    pid = clone_process(CLONE_PIDFD, &pidfd);
    if (pid == 0)
        become_daemon(plan);
    error = pid < 0 ? errno : 0;
    fdpass_send(plan->report, &iov, 1, &pidfd, pid > 0);
    _exit(0);
}

/* Both reports: the middleman's with the pidfd, and the daemon's if its exec failed (else the exec closes
 * the pair). */
static int read_reports(int socket)
{
    CLEANUP_FD int pidfd = -1;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    int error = 0;
    struct iovec iov = {.iov_base = &error, .iov_len = sizeof error};

    for (;;) {
        struct msghdr message = {
            .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        ssize_t size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        struct cmsghdr *header = size > 0 ? CMSG_FIRSTHDR(&message) : NULL;

        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return pidfd >= 0 ? take_fd(&pidfd) : -ECONNREFUSED;
        if (header)
            memcpy(&pidfd, CMSG_DATA(header), sizeof pidfd);
        if (error)
            return -error;
    }
}

/* Without an exit signal: the caller's SIGCHLD handler and its wait() calls never hear of the middleman. */
static int launch(struct plan *plan, int socket)
{
    sigset_t all, before;
    long pid;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = clone_process(0, NULL);
    if (pid == 0)
        become_middleman(plan);
    error = pid < 0 ? -errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    plan->report = close_fd(plan->report);
    if (error)
        return error;
    while (waitpid((pid_t) pid, NULL, __WALL) < 0 && errno == EINTR)
        ;
    return read_reports(socket);
}

int autostart_daemon(const char *program, const char *socket)
{
    struct plan plan = {.argv = {"procd", "--user", "--idle-exit", IDLE_EXIT, "--socket", socket}};
    CLEANUP_MEMORY char **environment = NULL;
    int pair[2], error;

    /* Such a program's environment and arguments belong to somebody with fewer rights than the daemon
     * would have. */
    if (getauxval(AT_SECURE))
        return -EPERM;
    if (socket[0] != '/')
        return -ENAMETOOLONG; /* the daemon's directory is another */
    error = find_program(program, plan.program, sizeof plan.program);
    if (error < 0)
        return error;
    plan.environment = environment = make_environment();
    if (!environment)
        return -ENOMEM;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    plan.report = pair[1];
    error = launch(&plan, pair[0]);
    close_fd(plan.report);
    close_fd(pair[0]);
    return error;
}
