#include "tests/bench/raw.h"

#include "daemon/keeper/rawcall.h"
#include "tests/bench/bench.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

/* One is enough: the parent is stopped until the child has memory of its own. */
static _Alignas(16) char stack[16 << 10];

static void child(void *argument)
{
    const char *const argv[] = {argument, NULL};

    raw3(__NR_execve, argument, argv, argv + 1);
    for (;;)
        raw1(__NR_exit_group, 127);
}

pid_t raw_start(const char *path, int *ret_pidfd)
{
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD,
        .pidfd = (uintptr_t) ret_pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t) stack,
        .stack_size = sizeof stack,
    };
    long pid = raw_clone3(&args, child, (void *) path);

    if (pid < 0) {
        errno = (int) -pid;
        bench_die("clone3");
    }
    return (pid_t) pid;
}

void raw_reap(int pidfd)
{
    siginfo_t info;

    if (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED) < 0)
        bench_die("waitid");
    errno = 0;
    if (info.si_code != CLD_EXITED || info.si_status != 0)
        bench_die("the child has not run: status %d", info.si_status);
    close(pidfd);
}
