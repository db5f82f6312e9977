/* SPDX-License-Identifier: MIT */
#include "client/ctl/sample.h"

#include "daemon/base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* proc_pid_stat(5): behind the name, which may hold anything but ends with the last ")", come the state and
 * numbers; the state is field 3. */
#define FIELD_UTIME   14
#define FIELD_STIME   15
#define FIELD_THREADS 20
#define FIELD_STARTED 22
#define FIELD_RSS     24
#define FIELD_FIRST   4
#define FIELDS        (FIELD_RSS + 1)

static bool read_fields(int64_t pid, long long fields[FIELDS])
{
    char path[64], text[1024], *at;
    ssize_t size;
    int fd, used;

    snprintf(path, sizeof path, "/proc/%lld/stat", (long long) pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        return false;
    text[size] = '\0';
    at = strrchr(text, ')');
    if (!at || strlen(at) < 4)
        return false;
    at += 3; /* ") S" */
    for (int i = FIELD_FIRST; i < FIELDS; i++, at += used)
        if (sscanf(at, "%lld%n", &fields[i], &used) != 1)
            return false;
    return true;
}

bool sample_read(int64_t pid, struct sample *ret_sample)
{
    long ticks = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE);
    long long fields[FIELDS];

    if (pid <= 0 || ticks <= 0 || !read_fields(pid, fields))
        return false;
    *ret_sample = (struct sample) {
        .at = clock_monotonic(),
        .started = fields[FIELD_STARTED],
        .cpu = (fields[FIELD_UTIME] + fields[FIELD_STIME]) * (NSEC_PER_SEC / ticks),
        .rss = fields[FIELD_RSS] * page,
        .threads = fields[FIELD_THREADS],
    };
    return true;
}

double sample_cpu(const struct sample *before, const struct sample *now)
{
    if (before->started != now->started || now->at <= before->at || before->at == 0)
        return -1;
    return 100.0 * (double) (now->cpu - before->cpu) / (double) (now->at - before->at);
}
