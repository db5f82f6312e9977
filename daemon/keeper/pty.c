/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/pty.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/capture.h"
#include "daemon/keeper/ledger_layout.h"
#include "daemon/keeper/pipes.h"
#include "daemon/keeper/store.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/wire.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#define READ_PATIENCE 1000 /* us, see read_shared */

static struct capture_pipe *pty_of(const struct slot *slot)
{
    struct capture_pipe *pipe;

    LIST_FOREACH(pipe, &slot->pipes, of_slot)
        if (pipe->is_terminal)
            return pipe;
    return NULL;
}

bool pty_is_master(int fd)
{
    unsigned number;

    return ioctl(fd, TIOCGPTN, &number) == 0;
}

/* ---- making ---- */

/* devpts gives the slave to whoever opens the master. */
static int open_master(const struct keeper *keeper, const struct spawn_plan *plan)
{
    int fd, r;

    if (keeper->privileged) {
        setfsgid(plan->gid);
        setfsuid(plan->uid);
    }
    fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    r = -errno;
    if (keeper->privileged) {
        setfsuid(geteuid());
        setfsgid(getegid());
    }
    return fd < 0 ? r : fd;
}

static int open_slave(int master)
{
    int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static int make(const struct keeper *keeper, const struct spawn_plan *plan, int *ret_slave)
{
    struct winsize size = {.ws_row = plan->spec->rows, .ws_col = plan->spec->columns};
    CLEANUP_FD int master = open_master(keeper, plan);
    int unlocked = 0;

    if (master < 0)
        return master;
    if (ioctl(master, TIOCSPTLCK, &unlocked) < 0 || ioctl(master, TIOCSWINSZ, &size) < 0)
        return -errno;
    *ret_slave = open_slave(master);
    return *ret_slave < 0 ? *ret_slave : take_fd(&master);
}

/* As the kernel makes one: the run before may have left it without echo, and something typed that nobody has
 * read. */
static void renew(const struct capture_pipe *pty)
{
    static const struct termios fresh = {
        .c_iflag = ICRNL | IXON,
        .c_oflag = OPOST | ONLCR,
        .c_cflag = B38400 | CS8 | CREAD,
        .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
        .c_cc = {[VINTR] = 003, [VQUIT] = 034, [VERASE] = 0177, [VKILL] = 025, [VEOF] = 004, [VMIN] = 1,
                 [VSTART] = 021, [VSTOP] = 023, [VSUSP] = 032, [VREPRINT] = 022, [VDISCARD] = 017,
                 [VWERASE] = 027, [VLNEXT] = 026},
    };

    (void) tcsetattr(pty->fd, TCSANOW, &fresh);
    (void) ioctl(pty->slave, TCFLSH, TCIFLUSH);
}

/* ---- leases ---- */

/* In the epoll, in which a pipe has its address and a lease the odd one behind it. */
static int watch_lease(struct keeper *keeper, struct capture_pipe *pty)
{
    struct epoll_event event = {.events = 0, .data.u64 = (uintptr_t) pty | 1};

    return epoll_ctl(keeper->capture.epoll, EPOLL_CTL_ADD, pty->lease, &event) < 0 ? -errno : 0;
}

static void close_lease(struct keeper *keeper, struct capture_pipe *pty)
{
    if (pty->lease < 0)
        return;
    /* a child that has not come to its exec has it, too */
    (void) epoll_ctl(keeper->capture.epoll, EPOLL_CTL_DEL, pty->lease, NULL);
    pty->lease = close_fd(pty->lease);
}

static bool is_leased(const struct capture_pipe *pty)
{
    struct pollfd lease = {.fd = pty->lease};

    return pty->lease >= 0 && poll(&lease, 1, 0) == 0;
}

static void detached(struct keeper *keeper, struct capture_pipe *pty)
{
    close_lease(keeper, pty);
    (void) pipe_watch(&keeper->capture, pty);
}

void pty_lease_ready(struct keeper *keeper, struct capture_pipe *pty)
{
    if (pty->lease >= 0 && !is_leased(pty))
        detached(keeper, pty);
}

/* The end that is to be given away, or -errno; -EBUSY: somebody has one. */
static int lease(struct keeper *keeper, struct capture_pipe *pty)
{
    int ends[2], r;

    if (is_leased(pty))
        return -EBUSY;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    close_lease(keeper, pty);
    pty->lease = ends[1];
    r = watch_lease(keeper, pty);
    if (r < 0) {
        close_fd(ends[0]);
        detached(keeper, pty);
        return r;
    }
    pipe_unwatch(&keeper->capture, pty);
    pipe_end_line(keeper, pty);
    pty->was_shared = true;
    return ends[0];
}

static void answer(struct keeper *keeper, struct capture_pipe *pty, int lease_end, uint64_t tag)
{
    struct link_attached message = {.head = {.kind = LINK_ATTACHED, .size = sizeof message},
                                    .tag = tag,
                                    .error = lease_end < 0 ? -lease_end : 0};
    int fds[2] = {pty ? pty->fd : -1, lease_end};

    link_answer(keeper, &message, sizeof message, fds, lease_end < 0 ? 0 : 2);
}

void pty_attach(struct keeper *keeper, const struct link_attach *order)
{
    struct slot *slot = slot_find(keeper, order->process);
    struct capture_pipe *pty = slot ? pty_of(slot) : NULL;
    CLEANUP_FD int end = pty ? lease(keeper, pty) : -ENOTTY;

    answer(keeper, pty, end, order->tag);
}

void pty_offer(struct keeper *keeper, struct slot *slot, uint64_t tag)
{
    struct capture_pipe *pty = pty_of(slot);
    CLEANUP_FD int end = pty ? take_fd(&pty->offer) : -1;

    if (end >= 0)
        answer(keeper, pty, end, tag);
}

/* ---- with its process ---- */

static int begin(struct keeper *keeper, struct slot *slot, const struct spawn_plan *plan,
                 struct capture_pipe **ret_pty)
{
    struct capture_pipe *pty;
    int slave = -1, master, r;

    r = capture_log(keeper, slot, plan);
    if (r < 0)
        return r;
    master = make(keeper, plan, &slave);
    if (master < 0)
        return master;
    pty = pipe_new(&keeper->capture);
    if (!pty) {
        close_fd(master);
        close_fd(slave);
        return -EMFILE;
    }
    pipe_begin(keeper, pty, slot, master, LOGS_STDOUT);
    pty->is_terminal = true;
    pty->slave = slave;
    if (keeper->store.is_open) /* at once: without it not only who writes dies, but all get SIGHUP */
        (void) store_pipe(keeper, pty);
    if (slot->flags & LINK_SPAWN_ATTACH) {
        r = lease(keeper, pty);
        pty->offer = r;
    }
    *ret_pty = pty;
    return r < 0 ? r : 0;
}

/* Child's end `fd` in place of "pty". */
static void name_end(struct spawn_plan *plan, uint32_t fd)
{
    struct link_stdio *stdio = (struct link_stdio *) plan->spec->stdio; /* the spec is our own copy */

    for (int i = 0; i < 3; i++)
        if (stdio[i].kind == LINK_STDIO_PTY)
            stdio[i] = (struct link_stdio){.kind = LINK_STDIO_FD, .fd = fd};
    plan->terminal = fd + 1;
}

int pty_begin(struct keeper *keeper, struct slot *slot, struct spawn_plan *plan, int *fds, size_t *count)
{
    const struct link_stdio *stdio = plan->spec->stdio;
    struct capture_pipe *pty = pty_of(slot);
    int fd, r = 0;

    plan->terminal = 0;
    if (stdio[0].kind != LINK_STDIO_PTY && stdio[1].kind != LINK_STDIO_PTY && stdio[2].kind != LINK_STDIO_PTY)
        return 0;
    if (*count >= FDPASS_MAX)
        return -EINVAL;
    if (pty)
        renew(pty);
    else
        r = begin(keeper, slot, plan, &pty);
    if (r < 0)
        return r;
    fd = open_slave(pty->fd);
    if (fd < 0)
        return fd;
    fds[*count] = fd;
    name_end(plan, (uint32_t) (*count)++);
    return pty->lease < 0 ? pipe_watch(&keeper->capture, pty) : 0;
}

void pty_finish(struct keeper *keeper, struct slot *slot)
{
    struct capture_pipe *pty = pty_of(slot);

    if (!pty || !slot->ended || slot->ticket)
        return;
    if (!is_leased(pty)) /* else what is there is for who has it */
        pipe_drain(keeper, pty);
    pipe_end(keeper, pty);
}

void pty_release(struct keeper *keeper, struct capture_pipe *pipe)
{
    if (!pipe->is_terminal)
        return;
    close_lease(keeper, pipe);
    pipe->offer = close_fd(pipe->offer);
    pipe->slave = close_fd(pipe->slave);
}

void pty_restored(struct keeper *keeper, struct capture_pipe *pty)
{
    if (!pty->slot) {
        pipe_end(keeper, pty);
        return;
    }
    pty->slave = open_slave(pty->fd);
    if (pty->slave < 0)
        log_warning("process %llu: its terminal cannot be kept open: %s",
                    (unsigned long long) pty->slot->process, strerror(-pty->slave));
    if (pty->lease < 0 || watch_lease(keeper, pty) < 0)
        detached(keeper, pty);
}

/* ---- reading ---- */

static void nothing(int number)
{
    (void) number;
}

/*
 * O_NONBLOCK is the master's and not the descriptor's: who was attached may have cleared it, and clear it at
 * any time, on purpose even, with another one that takes what we have seen there. No flag of a call helps, as
 * the kernel has none for terminals. So a signal ends a read that waits; one that is late comes again.
 */
static ssize_t read_shared(int fd, void *bytes, size_t size)
{
    const struct sigaction on_alarm = {.sa_handler = nothing}, by_default = {.sa_handler = SIG_DFL};
    const struct itimerval limit = {{.tv_usec = READ_PATIENCE}, {.tv_usec = READ_PATIENCE}}, none = {0};
    sigset_t alarms;
    ssize_t got;
    int r;

    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    (void) fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    sigaction(SIGALRM, &on_alarm, NULL);
    sigprocmask(SIG_UNBLOCK, &alarms, NULL);
    setitimer(ITIMER_REAL, &limit, NULL);
    got = read(fd, bytes, size);
    r = -errno;
    setitimer(ITIMER_REAL, &none, NULL);
    /* one that is pending is taken before this returns */
    sigprocmask(SIG_BLOCK, &alarms, NULL);
    sigaction(SIGALRM, &by_default, NULL); /* a child begins with our handlers */
    return got < 0 ? r : got;
}

static ssize_t read_one(const struct capture_pipe *pty, void *bytes, size_t size)
{
    ssize_t got;

    if (pty->was_shared)
        return read_shared(pty->fd, bytes, size);
    got = TEMP_FAILURE_RETRY(read(pty->fd, bytes, size));
    return got < 0 ? -errno : got;
}

/* A pipe keeps its bytes until they are in the log, a terminal does not. So they are read into memory that
 * outlives us, where the next keeper finds them, and whether they are in the log. */
static ssize_t take_into_log(struct keeper *keeper, struct capture_pipe *pty, const struct logs_clock *now)
{
    struct ledger_given *given = &keeper->ledger.head->given;
    struct logs *logs = &keeper->capture.logs;
    uint32_t log = pty->slot->log;
    size_t room = logs_room(logs, log, pty->stream, now);
    ssize_t size;

    given->extent = logs_extent(logs, log);
    given->size = 0;
    memset(given->bytes, 0, sizeof given->bytes);
    atomic_store(&given->process, pty->slot->process);
    size = read_one(pty, given->bytes, room > 0 && room < sizeof given->bytes ? room : sizeof given->bytes);
    if (size > 0) {
        given->size = (uint64_t) size;
        logs_put(logs, log, pty->stream, given->bytes, (size_t) size, now);
    }
    atomic_store(&given->process, 0);
    return size;
}

ssize_t pty_take(struct keeper *keeper, struct capture_pipe *pty, const struct logs_clock *now)
{
    static char nowhere[4096];
    ssize_t size = pty->slot && pty->slot->log ? take_into_log(keeper, pty, now)
                                               : read_one(pty, nowhere, sizeof nowhere);

    if (size == -EINTR && pty->slot)
        log_warning("process %llu: its terminal is not read any more: somebody had it who made us wait",
                    (unsigned long long) pty->slot->process);
    return size;
}

static size_t size_of(const struct ledger_given *given)
{
    size_t size = given->size > 0 && given->size < sizeof given->bytes ? given->size : sizeof given->bytes;

    while (given->size == 0 && size > 0 && given->bytes[size - 1] == '\0')
        size--;
    return size;
}

void pty_recover(struct keeper *keeper)
{
    struct ledger_given *given = keeper->ledger.head ? &keeper->ledger.head->given : NULL;
    struct logs_clock now = {.wall = clock_realtime(), .mono = clock_monotonic()};
    struct logs *logs = &keeper->capture.logs;
    uint64_t process = given ? atomic_load(&given->process) : 0;
    const struct slot *slot = process ? slot_find(keeper, process) : NULL;

    if (process == 0)
        return;
    if (slot && logs_is(logs, slot->log, process) && logs_is_extent(logs, slot->log, &given->extent))
        logs_put(logs, slot->log, LOGS_STDOUT, given->bytes, size_of(given), &now);
    atomic_store(&given->process, 0);
}
