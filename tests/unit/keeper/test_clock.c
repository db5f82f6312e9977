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
static void start_and_be_idle(void)
{
    put_forward =
        mmap(NULL, sizeof *put_forward, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne((void *) put_forward, MAP_FAILED);
    harness.no_cgroups = true;
    harness_start(&harness);
    harness_barrier(&harness);
    harness_until(keeper_sleeps());
    *put_forward = IDLE_SECONDS;
}

START_TEST(a_spawn_after_an_idle_time)
{
    union message message;
    char fifo[96];
    int fd;

    start_and_be_idle();
    snprintf(fifo, sizeof fifo, "%s/fifo", harness.folder);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    spec_shell(&spec, "exit 3");
    spec_head(&spec)->stdio[1] =
        (struct link_stdio){.kind = LINK_STDIO_WRITE, .path = spec_text(&spec, fifo)};
    harness_spawn(&harness, harness.connection, &spec, NULL, 0);
    harness_barrier(&harness); /* nothing has failed */
    fd = open(fifo, O_RDONLY | O_CLOEXEC);
    harness_expect(&harness, LINK_SPAWNED, &message);
    ck_assert_int_eq(harness_exit(&harness, harness.process), 3);
    close(fd);
    unlink(fifo);
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
    tcase_add_test(test, sigterm_after_an_idle_time);
}

int main(void)
{
    return harness_main("clock", add);
}
