/* SPDX-License-Identifier: MIT */
/* A keeper that was idle for long: what is begun then gets all of its time. Its clock is put forward; nobody
 * waits. */
#include "tests/unit/keeper/harness.h"

#include "daemon/base/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define IDLE_SECONDS 3600

static struct harness harness;
static struct spec_builder spec;
static volatile time_t *put_forward; /* shared with the keeper */

int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    int r = __real_clock_gettime(clock, ret_time);

    /* in the keeper only: its copy of the harness knows of none */
    if (clock == CLOCK_MONOTONIC && put_forward && harness.keeper == 0)
        ret_time->tv_sec += *put_forward;
    return r;
}

static bool keeper_sleeps(void)
{
    char path[64], stat[512] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", harness.keeper);
    file = fopen(path, "re");
    if (!file)
        return false;
    if (!fgets(stat, sizeof stat, file))
        stat[0] = '\0';
    fclose(file);
    return strstr(stat, ") S ");
}

/* It sleeps nowhere but in the wait of its loop; without cgroups there are none to be made in spare time. */
static void start(void)
{
    put_forward =
        mmap(NULL, sizeof *put_forward, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne((void *) put_forward, MAP_FAILED);
    harness.no_cgroups = true;
    harness_start(&harness);
    harness_barrier(&harness);
}

/* Not while it is at work: it would look at the clock before it reads what is sent next. */
static void put_clock_forward(time_t seconds)
{
    harness_until(keeper_sleeps());
    *put_forward += seconds;
}

static void start_and_be_idle(void)
{
    start();
    put_clock_forward(IDLE_SECONDS);
}

/* One that waits for us to open a FIFO. */
static void begin_spawn(char fifo[96])
{
    snprintf(fifo, 96, "%s/fifo", harness.folder);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    spec_shell(&spec, "exit 3");
    spec_head(&spec)->stdio[1] =
        (struct link_stdio){.kind = LINK_STDIO_WRITE, .path = spec_text(&spec, fifo)};
    harness_spawn(&harness, harness.connection, &spec, NULL, 0);
    harness_barrier(&harness); /* nothing has failed */
}

/* And it looks at the clock. */
static void time_passes(time_t seconds)
{
    put_clock_forward(seconds);
    harness_barrier(&harness);
}

static void let_spawn_end(const char *fifo)
{
    union message message;
    int fd = open(fifo, O_RDONLY | O_CLOEXEC);

    harness_expect(&harness, LINK_SPAWNED, &message);
    ck_assert_int_eq(harness_exit(&harness, harness.process), 3);
    close(fd);
    unlink(fifo);
}

START_TEST(a_spawn_after_an_idle_time)
{
    char fifo[96];

    start_and_be_idle();
    begin_spawn(fifo);
    let_spawn_end(fifo);
    harness_stop(&harness);
}
END_TEST

/* It stood still, and so may its children have: they get a moment more; and then no more. */
START_TEST(a_spawn_while_it_stands_still)
{
    union message message;
    char fifo[96];

    start();
    for (int turn = 0; turn < 2; turn++) {
        begin_spawn(fifo);
        time_passes(IDLE_SECONDS);
        let_spawn_end(fifo);
    }
    begin_spawn(fifo);
    put_clock_forward(10);
    harness_ask_pidfd(&harness, 0, 1); /* wakes it */
    harness_expect(&harness, LINK_PIDFD, &message);
    harness_expect(&harness, LINK_SPAWN_FAILED, &message);
    ck_assert_int_eq(message.failed.error, ETIMEDOUT);
    unlink(fifo);
    harness_stop(&harness);
}
END_TEST

static void must_be_pinged_after(time_t seconds)
{
    union message message;

    time_passes(seconds);
    harness_expect(&harness, LINK_PING, &message);
}

static void pong(void)
{
    struct link_head answer = {.kind = LINK_PONG, .size = sizeof answer};

    harness_send(&harness, &answer, sizeof answer, NULL, 0);
}

/* Both stood still: a broker that had no time to answer is asked again. One that had is replaced. */
START_TEST(a_ping_while_both_stand_still)
{
    int link;

    harness.watchdog = 4 * 60 * NSEC_PER_SEC;
    start();
    must_be_pinged_after(60);
    must_be_pinged_after(IDLE_SECONDS);
    pong();
    must_be_pinged_after(60);
    put_clock_forward(60);
    harness_ask_pidfd(&harness, 0, 1);
    link = harness.link;
    harness_next_broker(&harness, NULL);
    close(link);
    harness_ready(&harness);
    harness_served(&harness); /* a keeper that has not read this leaves without asking us */
    harness_stop(&harness);
}
END_TEST

START_TEST(sigterm_after_an_idle_time)
{
    union message message;

    start_and_be_idle();
    kill(harness.keeper, SIGTERM);
    harness_expect(&harness, LINK_STOP_REQUEST, &message);
    harness_barrier(&harness); /* its broker is still listened to */
    ck_assert_int_eq(harness_exit(&harness, harness_shell(&harness, "exit 5", NULL)), 5);
    kill(harness.keeper, SIGTERM);
    harness_gone(&harness);
}
END_TEST

static void add(TCase *test)
{
    tcase_add_test(test, a_spawn_after_an_idle_time);
    tcase_add_test(test, a_spawn_while_it_stands_still);
    tcase_add_test(test, a_ping_while_both_stand_still);
    tcase_add_test(test, sigterm_after_an_idle_time);
}

int main(void)
{
    return harness_main("clock", add);
}
