/* SPDX-License-Identifier: MIT */
/* daemon/keeper/pages.c: memory that clients share with brokers outlives each of them. */
#include "tests/unit/keeper/harness.h"

#include "proto/page.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct harness harness;
static size_t keeper_fds;

static void start(void)
{
    harness.no_cgroups = true;
    harness_start(&harness);
    harness_barrier(&harness);
    keeper_fds = harness_keeper_fds(&harness);
}

/* It has so many descriptors more than at first. */
static void stop(size_t more)
{
    harness_until(harness_keeper_fds(&harness) == keeper_fds + more);
    harness_stop(&harness);
}

#define TEXT_AT ((off_t) offsetof(struct page, bells))

static int memory_sealed(size_t size, int seals)
{
    int memory = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert_int_eq(ftruncate(memory, (off_t) size), 0);
    ck_assert_int_eq(fcntl(memory, F_ADD_SEALS, seals), 0);
    return memory;
}

static int memory_of(const char *text)
{
    int memory = memory_sealed(sizeof(struct page), F_SEAL_SHRINK | F_SEAL_GROW);

    ck_assert_int_eq(pwrite(memory, text, strlen(text), TEXT_AT), (ssize_t) strlen(text));
    return memory;
}

/* Returns what the keeper says. fd is closed; -1: none is sent. */
static int keep(uint32_t uid, int fd)
{
    static uint64_t tag;
    struct link_page message = {
        .head = {.kind = LINK_KEEP_PAGE, .size = sizeof message}, .tag = ++tag, .uid = uid};
    union message answer;

    harness_send(&harness, &message, sizeof message, &fd, fd >= 0);
    if (fd >= 0)
        close(fd);
    harness_expect(&harness, LINK_PAGE_KEPT, &answer);
    ck_assert_uint_eq(answer.page.tag, tag);
    ck_assert_uint_eq(answer.page.uid, uid);
    return answer.page.error;
}

static unsigned seen;
#define UIDS 4
static char texts[UIDS][8];

static void see(const union message *message, const struct fdpass *fds)
{
    if (message->head.kind != LINK_PAGE)
        return;
    ck_assert_uint_lt(message->page.uid, UIDS);
    ck_assert_uint_eq(fds->count, 1);
    ck_assert_int_gt(pread(fds->fd[0], texts[message->page.uid], sizeof texts[0] - 1, TEXT_AT), 0);
    seen++;
}

static void next_broker(void)
{
    seen = 0;
    memset(texts, 0, sizeof texts);
    harness_kill_broker(&harness);
    harness_next_broker_with(&harness, see);
    harness_ready(&harness);
}

START_TEST(pages_outlive_brokers)
{
    start();
    next_broker();
    ck_assert_uint_eq(seen, 0);
    ck_assert_int_eq(keep(1, memory_of("one")), 0);
    ck_assert_int_eq(keep(2, memory_of("two")), 0);
    for (int i = 0; i < 2; i++) {
        next_broker();
        ck_assert_uint_eq(seen, 2);
        ck_assert_str_eq(texts[1], "one");
        ck_assert_str_eq(texts[2], "two");
    }
    ck_assert_int_eq(keep(1, memory_of("other")), 0); /* in the place of the first */
    next_broker();
    ck_assert_uint_eq(seen, 2);
    ck_assert_str_eq(texts[1], "other");
    stop(2);
}
END_TEST

/* What is no such memory could hold the keeper up, once it closes it. */
START_TEST(nothing_else_is_kept)
{
    int pipe_fds[2];

    start();
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    ck_assert_int_eq(keep(1, pipe_fds[0]), EINVAL);
    close(pipe_fds[1]);
    ck_assert_int_eq(keep(1, open("/dev/null", O_RDWR | O_CLOEXEC)), EINVAL);
    /* such as could become shorter under our hands, or is */
    ck_assert_int_eq(keep(1, memory_sealed(sizeof(struct page), F_SEAL_GROW)), EINVAL);
    ck_assert_int_eq(keep(1, memory_sealed(4096, F_SEAL_SHRINK)), EINVAL);
    ck_assert_int_eq(keep(1, -1), EMFILE);
    next_broker();
    ck_assert_uint_eq(seen, 0);
    stop(0);
}
END_TEST

/* ---- whether its keeper lives ---- */

static struct page *mapped(int memory)
{
    struct page *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);

    ck_assert_ptr_ne(page, MAP_FAILED);
    return page;
}

static uint32_t life(struct page *page)
{
    return atomic_load(&page->life.keeper);
}

/* One that says what it likes is marked, or not, and nobody else's for that. */
START_TEST(pages_tell_that_the_keeper_was_killed)
{
    struct page *page[5];

    start();
    for (unsigned i = 0; i < 5; i++) {
        int memory = memory_of("x");

        page[i] = mapped(memory);
        ck_assert_uint_eq(life(page[i]), 0);
        ck_assert_int_eq(keep(i == 4 ? 1 : i, memory), 0); /* the last in the place of the second */
        ck_assert_uint_eq(life(page[i]), (uint32_t) harness.keeper);
    }
    ck_assert_uint_eq(life(page[1]), PAGE_DIED);
    memset(page[2], 0xa5, 4096);
    next_broker();
    ck_assert_uint_eq(life(page[0]), (uint32_t) harness.keeper);
    kill(harness.keeper, SIGKILL);
    ck_assert_int_eq(waitid(P_PID, (id_t) harness.keeper, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    for (unsigned i = 0; i < 5; i++)
        if (i != 2)
            ck_assert_uint_eq(life(page[i]), PAGE_DIED);
    ck_assert_uint_eq(life(page[2]), 0xa5a5a5a5);
    for (unsigned i = 0; i < 5; i++)
        munmap(page[i], sizeof *page[i]);
    harness_kill_keeper(&harness);
}
END_TEST

/* Also one that was never kept. */
START_TEST(what_nobody_needs_is_dropped)
{
    struct link_page message = {.head = {.kind = LINK_DROP_PAGE, .size = sizeof message}};
    struct page *page;
    int memory;

    start();
    memory = memory_of("x");
    page = mapped(memory);
    ck_assert_int_eq(keep(1, memory), 0);
    ck_assert_int_eq(keep(2, memory_of("y")), 0);
    for (int i = 0; i < 2; i++) {
        message.uid = 1 + 2 * (uint32_t) i;
        harness_send(&harness, &message, sizeof message, NULL, 0);
    }
    harness_barrier(&harness);
    ck_assert_uint_eq(life(page), PAGE_DIED);
    next_broker();
    ck_assert_uint_eq(seen, 1);
    ck_assert_str_eq(texts[2], "y");
    munmap(page, sizeof *page);
    stop(1);
}
END_TEST

/* In its place: what was kept before stays, and its keeper lives. */
START_TEST(what_is_refused_takes_nobodys_place)
{
    struct page *page;
    int memory;

    start();
    memory = memory_of("x");
    page = mapped(memory);
    ck_assert_int_eq(keep(1, memory), 0);
    ck_assert_int_eq(keep(1, open("/dev/null", O_RDWR | O_CLOEXEC)), EINVAL);
    ck_assert_uint_eq(life(page), (uint32_t) harness.keeper);
    next_broker();
    ck_assert_uint_eq(seen, 1);
    ck_assert_str_eq(texts[1], "x");
    munmap(page, sizeof *page);
    stop(1);
}
END_TEST

/* Each of two who ask at a time has it kept. */
START_TEST(the_same_page_twice)
{
    struct page *page;
    int memory;

    start();
    memory = memory_of("x");
    page = mapped(memory);
    ck_assert_int_eq(keep(7, dup(memory)), 0);
    atomic_store(&page->life.keeper, PAGE_DIED); /* somebody else has said so */
    ck_assert_int_eq(keep(7, memory), 0);
    ck_assert_uint_eq(life(page), (uint32_t) harness.keeper);
    munmap(page, sizeof *page);
    stop(1);
}
END_TEST

START_TEST(pages_tell_that_the_keeper_has_ended)
{
    struct page *page;
    int memory;

    start();
    memory = memory_of("x");
    page = mapped(memory);
    ck_assert_int_eq(keep(7, memory), 0);
    stop(1);
    ck_assert_uint_eq(life(page), PAGE_DIED);
    munmap(page, sizeof *page);
}
END_TEST

static void add(TCase *test)
{
    tcase_add_test(test, pages_tell_that_the_keeper_was_killed);
    tcase_add_test(test, pages_tell_that_the_keeper_has_ended);
    tcase_add_test(test, what_nobody_needs_is_dropped);
    tcase_add_test(test, what_is_refused_takes_nobodys_place);
    tcase_add_test(test, the_same_page_twice);
    tcase_add_test(test, pages_outlive_brokers);
    tcase_add_test(test, nothing_else_is_kept);
}

int main(void)
{
    return harness_main("pages", add);
}
