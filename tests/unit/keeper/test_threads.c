/* SPDX-License-Identifier: MIT */
/* LINK_COUNT_THREADS: how many threads children have. */
#include "tests/unit/keeper/harness.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct harness harness;
static struct spec_builder spec;
static char program[4096]; /* this one; it is a child, too: main */

static void count_threads(union message *message, uint32_t count)
{
    struct link_threads ask = {
        .head = {.kind = LINK_COUNT_THREADS, .size = sizeof ask}, .tag = 5, .count = count};

    for (uint64_t i = 0; i < LINK_THREADS_MAX; i++)
        ask.of[i].process = i + 1;
    harness_send(&harness, &ask, sizeof ask, NULL, 0);
    harness_expect(&harness, LINK_THREADS, message);
    ck_assert_uint_eq(message->threads.tag, 5);
}

static uint64_t spawn_with_threads(const char *count)
{
    char *const argv[] = {program, (char *) "--threads", (char *) count, NULL};
    union message message;
    uint64_t process;

    spec_begin(&spec, argv);
    process = harness_spawn(&harness, harness.connection, &spec, NULL, 0);
    harness_expect(&harness, LINK_SPAWNED, &message);
    harness_acknowledge(&harness, message.head.number);
    return process;
}

START_TEST(threads_are_counted)
{
    uint64_t ended, single, many;
    union message message;

    harness_start(&harness);
    ended = harness_shell(&harness, "exit 0", NULL);
    ck_assert_int_eq(harness_exit(&harness, ended), 0);
    single = spawn_with_threads("1");
    many = spawn_with_threads("3");
    ck_assert_uint_eq(many, 3);
    do
        count_threads(&message, 4);
    while (message.threads.of[many - 1].threads < 3); /* it has begun, and makes them */
    ck_assert_uint_eq(message.threads.count, 4);
    ck_assert_uint_eq(message.threads.of[ended - 1].threads, 0);
    ck_assert_uint_eq(message.threads.of[single - 1].threads, 1);
    ck_assert_uint_eq(message.threads.of[many - 1].threads, 3);
    ck_assert_uint_eq(message.threads.of[3].threads, 0); /* there is none */
    count_threads(&message, LINK_THREADS_MAX);
    ck_assert_uint_eq(message.threads.of[many - 1].threads, 3);
    count_threads(&message, LINK_THREADS_MAX + 1); /* more than the message has */
    ck_assert_uint_eq(message.threads.count, 0);
    harness_signal(&harness, single, SIGKILL, false);
    ck_assert_int_eq(harness_exit(&harness, single), -SIGKILL);
    count_threads(&message, 4);
    ck_assert_uint_eq(message.threads.of[single - 1].threads, 0);
    harness_stop(&harness);
}
END_TEST

static void add(TCase *test)
{
    tcase_add_test(test, threads_are_counted);
}

static void *wait_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static int have_threads(int count)
{
    pthread_t thread;

    while (--count > 0)
        if (pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
            return 1;
    wait_for_ever(NULL);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--threads") == 0)
        return have_threads(atoi(argv[2]));
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return 1;
    return harness_main("threads", add);
}
