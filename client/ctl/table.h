/* SPDX-License-Identifier: MIT */
/*
 * A table for a person, by libsmartcols.
 */
#ifndef PROCD_CTL_TABLE_H
#define PROCD_CTL_TABLE_H

#include "client/ctl/ctl.h"

#include <libsmartcols.h>
#include <stdbool.h>
#include <stddef.h>

struct table_column {
    const char *name;
    double width_hint;
    int flags; /* SCOLS_FL_TRUNC counts on a terminal only: elsewhere nothing is lost */
};

/* NULL: no memory. */
struct libscols_table *table_new(const struct table_column *columns, size_t count);

/* Adds a line. cells: as many as there are columns, escaped, and taken over. color: of one of them, or
 * NULL. */
bool table_add(struct libscols_table *table, char **cells, size_t colored, const char *color);

/* Prints it, unless it is not fine, and frees it. The status: reported. */
int table_print(const struct ctl *ctl, struct libscols_table *table, bool is_fine);

#endif
