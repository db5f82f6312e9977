/* SPDX-License-Identifier: MIT */
#include "client/ctl/table.h"
#include "client/ctl/output.h"

#include <stdlib.h>
#include <unistd.h>

struct libscols_table *table_new(const struct table_column *columns, size_t count)
{
    struct libscols_table *table = scols_new_table();
    int masked = isatty(STDOUT_FILENO) ? 0 : SCOLS_FL_TRUNC;

    for (size_t i = 0; table && i < count; i++) {
        if (scols_table_new_column(table, columns[i].name, columns[i].width_hint, columns[i].flags & ~masked))
            continue;
        scols_unref_table(table);
        return NULL;
    }
    return table;
}

bool table_add(struct libscols_table *table, char **cells, size_t colored, const char *color)
{
    size_t count = table ? scols_table_get_ncols(table) : 0;
    struct libscols_line *line = table ? scols_table_new_line(table, NULL) : NULL;

    if (!line)
        return false;
    for (size_t i = 0; i < count; i++)
        if (scols_line_refer_data(line, i, cells[i]) < 0)
            return false;
    return scols_cell_set_color(scols_line_get_cell(line, colored), color) == 0;
}

int table_print(const struct ctl *ctl, struct libscols_table *table, bool is_fine)
{
    if (table && is_fine) {
        scols_table_enable_noencoding(table, 1); /* every cell is escaped already */
        scols_table_enable_colors(table, ctl->has_color);
        is_fine = scols_print_table(table) == 0;
    }
    scols_unref_table(table);
    if (table && is_fine)
        return CTL_OK;
    complain(ctl, "cannot print the table");
    return CTL_FAILED;
}
