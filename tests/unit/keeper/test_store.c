/* SPDX-License-Identifier: MIT */
/* daemon/keeper/store.c: what the front is told to have kept, and when. */
#include "daemon/keeper/store.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/notify.h"
#include "daemon/keeper/cgroup.h"
#include "daemon/keeper/clients.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/ledger_layout.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/ticket.h"
#include "daemon/keeper/ticket_kept.h"
#include "tests/unit/base/descriptors.h"
#include "tests/unit/core/must.h"
#include "tests/unit/keeper/spec_builder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

static struct keeper keeper;
static struct keeper_config config = {.listen_fd = -1};
static int front; /* its end */
static char said[256];
static int given; /* with what was said last, or -1 */

static void set_up(void)
{
    int pair[2];
    bool written;

    memset(&keeper, 0, sizeof keeper);
    keeper.config = &config;
    keeper.now = 1000 * NSEC_PER_SEC;
    TAILQ_INIT(&keeper.store.young);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    front = pair[1];
    notify_through(pair[0]);
    keeper.front = (struct watch){.fd = pair[0], .ready = (watch_fn *) set_up};
    ck_assert_int_eq(table_open(&keeper.table) + clients_begin(&keeper) + cgroups_begin(&keeper.cgroups), 0);
    ck_assert_int_eq(ledger_open(&keeper.ledger, memfd_create("ledger", MFD_CLOEXEC), &written), 0);
    ck_assert_int_eq(ledger_begin(&keeper), 0);
    keeper.ledger.head->tag = 0x12ab;
    store_open(&keeper);
    ck_assert(keeper.store.is_open);
}

static struct slot *begin(uint64_t process)
{
    struct slot *slot = slot_new(&keeper, process);

    slot->pidfd = 0;
    slot->mono = keeper.now;
    store_begin(&keeper, slot);
    return slot;
}

/* The front's next word; "" where there is none. */
static const char *hear(void)
{
    struct fdpass fds;
    ssize_t size = fdpass_receive(front, said, sizeof said - 1, &fds);

    given = fds.count > 0 ? fds.fd[0] : -1;
    ck_assert_uint_le(fds.count, 1);
    fdpass_close(&fds);
    said[size > 0 ? size : 0] = '\0';
    return said;
}

START_TEST(after_a_second)
{
    struct slot *slot = begin(7);

    ck_assert_int_eq(store_tick(&keeper), keeper.now + STORE_AGE);
    ck_assert_str_eq(hear(), "");
    keeper.now += STORE_AGE - 1;
    ck_assert_int_eq(store_tick(&keeper), keeper.now + 1);
    ck_assert_str_eq(hear(), "");
    keeper.now++;
    ck_assert_int_eq(store_tick(&keeper), INT64_MAX);
    ck_assert_str_eq(hear(), "FDSTORE=1\nFDNAME=child-7-000012ab\nFDPOLL=0");
    ck_assert_int_ge(given, 0);
    ck_assert(slot->stored);
    store_leave(&keeper, slot);
    ck_assert_str_eq(hear(), "FDSTOREREMOVE=1\nFDNAME=child-7-000012ab");
    store_leave(&keeper, slot);
    ck_assert_str_eq(hear(), "");
    ck_assert_uint_eq(keeper.store.count, 0);
}
END_TEST

START_TEST(who_does_not_get_that_old)
{
    struct slot *slot = begin(7), *other = begin(8);

    store_leave(&keeper, slot);
    slot_free(&keeper, other);
    ck_assert_int_eq(store_tick(&keeper), INT64_MAX); /* nothing wakes us */
    keeper.now += 2 * STORE_AGE;
    ck_assert_int_eq(store_tick(&keeper), INT64_MAX);
    ck_assert_str_eq(hear(), "");
}
END_TEST

/* Whoever comes of age soon after another is stored with it. */
START_TEST(several_at_once)
{
    begin(1);
    keeper.now += 50 * NSEC_PER_MSEC;
    begin(2);
    keeper.now += 200 * NSEC_PER_MSEC;
    begin(3);
    keeper.now += STORE_AGE - 250 * NSEC_PER_MSEC;
    ck_assert_int_eq(store_tick(&keeper), keeper.now + 250 * NSEC_PER_MSEC);
    ck_assert_ptr_nonnull(strstr(hear(), "child-1-"));
    ck_assert_ptr_nonnull(strstr(hear(), "child-2-"));
    ck_assert_str_eq(hear(), "");
}
END_TEST

START_TEST(no_more_than_there_is_room_for)
{
    struct slot *first = begin(1), *last = NULL;

    keeper.store.count_max = 20;
    for (uint64_t process = 2; process <= 21; process++)
        last = begin(process);
    keeper.now += STORE_AGE;
    ck_assert_int_eq(store_tick(&keeper), INT64_MAX);
    for (int i = 0; i < 20; i++)
        ck_assert_ptr_nonnull(strstr(hear(), "FDSTORE=1"));
    ck_assert_str_eq(hear(), "");
    ck_assert(!last->stored);
    store_leave(&keeper, first);
    ck_assert_ptr_nonnull(strstr(hear(), "FDSTOREREMOVE=1\nFDNAME=child-1-"));
    ck_assert_int_eq(store_tick(&keeper), INT64_MAX);
    ck_assert_ptr_nonnull(strstr(hear(), "FDSTORE=1\nFDNAME=child-21-"));
    ck_assert(last->stored);
}
END_TEST

/* Nothing is forgotten; and words must always find room. */
START_TEST(a_front_that_does_not_read)
{
    struct slot *slots[STORE_MAX];
    unsigned stored = 0;

    for (uint64_t i = 0; i < STORE_MAX; i++)
        slots[i] = begin(i + 1);
    keeper.now += STORE_AGE;
    ck_assert_int_gt(store_tick(&keeper), keeper.now);
    ck_assert_int_lt(store_tick(&keeper), keeper.now + NSEC_PER_SEC);
    while (stored < STORE_MAX && slots[stored]->stored)
        stored++;
    ck_assert_uint_lt(stored, STORE_MAX);
    ck_assert_uint_gt(stored, 10);
    store_leave(&keeper, slots[0]);
    ck_assert(!store_settled(&keeper));
    slot_free(&keeper, slots[0]);
    notify_send("READY=1");
    for (unsigned i = 0; i < stored; i++)
        ck_assert_ptr_nonnull(strstr(hear(), "FDSTORE=1"));
    ck_assert_str_eq(hear(), "READY=1");
    while (!slots[STORE_CHILDREN_MAX - 1]->stored) {
        int64_t next = store_tick(&keeper);

        ck_assert(next < INT64_MAX || slots[STORE_CHILDREN_MAX - 1]->stored);
        keeper.now = next;
        while (*hear())
            ck_assert(strstr(said, "FDSTORE=1") || strstr(said, "FDSTOREREMOVE=1\nFDNAME=child-1-"));
    }
    ck_assert(store_settled(&keeper));
    ck_assert_uint_eq(keeper.store.count, STORE_CHILDREN_MAX);
}
END_TEST

/* A run may end before its pipes do; each is found by its name, known or not. */
START_TEST(what_it_writes_into)
{
    static struct shelf shelf;
    struct slot *slot = begin(7);
    struct capture_pipe all[3];
    struct store_pipe found;
    char *name;

    for (int i = 0; i < 3; i++) {
        all[i] = (struct capture_pipe){.slot = slot, .fd = 0, .stream = i == 1 ? LOGS_STDERR : LOGS_STDOUT};
        LIST_INSERT_HEAD(&slot->pipes, &all[i], of_slot);
    }
    ck_assert_str_eq(hear(), "");
    keeper.now += STORE_AGE;
    store_tick(&keeper);
    for (int i = 2; i >= 0; i--) {
        ck_assert_ptr_nonnull(strstr(hear(), "FDSTORE=1\nFDNAME=log-"));
        ck_assert_int_ge(given, 0);
        name = strstr(said, "log-");
        name[strcspn(name, "\n")] = '\0';
        ck_assert_int_eq(shelf_put(&shelf, name, dup(0)), 0);
    }
    ck_assert_ptr_nonnull(strstr(hear(), "FDNAME=child-7-"));
    ck_assert_uint_eq(keeper.store.count, 4);
    ck_assert_int_eq(shelf_put(&shelf, "log-1792-000012ac", dup(0)), 0); /* another ledger's */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(store_take_pipe(&keeper, &shelf, &found), 1);
        ck_assert_uint_eq(found.process, 7);
        ck_assert(found.number == all[0].kept || found.number == all[1].kept ||
                  found.number == all[2].kept);
        ck_assert_int_eq(found.stream, found.number == all[1].kept ? LOGS_STDERR : LOGS_STDOUT);
        close(found.fd);
    }
    ck_assert_int_eq(store_take_pipe(&keeper, &shelf, &found), 0);
    store_clean(&shelf);
    ck_assert_uint_eq(shelf.count, 0);
    ck_assert_str_eq(hear(), "FDSTOREREMOVE=1\nFDNAME=log-1792-000012ac");
    store_take_out(&keeper, STORE_LOG, all[1].kept);
    ck_assert_ptr_nonnull(strstr(hear(), "FDSTOREREMOVE=1\nFDNAME=log-"));
    ck_assert_uint_eq(keeper.store.count, 3);
    ck_assert_uint_eq(keeper.store.children, 3);
}
END_TEST

START_TEST(a_client_without_a_number)
{
    struct client client = {.client = 5, .pidfd = 0};

    store_client(&keeper, &client);
    ck_assert_str_eq(hear(), "FDSTORE=1\nFDNAME=client-5-000012ab\nFDPOLL=0");
    ck_assert(client.stored);
    store_leave_client(&keeper, &client);
    ck_assert_str_eq(hear(), "FDSTOREREMOVE=1\nFDNAME=client-5-000012ab");
}
END_TEST

START_TEST(what_an_earlier_keeper_has_left)
{
    static struct shelf shelf;
    struct slot *slot;

    shelf.count = 0;
    shelf_put(&shelf, "child-3-000012ab", dup(0));
    shelf_put(&shelf, "child-4-000012ab", dup(0)); /* it has ended */
    shelf_put(&shelf, "child-3-00000001", dup(0)); /* of another ledger */
    shelf_put(&shelf, "client-9-000012ab", dup(0));
    shelf_put(&shelf, "state", dup(0));
    close(store_take_child(&keeper, &shelf, 3));
    ck_assert_int_eq(store_take_child(&keeper, &shelf, 5), -1);
    close(store_take_client(&keeper, &shelf, 9));
    slot = slot_new(&keeper, 3);
    slot->stored = true;
    slot->pidfd = 0;
    store_restored(&keeper);
    ck_assert_uint_eq(keeper.store.count, 1);
    store_clean(&shelf);
    ck_assert_uint_eq(shelf.count, 1);
    for (int i = 0; i < 2; i++)
        ck_assert(strstr(hear(), "FDSTOREREMOVE=1\nFDNAME=child-4-000012ab") ||
                  strstr(said, "FDSTOREREMOVE=1\nFDNAME=child-3-00000001"));
    ck_assert_str_eq(hear(), "");
    store_leave(&keeper, slot);
    ck_assert_str_eq(hear(), "FDSTOREREMOVE=1\nFDNAME=child-3-000012ab");
    shelf_clear(&shelf);
}
END_TEST

START_TEST(nobody_is_to_take_over)
{
    static const char *const names[] = {"child-1-000012ab", "ledger",  "state",  "logs-index",
                                       "logs-data",        "cgroups", "program"};

    begin(1);
    keeper.now += STORE_AGE;
    store_tick(&keeper);
    hear();
    store_close(&keeper);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char want[64];

        snprintf(want, sizeof want, "FDSTOREREMOVE=1\nFDNAME=%s", names[i]);
        ck_assert_str_eq(hear(), want);
    }
    begin(2);
    keeper.now += STORE_AGE;
    ck_assert_int_eq(store_tick(&keeper), INT64_MAX);
    ck_assert_str_eq(hear(), "");
    ck_assert_int_eq(keeper.ledger.head->magic[0], '\0');
}
END_TEST

/* ---- tickets ---- */

static struct spec_builder spec;
static int pipe_fds[2];

/* Of a spawn with two descriptors that are one and the same. */
static struct slot *with_ticket(uint64_t process)
{
    struct spawn_plan plan = {.uid = 7, .gid = 8, .no_new_privs = 1};
    uint32_t groups[] = {5, 6};
    struct slot *slot = slot_new(&keeper, process);

    keeper.base_limits[RLIMIT_NOFILE].rlim_max = 4096;
    ck_assert_int_eq(pipe(pipe_fds), 0);
    spec_shell(&spec, "exit 1");
    plan.spec = spec_head(&spec);
    plan.groups = groups;
    plan.group_count = 2;
    ck_assert_int_eq(ticket_new(&keeper, &plan, (int[]){pipe_fds[1], pipe_fds[1]}, 2, &slot->ticket), 0);
    slot->flags = LINK_SPAWN_TICKET;
    return slot;
}

static void check_ticket(const struct slot *slot)
{
    const struct ticket *ticket = slot->ticket;
    char byte;

    ck_assert_uint_eq(ticket->uid, 7);
    ck_assert_uint_eq(ticket->gid, 8);
    ck_assert_uint_eq(ticket->no_new_privs, 1);
    ck_assert(ticket->group_count == 2 && ticket_groups(ticket)[0] == 5 && ticket_groups(ticket)[1] == 6);
    ck_assert_uint_eq(ticket->spec_size, spec_head(&spec)->size);
    ck_assert_mem_eq(ticket->bytes, spec.data, ticket->spec_size);
    ck_assert_uint_eq(ticket->fd_count, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(write(ticket->fds[i], "x", 1), 1);
        ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 1);
    }
}

/* As often as somebody takes over. */
START_TEST(a_ticket_in_a_socket)
{
    struct slot *slot = with_ticket(7);
    size_t before = descriptors_count();
    int box = ticket_pack(slot);

    ck_assert_int_ge(box, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ticket_unpack(&keeper, slot, box), -EBADMSG); /* it has one */
        ticket_drop(&keeper, slot);
        ck_assert_int_eq(ticket_unpack(&keeper, slot, box), 0);
        check_ticket(slot);
        ck_assert_uint_eq(keeper.tickets.fds, 2);
        ck_assert_uint_eq(descriptors_count(), before + 1);
    }
    close(box);
    ticket_drop(&keeper, slot);
    ck_assert_uint_eq(keeper.tickets.fds + keeper.tickets.bytes, 0);
    ck_assert_uint_eq(descriptors_count(), before - 2);
    ck_assert_int_eq(fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK), 0);
    close(pipe_fds[1]);
    ck_assert_int_eq(read(pipe_fds[0], said, 1), 0); /* nobody has a copy */
    close(pipe_fds[0]);
}
END_TEST

/* What is in there is not what it should be. */
START_TEST(a_damaged_ticket)
{
    struct slot *slot = with_ticket(7), *other = slot_new(&keeper, 8);
    int box = ticket_pack(slot);
    struct fdpass fds;
    char byte;

    ck_assert_int_eq(ticket_unpack(&keeper, other, box), -EBADMSG); /* another's */
    ck_assert_ptr_null(other->ticket);
    ticket_drop(&keeper, slot);
    ck_assert_int_eq(fdpass_peek(box, &byte, 1, &fds), 1);
    for (off_t size = lseek(fds.fd[0], 0, SEEK_END) - 1; size >= 0; size -= 97) {
        ck_assert_int_eq(ftruncate(fds.fd[0], size), 0);
        ck_assert_int_eq(ticket_unpack(&keeper, slot, box), -EBADMSG);
    }
    fdpass_close(&fds);
    ck_assert_int_eq(fdpass_receive(box, &byte, 1, &fds), 1);
    fdpass_close(&fds);
    ck_assert_int_eq(ticket_unpack(&keeper, slot, box), -EBADMSG); /* nothing */
    ck_assert_ptr_null(slot->ticket);
    ck_assert_uint_eq(keeper.tickets.fds + keeper.tickets.bytes, 0);
    close(box);
}
END_TEST

static void must_say_of_ticket(const char *what, uint64_t process)
{
    char want[64];

    snprintf(want, sizeof want, "%s\nFDNAME=ticket-%llu-000012ab", what, (unsigned long long) process);
    ck_assert_ptr_nonnull(strstr(hear(), want));
    ck_assert_int_eq(given >= 0, strcmp(what, "FDSTORE=1") == 0);
}

static void drop_all(void)
{
    struct slot *slot;

    TAILQ_FOREACH(slot, &keeper.table.used, order)
        ticket_drop(&keeper, slot);
    ck_assert_uint_eq(keeper.tickets.kept_fds + keeper.tickets.fds + keeper.tickets.bytes, 0);
}

/* At once, whoever else is in the store, up to a number of descriptors. */
START_TEST(tickets_are_stored)
{
    static struct shelf shelf;
    struct slot *slot = NULL, *first = NULL;
    unsigned count = 0;
    int box;

    for (uint64_t process = 1000; process < 1000 + STORE_MAX; process++)
        begin(process);
    while (keeper.store.children < STORE_CHILDREN_MAX) {
        keeper.now += STORE_AGE;
        store_tick(&keeper);
        while (*hear())
            ;
    }
    for (uint64_t process = 1; !slot || slot->ticket_kept; process++) {
        slot = with_ticket(process);
        first = first ? first : slot;
        ticket_keep(&keeper, slot);
        if (!slot->ticket_kept)
            break;
        must_say_of_ticket("FDSTORE=1", process);
        ticket_keep(&keeper, slot); /* it is there */
        ck_assert_str_eq(hear(), "");
        count++;
    }
    ck_assert_uint_eq(keeper.tickets.kept_fds, count * 3);
    ck_assert_uint_eq(keeper.store.count, STORE_CHILDREN_MAX + count);
    ck_assert_uint_eq(count, STORE_MAX - STORE_CHILDREN_MAX);
    ticket_drop(&keeper, first);
    must_say_of_ticket("FDSTOREREMOVE=1", 1);
    ticket_keep(&keeper, slot);
    ck_assert(slot->ticket_kept);
    hear();
    box = ticket_pack(slot);
    shelf_put(&shelf, "ticket-1-000012ab", box); /* its own is gone */
    first->flags = LINK_SPAWN_TICKET;
    ticket_adopt(&keeper, &shelf, first);
    ck_assert(!first->ticket && !first->ticket_kept);
    shelf_clear(&shelf);
    drop_all();
}
END_TEST

START_TEST(too_many_descriptors)
{
    struct slot *slot = with_ticket(7);

    keeper.tickets.kept_fds = TICKETS_KEPT_FDS_MAX - 2;
    ticket_keep(&keeper, slot);
    ck_assert(!slot->ticket_kept);
    ck_assert_str_eq(hear(), "");
    keeper.tickets.kept_fds--;
    ticket_keep(&keeper, slot);
    ck_assert(slot->ticket_kept);
    ck_assert_uint_eq(keeper.tickets.kept_fds, TICKETS_KEPT_FDS_MAX);
    keeper.tickets.kept_fds = 3;
    drop_all();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *tcase = tcase_create("store");

#ifndef HAVE_LIBSYSTEMD
    return 77;
#endif
    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, after_a_second);
    tcase_add_test(tcase, who_does_not_get_that_old);
    tcase_add_test(tcase, several_at_once);
    tcase_add_test(tcase, no_more_than_there_is_room_for);
    tcase_add_test(tcase, a_front_that_does_not_read);
        tcase_add_test(tcase, what_it_writes_into);
    tcase_add_test(tcase, a_client_without_a_number);
    tcase_add_test(tcase, what_an_earlier_keeper_has_left);
    tcase_add_test(tcase, nobody_is_to_take_over);
    tcase_add_test(tcase, a_ticket_in_a_socket);
    tcase_add_test(tcase, a_damaged_ticket);
    tcase_add_test(tcase, tickets_are_stored);
    tcase_add_test(tcase, too_many_descriptors);
    return RUN_SUITE(suite);
}
