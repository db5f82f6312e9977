/* SPDX-License-Identifier: MIT */
#include "client/lib/forks.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

enum { FRESH = 0, BUSY = 1 }; /* other values of the page are numbers of processes */

static pthread_once_t once = PTHREAD_ONCE_INIT;
_Atomic uint64_t *forks_page;

/* Kept across forks, so a child counts on from its parent's number and no two along one line of descent are
 * equal. */
static uint64_t newest = BUSY;

/* Not in the page itself: a leak checker that looks for pointers does not look there. */
static _Alignas(max_align_t) char area[FORKS_AREA_SIZE];

static void make_page(void)
{
    void *memory = mmap(NULL, sizeof *forks_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return;
    if (madvise(memory, sizeof *forks_page, MADV_WIPEONFORK) < 0)
        munmap(memory, sizeof *forks_page);
    else
        forks_page = memory;
}

uint64_t forks_generation(void)
{
    uint64_t seen;

    pthread_once(&once, make_page);
    if (!forks_page)
        return 0;
    while ((seen = atomic_load_explicit(forks_page, memory_order_acquire)) <= BUSY) {
        if (seen == FRESH && atomic_compare_exchange_strong(forks_page, &seen, BUSY)) {
            memset(area, 0, sizeof area);
            atomic_store_explicit(forks_page, ++newest, memory_order_release);
        } else {
            sched_yield(); /* another thread is at it */
        }
    }
    return seen;
}

void *forks_area(void)
{
    return forks_generation() ? area : NULL;
}
