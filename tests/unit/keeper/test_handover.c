/* SPDX-License-Identifier: MIT */
/* daemon/keeper/handover.c, handover_read.c: what one program of the keeper writes the next one reads, and
 * nothing else. */
#include "daemon/base/cleanup.h"
#include "daemon/keeper/cgroup.h"
#include "daemon/keeper/clients.h"
#include "daemon/keeper/handover.h"
#include "daemon/keeper/handover_layout.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/pages.h"
#include "daemon/keeper/table.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

static struct keeper keeper;
static struct keeper_config config = {.system = true, .idle_exit = 7, .broker_user = "somebody"};
static char *bytes;
static size_t size;

/* ---- a keeper that knows something, though it is none ---- */

static struct slot *add_slot(uint64_t process, pid_t pid, int cgroup)
{
    struct slot *slot = slot_new(&keeper, process);

    slot->pidfd = 1000 + (int) process;
    slot->cgroup = cgroup < 0 ? NULL : &keeper.cgroups.all[cgroup];
    slot_set_pid(&keeper, slot, pid);
    keeper.table.live++;
    keeper.table.sessions += cgroup < 0;
    slot->name = "a name";
    return slot;
}

static void add_client(uint64_t number, uint64_t process, pid_t pid, int pidfd)
{
    const struct handover_client client = {.client = number,
                                           .process = process,
                                           .pid = pid,
                                           .pidfd = pidfd,
                                           .uid = 1000,
                                           .pid_seen = (int64_t) number,
                                           .place = (uint32_t) number + 7,
                                           .stored = number == 9};

    ck_assert_int_eq(client_restore(&keeper, &client), 0);
}

static void make_keeper(void)
{
    struct slot *slot;

    ck_assert_int_eq(table_open(&keeper.table) + clients_begin(&keeper) + cgroups_begin(&keeper.cgroups), 0);
    keeper.config = &config;
    keeper.socket = (struct socket_name){.path = "/a/path", .inode = 5};
    keeper.state_fd = 900;
    strcpy(keeper.epoch, "an epoch");
    keeper.cgroups.made = 4;
    keeper.cgroups.all[0].state = keeper.cgroups.all[1].state = CGROUP_TAKEN;
    keeper.cgroups.all[2].state = CGROUP_ORPHAN;
    keeper.cgroups.all[3].state = CGROUP_EMPTY;
    keeper.clients.last_client = 9;
    keeper.ledger.fd = 700;
    add_client(4, 0, 50, 800);
    add_client(9, 2, 102, 801);
    ck_assert_int_eq(page_restore(&keeper, 1000, 850, true) + page_restore(&keeper, 0, 851, false), 0);
    (void) slot_new(&keeper, 8); /* leaves a place before the others */
    slot = add_slot(1, 101, 0);
    report_put(&keeper, slot, LINK_SPAWNED);
    slot->adopted = slot->stored = true;
    slot->spawn_order = 12;
    slot->pid_seen = 34;
    slot = add_slot(2, 102, -1);
    report_put(&keeper, slot, LINK_SPAWNED);
    report_put(&keeper, slot, LINK_STOPPED);
    slot->kill_again = true;
    slot = add_slot(3, 103, 1); /* ended, with something of its tree left */
    report_put(&keeper, slot, LINK_EXITED);
    slot_reaped(&keeper, slot);
    slot->ended = slot->lingers = true;
    slot->pidfd = -1;
    keeper.table.live--;
    TAILQ_INSERT_TAIL(&keeper.table.lingering, slot, linger);
    slot_free(&keeper, slot_find(&keeper, 8));
    keeper.link.report_cursor = NULL; /* all were sent */
    reports_acknowledge(&keeper, 1);
}

/* ---- its bytes ---- */

static int memory_of(const char *data, size_t data_size)
{
    int memory = memfd_create("handover", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert(write(memory, data, data_size) == (ssize_t) data_size);
    ck_assert_int_eq(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    return memory;
}

static void set_up(void)
{
    int memory;

    make_keeper();
    memory = handover_write(&keeper);
    ck_assert_int_ge(memory, 0);
    size = (size_t) lseek(memory, 0, SEEK_END);
    bytes = malloc(size);
    ck_assert(pread(memory, bytes, size, 0) == (ssize_t) size);
    close(memory);
}

static void tear_down(void)
{
    free(bytes);
}

/* In a process of its own, as it leaves traces: 0, or the error; a crash fails. */
static int checked(size_t data_size)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        char why[HANDOVER_WHY] = "";
        int r = handover_check(memory_of(bytes, data_size), why);

        _exit((r < 0) != (why[0] != '\0') ? 255 : -r);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) != 255);
    return -WEXITSTATUS(status);
}

/* ---- tests ---- */

START_TEST(what_is_written_is_read)
{
    int memory = memory_of(bytes, size);
    const struct handover_head *head = handover_open(memory);
    static struct keeper next;
    bool written;
    struct keeper_config its_config;
    struct slot *slot;

    ck_assert_ptr_nonnull(head);
    ck_assert_int_eq(checked(size), 0);
    handover_configure(head, &its_config);
    ck_assert(its_config.system && its_config.idle_exit == 7);
    ck_assert_str_eq(its_config.broker_user, "somebody");
    ck_assert_str_eq(its_config.socket.path, "/a/path");
    next.config = &its_config;
    ck_assert_int_eq(table_open(&next.table) + clients_begin(&next) + cgroups_begin(&next.cgroups), 0);
    ck_assert_int_eq(loop_open(&next.loop), 0);
    next.sweep_at = INT64_MAX;
    ck_assert_int_eq(ledger_open(&next.ledger, -1, &written), 0); /* names stand there */
    ck_assert_int_eq(handover_restore(&next, head), 0);
    handover_close(head);
    ck_assert_str_eq(next.epoch, "an epoch");
    ck_assert_int_eq(next.state_fd, 900);
    ck_assert(next.table.live == 2 && next.table.sessions == 1 && next.table.used_count == 3);
    slot = slot_by_pid(&next, 102);
    ck_assert(slot && slot->process == 2 && !slot->cgroup && strcmp(slot->name, "a name") == 0);
    ck_assert(slot->kill_again && !slot_by_pid(&next, 101)->kill_again);
    ck_assert_uint_eq(slot->reports[REPORT_STOP].kind, LINK_STOPPED);
    ck_assert_ptr_null(slot_by_pid(&next, 103));
    ck_assert_ptr_eq(TAILQ_FIRST(&next.table.lingering), slot_find(&next, 3));
    ck_assert_uint_eq(TAILQ_FIRST(&next.table.reports)->number, 2);
    ck_assert_uint_eq(next.table.last_report, 4);
    ck_assert_uint_eq(slot_find(&next, 1)->reports[REPORT_START].number, 0);
    ck_assert_uint_eq(client_find(&next, 9)->process, 2);
    ck_assert_uint_eq(pages_count(&next), 2);
    ck_assert_int_eq(page_restore(&next, 1000, 852, true), -EBADMSG); /* it is there */
    ck_assert(client_find(&next, 4)->place == 11 && !client_find(&next, 4)->stored);
    ck_assert(client_find(&next, 9)->stored && client_find(&next, 9)->pid_seen == 9);
    slot = slot_find(&next, 1);
    ck_assert(slot->adopted && slot->stored && slot->spawn_order == 12 && slot->pid_seen == 34);
    for (uint64_t process = 1; process <= 3; process++)
        ck_assert_int_eq(slot_find(&next, process) - next.table.slots,
                         slot_find(&keeper, process) - keeper.table.slots);
    ck_assert_ptr_eq(slot_new(&next, 4), &next.table.slots[0]);
    ck_assert_ptr_eq(TAILQ_FIRST(&next.cgroups.orphans), &next.cgroups.all[2]);
    ck_assert_ptr_eq(TAILQ_FIRST(&next.cgroups.unused), &next.cgroups.all[3]);
    loop_close(&next.loop);
    close(memory);
}
END_TEST

START_TEST(another_format)
{
    struct handover_head *head = (void *) bytes;

    head->format++;
    ck_assert_int_eq(checked(size), -EPROTONOSUPPORT);
}
END_TEST

START_TEST(cut_off)
{
    ck_assert_int_eq(checked(size - 1), -EBADMSG);
    for (size_t some = 0; some < size; some += 1 + some / 4)
        ck_assert_int_eq(checked(some), -EBADMSG);
}
END_TEST

/* The same process twice, a cgroup for two, a report that is none. */
START_TEST(nonsense)
{
    struct handover_head *head = (void *) bytes;
    struct handover_slot *slots = (void *) (head + 1);
    struct handover_facts *facts = &slots[1].facts;

    ck_assert_uint_eq(slots[1].place, slots[0].place + 1);
    facts->process = 1;
    ck_assert_int_eq(checked(size), -EBADMSG);
    facts->process = 2;
    facts->cgroup = 0;
    ck_assert_int_eq(checked(size), -EBADMSG);
    facts->cgroup = -1;
    facts->report_kind[REPORT_START] = LINK_EXITED;
    ck_assert_int_eq(checked(size), -EBADMSG);
    facts->report_kind[REPORT_START] = LINK_SPAWNED;
    facts->report_number[REPORT_STOP] = 2;
    ck_assert_int_eq(checked(size), -EBADMSG);
    facts->report_number[REPORT_STOP] = 5;
    ck_assert_int_eq(checked(size), -EBADMSG);
    facts->report_number[REPORT_STOP] = 3;
    slots[1].place--;
    ck_assert_int_eq(checked(size), -EBADMSG);
    slots[1].place = head->slots_made;
    ck_assert_int_eq(checked(size), -EBADMSG);
    slots[1].place = slots[0].place + 1;
    ck_assert_int_eq(checked(size), 0);
}
END_TEST

/* One bit is wrong: it is refused, or makes some sense. */
START_TEST(one_bit_is_wrong)
{
    size_t bits = size * 8;

    srand((unsigned) _i + 1);
    for (int i = 0; i < 300; i++) {
        size_t bit = (size_t) rand() % bits;

        bytes[bit / 8] = (char) (bytes[bit / 8] ^ (1 << bit % 8));
        (void) checked(size);
        bytes[bit / 8] = (char) (bytes[bit / 8] ^ (1 << bit % 8));
    }
    /* its numbers most of all */
    for (size_t bit = 0; bit < offsetof(struct handover_head, broker_user) * 8; bit += 3) {
        bytes[bit / 8] = (char) (bytes[bit / 8] ^ (1 << bit % 8));
        (void) checked(size);
        bytes[bit / 8] = (char) (bytes[bit / 8] ^ (1 << bit % 8));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("handover");
    TCase *tcase = tcase_create("handover");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, what_is_written_is_read);
    tcase_add_test(tcase, another_format);
    tcase_add_test(tcase, cut_off);
    tcase_add_test(tcase, nonsense);
    tcase_add_loop_test(tcase, one_bit_is_wrong, 0, 2);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
