/* SPDX-License-Identifier: MIT */
/*
 * A store with a pipe for each stream, and a view of it: what is written comes back as text.
 */
#ifndef PROCD_TESTS_UNIT_LOGS_WORLD_H
#define PROCD_TESTS_UNIT_LOGS_WORLD_H

#include "daemon/logs/store.h"
#include "daemon/logs/view.h"

#define PROCESS 7
#define UID     1000

extern struct logs logs;
extern struct logs_view view;
extern struct logs_clock now; /* of every take */
extern const struct logs_limits plenty;

void world_open(const struct logs_limits *limits);
void world_close(void);
/* Another program goes on with the same memory. */
void world_resume(void);

/* A process writes this, and it is taken. */
void say_bytes(uint32_t log, enum logs_stream stream, const char *bytes, size_t size);
void say(uint32_t log, enum logs_stream stream, const char *text);

/* All lines that the cursor has not come to, as "SEQ>TEXT|" with > for stdout and ! for stderr, and + behind
 * a text that was cut. */
const char *read_lines(struct logs_cursor *cursor);
/* All of a process. */
const char *lines_of(uint64_t process);

/* Are the sums what they should be? */
void must_add_up(void);

#endif
