/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/life.h"

#include "proto/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The kernel walks a list whose links all stand at the same distance from their futexes. Links must not be
 * where others can write: whoever could would break the list for everybody's pages, or have the kernel write
 * into memory of ours that outlives us. So the links have memory of their own, and the beginnings of the
 * pages are mapped behind it in the same order and at the same steps.
 */
static size_t step(void)
{
    return (size_t) sysconf(_SC_PAGESIZE);
}

static struct robust_list *link_of(const struct lives *lives, int number)
{
    return (void *) (lives->room + (size_t) number * step());
}

static struct page_life *life_of(const struct lives *lives, int number)
{
    return (void *) (lives->room + (LIVES_MAX + (size_t) number) * step());
}

/* The room, and the list, which is empty. Of the thread that calls, whose end is to be told. */
static int prepare(struct lives *lives)
{
    const size_t size = 2 * LIVES_MAX * step();
    char *room = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (room == MAP_FAILED)
        return -ENOMEM;
    lives->head = (struct robust_list_head){
        .list.next = &lives->head.list,
        .futex_offset = (long) (LIVES_MAX * step()),
    };
    if (syscall(SYS_set_robust_list, &lives->head, sizeof lives->head) < 0) {
        munmap(room, size);
        return -EINVAL;
    }
    lives->room = room;
    return 0;
}

static int find_free(const struct lives *lives)
{
    for (int i = 0; i < LIVES_MAX; i++)
        if (!lives->is_taken[i])
            return i;
    return -ENOSPC;
}

/* What could become shorter would end us. */
bool life_is_page(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat stat;

    return seals >= 0 && seals & F_SEAL_SHRINK && fstat(fd, &stat) == 0 &&
           stat.st_size == sizeof(struct page);
}

static void forget(const struct lives *lives, int number)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

    (void) mmap(link_of(lives, number), step(), PROT_NONE, flags, -1, 0);
    (void) mmap(life_of(lives, number), step(), PROT_NONE, flags, -1, 0);
}

int life_begin(struct lives *lives, int fd)
{
    const int prot = PROT_READ | PROT_WRITE;
    int r = life_is_page(fd) ? 0 : -EINVAL, number;

    if (r == 0 && !lives->room)
        r = prepare(lives);
    number = r < 0 ? r : find_free(lives);
    if (number < 0)
        return number;
    if (mmap(link_of(lives, number), step(), prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
            MAP_FAILED ||
        mmap(life_of(lives, number), step(), prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
        forget(lives, number);
        return -ENOMEM;
    }
    lives->is_taken[number] = true;
    /* from the other end it can be seen only as a whole, whenever we are killed */
    link_of(lives, number)->next = lives->head.list.next;
    atomic_signal_fence(memory_order_seq_cst);
    lives->head.list.next = link_of(lives, number);
    atomic_signal_fence(memory_order_seq_cst);
    life_renew(lives, number);
    return number;
}

void life_renew(const struct lives *lives, int number)
{
    atomic_store(&life_of(lives, number)->keeper, (uint32_t) syscall(SYS_gettid));
}

void life_end(struct lives *lives, int number)
{
    struct robust_list *at = &lives->head.list;

    if (number < 0)
        return;
    atomic_store(&life_of(lives, number)->keeper, PAGE_DIED);
    while (at->next != link_of(lives, number))
        at = at->next;
    at->next = link_of(lives, number)->next;
    atomic_signal_fence(memory_order_seq_cst);
    forget(lives, number);
    lives->is_taken[number] = false;
}
