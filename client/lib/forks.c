#include "client/lib/forks.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

enum { FRESH = 0, BUSY = 1 }; /* other values of the page are numbers of processes */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic uint64_t *page;

/* Kept across forks, so a child counts on from its parent's number and no two along one line of descent are
 * equal. */
static uint64_t newest = BUSY;

/* Not in the page itself: a leak checker that looks for pointers does not look there. */
static _Alignas(max_align_t) char area[FORKS_AREA_SIZE];

static void make_page(void)
{
    void *memory = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return;
    if (madvise(memory, sizeof *page, MADV_WIPEONFORK) < 0)
        munmap(memory, sizeof *page);
    else
        page = memory;
}

uint64_t forks_generation(void)
{
    uint64_t seen;

    pthread_once(&once, make_page);
    if (!page)
        return 0;
    while ((seen = atomic_load_explicit(page, memory_order_acquire)) <= BUSY) {
        if (seen == FRESH && atomic_compare_exchange_strong(page, &seen, BUSY)) {
            memset(area, 0, sizeof area);
            atomic_store_explicit(page, ++newest, memory_order_release);
        } else {
            sched_yield(); /* another thread is at it */
        }
    }
    return seen;
}

bool forks_is(uint64_t generation)
{
    return page && atomic_load_explicit(page, memory_order_acquire) == generation;
}

void *forks_area(void)
{
    return forks_generation() ? area : NULL;
}
