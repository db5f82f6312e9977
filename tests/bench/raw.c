/* SPDX-License-Identifier: MIT */
#include "tests/bench/raw.h"

#include "daemon/keeper/rawcall.h"
#include "tests/bench/bench.h"

#include <errno.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* One is enough: the parent is stopped until the child has memory of its own. */
static _Alignas(16) char stack[16 << 10];

struct program {
    const char *const *argv, *const *envp;
    bool closes;
};

static void child(void *argument)
{
    const struct program *program = argument;

    /* What is not copied need not be closed: the kernel begins the child's own table with these three. */
    if (program->closes)
        raw3(__NR_close_range, 3, ~0U, CLOSE_RANGE_UNSHARE);
    raw3(__NR_execve, program->argv[0], program->argv, program->envp);
    for (;;)
        raw1(__NR_exit_group, 127);
}

static pid_t start(struct program program, uint64_t flags, int *ret_pidfd)
{
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | flags,
        .pidfd = (uintptr_t) ret_pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t) stack,
        .stack_size = sizeof stack,
    };
    long pid = raw_clone3(&args, child, &program);

    if (pid < 0) {
        errno = (int) -pid;
        bench_die("clone3");
    }
    return (pid_t) pid;
}

static const char *const none[] = {NULL};

pid_t raw_start(const char *const *argv, const char *const *envp, int *ret_pidfd)
{
    return start((struct program){argv, envp ? envp : none, false}, 0, ret_pidfd);
}

pid_t raw_start_beside_many(const char *const *argv, int *ret_pidfd)
{
    return start((struct program){argv, none, true}, CLONE_FILES, ret_pidfd);
}

static siginfo_t reap(int pidfd)
{
    siginfo_t info;

    if (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED) < 0)
        bench_die("waitid");
    close(pidfd);
    errno = 0;
    return info;
}

void raw_reap(int pidfd)
{
    siginfo_t info = reap(pidfd);

    if (info.si_code != CLD_EXITED || info.si_status != 0)
        bench_die("the child has not run: status %d", info.si_status);
}

void raw_reap_killed(int pidfd)
{
    siginfo_t info = reap(pidfd);

    if (info.si_code != CLD_KILLED || info.si_status != SIGKILL)
        bench_die("the child has not slept: status %d", info.si_status);
}

bool raw_descriptors(unsigned long wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        bench_die("getrlimit");
    if (limit.rlim_max < wanted) {
        struct rlimit more = {wanted, wanted};

        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            return true;
    }
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max >= wanted;
}
