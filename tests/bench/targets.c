/* SPDX-License-Identifier: MIT */
#include "tests/bench/targets.h"

#include "client/lib/procd.h"
#include "tests/bench/bench.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

PROCD_TARGET(nothing)
{
    return 0;
}

static void check(int result, int wanted, const char *what)
{
    errno = 0;
    if (result != wanted)
        bench_die("%s: %s", what, result < 0 ? procd_last_error()->message : "?");
}

static void start_and_join(void)
{
    struct procd_options options = {.target = "nothing"};
    procd_process *process = procd_process_new(&options);
    int exitcode = -1;

    check(process ? 0 : -1, 0, "procd_process_new");
    check(procd_process_start(process), 0, "procd_process_start");
    check(procd_process_join(process, PROCD_FOREVER), 1, "procd_process_join");
    check(procd_process_exitcode(process, &exitcode), 1, "procd_process_exitcode");
    check(exitcode, 0, "the target's status");
    procd_process_free(process);
}

double targets_one_at_a_time(int count)
{
    double begin = bench_seconds();

    for (int i = 0; i < count; i++)
        start_and_join();
    return (bench_seconds() - begin) / count * 1e6;
}

/* ---- in another process ---- */

static _Noreturn void work(int fd, bool with_zygote)
{
    double each;
    int count;

    if (with_zygote)
        check(procd_zygote(), 0, "procd_zygote");
    while (recv(fd, &count, sizeof count, 0) == sizeof count) {
        each = targets_one_at_a_time(count);
        (void) send(fd, &each, sizeof each, MSG_NOSIGNAL);
    }
    _exit(0);
}

void targets_worker_begin(struct targets_worker *worker, const char *socket, bool with_zygote)
{
    pid_t pid;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 || (pid = fork()) < 0)
        bench_die("a process that starts targets");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]);
        setenv("PROCD_SOCKET", socket, 1);
        work(pair[1], with_zygote);
    }
    close(pair[1]);
    worker->fd = pair[0];
}

double targets_worker_round(const struct targets_worker *worker, int count)
{
    double each;

    errno = 0;
    if (send(worker->fd, &count, sizeof count, MSG_NOSIGNAL) != sizeof count ||
        recv(worker->fd, &each, sizeof each, 0) != sizeof each)
        bench_die("the process that starts targets has ended");
    return each;
}
