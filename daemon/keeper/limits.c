/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/limits.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What records and logs may come to: two areas of address space (daemon/journal/), and an eighth of the
 * machine's memory (capture.c). */
static rlim64_t files_need(void)
{
    return (UINT64_C(4) << 30) + (rlim64_t) sysconf(_SC_PHYS_PAGES) * (rlim64_t) sysconf(_SC_PAGESIZE) / 8;
}

/* A memfd is a file, and who writes behind the limit is killed. getrlimit(2): to raise the hard one takes
 * CAP_SYS_RESOURCE. */
static int lift_file_size(void)
{
    struct rlimit64 limit = {RLIM64_INFINITY, RLIM64_INFINITY};

    if (setrlimit64(RLIMIT_FSIZE, &limit) == 0 || getrlimit64(RLIMIT_FSIZE, &limit) < 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    setrlimit64(RLIMIT_FSIZE, &limit);
    if (limit.rlim_max >= files_need())
        return 0;
    log_error("files can have no more than %llu bytes (RLIMIT_FSIZE, ulimit -f): procd needs %llu",
              (unsigned long long) limit.rlim_max, (unsigned long long) files_need());
    return -EFBIG;
}

int limits_open(struct keeper *keeper)
{
    struct rlimit64 most;

    for (int i = 0; i < RLIM_NLIMITS; i++)
        getrlimit64(i, &keeper->base_limits[i]);
    most = keeper->base_limits[RLIMIT_NOFILE];
    most.rlim_cur = most.rlim_max;
    setrlimit64(RLIMIT_NOFILE, &most);
    return lift_file_size();
}

/* Ours is another one than that which procd was started with, which children get. */
static bool is_lifted(const struct keeper *keeper, int resource)
{
    const struct rlimit64 *limit = &keeper->base_limits[resource];

    return (resource == RLIMIT_NOFILE && limit->rlim_cur != limit->rlim_max) ||
           (resource == RLIMIT_FSIZE && limit->rlim_cur != RLIM64_INFINITY);
}

/* proc_pid_limits(5): a title, then a row for each resource by number; name 26, soft 21, hard 21 columns
 * wide. */
static int parse_hard(char *text, rlim64_t *hard)
{
    char *row = strchr(text, '\n');

    for (int i = 0; i < RLIM_NLIMITS; i++, row = strchr(row, '\n')) {
        if (!row || strnlen(++row, 48) < 48)
            return -EIO;
        hard[i] = strncmp(row + 47, "unlimited", 9) == 0 ? RLIM64_INFINITY : strtoull(row + 47, NULL, 10);
    }
    return 0;
}

/* World-readable, where prlimit wants CAP_SYS_RESOURCE for another uid's process. */
static int read_hard_from_proc(pid_t pid, rlim64_t *hard)
{
    char path[64], text[4096];
    CLEANUP_FD int fd = -1;
    ssize_t size;

    snprintf(path, sizeof path, "/proc/%d/limits", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size = read(fd, text, sizeof text - 1);
    if (size < 0)
        return -errno;
    text[size] = '\0';
    return parse_hard(text, hard);
}

static int read_hard(pid_t pid, rlim64_t *hard)
{
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit64 limit;

        if (prlimit64(pid, (enum __rlimit_resource) i, NULL, &limit) < 0)
            return errno == EPERM ? read_hard_from_proc(pid, hard) : -errno;
        hard[i] = limit.rlim_max;
    }
    return 0;
}

static void plan_add(struct spawn_plan *plan, int resource, struct rlimit64 value)
{
    plan->limits[plan->limit_count++] = (struct plan_limit){.resource = resource, .value = value};
}

int limits_plan(const struct keeper *keeper, const struct connection *connection, struct spawn_plan *plan)
{
    const struct link_limit *asked = (const void *) (plan->strings + plan->spec->limits);
    rlim64_t hard[RLIM_NLIMITS];
    bool capped = connection->uid != 0 && connection->client->pid > 0;
    int r;

    plan->limit_count = 0;
    if (capped && (r = read_hard(connection->client->pid, hard)) < 0)
        return r;
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit64 limit = keeper->base_limits[i];

        if (capped && hard[i] < limit.rlim_max) {
            limit.rlim_max = hard[i];
            if (limit.rlim_cur > limit.rlim_max)
                limit.rlim_cur = limit.rlim_max;
        } else if (!is_lifted(keeper, i)) {
            continue; /* inherited as it is */
        }
        plan_add(plan, i, limit);
    }
    for (uint32_t i = 0; i < plan->spec->limit_count; i++)
        plan_add(plan, asked[i].resource,
                 (struct rlimit64){.rlim_cur = asked[i].soft, .rlim_max = asked[i].hard});
    return 0;
}
