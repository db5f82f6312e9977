/* SPDX-License-Identifier: MIT */
/* daemon/keeper/pages.c: memory that clients share with brokers outlives each of them. */
#include "tests/unit/keeper/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
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

static int memory_of(const char *text)
{
    int memory = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert_int_eq(write(memory, text, strlen(text)), (ssize_t) strlen(text));
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
static char texts[3][8];

static void see(const union message *message, const struct fdpass *fds)
{
    if (message->head.kind != LINK_PAGE)
        return;
    ck_assert_uint_lt(message->page.uid, 3);
    ck_assert_uint_eq(fds->count, 1);
    ck_assert_int_gt(pread(fds->fd[0], texts[message->page.uid], sizeof texts[0] - 1, 0), 0);
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
    ck_assert_int_eq(keep(1, -1), EMFILE);
    next_broker();
    ck_assert_uint_eq(seen, 0);
    stop(0);
}
END_TEST

static void add(TCase *test)
{
    tcase_add_test(test, pages_outlive_brokers);
    tcase_add_test(test, nothing_else_is_kept);
}

int main(void)
{
    return harness_main("pages", add);
}
