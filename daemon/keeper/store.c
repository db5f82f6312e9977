/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/store.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/base/notify.h"
#include "daemon/keeper/capture.h"
#include "daemon/keeper/drop.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/ledger_layout.h"
#include "daemon/keeper/role.h"
#include "daemon/keeper/ticket_kept.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define TOGETHER (100 * NSEC_PER_MSEC) /* who gets old so soon after another does not wake us again */
#define PAUSE    (20 * NSEC_PER_MSEC)  /* until a full link to the front is tried again */
#define CLEAN_TRIES 100

/* ---- names ---- */

static const char *const names[] = {
    [STORE_CHILD] = "child",
    [STORE_LOG] = "log",
    [STORE_CLIENT] = "client",
    [STORE_TICKET] = SHELF_TICKET,
    [STORE_NOTIFY] = SHELF_NOTIFY,
    [STORE_PAGE] = "page",
};

static void name_of(const struct keeper *keeper, enum store_kind kind, uint64_t number,
                    char name[SHELF_NAME_MAX + 1])
{
    snprintf(name, SHELF_NAME_MAX + 1, "%s-%" PRIu64 "-%08" PRIx32, names[kind], number,
             keeper->ledger.head->tag);
}

static int tell_keep(struct keeper *keeper, enum store_kind kind, uint64_t number, int fd)
{
    char name[SHELF_NAME_MAX + 1];

    name_of(keeper, kind, number, name);
    return notify_keep(name, fd);
}

static int tell_drop(struct keeper *keeper, const struct store_place *place)
{
    char name[SHELF_NAME_MAX + 1];

    name_of(keeper, place->kind, place->number, name);
    return notify_drop(name);
}

/* The front is there, and reads. */
static void drop_surely(const char *name)
{
    for (int i = 0; i < CLEAN_TRIES && notify_drop(name) == -EAGAIN; i++)
        poll(NULL, 0, 1);
}

/* ---- places ---- */

static struct store_place *place_find(struct store *store, enum store_kind kind, uint64_t number)
{
    for (unsigned i = 0; i < store->count_max; i++)
        if (store->places[i].number == number && (number == 0 || store->places[i].kind == kind))
            return &store->places[i];
    return NULL;
}

static bool has_room(const struct store *store, enum store_kind kind)
{
    return store->count < store->count_max &&
           ((kind != STORE_CHILD && kind != STORE_LOG) || store->children < store->children_max);
}

static bool place_take(struct store *store, enum store_kind kind, uint64_t number)
{
    struct store_place *place = has_room(store, kind) ? place_find(store, kind, 0) : NULL;

    if (!place)
        return false;
    *place = (struct store_place){.number = number, .kind = kind};
    store->count++;
    store->children += kind == STORE_CHILD || kind == STORE_LOG;
    return true;
}

static void place_free(struct store *store, struct store_place *place)
{
    store->children -= place->kind == STORE_CHILD || place->kind == STORE_LOG;
    store->count--;
    *place = (struct store_place){.number = 0};
}

int store_put(struct keeper *keeper, enum store_kind kind, uint64_t number, int fd)
{
    struct store *store = &keeper->store;
    int r;

    if (!has_room(store, kind))
        return -ENOSPC;
    r = tell_keep(keeper, kind, number, fd);
    if (r < 0) {
        store->retry_at = keeper->now + PAUSE;
        return r;
    }
    return place_take(store, kind, number) ? 0 : -ENOSPC;
}

void store_take_out(struct keeper *keeper, enum store_kind kind, uint64_t number)
{
    struct store *store = &keeper->store;
    struct store_place *place = place_find(store, kind, number);

    if (!place || place->leaving)
        return;
    if (tell_drop(keeper, place) == 0) {
        place_free(store, place);
        return;
    }
    place->leaving = true;
    store->leaving++;
    store->retry_at = keeper->now + PAUSE;
}

void store_memory(struct keeper *keeper, const char *name, int fd)
{
    if (!keeper->front.ready)
        return;
    (void) notify_drop(name);
    (void) notify_keep(name, fd);
}

/* ---- pipes ---- */

/* The number in a name is made of the process, a turn, and the stream: a run may end before its pipes do.
 * Those of more runs than that are not kept. */
#define PIPE_TURNS 128
#define PIPE_BITS  8

int store_pipe(struct keeper *keeper, struct capture_pipe *pipe)
{
    struct store *store = &keeper->store;
    uint64_t number = pipe->slot->process << PIPE_BITS | pipe->stream;
    int r, turn = 1;

    while (place_find(store, STORE_LOG, number) && turn++ < PIPE_TURNS)
        number += 2;
    if (turn > PIPE_TURNS)
        return 0;
    r = store_put(keeper, STORE_LOG, number, pipe->fd);
    pipe->kept = r == 0 ? number : 0;
    return r;
}

int store_take_pipe(struct keeper *keeper, struct shelf *shelf, struct store_pipe *ret_pipe)
{
    for (size_t i = 0; i < shelf->count; i++) {
        char name[SHELF_NAME_MAX + 1];
        uint64_t number;

        if (sscanf(shelf->items[i].name, "log-%" SCNu64 "-", &number) != 1)
            continue;
        name_of(keeper, STORE_LOG, number, name);
        if (strcmp(shelf->items[i].name, name) != 0)
            continue;
        *ret_pipe = (struct store_pipe){.number = number,
                                        .process = number >> PIPE_BITS,
                                        .stream = (enum logs_stream) (number & 1),
                                        .fd = shelf_take(shelf, name)};
        return 1;
    }
    return 0;
}

/* ---- pages ---- */

/* A place without a number is nobody's, and root's uid is 0. */
static uint64_t page_number(uint32_t uid)
{
    return (uint64_t) uid + 1;
}

int store_page(struct keeper *keeper, uint32_t uid, int fd)
{
    if (!keeper->store.is_open)
        return 0;
    store_take_out(keeper, STORE_PAGE, page_number(uid));
    return store_put(keeper, STORE_PAGE, page_number(uid), fd);
}

void store_drop_page(struct keeper *keeper, uint32_t uid)
{
    store_take_out(keeper, STORE_PAGE, page_number(uid));
}

int store_take_page(struct keeper *keeper, struct shelf *shelf, struct store_page *ret_page)
{
    for (size_t i = 0; i < shelf->count; i++) {
        char name[SHELF_NAME_MAX + 1], own[SHELF_NAME_MAX + 1];
        uint64_t number;

        if (sscanf(shelf->items[i].name, "page-%" SCNu64 "-", &number) != 1 || number == 0 ||
            number > page_number(UINT32_MAX))
            continue;
        memcpy(name, shelf->items[i].name, sizeof name);
        *ret_page = (struct store_page){.uid = (uint32_t) (number - 1), .fd = shelf_take(shelf, name)};
        name_of(keeper, STORE_PAGE, number, own);
        ret_page->stored = strcmp(name, own) == 0 && place_take(&keeper->store, STORE_PAGE, number);
        if (!ret_page->stored)
            drop_surely(name);
        return 1;
    }
    return 0;
}

/* ---- processes and clients ---- */

void store_begin(struct keeper *keeper, struct slot *slot)
{
    if (!keeper->store.is_open || slot->is_young || slot->stored || slot->ended || slot->pidfd < 0)
        return;
    slot->is_young = true;
    TAILQ_INSERT_TAIL(&keeper->store.young, slot, apart);
}

void store_leave_young(struct keeper *keeper, struct slot *slot)
{
    if (slot->is_young)
        TAILQ_REMOVE(&keeper->store.young, slot, apart);
    slot->is_young = false;
}

void store_leave(struct keeper *keeper, struct slot *slot)
{
    store_leave_young(keeper, slot);
    if (!slot->stored)
        return;
    slot->stored = false;
    store_take_out(keeper, STORE_CHILD, slot->process);
}

void store_client(struct keeper *keeper, struct client *client)
{
    if (!keeper->store.is_open)
        return;
    client->stored = store_put(keeper, STORE_CLIENT, client->client, client->pidfd) == 0;
    if (!client->stored)
        log_warning("client %" PRIu64 " cannot be kept: it would not be known to another keeper",
                    client->client);
}

void store_leave_client(struct keeper *keeper, struct client *client)
{
    if (!client->stored)
        return;
    client->stored = false;
    store_take_out(keeper, STORE_CLIENT, client->client);
}

/* ---- time ---- */

static void tell_leaving(struct keeper *keeper)
{
    struct store *store = &keeper->store;

    for (unsigned i = 0; i < store->count_max && store->leaving > 0; i++) {
        struct store_place *place = &store->places[i];

        if (!place->leaving)
            continue;
        if (tell_drop(keeper, place) < 0) {
            store->retry_at = keeper->now + PAUSE;
            return;
        }
        place_free(store, place);
        store->leaving--;
    }
}

static int put_child(struct keeper *keeper, struct slot *slot)
{
    int r = has_room(&keeper->store, STORE_CHILD) ? capture_keep(keeper, slot) : -ENOSPC;

    if (r == 0)
        r = store_put(keeper, STORE_CHILD, slot->process, slot->pidfd);
    if (r == -ENOSPC && log_again(&keeper->store.tell_at, keeper->now))
        log_warning("no room to keep process %" PRIu64 " and later ones beyond this keeper: without it those "
                    "that write to their logs die by SIGPIPE", slot->process);
    return r;
}

static void put_until(struct keeper *keeper, int64_t born)
{
    struct slot *slot;

    while ((slot = TAILQ_FIRST(&keeper->store.young)) && slot->mono <= born &&
           put_child(keeper, slot) == 0) {
        store_leave_young(keeper, slot);
        slot->stored = true;
        ledger_touch(keeper, slot);
        ticket_keep(keeper, slot); /* if that was not possible before */
    }
}

int64_t store_tick(struct keeper *keeper)
{
    struct store *store = &keeper->store;
    const struct slot *oldest = TAILQ_FIRST(&store->young);

    if (store->retry_at > keeper->now && store->retry_at != INT64_MAX)
        return store->retry_at;
    store->retry_at = INT64_MAX;
    tell_leaving(keeper);
    if (oldest && oldest->mono + STORE_AGE <= keeper->now && store->retry_at == INT64_MAX)
        put_until(keeper, keeper->now - STORE_AGE + TOGETHER);
    oldest = TAILQ_FIRST(&store->young);
    if (store->retry_at != INT64_MAX || !oldest || !has_room(store, STORE_CHILD))
        return store->retry_at; /* where there is no room, whoever leaves makes some */
    return oldest->mono + STORE_AGE;
}

bool store_settled(const struct keeper *keeper)
{
    return keeper->store.leaving == 0;
}

/* ---- begin ---- */

/* Our own descriptors are to do for our children, too. */
void store_open(struct keeper *keeper)
{
    struct store *store = &keeper->store;
    struct rlimit64 limit = {.rlim_max = 0};

    store->is_open = keeper->front.ready && keeper->ledger.fd >= 0;
    store->retry_at = INT64_MAX;
    getrlimit64(RLIMIT_NOFILE, &limit);
    store->count_max = limit.rlim_max / 4 < STORE_MAX ? (unsigned) (limit.rlim_max / 4) : STORE_MAX;
    store->children_max = store->count_max * STORE_CHILDREN_MAX / STORE_MAX;
}

void store_close(struct keeper *keeper)
{
    struct store *store = &keeper->store;

    ledger_void(keeper);
    if (!store->is_open)
        return;
    for (unsigned i = 0; i < store->count_max; i++)
        if (store->places[i].number != 0)
            store_take_out(keeper, store->places[i].kind, store->places[i].number);
    (void) notify_drop(LEDGER_NAME);
    (void) notify_drop(STATE_NAME);
    (void) notify_drop(LOGS_INDEX_NAME);
    (void) notify_drop(LOGS_DATA_NAME);
    (void) notify_drop(CGROUPS_NAME);
    (void) notify_drop(ROLE_PROGRAM);
    store->is_open = false;
}

void store_restored(struct keeper *keeper)
{
    struct store *store = &keeper->store;
    struct capture_pipe *pipe;
    struct kept_page *page;
    struct client *client;
    struct slot *slot;

    LIST_FOREACH(page, &keeper->pages, order)
        if (page->stored)
            page->stored = place_take(store, STORE_PAGE, page_number(page->uid));
    TAILQ_FOREACH(pipe, &keeper->capture.all, order)
        if (pipe->kept && !place_take(store, STORE_LOG, pipe->kept))
            pipe->kept = 0;
    TAILQ_FOREACH(slot, &keeper->table.used, order) {
        if (slot->stored)
            slot->stored = place_take(store, STORE_CHILD, slot->process);
        else if (!slot->ended && slot->reports[REPORT_START].kind == LINK_SPAWNED)
            store_begin(keeper, slot);
        if (slot->ticket_kept)
            slot->ticket_kept = place_take(store, STORE_TICKET, slot->process);
        ticket_restored(keeper, slot);
        if (slot->notify_kept)
            slot->notify_kept = place_take(store, STORE_NOTIFY, slot->process);
    }
    TAILQ_FOREACH(client, &keeper->clients.all, order)
        if (client->stored)
            client->stored = place_take(store, STORE_CLIENT, client->client);
}

static int take(struct keeper *keeper, struct shelf *shelf, enum store_kind kind, uint64_t number)
{
    char name[SHELF_NAME_MAX + 1];

    name_of(keeper, kind, number, name);
    return shelf_take(shelf, name);
}

int store_take_child(struct keeper *keeper, struct shelf *shelf, uint64_t process)
{
    return take(keeper, shelf, STORE_CHILD, process);
}

int store_take_client(struct keeper *keeper, struct shelf *shelf, uint64_t client)
{
    return take(keeper, shelf, STORE_CLIENT, client);
}

int store_take(struct keeper *keeper, struct shelf *shelf, enum store_kind kind, uint64_t number)
{
    int fd = take(keeper, shelf, kind, number);

    if (fd >= 0)
        (void) place_take(&keeper->store, kind, number);
    return fd;
}

static bool is_of_keeper(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i]);

        if (i != STORE_PAGE && strncmp(name, names[i], length) == 0 && name[length] == '-')
            return true;
    }
    return false;
}

void store_clean(struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->count;) {
        char name[SHELF_NAME_MAX + 1];
        int fd;

        if (!is_of_keeper(shelf->items[i].name)) {
            i++;
            continue;
        }
        memcpy(name, shelf->items[i].name, sizeof name);
        drop_surely(name);
        fd = shelf_take(shelf, name);
        drop_descriptors(&fd, 1); /* a ticket has the descriptors of a client in it */
    }
}
