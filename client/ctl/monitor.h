/* SPDX-License-Identifier: MIT */
/*
 * What top and stats show: the daemon's processes and objects, asked for again and again, with what the
 * kernel tells of each process between two times.
 */
#ifndef PROCD_CTL_MONITOR_H
#define PROCD_CTL_MONITOR_H

#include "client/ctl/ctl.h"
#include "client/ctl/sample.h"

#include <jansson.h>
#include <stddef.h>

enum monitor_order {
    MONITOR_BY_CPU,
    MONITOR_BY_MEMORY,
    MONITOR_BY_TIME,
    MONITOR_BY_NAME,
    MONITOR_BY_ID,
    MONITOR_ORDERS
};

struct monitor_process {
    json_t *info; /* the info record; of the monitor's list */
    json_int_t id;
    struct sample sample; /* at 0: nothing is known */
    double cpu;           /* percent of one processor; -1: not known */
};

struct monitor {
    bool with_ended;
    enum monitor_order order;
    bool reversed;
    struct monitor_process *processes;
    size_t count;
    json_t *list, *objects; /* the daemon's answers */
};

/* How an order is called, "cpu". */
extern const char *const monitor_order_names[MONITOR_ORDERS];

/* Asks the daemon and the kernel once more. 0; PROCD_E_... or -errno, *ret_why a new string for a person:
 * the old picture stays. deadline as in connection.h. */
int monitor_update(struct monitor *monitor, struct ctl *ctl, int64_t deadline, char **ret_why);

/* One request, which ends at the deadline whatever happens. params is taken over. 0 and ret_result (a new
 * reference); or not 0, and *ret_why, a new string for a person. */
int monitor_ask(struct ctl *ctl, const char *method, json_t *params, int64_t deadline, json_t **ret_result,
                char **ret_why);

/* Anew after `order` or `reversed` was changed. */
void monitor_sort(struct monitor *monitor);

void monitor_done(struct monitor *monitor);

/* New strings: "12.3", "4.1M", "17"; "-" where nothing is known. */
char *monitor_cpu(const struct monitor_process *process);
char *monitor_memory(const struct monitor_process *process);
char *monitor_threads(const struct monitor_process *process);

/* Its info record with cpu (percent), rss (bytes) and threads; null where nothing is known. A new object. */
json_t *monitor_json(const struct monitor_process *process);

#endif
