/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out where a test wants it. The program is linked with unit_memory_flags: its malloc,
 * calloc, realloc and free, and those of what it tests, come here first; the C library's own do not.
 */
#ifndef PROCD_TESTS_UNIT_CORE_MEMORY_H
#define PROCD_TESTS_UNIT_CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* The which-th allocation from now on fails (1: the next one; 0: none), and, if lasting, all that follow. */
void memory_fails(size_t which, bool lasting);

/* Allocations asked for since then. */
size_t memory_asked(void);

/* Blocks that were given and not freed. */
size_t memory_held(void);

#endif
