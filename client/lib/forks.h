/* SPDX-License-Identifier: MIT */
/*
 * Who is a forked child? A page that the kernel wipes on fork (MADV_WIPEONFORK) tells without a system call.
 *
 * With it goes an area for what must not survive a fork: locks that another thread may have held, pooled
 * connections, children. A forked child finds all of it zero, which is a valid first state.
 */
#ifndef PROCD_CLIENT_LIB_FORKS_H
#define PROCD_CLIENT_LIB_FORKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORKS_AREA_SIZE 2048 /* bytes of forks_area */

/* A number of this process that none of its forebears had. 0: no memory (the page could not be made). */
uint64_t forks_generation(void);

/* The page; NULL before the first number was given. */
extern _Atomic uint64_t *forks_page __attribute__((visibility("hidden")));

/* Is this the process that had this number? Touches nothing. In line: each lock that is taken asks. */
static inline bool forks_is(uint64_t generation)
{
    return forks_page && atomic_load_explicit(forks_page, memory_order_acquire) == generation;
}

/* FORKS_AREA_SIZE bytes, aligned for anything, zero in a process that has not written to them. NULL: no
 * memory. */
void *forks_area(void);

#endif
