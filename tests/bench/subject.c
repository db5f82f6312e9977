#include "tests/bench/subject.h"

#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_SECONDS 10
#define STOP_SECONDS  20

static struct subject subject;
static char folder[sizeof subject.socket - 16];
static int pidfd = -1;
static pid_t owner;

/* Also at the end of a program that fails half-way: nothing is left behind. */
static void stop(void)
{
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    char lock[sizeof subject.socket + 8];

    if (getpid() != owner)
        return;
    if (subject.keeper > 0) {
        kill(subject.keeper, SIGTERM);
        if (poll(&end, 1, STOP_SECONDS * 1000) != 1) {
            fprintf(stderr, "the daemon has not stopped within %d s\n", STOP_SECONDS);
            kill(subject.keeper, SIGKILL);
        }
        waitpid(subject.keeper, NULL, 0);
    }
    unlink(subject.socket);
    snprintf(lock, sizeof lock, "%s.lock", subject.socket);
    unlink(lock);
    if (rmdir(folder) < 0)
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
}

/* Quiet but for errors; without a service manager or another daemon of this user in sight. */
_Noreturn static void run_daemon(const char *program)
{
    static const char *const foreign[] = {"PROCD_SOCKET", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID",
                                          "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID"};

    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        unsetenv(foreign[i]);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == owner)
        execl(program, program, "--log-level", "warning", "--socket", subject.socket, NULL);
    fprintf(stderr, "%s: %s\n", program, strerror(errno));
    _exit(127);
}

static void wait_until_it_serves(void)
{
    static const char info[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.info\"}\n";
    double until = bench_seconds() + START_SECONDS;
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    struct wire *wire = malloc(sizeof *wire);

    if (!wire)
        bench_die("memory");
    while (!wire_open(wire, subject.socket)) {
        if (bench_seconds() > until)
            bench_die("the daemon does not listen within %d s", START_SECONDS);
        /* nobody tells when a socket appears; should the daemon end, that is told */
        if (poll(&end, 1, 5) == 1) {
            errno = 0;
            bench_die("the daemon has ended");
        }
    }
    subject.broker = (pid_t) wire_number(wire_call(wire, info, sizeof info - 1), "\"broker_pid\":");
    wire_close(wire);
    free(wire);
}

const struct subject *subject_start(void)
{
    const char *program = getenv("PROCD"), *parent = getenv("TMPDIR");

    errno = 0;
    if (!program || access(program, X_OK) < 0)
        bench_die("PROCD must name the daemon to be measured");
    snprintf(folder, sizeof folder, "%s/procd-bench.XXXXXX", parent && strlen(parent) < 64 ? parent : "/tmp");
    if (!mkdtemp(folder))
        bench_die("%s", folder);
    snprintf(subject.socket, sizeof subject.socket, "%s/socket", folder);
    owner = getpid();
    atexit(stop);
    subject.keeper = fork();
    if (subject.keeper == 0)
        run_daemon(program);
    pidfd = subject.keeper < 0 ? -1 : (int) syscall(SYS_pidfd_open, subject.keeper, 0);
    if (pidfd < 0)
        bench_die("starting the daemon");
    wait_until_it_serves();
    return &subject;
}

void subject_connect(struct wire *wire)
{
    if (!wire_open(wire, subject.socket))
        bench_die("connecting to the daemon");
}

void subject_pin(int processor)
{
    bench_pin(subject.keeper, processor);
    bench_pin(subject.broker, processor);
}
