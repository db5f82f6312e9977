/* SPDX-License-Identifier: MIT */
/*
 * What the kernel tells of running processes: CPU time, memory, threads. For display only: a pid is taken for
 * the process that it was when the daemon told it.
 */
#ifndef PROCD_CTL_SAMPLE_H
#define PROCD_CTL_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

struct sample {
    int64_t at;      /* when: ns of CLOCK_MONOTONIC */
    int64_t started; /* clock ticks since the boot: two samples with the same are of one process */
    int64_t cpu;     /* user and system time, ns */
    int64_t rss;     /* bytes */
    int64_t threads;
};

/* False: there is no such process, or it may not be looked at. Of the process alone, not of its children. */
bool sample_read(int64_t pid, struct sample *ret_sample);

/* Percent of one processor between two samples, or -1: they are not of one process. */
double sample_cpu(const struct sample *before, const struct sample *now);

#endif
