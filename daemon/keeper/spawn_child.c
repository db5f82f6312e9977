/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/spawn_child.h"

#include "daemon/base/closer.h"
#include "daemon/keeper/rawcall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>

/*
 * Raw system calls and the plan's memory only. glibc would touch the keeper's errno and locks, and a
 * sanitizer's shadow of the stack is not ours either.
 */
#define CHILD static __attribute__((no_sanitize("address", "undefined")))

CHILD long open_file(const char *path, int flags)
{
    return raw4(__NR_openat, AT_FDCWD, path, flags | O_NOCTTY | O_CLOEXEC, 0666);
}

/*
 * Until its exec the child's memory is the keeper's, and /proc/self, whose files anybody may open who is it,
 * would show it to whoever the child is. So nothing that the caller has named may be there.
 */
CHILD long refuse_proc(long fd)
{
    struct statfs system;
    long r = raw2(__NR_fstatfs, fd, &system);

    if (r == 0 && system.f_type == PROC_SUPER_MAGIC)
        r = -EACCES;
    if (r < 0)
        raw1(__NR_close, fd);
    return r < 0 ? r : fd;
}

CHILD long open_callers(const char *path, int flags)
{
    long fd = open_file(path, flags);

    return fd < 0 ? fd : refuse_proc(fd);
}

/* Before anything else, and before it is anybody but the keeper. */
CHILD long step_apart(struct spawn_plan *plan)
{
    const struct spawn_failure apart = {.error = 0, .stage = LINK_STAGE_FDS};
    long r;

    if (!plan->shares)
        return 0;
    r = raw3(__NR_close_range, plan->keep[plan->keep_count - 1] + 1, ~0U, CLOSE_RANGE_UNSHARE);
    if (r < 0)
        return r;
    atomic_store_explicit(&plan->is_apart, true, memory_order_release);
    if (plan->tells) /* a hint: the flag is looked at anyway, or there is no keeper any more */
        raw3(__NR_write, plan->status, &apart, sizeof apart);
    return 0;
}

/* Ignored signals were set to default when the keeper began; what is left is one handler, of threads that are
 * not here, by which a signal would end a wait of ours; and the mask. */
CHILD long step_signals(struct spawn_plan *plan)
{
    static const uint64_t by_default[4]; /* as the kernel has it */
    uint64_t none = 0;
    long r = raw4(__NR_rt_sigaction, CLOSER_SIGNAL, by_default, NULL, sizeof none);

    (void) plan;
    if (r < 0)
        return r;
    return raw4(__NR_rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof none);
}

CHILD long step_session(struct spawn_plan *plan)
{
    (void) plan;
    return raw0(__NR_setsid);
}

/*
 * While it is still root's and nobody can stop it: a child that is held up later (a FIFO, SIGSTOP) must not
 * keep copies of what others are waiting to see closed.
 */
CHILD long step_close(struct spawn_plan *plan)
{
    unsigned next = 3;
    long r;

    for (uint32_t i = 0; i < plan->keep_count; i++) {
        unsigned kept = (unsigned) plan->keep[i];

        r = kept > next ? raw3(__NR_close_range, next, kept - 1, 0) : 0;
        if (r < 0)
            return r;
        if (kept >= next)
            next = kept + 1;
    }
    r = raw3(__NR_close_range, next, ~0U, 0);
    if (r >= 0)
        atomic_store_explicit(&plan->has_closed, true, memory_order_release);
    return r;
}

CHILD long step_terminal(struct spawn_plan *plan)
{
    return plan->terminal ? raw3(__NR_ioctl, plan->fds[plan->terminal - 1], TIOCSCTTY, 0) : 0;
}

CHILD long step_umask(struct spawn_plan *plan)
{
    raw1(__NR_umask, plan->spec->umask);
    return 0;
}

CHILD long step_groups(struct spawn_plan *plan)
{
    return plan->change_identity ? raw2(__NR_setgroups, plan->group_count, plan->groups) : 0;
}

CHILD long step_gid(struct spawn_plan *plan)
{
    return plan->change_identity ? raw3(__NR_setresgid, plan->gid, plan->gid, plan->gid) : 0;
}

CHILD long step_uid(struct spawn_plan *plan)
{
    uint32_t now[6];
    long r;

    if (!plan->change_identity)
        return 0;
    r = raw3(__NR_setresuid, plan->uid, plan->uid, plan->uid);
    if (r < 0)
        return r;
    if ((r = raw3(__NR_getresuid, &now[0], &now[1], &now[2])) < 0 ||
        (r = raw3(__NR_getresgid, &now[3], &now[4], &now[5])) < 0)
        return r;
    for (int i = 0; i < 3; i++)
        if (now[i] != plan->uid || now[3 + i] != plan->gid)
            return -EPERM;
    return 0;
}

CHILD long set_limits(struct spawn_plan *plan, bool nofile)
{
    for (uint32_t i = 0; i < plan->limit_count; i++) {
        struct plan_limit *limit = &plan->limits[i];
        long r;

        if ((limit->resource == RLIMIT_NOFILE) != nofile)
            continue;
        r = raw4(__NR_prlimit64, 0, limit->resource, &limit->value, 0);
        if (r < 0)
            return r;
    }
    return 0;
}

CHILD long step_limits(struct spawn_plan *plan)
{
    return set_limits(plan, false);
}

/* Last: numbers above the child's limit are still needed on the way. */
CHILD long step_nofile(struct spawn_plan *plan)
{
    return set_limits(plan, true);
}

CHILD long step_nice(struct spawn_plan *plan)
{
    return plan->spec->flags & LINK_SPEC_NICE ? raw3(__NR_setpriority, 0, 0, plan->spec->nice) : 0;
}

CHILD long step_privileges(struct spawn_plan *plan)
{
    return plan->no_new_privs ? raw5(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) : 0;
}

CHILD long step_chdir(struct spawn_plan *plan)
{
    const char *path = plan->strings + plan->spec->cwd;
    long fd, r;

    if (path[0] == '/' && path[1] == '\0') /* the keeper's own root, which is none of /proc */
        return raw1(__NR_chdir, path);
    fd = open_callers(path, O_PATH | O_DIRECTORY);
    if (fd < 0)
        return fd;
    r = raw1(__NR_fchdir, fd);
    raw1(__NR_close, fd);
    return r;
}

/*
 * The child connects itself, so that the journal has its pid and its uid; and it is the child alone that
 * waits where the journal does not keep up. As in a unit, <3> and the like in front of a line are its
 * priority.
 */
CHILD long open_journal(const struct spawn_plan *plan, bool is_error)
{
    static const struct sockaddr_un journal = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
    /* the name's line; the unit: that of our cgroup; priority info or err; prefixes count; to nobody else */
    static const char header[] = "\n\n6\n1\n0\n0\n0\n";
    static const char error_header[] = "\n\n3\n1\n0\n0\n0\n";
    struct iovec parts[2] = {{.iov_base = (char *) plan->journal_name},
                             {.iov_base = (char *) (is_error ? error_header : header),
                              .iov_len = sizeof header - 1}};
    long fd = raw3(__NR_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    if (fd < 0)
        return fd;
    while (plan->journal_name[parts[0].iov_len])
        parts[0].iov_len++;
    r = raw3(__NR_connect, fd, &journal, sizeof journal);
    if (r == 0)
        r = raw2(__NR_shutdown, fd, SHUT_RD);
    if (r == 0)
        r = raw3(__NR_writev, fd, parts, 2);
    if (r < 0)
        raw1(__NR_close, fd);
    return r < 0 ? r : fd;
}

CHILD long open_stdio(const struct spawn_plan *plan, const struct link_stdio *stdio)
{
    const char *path = plan->strings + stdio->path;

    switch ((enum link_stdio_kind) stdio->kind) {
    case LINK_STDIO_NULL:
        return open_file("/dev/null", O_RDWR);
    case LINK_STDIO_FD:
        return plan->fds[stdio->fd];
    case LINK_STDIO_READ:
        return open_callers(path, O_RDONLY);
    case LINK_STDIO_WRITE:
        return open_callers(path, O_WRONLY | O_CREAT | O_TRUNC);
    case LINK_STDIO_APPEND:
        return open_callers(path, O_WRONLY | O_CREAT | O_APPEND);
    case LINK_STDIO_PTY: /* has become a descriptor: see pty_begin */
        return -EINVAL;
    case LINK_STDIO_LOG: /* has become a descriptor otherwise: see capture_begin */
        return plan->journal_name[0] ? open_journal(plan, stdio == &plan->spec->stdio[2]) : -EINVAL;
    }
    return -EINVAL;
}

CHILD long step_stdio(struct spawn_plan *plan)
{
    const struct link_stdio *stdio = plan->spec->stdio;
    long null = -1;

    for (int i = 0; i < 3; i++) {
        /* /dev/null once for all of them: a shell's 2>&1 shares a file, too */
        long fd = stdio[i].kind == LINK_STDIO_NULL && null >= 0 ? null : open_stdio(plan, &stdio[i]);

        if (fd < 0)
            return fd;
        if (stdio[i].kind == LINK_STDIO_NULL)
            null = fd;
        plan->source[i] = (int) fd;
    }
    return 0;
}

/* Out of the way of all targets. */
CHILD long move_up(int *fd, int first_free)
{
    long moved;

    if (*fd >= first_free)
        return 0;
    moved = raw3(__NR_fcntl, *fd, F_DUPFD_CLOEXEC, first_free);
    if (moved >= 0)
        *fd = (int) moved;
    return moved;
}

CHILD long step_place(struct spawn_plan *plan)
{
    const struct link_placed_fd *placed = (const void *) (plan->strings + plan->spec->placed);
    uint32_t count = 3 + plan->spec->placed_count;
    long r;

    for (uint32_t i = 3; i < count; i++)
        plan->source[i] = plan->fds[placed[i - 3].fd];
    for (uint32_t i = 0; i < count; i++)
        if ((r = move_up(&plan->source[i], plan->first_free)) < 0)
            return r;
    if ((r = move_up(&plan->status, plan->first_free)) < 0)
        return r;
    if (plan->spec->flags & LINK_SPEC_EXE_FD &&
        (r = move_up(&plan->fds[plan->spec->exe_fd], plan->first_free)) < 0)
        return r;
    for (uint32_t i = 0; i < count; i++)
        if ((r = raw3(__NR_dup3, plan->source[i], i < 3 ? i : placed[i - 3].target, 0)) < 0)
            return r;
    return 0;
}

CHILD long try_exec(struct spawn_plan *plan, const char *path)
{
    long r;

    plan->progress->in_exec = 1;
    r = raw3(__NR_execve, path, plan->argv, plan->envp);
    plan->progress->in_exec = 0;
    return r;
}

CHILD unsigned put_decimal(char *at, unsigned number)
{
    char digits[12];
    unsigned count = 0;

    do
        digits[count++] = (char) ('0' + number % 10);
    while (number /= 10);
    for (unsigned i = 0; i < count; i++)
        at[i] = digits[count - 1 - i];
    at[count] = '\0';
    return count;
}

/* A script's interpreter cannot open a descriptor that the exec has closed: it gets the script's name. */
CHILD long exec_fd_by_name(struct spawn_plan *plan, int fd)
{
    static const char folder[] = "/proc/self/fd/";
    char link[sizeof folder + 12], path[PATH_MAX];
    long length;

    for (unsigned i = 0; i < sizeof folder; i++)
        link[i] = folder[i];
    put_decimal(link + sizeof folder - 1, (unsigned) fd);
    length = raw4(__NR_readlinkat, AT_FDCWD, link, path, sizeof path);
    if (length <= 0 || length >= PATH_MAX || path[0] != '/')
        return -ENOENT;
    path[length] = '\0';
    return try_exec(plan, path);
}

CHILD long exec_fd(struct spawn_plan *plan)
{
    int fd = plan->fds[plan->spec->exe_fd];
    long r;

    plan->progress->in_exec = 1;
    r = raw5(__NR_execveat, fd, "", plan->argv, plan->envp, AT_EMPTY_PATH);
    plan->progress->in_exec = 0;
    return r == -ENOENT ? exec_fd_by_name(plan, fd) : r;
}

/* folder (up to ':' or the end) and "/" and name; false where that is too long. Sets *folder behind it. */
CHILD bool join_path(char *path, const char **folder, const char *name)
{
    unsigned used = 0;
    const char *at = *folder;
    bool fits = true;

    for (; *at && *at != ':'; at++) {
        if (used >= PATH_MAX - 2)
            fits = false;
        else
            path[used++] = *at;
    }
    *folder = *at ? at + 1 : at;
    path[used++] = '/';
    for (; *name && fits; name++) {
        if (used >= PATH_MAX - 1)
            fits = false;
        else
            path[used++] = *name;
    }
    path[used] = '\0';
    return fits;
}

/* As execvp does: a file that may not be executed is remembered, the search goes on. No shell for ENOEXEC. */
CHILD long exec_search(struct spawn_plan *plan, const char *folder, const char *name)
{
    char path[PATH_MAX];
    long result = -ENOENT;

    while (*folder) {
        long r;

        if (!join_path(path, &folder, name))
            continue;
        r = try_exec(plan, path);
        if (r == -EACCES)
            result = r;
        else if (r != -ENOENT && r != -ENOTDIR && r != -ESTALE && r != -ENODEV && r != -ETIMEDOUT)
            return r;
    }
    return result;
}

CHILD long step_exec(struct spawn_plan *plan)
{
    const char *name = plan->argv[0];

    if (plan->spec->flags & LINK_SPEC_EXE_FD)
        return exec_fd(plan);
    if (*name == '\0')
        return -ENOENT;
    for (const char *at = name; *at; at++)
        if (*at == '/')
            return try_exec(plan, name);
    return exec_search(plan, plan->strings + plan->spec->search, name);
}

static const struct step {
    enum link_stage stage;
    long (*run)(struct spawn_plan *plan);
} steps[] = {
    {LINK_STAGE_FDS, step_apart},
    {LINK_STAGE_SIGNALS, step_signals}, {LINK_STAGE_SESSION, step_session}, {LINK_STAGE_FDS, step_close},
    {LINK_STAGE_PTY, step_terminal},
    {LINK_STAGE_UMASK, step_umask},     {LINK_STAGE_GROUPS, step_groups},   {LINK_STAGE_GID, step_gid},
    {LINK_STAGE_UID, step_uid},         {LINK_STAGE_LIMITS, step_limits},   {LINK_STAGE_NICE, step_nice},
    {LINK_STAGE_PRIVILEGES, step_privileges}, {LINK_STAGE_CHDIR, step_chdir}, {LINK_STAGE_STDIO, step_stdio},
    {LINK_STAGE_FDS, step_place},       {LINK_STAGE_LIMITS, step_nofile},   {LINK_STAGE_EXEC, step_exec},
};

__attribute__((no_sanitize("address", "undefined"))) void spawn_child(void *argument)
{
    struct spawn_plan *plan = argument;
    struct spawn_failure failure = {.error = 0};

    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        long r;

        plan->progress->stage = steps[i].stage;
        r = steps[i].run(plan);
        if (r < 0) {
            failure = (struct spawn_failure){.error = (int32_t) -r, .stage = steps[i].stage};
            plan->progress->error = failure.error;
            break;
        }
    }
    raw3(__NR_write, plan->status, &failure, sizeof failure);
    for (;;)
        raw1(__NR_exit_group, 127);
}
