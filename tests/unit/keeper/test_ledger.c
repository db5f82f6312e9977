/* SPDX-License-Identifier: MIT */
/* daemon/keeper/ledger.c, adopt_image.c: what stands in the ledger is what the keeper knows, whatever has
 * happened, and as far as it has got. */
#include "daemon/keeper/ledger.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/notify.h"
#include "daemon/keeper/adopt_image.h"
#include "daemon/keeper/cgroup.h"
#include "daemon/keeper/clients.h"
#include "daemon/keeper/handover.h"
#include "daemon/keeper/killing.h"
#include "daemon/keeper/ledger_layout.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/tree.h"
#include "tests/unit/base/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);

static bool no_memory;

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    if (!no_memory)
        return __real_fallocate(fd, mode, offset, size);
    errno = ENOSPC;
    return -1;
}

static struct keeper keeper, next;
static struct keeper_config config;
static int memory; /* of the ledger */

/* ---- a keeper that is none, and one that takes over from it ---- */

static void keeper_rooms(struct keeper *one)
{
    memset(one, 0, sizeof *one);
    one->config = &config;
    one->cgroups.base = one->link.fd = one->state_fd = -1;
    one->now = clock_monotonic();
    TAILQ_INIT(&one->store.young);
    TAILQ_INIT(&one->fading);
    TAILQ_INIT(&one->killing);
    ck_assert_int_eq(table_open(&one->table) + clients_begin(one) + cgroups_begin(&one->cgroups), 0);
}

static void set_up(void)
{
    bool written;

    no_memory = false;
    keeper_rooms(&keeper);
    strcpy(keeper.epoch, "an epoch");
    keeper.started = 77;
    memory = memfd_create("ledger", MFD_CLOEXEC);
    ck_assert_int_eq(ledger_open(&keeper.ledger, memory, &written), 0);
    ck_assert(!written);
    ck_assert_int_eq(ledger_begin(&keeper), 0);
}

static void tear_down(void)
{
    ledger_close(&keeper.ledger);
    close(memory);
}

/* What another keeper makes of it. The image is the caller's. */
static struct handover_head *image_of(void)
{
    static struct shelf nothing;
    struct handover_head *head;
    bool written;

    keeper_rooms(&next);
    ck_assert_int_eq(ledger_open(&next.ledger, memory, &written), 0); /* the lock is this process's */
    ck_assert(written);
    ck_assert_int_eq(adopt_image(&next, &nothing, &head), 0);
    ledger_close(&next.ledger);
    return head;
}

static struct handover_slot *slots_of(struct handover_head *head)
{
    return (struct handover_slot *) (void *) (head + 1);
}

static void image_free(struct handover_head *head)
{
    struct handover_client *clients = (void *) (slots_of(head) + head->slot_count);

    for (uint64_t i = 0; i < head->slot_count; i++)
        close_fd(slots_of(head)[i].facts.pidfd);
    for (uint64_t i = 0; i < head->client_count; i++)
        close_fd(clients[i].pidfd);
    free(head);
}

static struct slot *begin(uint64_t process, uint64_t order)
{
    struct slot *slot = slot_new(&keeper, process);

    slot->spawn_order = order;
    slot->uid = (uid_t) process + 1000;
    ledger_name(&keeper, slot, "a name");
    ledger_intend(&keeper, slot);
    return slot;
}

static struct slot *begin_next(uint64_t *process)
{
    ++*process;
    return begin(*process, *process);
}

/* A child of ours stands in for one of the keeper's. */
static void clone(struct slot *slot)
{
    pid_t pid;

    ledger_clone(&keeper, slot, NULL);
    pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    *ledger_number(&keeper, slot) = pid;
}

static void cloned(struct slot *slot)
{
    pid_t pid = *ledger_number(&keeper, slot);

    ledger_cloned(&keeper, slot);
    slot->pidfd = pidfd_open_process(pid);
    slot_set_pid(&keeper, slot, pid);
    keeper.table.live++;
    keeper.table.sessions++;
}

static void end(const struct slot *slot)
{
    pid_t pid = *ledger_number(&keeper, slot);

    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    close_fd(slot->pidfd);
}

/* ---- the life of a process ---- */

/* Killed between any two steps, the keeper leaves this. */
START_TEST(a_spawn)
{
    struct slot *slot = begin(5, 12);
    struct handover_head *head = image_of();
    const struct handover_facts *facts;

    /* nothing was cloned: it was never begun */
    ck_assert_uint_eq(head->slot_count, 0);
    ck_assert_uint_eq(head->executed, 0);
    image_free(head);

    ledger_drop(&keeper, slot);
    ledger_intend(&keeper, slot);
    clone(slot);
    head = image_of();
    facts = &slots_of(head)->facts;
    ck_assert_uint_eq(head->slot_count, 1);
    ck_assert_uint_eq(head->executed, 12); /* its order was */
    ck_assert_int_eq(facts->pid, *ledger_number(&keeper, slot));
    ck_assert(facts->pidfd >= 0 && facts->adopted && !facts->ended && facts->cgroup == -1);
    ck_assert_str_eq(slots_of(head)->name, "a name");
    image_free(head);

    cloned(slot);
    spawn_succeeded(&keeper, slot);
    ledger_flush(&keeper);
    keeper.ledger.head->counters[atomic_load(&keeper.ledger.head->current)].last_report = 0; /* not yet */
    head = image_of();
    facts = &slots_of(head)->facts;
    ck_assert(facts->pid == slot->pid && facts->uid == 1005 && facts->pid_seen == slot->pid_seen);
    ck_assert_uint_eq(facts->report_kind[REPORT_START], LINK_SPAWNED);
    ck_assert_uint_eq(facts->report_number[REPORT_START], 1);
    ck_assert_uint_eq(head->last_report, 1);
    image_free(head);
    end(slot);

    /* it has ended unseen: nothing leads to it */
    head = image_of();
    facts = &slots_of(head)->facts;
    ck_assert(facts->pidfd == -1 && !facts->ended);
    image_free(head);
    slot_free(&keeper, slot);
    head = image_of();
    ck_assert_uint_eq(head->slot_count, 0);
    image_free(head);
}
END_TEST

/* The number of one that has ended is somebody else's by now. */
START_TEST(a_number_that_came_again)
{
    struct slot *slot = begin(5, 12);
    struct handover_head *head;

    clone(slot);
    cloned(slot);
    slot->pid_seen -= NSEC_PER_SEC; /* then this process was not there yet */
    spawn_succeeded(&keeper, slot);
    ledger_flush(&keeper);
    head = image_of();
    ck_assert_int_eq(slots_of(head)->facts.pidfd, -1);
    image_free(head);
    end(slot);
}
END_TEST

START_TEST(an_end)
{
    struct slot *slot = begin(5, 12);
    struct ledger_wait *wait;
    struct handover_head *head;

    clone(slot);
    cloned(slot);
    spawn_succeeded(&keeper, slot);
    wait = ledger_wait(&keeper, slot);
    ck_assert_int_eq(wait->info.si_pid, 0);
    ck_assert_uint_eq(keeper.ledger.head->wait.process, 5);
    kill(slot->pid, SIGKILL);
    ck_assert_int_eq(waitid(P_PIDFD, (id_t) slot->pidfd, &wait->info, WEXITED), 0);
    ck_assert_int_eq(keeper.ledger.head->wait.info.si_status, SIGKILL);
    slot->ended = true;
    slot->end.exitcode = -SIGKILL;
    slot->end.known = 1;
    report_put(&keeper, slot, LINK_EXITED);
    slot_reaped(&keeper, slot);
    ledger_flush(&keeper);
    head = image_of();
    ck_assert(slots_of(head)->facts.ended && slots_of(head)->facts.reaped);
    ck_assert_int_eq(slots_of(head)->facts.end.exitcode, -SIGKILL);
    ck_assert_uint_eq(slots_of(head)->facts.report_number[REPORT_END], 2);
    image_free(head);
    keeper.link.report_cursor = NULL; /* both were sent */
    reports_acknowledge(&keeper, 2);
    ledger_flush(&keeper);
    head = image_of();
    ck_assert_uint_eq(slots_of(head)->facts.report_number[REPORT_END], 0);
    ck_assert_uint_eq(slots_of(head)->facts.report_kind[REPORT_END], LINK_EXITED);
    image_free(head);
    close(slot->pidfd);
}
END_TEST

/* ---- anything, again and again ---- */

static void change(struct slot *slot)
{
    switch (rand() % 7) {
    case 6:
        killing_end(&keeper, slot) ? (void) 0 : killing_begin(&keeper, slot);
        break;
    case 0:
        report_put(&keeper, slot, rand() % 2 ? LINK_STOPPED : LINK_CONTINUED);
        break;
    case 1:
        tree_watch(&keeper, slot);
        break;
    case 2:
        report_put(&keeper, slot, LINK_TREE_GONE);
        break;
    case 3:
        slot->stored = !slot->stored;
        ledger_touch(&keeper, slot);
        break;
    case 4:
        keeper.link.report_cursor = NULL;
        reports_acknowledge(&keeper, keeper.table.last_report - keeper.table.last_report / 8);
        break;
    default:
        slot_free(&keeper, slot);
    }
}

static void must_be_the_same(void)
{
    struct handover_head *head = image_of();
    const struct slot *slot;

    ck_assert_uint_eq(head->slot_count, keeper.table.used_count);
    ck_assert_uint_eq(head->last_report, keeper.table.last_report);
    TAILQ_FOREACH(slot, &keeper.table.used, order)
    {
        struct handover_slot *found = NULL;
        struct handover_facts facts;

        for (uint64_t i = 0; i < head->slot_count && !found; i++)
            if (slots_of(head)[i].facts.process == slot->process)
                found = &slots_of(head)[i];
        ck_assert_ptr_nonnull(found);
        ck_assert_uint_eq(found->place, (uint64_t) (slot - keeper.table.slots));
        handover_facts(&keeper, slot, &facts);
        facts.adopted = 1; /* what the image changes */
        facts.stored = 0;
        facts.pidfd = -1;
        ck_assert(memcmp(&facts, &found->facts, sizeof facts) == 0);
    }
    image_free(head);
}

START_TEST(everything_that_changes_is_written)
{
    uint64_t process = 0;

    srand(1 + (unsigned) _i);
    for (int turn = 0; turn < 400; turn++) {
        struct slot *slot, *following;

        if (rand() % 3 == 0) {
            slot = begin_next(&process);
            slot->pid = *ledger_number(&keeper, slot) = 1 << 22; /* nobody's */
            slot->reports[REPORT_START].kind = LINK_SPAWNED;
            ledger_touch(&keeper, slot);
        }
        for (slot = TAILQ_FIRST(&keeper.table.used); slot; slot = following) {
            following = TAILQ_NEXT(slot, order);
            if (rand() % 10 == 0)
                change(slot);
        }
        ledger_flush(&keeper);
        if (turn % 10 == 0)
            must_be_the_same();
    }
    ck_assert_uint_gt(process, 100);
}
END_TEST

START_TEST(orders)
{
    struct handover_head *head;
    struct slot *slot;

    keeper.link.executed = 8;
    ledger_executed(&keeper);
    slot = begin(1, 9);
    clone(slot);
    head = image_of();
    ck_assert_uint_eq(head->executed, 9);
    image_free(head);
    keeper.link.executed = 10;
    ledger_executed(&keeper);
    head = image_of();
    ck_assert_uint_eq(head->executed, 10);
    image_free(head);
    end(slot);
}
END_TEST

/* ---- clients ---- */

static struct client *add_client(pid_t pid)
{
    bool is_new;
    struct client *client = client_get(&keeper, pid, pidfd_open_process(pid), 1000, &is_new);

    ck_assert(client && is_new);
    return client;
}

START_TEST(clients)
{
    struct handover_client *found;
    struct handover_head *head;
    struct client *client[3];
    pid_t pid[3];

    for (int i = 0; i < 3; i++) {
        pid[i] = fork();
        if (pid[i] == 0)
            for (;;)
                pause();
        client[i] = add_client(pid[i]);
    }
    kill(pid[1], SIGKILL);
    ck_assert_int_eq(waitpid(pid[1], NULL, 0), pid[1]); /* dead, and nobody has said so */
    head = image_of();
    ck_assert_uint_eq(head->client_count, 2);
    ck_assert_uint_eq(head->last_client, 3);
    found = (void *) (slots_of(head) + head->slot_count);
    ck_assert(found[0].client == client[0]->client && found[0].pid == pid[0] && found[0].pidfd >= 0);
    ck_assert(found[1].client == client[2]->client && found[1].place == client[2]->place);
    image_free(head);
    client_forget(&keeper, client[0]);
    client_forget(&keeper, client[1]);
    head = image_of();
    ck_assert_uint_eq(head->client_count, 1);
    image_free(head);
    client[0] = add_client(pid[0]); /* places are used again */
    ck_assert_uint_lt(client[0]->place, 2);
    client_forget(&keeper, client[0]);
    client_forget(&keeper, client[2]);
    for (int i = 0; i < 3; i += 2) {
        kill(pid[i], SIGKILL);
        ck_assert_int_eq(waitpid(pid[i], NULL, 0), pid[i]);
    }
}
END_TEST

/* ---- the memory ---- */

static int opened(int fd)
{
    struct ledger ledger;
    bool written;
    int r = ledger_open(&ledger, fd, &written);

    ledger_close(&ledger);
    return r;
}

/* While its keeper lives nobody else opens it. */
START_TEST(one_at_a_time)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(-opened(memory));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(WEXITSTATUS(status), EBUSY);
}
END_TEST

START_TEST(what_it_is_not)
{
    struct ledger_head *head = keeper.ledger.head;
    int other = memfd_create("other", MFD_CLOEXEC);
    bool written;

    head->format++;
    ck_assert_int_eq(opened(memory), -EPROTONOSUPPORT);
    head->format--;
    head->slot_size--;
    ck_assert_int_eq(opened(memory), -EPROTONOSUPPORT);
    head->slot_size++;
    head->magic[3]++;
    ck_assert_int_eq(opened(memory), -EBADMSG);
    head->magic[3]--;
    ck_assert_int_eq(opened(memory), 0);
    ck_assert_int_eq(ftruncate(other, 5), 0);
    ck_assert_int_eq(opened(other), -EBADMSG);
    close(other);
    ck_assert(opened(0) < 0); /* no memory at all */
    /* given up: the next keeper begins with nothing, and nothing of this one is left */
    begin(1, 1);
    ledger_void(&keeper);
    ck_assert_int_eq(ledger_open(&next.ledger, memory, &written), 0);
    ck_assert(!written);
    next.config = &config;
    ck_assert_int_eq(ledger_begin(&next), 0);
    ck_assert_ptr_null(ledger_facts(&next.ledger.slots[0]));
    ledger_close(&next.ledger);
}
END_TEST

/* In a process of its own, as a crash is what is looked for. A copy, since the lock is ours. */
static void must_not_crash(const char *bytes, size_t size)
{
    int copy = memfd_create("copy", MFD_CLOEXEC), status;
    pid_t pid;

    ck_assert(ftruncate(copy, (off_t) LEDGER_SIZE) == 0 && pwrite(copy, bytes, size, 0) == (ssize_t) size);
    pid = fork();
    if (pid == 0) {
        static struct shelf nothing;
        struct handover_head *head;
        bool written;

        keeper_rooms(&next);
        if (ledger_open(&next.ledger, copy, &written) == 0 && written &&
            adopt_image(&next, &nothing, &head) == 0)
            (void) handover_rehearse(head);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    close(copy);
}

/* It is refused, or makes some sense. */
START_TEST(one_bit_is_wrong)
{
    size_t size = LEDGER_SLOTS_AT + 4 * sizeof(struct ledger_slot);
    char *bytes = malloc(size);

    for (uint64_t process = 1; process <= 4; process++) {
        struct slot *slot = begin(process, process);

        *ledger_number(&keeper, slot) = 1 << 22; /* nobody's */
        slot->reports[REPORT_START].kind = LINK_SPAWNED;
        ledger_touch(&keeper, slot);
    }
    ledger_flush(&keeper);
    ck_assert(pread(memory, bytes, size, 0) == (ssize_t) size);
    srand((unsigned) _i + 1);
    for (int i = 0; i < 150; i++) {
        size_t from = i % 2 ? LEDGER_SLOTS_AT : 0, bit = from * 8 + (size_t) rand() % ((size - from) * 8);

        bytes[bit / 8] = (char) (bytes[bit / 8] ^ (1 << bit % 8));
        must_not_crash(bytes, size);
        bytes[bit / 8] = (char) (bytes[bit / 8] ^ (1 << bit % 8));
    }
    free(bytes);
}
END_TEST

/* No store goes where the kernel has promised no memory; some spawns can still fail for it. */
START_TEST(no_room)
{
    struct slot *slot = NULL;
    uint64_t process = 0;

    no_memory = true;
    while (!table_full(&keeper)) {
        slot = begin_next(&process);
        ck_assert_uint_lt((uint64_t) (slot - keeper.table.slots), keeper.ledger.head->places);
    }
    for (int i = 0; i < 60; i++) {
        slot = begin_next(&process);
        ck_assert_uint_lt((uint64_t) (slot - keeper.table.slots), keeper.ledger.head->places);
    }
    no_memory = false;
    ck_assert(!table_full(&keeper));
    begin_next(&process);
    no_memory = true;
    for (uint32_t place, r = 0; r == 0; r = (uint32_t) -ledger_client_place(&keeper, &place))
        ck_assert_uint_le(keeper.ledger.clients_made, keeper.ledger.head->client_places);
    no_memory = false;
}
END_TEST

START_TEST(without_a_front)
{
    struct slot *slot;
    bool written;

    ledger_close(&keeper.ledger);
    ck_assert_int_eq(ledger_open(&keeper.ledger, -1, &written), 0);
    ck_assert_int_eq(ledger_begin(&keeper), 0);
    slot = begin(1, 1);
    clone(slot);
    ck_assert_int_gt(*ledger_number(&keeper, slot), 0);
    end(slot);
}
END_TEST

START_TEST(attempts)
{
    ck_assert_uint_eq(ledger_attempt(&keeper), 1);
    ck_assert_uint_eq(ledger_attempt(&keeper), 2);
    ledger_served(&keeper);
    ck_assert_uint_eq(ledger_attempt(&keeper), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ledger");
    TCase *tcase = tcase_create("ledger");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_spawn);
    tcase_add_test(tcase, a_number_that_came_again);
    tcase_add_test(tcase, an_end);
    tcase_add_loop_test(tcase, everything_that_changes_is_written, 0, 4);
    tcase_add_test(tcase, orders);
    tcase_add_test(tcase, clients);
    tcase_add_test(tcase, one_at_a_time);
    tcase_add_test(tcase, what_it_is_not);
    tcase_add_loop_test(tcase, one_bit_is_wrong, 0, 2);
    tcase_add_test(tcase, no_room);
    tcase_add_test(tcase, without_a_front);
    tcase_add_test(tcase, attempts);
    return RUN_SUITE(suite);
}
