/* SPDX-License-Identifier: MIT */
/*
 * The zygote's side of proto/zygote.h. There is one thread, and nothing of the library has been used yet: a
 * copy begins with what a program has that was executed just now.
 */
#include "client/lib/zygote.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/fdpass.h"
#include "proto/zygote.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define LOOKS 50 /* until a copy sleeps that waits to begin */

struct zygote {
    int socket;
    char *title; /* what of argv can be written over; NULL: nothing */
    size_t title_size;
    void *thread; /* where the C library keeps the thread's number */
    void *robust; /* its list of robust mutexes, which a clone does not inherit */
    size_t robust_size;
};

/* An order as it came, and the descriptors. */
struct order {
    const struct zygote_order *head;
    const struct link_spec *spec;
    const char *strings; /* the spec's start */
    int *fds;
    int status, cgroup; /* cgroup -1: none */
    size_t fd_count;
};

/* ---- in the copy: as the keeper's own children, see daemon/keeper/spawn_child.c ---- */

static int set_limits(const struct order *order, bool nofile)
{
    for (uint32_t i = 0; i < order->head->limit_count; i++) {
        const struct link_limit *limit = &order->head->limits[i];
        struct rlimit64 value = {.rlim_cur = limit->soft, .rlim_max = limit->hard};

        if ((limit->resource == RLIMIT_NOFILE) == nofile && prlimit64(0, limit->resource, &value, NULL) < 0)
            return -errno;
    }
    return 0;
}

static int step_signals(struct order *order)
{
    sigset_t none;

    (void) order;
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static int step_session(struct order *order)
{
    (void) order;
    return setsid() < 0 ? -errno : 0;
}

static int step_umask(struct order *order)
{
    umask(order->spec->umask);
    return 0;
}

static int step_limits(struct order *order)
{
    return set_limits(order, false);
}

static int step_nofile(struct order *order)
{
    return set_limits(order, true);
}

static int step_nice(struct order *order)
{
    if (!(order->spec->flags & LINK_SPEC_NICE))
        return 0;
    return setpriority(PRIO_PROCESS, 0, order->spec->nice) < 0 ? -errno : 0;
}

static int step_chdir(struct order *order)
{
    return chdir(order->strings + order->spec->cwd) < 0 ? -errno : 0;
}

/* Nothing else is copied: see is_plain in daemon/keeper/copy.c. */
static int step_stdio(struct order *order)
{
    CLEANUP_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0)
        return -errno;
    for (int i = 0; i < 3; i++) {
        const struct link_stdio *stdio = &order->spec->stdio[i];

        if (stdio->kind != LINK_STDIO_NULL && stdio->kind != LINK_STDIO_FD)
            return -EINVAL;
        if (dup2(stdio->kind == LINK_STDIO_FD ? order->fds[stdio->fd] : null, i) < 0)
            return -errno;
    }
    return 0;
}

static int highest_target(const struct order *order, const struct link_placed_fd *placed)
{
    uint32_t highest = 2;

    for (uint32_t i = 0; i < order->spec->placed_count; i++)
        if (placed[i].target > highest)
            highest = placed[i].target;
    return (int) highest;
}

/* Out of the way of all targets. */
static int move_up(int *fd, int first_free)
{
    int moved = *fd >= first_free ? *fd : fcntl(*fd, F_DUPFD_CLOEXEC, first_free);

    if (moved < 0)
        return -errno;
    if (moved != *fd)
        close_fd(*fd);
    *fd = moved;
    return 0;
}

static int step_place(struct order *order)
{
    const struct link_placed_fd *placed = (const void *) (order->strings + order->spec->placed);
    int first_free = highest_target(order, placed) + 1, r = 0;

    if (order->spec->placed_count > 0) {
        for (size_t i = 0; i < order->fd_count && r == 0; i++)
            r = move_up(&order->fds[i], first_free);
        if (r == 0)
            r = move_up(&order->status, first_free);
    }
    for (uint32_t i = 0; i < order->spec->placed_count && r == 0; i++)
        if (fcntl((int) placed[i].target, F_GETFD) >= 0) /* what a constructor has opened it still uses */
            r = -EEXIST;
        else if (dup2(order->fds[placed[i].fd], (int) placed[i].target) < 0)
            r = -errno;
    for (size_t i = 0; i < order->fd_count; i++)
        close_fd(order->fds[i]);
    return r;
}

static int (*const steps[])(struct order *order) = {
    step_signals, step_session, step_umask, step_limits, step_nice,
    step_chdir,   step_stdio,   step_place, step_nofile,
};

/* The strings stay where they are, in the order. False: no memory. */
static bool take_environment(const struct order *order)
{
    char **list = calloc(order->spec->envc + (size_t) 1, sizeof *list);
    char *at = (char *) order->strings + order->spec->envp;

    if (!list)
        return false;
    for (uint32_t i = 0; i < order->spec->envc; i++) {
        list[i] = at;
        at += strlen(at) + 1;
    }
    environ = list;
    return true;
}

/* As far as there is room; the name of the program stays. */
static void take_title(const struct zygote *zygote, const struct order *order)
{
    const char *from = order->strings + order->spec->argv;
    size_t used = 0;

    if (!zygote->title)
        return;
    memset(zygote->title, 0, zygote->title_size);
    from += strlen(from) + 1;
    for (uint32_t i = 1; i < order->spec->argc && used + 1 < zygote->title_size; i++) {
        size_t length = strnlen(from, zygote->title_size - 1 - used);

        memcpy(zygote->title + used, from, length);
        used += length + 1;
        from += strlen(from) + 1;
    }
}

/* It cannot begin, or nobody has said that it may: it never was. */
static _Noreturn void never_be(void)
{
    (void) kill(getpid(), SIGKILL);
    _exit(127);
}

/* A byte and the end behind it may come between the kernel's looks for the one and for the other: who sees
 * the end looks once more for what came before it. */
static ssize_t look(int status, char *go, int flags)
{
    ssize_t r = TEMP_FAILURE_RETRY(recv(status, go, 1, flags));

    return r == 0 ? recv(status, go, 1, MSG_DONTWAIT) : r;
}

/* That is a matter of microseconds, and to sleep and be woken of more. */
static bool may_begin(int status)
{
    char go = 0;
    ssize_t r = -1;

    for (int i = 0; i < LOOKS && r < 0; i++) {
        r = look(status, &go, MSG_DONTWAIT);
        if (r < 0)
            sched_yield();
    }
    if (r < 0)
        r = look(status, &go, 0);
    return r == 1 && go == ZYGOTE_GO;
}

static void become(const struct zygote *zygote, struct order *order)
{
    const char ready = ZYGOTE_READY;

    if (syscall(SYS_set_robust_list, zygote->robust, zygote->robust_size) < 0)
        never_be();
    close_fd(zygote->socket);
    close_fd(order->cgroup);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i](order) < 0)
            never_be();
    if (!take_environment(order))
        never_be();
    take_title(zygote, order);
    if (send(order->status, &ready, 1, MSG_NOSIGNAL) != 1)
        never_be();
    if (!may_begin(order->status))
        never_be();
    close_fd(order->status);
}

/* ---- in the zygote ---- */

static long clone_self(const struct zygote *zygote, const struct order *order)
{
    struct clone_args args = {
        .flags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
        .child_tid = (uintptr_t) zygote->thread,
    };

    if (order->cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t) order->cgroup;
    }
    return syscall(SYS_clone3, &args, sizeof args);
}

/* False: it is none that we know. */
static bool read_order(const void *bytes, size_t size, struct fdpass *fds, struct order *ret_order)
{
    const struct zygote_order *head = bytes;
    bool in_cgroup;

    if (size < sizeof *head + sizeof(struct link_spec) || head->version != ZYGOTE_VERSION || fds->truncated ||
        head->spec_size != size - sizeof *head || head->limit_count > ZYGOTE_LIMITS_MAX)
        return false;
    in_cgroup = head->flags & ZYGOTE_IN_CGROUP;
    if (fds->count < (size_t) 1 + in_cgroup)
        return false;
    *ret_order = (struct order){.head = head,
                                .spec = (const void *) (head + 1),
                                .strings = (const void *) (head + 1),
                                .fds = fds->fd,
                                .fd_count = fds->count - 1 - in_cgroup,
                                .cgroup = in_cgroup ? fds->fd[fds->count - 1] : -1};
    ret_order->status = fds->fd[ret_order->fd_count];
    return true;
}

/* Stdin is for the keeper alone, and not for what a copy reads. */
static int take_socket(void)
{
    CLEANUP_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int socket = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);

    if (null < 0 || socket < 0 || dup2(null, STDIN_FILENO) < 0)
        return -errno;
    return socket;
}

static bool begin(struct zygote *zygote, int argc, char **argv)
{
    zygote->socket = take_socket();
    if (argc > 1) {
        zygote->title = argv[1];
        zygote->title_size = strlen(argv[1]) + 1;
    }
    /* who is stopped does not see the end of its socket */
    return zygote->socket >= 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
           prctl(PR_GET_TID_ADDRESS, &zygote->thread) == 0 &&
           syscall(SYS_get_robust_list, 0, &zygote->robust, &zygote->robust_size) == 0;
}

void copies_serve(int argc, char **argv)
{
    struct zygote zygote = {.socket = -1};
    char *bytes = malloc(ZYGOTE_ORDER_MAX);
    struct order order;
    struct fdpass fds;

    if (!bytes || !begin(&zygote, argc, argv))
        _exit(1);
    for (;;) {
        ssize_t size = fdpass_wait(zygote.socket, bytes, ZYGOTE_ORDER_MAX, &fds);
        long pid;

        if (size <= 0 || !read_order(bytes, (size_t) size, &fds, &order))
            _exit(size == 0 ? 0 : 1);
        pid = clone_self(&zygote, &order);
        if (pid == 0) {
            become(&zygote, &order);
            return;
        }
        fdpass_close(&fds);
    }
}
