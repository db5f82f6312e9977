/* SPDX-License-Identifier: MIT */
/*
 * top: its two tables, and the screen that shows them.
 */
#ifndef PROCD_CTL_TOP_H
#define PROCD_CTL_TOP_H

#include "client/ctl/monitor.h"
#include "client/ctl/table.h"

enum top_process_column {
    TOP_ID,
    TOP_NAME,
    TOP_PID,
    TOP_STATE,
    TOP_CPU,
    TOP_MEMORY,
    TOP_THREADS,
    TOP_TIME,
    TOP_RESTARTS,
    TOP_COMMAND,
    TOP_PROCESS_COLUMNS
};

enum top_object_column {
    TOP_OBJECT_NAME,
    TOP_OBJECT_KIND,
    TOP_OBJECT_STATE,
    TOP_OBJECT_HOLDER,
    TOP_OBJECT_WAITERS,
    TOP_OBJECT_COLUMNS
};

extern const struct table_column top_process_columns[TOP_PROCESS_COLUMNS];
extern const struct table_column top_object_columns[TOP_OBJECT_COLUMNS];

/* New strings, one for each column, and the color of TOP_STATE or TOP_OBJECT_STATE, or NULL. */
const char *top_process_cells(const struct monitor_process *process, char *cells[TOP_PROCESS_COLUMNS]);
const char *top_object_cells(const json_t *info, char *cells[TOP_OBJECT_COLUMNS]);

/* Shows both until the user has enough; seconds: between two looks. The exit status. */
int top_screen(struct ctl *ctl, struct monitor *monitor, double seconds);

#endif
