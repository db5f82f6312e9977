/* SPDX-License-Identifier: MIT */
/* When the rest of a tree is killed (killing.h): a keeper's room by itself, with a folder for its cgroups. */
#include "daemon/keeper/killing.h"

#include "daemon/base/cleanup.h"
#include "daemon/keeper/tree.h"
#include "tests/unit/core/must.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS 3
#define MS(n) ((n) *NSEC_PER_MSEC)

static struct keeper keeper;
static struct cgroup cgroups[SLOTS];
static struct slot slots[SLOTS];
static char folder[] = "/tmp/killing-test-XXXXXX";

static const char *kill_file(int i)
{
    static char path[64];

    snprintf(path, sizeof path, "%s/%d/cgroup.kill", folder, i);
    return path;
}

static void begin(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    memset(&keeper, 0, sizeof keeper);
    TAILQ_INIT(&keeper.killing);
    keeper.cgroups.all = cgroups;
    keeper.cgroups.base = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    keeper.now = NSEC_PER_SEC;
    for (int i = 0; i < SLOTS; i++) {
        char path[64];

        snprintf(path, sizeof path, "%s/%d", folder, i);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        close(open(kill_file(i), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        cgroups[i] = (struct cgroup){.dir = -1, .events = -1};
        /* no descriptor of a process: nobody is signalled here */
        slots[i] = (struct slot){
            .process = (uint64_t) i + 1, .pid = 1 << 22, .pidfd = -1, .cgroup = &cgroups[i]};
    }
}

static void end(void)
{
    for (int i = 0; i < SLOTS; i++) {
        char path[64];

        unlink(kill_file(i));
        snprintf(path, sizeof path, "%s/%d", folder, i);
        rmdir(path);
    }
    close_fd(keeper.cgroups.base);
    ck_assert_int_eq(rmdir(folder), 0);
}

static bool is_killed(int i)
{
    struct stat st;

    return stat(kill_file(i), &st) == 0 && st.st_size > 0;
}

START_TEST(who_does_not_end_keeps_nobody_alive)
{
    begin();
    ck_assert_int_eq(killing_tick(&keeper), INT64_MAX);
    killing_begin(&keeper, &slots[0]);
    ck_assert_int_eq(killing_tick(&keeper), keeper.now + MS(20));
    keeper.now += MS(20) - 1;
    ck_assert_int_eq(killing_tick(&keeper), keeper.now + 1);
    ck_assert(!is_killed(0) && slots[0].kill_due);
    keeper.now++;
    ck_assert_int_eq(killing_tick(&keeper), INT64_MAX);
    ck_assert(is_killed(0) && !slots[0].kill_due && cgroups[0].is_spoilt);
    ck_assert(!killing_end(&keeper, &slots[0]));
    end();
}
END_TEST

START_TEST(an_end_is_told_once)
{
    begin();
    killing_begin(&keeper, &slots[0]);
    killing_begin(&keeper, &slots[0]); /* asked again */
    ck_assert(killing_end(&keeper, &slots[0]));
    ck_assert(!killing_end(&keeper, &slots[0]));
    ck_assert_int_eq(killing_tick(&keeper), INT64_MAX);
    ck_assert(!is_killed(0));
    end();
}
END_TEST

/* As long as one ends after the other the machine is at work; but no longer than a second. */
START_TEST(ends_of_others_put_it_off)
{
    int64_t asked;

    begin();
    asked = keeper.now;
    killing_begin(&keeper, &slots[0]);
    for (int i = 0; i < 99; i++) {
        keeper.now += MS(10);
        killing_begin(&keeper, &slots[1]);
        ck_assert(killing_end(&keeper, &slots[1]));
        (void) killing_tick(&keeper);
        ck_assert(!is_killed(0));
    }
    ck_assert_int_eq(killing_tick(&keeper), asked + NSEC_PER_SEC);
    keeper.now = asked + NSEC_PER_SEC;
    killing_begin(&keeper, &slots[2]);
    ck_assert(killing_end(&keeper, &slots[2]));
    ck_assert_int_eq(killing_tick(&keeper), INT64_MAX);
    ck_assert(is_killed(0) && !is_killed(1) && !is_killed(2));
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("killing");
    TCase *test = tcase_create("killing");

    suite_add_tcase(suite, test);
    tcase_add_test(test, who_does_not_end_keeps_nobody_alive);
    tcase_add_test(test, an_end_is_told_once);
    tcase_add_test(test, ends_of_others_put_it_off);
    return RUN_SUITE(suite);
}
