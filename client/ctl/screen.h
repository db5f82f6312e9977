/* SPDX-License-Identifier: MIT */
/*
 * A screen of a terminal, by ncursesw: tables with a chosen line, a prompt, and pages of text.
 */
#ifndef PROCD_CTL_SCREEN_H
#define PROCD_CTL_SCREEN_H

#include "client/ctl/table.h"

#include <stdbool.h>
#include <stddef.h>

enum screen_key {
    SCREEN_NOTHING = -1, /* the time is over, or the size has changed */
    SCREEN_UP = 0x10000,
    SCREEN_DOWN,
    SCREEN_PAGE_UP,
    SCREEN_PAGE_DOWN,
    SCREEN_HOME,
    SCREEN_END,
    SCREEN_ESCAPE,
    SCREEN_INTERRUPT, /* ^C */
};

/* One table on a part of the screen. Cells are escaped; line by line, as many as there are columns. */
struct screen_table {
    const struct table_column *columns;
    size_t column_count, line_count;
    char **cells;
    const char **colors; /* of each line, or NULL */
    size_t colored;      /* which column has it */
    size_t chosen;       /* a line; beyond the last: none */
    size_t first;        /* the line at the top; kept so that the chosen one shows */
};

/* Takes the terminal. has_color: it may be colored. False: TERM is of no use. */
bool screen_open(bool has_color);
void screen_close(void);

/* Size in lines. */
int screen_height(void);

/* Waits for a key, up to that many ms: its character, or a screen_key. ^Z stops the program meanwhile. */
int screen_key(int milliseconds);

void screen_clear(void);
void screen_show(void);

/* A line of plain text; is_bar: over the whole width, reversed. */
void screen_line(int at, const char *text, bool is_bar);

/* A header and the lines that fit, from line `at` on, `height` lines in all. */
void screen_table(struct screen_table *table, int at, int height, bool is_active);

/* Asks for a line of text at the bottom. False: escaped. */
bool screen_ask(const char *question, char *answer, size_t size);

/* Shows lines (each escaped) page by page, the last ones first, until a key that does not move. */
void screen_text(const char *title, char *const *lines, size_t count);

#endif
