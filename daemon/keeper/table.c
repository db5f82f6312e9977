/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/table.h"

#include "daemon/base/cleanup.h"
#include "daemon/keeper/killing.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/store.h"

#include <string.h>

int table_open(struct table *table)
{
    table->slots = memory_reserve(sizeof(struct slot) * SLOTS_MAX);
    if (!table->slots || map_open(&table->by_process) < 0 || map_open(&table->by_pid) < 0)
        return -ENOMEM;
    TAILQ_INIT(&table->used);
    TAILQ_INIT(&table->unused);
    TAILQ_INIT(&table->lingering);
    TAILQ_INIT(&table->reports);
    table->dead_pidfd = -1;
    return 0;
}

bool table_full(struct keeper *keeper)
{
    return keeper->table.used_count > SLOTS_MAX - SLOTS_RESERVE || !ledger_has_room(keeper);
}

static struct slot *slot_begin(struct keeper *keeper, struct slot *slot, uint64_t process)
{
    struct table *table = &keeper->table;

    *slot = (struct slot){.process = process, .pidfd = -1, .notify_fd = -1, .name = ""};
    for (int i = 0; i < REPORT_PLACES; i++)
        slot->reports[i].place = (enum report_place) i;
    map_add(&table->by_process, &slot->by_process, process);
    TAILQ_INSERT_TAIL(&table->used, slot, order);
    table->used_count++;
    return slot;
}

struct slot *slot_new(struct keeper *keeper, uint64_t process)
{
    struct table *table = &keeper->table;
    struct slot *slot = TAILQ_FIRST(&table->unused);

    if (slot)
        TAILQ_REMOVE(&table->unused, slot, order);
    else if (table->made < SLOTS_MAX)
        slot = &table->slots[table->made++];
    else
        return NULL;
    return slot_begin(keeper, slot, process);
}

struct slot *slot_new_at(struct keeper *keeper, uint64_t process, uint64_t place)
{
    struct table *table = &keeper->table;
    struct slot *slot = &table->slots[place];

    if (place >= SLOTS_MAX)
        return NULL;
    while (table->made <= place) {
        struct slot *next = &table->slots[table->made++];

        TAILQ_INSERT_TAIL(&table->unused, next, order);
    }
    if (slot->process != 0)
        return NULL;
    TAILQ_REMOVE(&table->unused, slot, order);
    return slot_begin(keeper, slot, process);
}

struct slot *slot_find(const struct keeper *keeper, uint64_t process)
{
    struct node *node = map_find(&keeper->table.by_process, process);
    return node ? owner_of(node, struct slot, by_process) : NULL;
}

struct slot *slot_by_pid(const struct keeper *keeper, pid_t pid)
{
    struct node *node = map_find(&keeper->table.by_pid, (uint64_t) pid);
    return node ? owner_of(node, struct slot, by_pid) : NULL;
}

void slot_set_pid(struct keeper *keeper, struct slot *slot, pid_t pid)
{
    slot->pid = pid;
    map_add(&keeper->table.by_pid, &slot->by_pid, (uint64_t) pid);
}

void slot_reaped(struct keeper *keeper, struct slot *slot)
{
    slot->reaped = true;
    if (!slot->cgroup)
        keeper->table.sessions--;
    map_remove(&keeper->table.by_pid, &slot->by_pid);
    ledger_touch(keeper, slot);
}

static void report_take(struct keeper *keeper, struct report *report)
{
    if (report->number == 0)
        return;
    if (keeper->link.report_cursor == report)
        keeper->link.report_cursor = TAILQ_NEXT(report, order);
    TAILQ_REMOVE(&keeper->table.reports, report, order);
    report->number = 0;
}

void reports_forget(struct keeper *keeper, struct slot *slot)
{
    for (int i = 0; i < REPORT_PLACES; i++) {
        report_take(keeper, &slot->reports[i]);
        slot->reports[i].kind = 0;
    }
}

void slot_free(struct keeper *keeper, struct slot *slot)
{
    struct table *table = &keeper->table;

    reports_forget(keeper, slot);
    if (keeper->link.slot_cursor == slot)
        keeper->link.slot_cursor = TAILQ_NEXT(slot, order);
    if (slot->lingers)
        TAILQ_REMOVE(&table->lingering, slot, linger);
    (void) killing_end(keeper, slot);
    store_leave(keeper, slot);
    ledger_drop(keeper, slot);
    map_remove(&table->by_process, &slot->by_process);
    slot->process = 0;
    TAILQ_REMOVE(&table->used, slot, order);
    TAILQ_INSERT_HEAD(&table->unused, slot, order);
    table->used_count--;
}

static enum report_place place_of(uint32_t kind)
{
    switch (kind) {
    case LINK_EXITED:
        return REPORT_END;
    case LINK_STOPPED:
    case LINK_CONTINUED:
        return REPORT_STOP;
    case LINK_TREE_GONE:
        return REPORT_TREE;
    case LINK_NOTIFIED:
        return REPORT_READY;
    }
    return REPORT_START;
}

void report_put(struct keeper *keeper, struct slot *slot, uint32_t kind)
{
    struct report *report = &slot->reports[place_of(kind)];

    report_take(keeper, report);
    report->kind = kind;
    report->number = ++keeper->table.last_report;
    TAILQ_INSERT_TAIL(&keeper->table.reports, report, order);
    ledger_touch(keeper, slot);
    if (!keeper->link.report_cursor)
        keeper->link.report_cursor = report;
    busy_poll_expect(&keeper->busy, clock_monotonic()); /* its end, or the next spawn */
}

int report_restore(struct keeper *keeper, struct slot *slot, enum report_place place, uint32_t kind,
                   uint64_t number)
{
    struct report *report = &slot->reports[place];
    bool is_known = kind >= LINK_SPAWNED && kind <= LINK_NOTIFIED && place_of(kind) == place;

    if (report->number != 0 || (!is_known && (kind != 0 || number != 0)))
        return -EBADMSG;
    report->kind = kind;
    report->number = number;
    if (number != 0)
        TAILQ_INSERT_TAIL(&keeper->table.reports, report, order);
    return 0;
}

static int by_number(const void *one, const void *other)
{
    const struct report *const *first = one, *const *second = other;

    return ((*first)->number > (*second)->number) - ((*first)->number < (*second)->number);
}

int reports_order(struct keeper *keeper, uint64_t last)
{
    struct table *table = &keeper->table;
    CLEANUP_MEMORY struct report **all =
        calloc(table->used_count * REPORT_PLACES + 1, sizeof *all);
    struct report *report;
    size_t count = 0;

    if (!all)
        return -ENOMEM;
    while ((report = TAILQ_FIRST(&table->reports))) {
        TAILQ_REMOVE(&table->reports, report, order);
        all[count++] = report;
    }
    qsort(all, count, sizeof *all, by_number);
    for (size_t i = 0; i < count; i++) {
        if (all[i]->number > last || (i > 0 && all[i]->number == all[i - 1]->number))
            return -EBADMSG;
        TAILQ_INSERT_TAIL(&table->reports, all[i], order);
    }
    table->last_report = last;
    return 0;
}

/* The kind of the last one of its place, where a broker has acknowledged it; else 0. */
static uint32_t acknowledged_kind(const struct report *report)
{
    return report->number == 0 ? report->kind : 0;
}

void reports_again(struct keeper *keeper)
{
    struct slot *slot;

    TAILQ_FOREACH(slot, &keeper->table.used, order)
    {
        if (acknowledged_kind(&slot->reports[REPORT_READY]))
            report_put(keeper, slot, LINK_NOTIFIED);
        if (!slot->ended && acknowledged_kind(&slot->reports[REPORT_STOP]) == LINK_STOPPED)
            report_put(keeper, slot, LINK_STOPPED);
        if (acknowledged_kind(&slot->reports[REPORT_END]) == LINK_EXITED)
            report_put(keeper, slot, LINK_EXITED);
        if (acknowledged_kind(&slot->reports[REPORT_TREE]) == LINK_TREE_GONE)
            report_put(keeper, slot, LINK_TREE_GONE);
    }
}

static struct slot *report_slot(const struct report *report)
{
    return owner_of(report - report->place, struct slot, reports);
}

void slot_finish(struct keeper *keeper, struct slot *slot)
{
    if (!slot->reaped || slot->reports[REPORT_START].number != 0)
        return;
    /* the pidfd of an ended process is kept only for a broker that was promised one */
    slot->pidfd = close_fd(slot->pidfd);
    if (slot->failed && !slot->job && !slot->again)
        slot_free(keeper, slot);
}

void reports_acknowledge(struct keeper *keeper, uint64_t number)
{
    struct report *report;

    while ((report = TAILQ_FIRST(&keeper->table.reports)) && report->number <= number &&
           report != keeper->link.report_cursor) {
        struct slot *slot = report_slot(report);

        report_take(keeper, report);
        ledger_touch(keeper, slot);
        if (report->place == REPORT_START)
            slot_finish(keeper, slot);
    }
}

static size_t write_spawned(struct keeper *keeper, const struct slot *slot, void *message, int *ret_fd)
{
    struct link_spawned *spawned = message;
    int pidfd = slot->pidfd >= 0 ? slot->pidfd : keeper->table.dead_pidfd;

    *spawned = (struct link_spawned){
        .process = slot->process, .pid = slot->pid, .mono = slot->mono, .wall = slot->wall};
    if (slot->flags & LINK_SPAWN_PIDFD && pidfd >= 0) {
        spawned->has_pidfd = 1;
        *ret_fd = pidfd;
    }
    return sizeof *spawned;
}

static size_t write_failed(const struct slot *slot, void *message)
{
    struct link_spawn_failed *failed = message;

    *failed = (struct link_spawn_failed){.process = slot->process,
                                         .error = slot->error,
                                         .stage = slot->stage,
                                         .mono = slot->mono,
                                         .wall = slot->wall};
    return sizeof *failed;
}

size_t report_write(struct keeper *keeper, const struct report *report, void *message, int *ret_fd)
{
    const struct slot *slot = report_slot(report);
    struct link_process *about = message;
    size_t size;

    *ret_fd = -1;
    if (report->kind == LINK_SPAWNED) {
        size = write_spawned(keeper, slot, message, ret_fd);
    } else if (report->kind == LINK_SPAWN_FAILED) {
        size = write_failed(slot, message);
    } else if (report->kind == LINK_EXITED) {
        memcpy(message, &slot->end, size = sizeof slot->end);
    } else {
        *about = (struct link_process){.process = slot->process};
        size = sizeof *about;
    }
    about->head = (struct link_head){.kind = report->kind, .size = (uint32_t) size, .number = report->number};
    return size;
}
