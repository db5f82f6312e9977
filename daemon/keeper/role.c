/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/role.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/link.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#define AGAIN_PAUSE (50 * 1000 * 1000) /* ns */
#define AGAIN_MOST  40                 /* times: two seconds */

static int held = -1; /* the program's file */
static int candidate = -1; /* what has its name now, to be checked */
static char name[PATH_MAX];

/* What of our environment a role may see: nothing of the caller's, and no socket of the service manager. */
static const char *const passed[] = {"LANG",         "LC_ALL",       "TZ",           "JOURNAL_STREAM",
                                     "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"};
#define PASSED_COUNT (sizeof passed / sizeof *passed)

int role_open(void)
{
    ssize_t length = readlink("/proc/self/exe", name, sizeof name - 1);

    held = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    if (length < 0 || held < 0)
        return -errno;
    name[length] = '\0';
    return 0;
}

/* A deleted file has a name that ends so; what has the name now is the new one. */
static int take_candidate(void)
{
    static const char deleted[] = " (deleted)";
    size_t length = strlen(name);
    int fd;

    if (length > sizeof deleted && strcmp(name + length - (sizeof deleted - 1), deleted) == 0)
        name[length - (sizeof deleted - 1)] = '\0';
    fd = open(name, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    close_fd(candidate);
    candidate = fd;
    return 0;
}

void role_reject(void)
{
    candidate = close_fd(candidate);
}

int role_program(void)
{
    return held;
}

void role_rename(const char *program)
{
    snprintf(name, sizeof name, "%s", program);
}

const char *role_name(void)
{
    return name;
}

static void make_environment(char *texts, size_t size, char **ret_list)
{
    size_t used = 0, count = 0;

    ret_list[count++] = (char *) "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (size_t i = 0; i < PASSED_COUNT; i++) {
        const char *value = getenv(passed[i]);
        int length = value ? snprintf(texts + used, size - used, "%s=%s", passed[i], value) : -1;

        if (length < 0 || (size_t) length >= size - used)
            continue;
        ret_list[count++] = texts + used;
        used += (size_t) length + 1;
    }
    ret_list[count] = NULL;
}

/* After clone3 without CLONE_VM in a process with threads: system calls only. */
__attribute__((noreturn)) static void become(char **argv, char **environment, int file, int link_fd)
{
    struct link_checked failed = {.head = {.kind = LINK_CHECKED, .size = sizeof failed}, .refused = 1};
    sigset_t none;
    int program = fcntl(file, F_DUPFD_CLOEXEC, LINK_FD + 1);

    setsid();
    if (link_fd == LINK_FD)
        fcntl(link_fd, F_SETFD, 0);
    else
        dup2(link_fd, LINK_FD);
    /* marked, not closed: the program itself is among them */
    syscall(SYS_close_range, LINK_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    syscall(SYS_execveat, program, "", argv, environment, AT_EMPTY_PATH);
    failed.error = errno;
    if (file == candidate) /* whoever wanted to know what it can do knows this */
        (void) !write(LINK_FD, &failed, sizeof failed);
    _exit(125);
}

int role_exec(int memory)
{
    char memory_option[32];
    char *argv[] = {(char *) "procd", (char *) "--role=keeper", memory_option, NULL};

    if (candidate < 0)
        return -EBADF;
    snprintf(memory_option, sizeof memory_option, "--memory=%d", memory);
    syscall(SYS_execveat, candidate, "", argv, environ, AT_EMPTY_PATH);
    return -errno;
}

/* What the program before has left is inherited until it has been taken over. */
void role_again(int memory, unsigned attempts, int why)
{
    const struct timespec pause = {.tv_nsec = AGAIN_PAUSE};
    char memory_option[32], attempts_option[32];
    char *argv[] = {(char *) "procd", (char *) "--role=keeper", memory_option, attempts_option, NULL};

    if (attempts >= AGAIN_MOST)
        return;
    log_warning("cannot go on as another program yet: %s", strerror(-why));
    snprintf(memory_option, sizeof memory_option, "--memory=%d", memory);
    snprintf(attempts_option, sizeof attempts_option, "--attempts=%u", attempts + 1);
    nanosleep(&pause, NULL);
    execve("/proc/self/exe", argv, environ);
}

int role_start(const struct keeper_config *config, const char *role, bool fresh, int link_fd, int *ret_pidfd)
{
    char role_option[32], level_option[32], as_option[48], texts[4096];
    char *environment[PASSED_COUNT + 2];
    char *argv[] = {(char *) "procd", role_option, level_option, as_option, NULL};
    int pidfd = -1, r;
    struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t) &pidfd, .exit_signal = SIGCHLD};
    long pid;

    if (fresh && (r = take_candidate()) < 0)
        return r;
    snprintf(role_option, sizeof role_option, "--role=%s", role);
    snprintf(level_option, sizeof level_option, "--log-level=%s",
             log_level_name((enum log_level) config->log_level));
    snprintf(as_option, sizeof as_option, "--as=%u:%u", config->broker_uid, config->broker_gid);
    make_environment(texts, sizeof texts, environment);
    pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0)
        return -errno;
    if (pid == 0)
        become(argv, environment, fresh ? candidate : held, link_fd);
    *ret_pidfd = pidfd;
    return 0;
}
