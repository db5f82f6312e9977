/* SPDX-License-Identifier: MIT */
/* What the processes of holders.c and victims.c are: clients without a library, which end with the test. */
#ifndef PROCD_TESTS_CONTENDER_H
#define PROCD_TESTS_CONTENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* None outlives its parent, whose standard output it has, too. For the new process. */
void contender_end_with(pid_t parent);
/* The connection; where there is none, the process ends with status 3. */
int contender_connect(const char *path);
/* One line there, and one back, NUL-terminated; on failure the process ends with status 4 or 5. */
void contender_call(int fd, const char *line, char *buffer, size_t size);
/* A zombie is not: it holds nothing. */
bool contender_is_alive(pid_t pid);

#endif
