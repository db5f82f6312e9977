/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/adopt_image.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/cgroup_find.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/ledger_layout.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/pty.h"
#include "daemon/keeper/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

struct image {
    struct keeper *keeper;
    struct shelf *shelf;
    struct handover_head *head;
    struct handover_slot *slots;
    struct handover_client *clients;
    struct handover_pipe *pipes;
    struct handover_cgroup *cgroups;
};

/* ---- how much there is ---- */

/* Memory for places is promised in their order, and only those have been written. */
static uint64_t promised(uint64_t places, uint64_t most)
{
    return places < most ? places : most;
}

static uint64_t promised_slots(const struct ledger *ledger)
{
    return promised(ledger->head->places, SLOTS_MAX);
}

static uint64_t promised_clients(const struct ledger *ledger)
{
    return promised(ledger->head->client_places, LEDGER_CLIENTS_MAX);
}

/* It was to be cloned, and was not. The last one, where the keeper died just then: the broker takes it for an
 * order that was not executed, and the client asks again with its descriptors. Others were to be copies, and
 * their orders count as executed: a report says the same of them. */
static bool is_undone(const struct ledger_slot *slot, const struct handover_facts *facts)
{
    return !facts->ended && !facts->failed && facts->pid == 0 && slot->number <= 0;
}

/* Counters are written after what they count, and before anybody is told of it. */
static void raise_to(uint64_t *counter, uint64_t number)
{
    if (*counter < number)
        *counter = number;
}

/* The newest order that was. */
static uint64_t executed(const struct ledger *ledger)
{
    uint64_t newest = atomic_load(&ledger->head->executed);

    for (uint64_t i = 0; i < promised_slots(ledger); i++) {
        const struct handover_facts *facts = ledger_facts(&ledger->slots[i]);

        if (facts && !is_undone(&ledger->slots[i], facts))
            raise_to(&newest, facts->order);
    }
    return newest;
}

static void count(const struct ledger *ledger, struct handover_head *head)
{
    head->executed = executed(ledger);
    for (uint64_t i = 0; i < promised_slots(ledger); i++) {
        struct ledger_slot *slot = &ledger->slots[i];
        const struct handover_facts *facts = ledger_facts(slot);

        if (facts && is_undone(slot, facts) && !facts->again && facts->order > head->executed)
            atomic_store(&slot->current, 0);
        if (!ledger_facts(slot))
            continue;
        head->slot_count++;
        head->slots_made = i + 1;
        for (int report = 0; report < REPORT_PLACES; report++)
            raise_to(&head->last_report, facts->report_number[report]);
    }
    for (uint64_t i = 0; i < promised_clients(ledger); i++) {
        head->client_count += atomic_load(&ledger->clients[i].client) != 0;
        raise_to(&head->last_client, atomic_load(&ledger->clients[i].client));
    }
}

/* At most as many as have a name on the shelf. */
static void take_logs(struct shelf *shelf, struct handover_head *head)
{
    int index = shelf_take(shelf, LOGS_INDEX_NAME), data = shelf_take(shelf, LOGS_DATA_NAME);

    head->pipe_count = shelf->count;
    if (index >= 0 && data >= 0) {
        head->logs_index_fd = index;
        head->logs_data_fd = data;
        return;
    }
    close_fd(index);
    close_fd(data);
    log_error("what processes have written is lost");
}

/* ---- cgroups ---- */

/* Calls back for each number that has a directory, whoever is in it. */
static void each_cgroup(int base, void (*each)(unsigned number, struct image *image), struct image *image)
{
    int copy = fcntl(base, F_DUPFD_CLOEXEC, 3);
    DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;

    if (!folder) {
        close_fd(copy);
        return;
    }
    rewinddir(folder);
    while ((entry = readdir(folder))) {
        char *end;
        unsigned long number = strtoul(entry->d_name, &end, 10);

        if (end != entry->d_name && *end == '\0' && number < SLOTS_MAX)
            each((unsigned) number, image);
    }
    closedir(folder);
}

static void count_cgroup(unsigned number, struct image *image)
{
    if (number >= image->head->cgroup_count)
        image->head->cgroup_count = number + 1;
}

/* Nobody's, for all that is known: it is removed once it is empty. */
static void leave_cgroup(unsigned number, struct image *image)
{
    if (number < image->head->cgroup_count)
        image->cgroups[number].state = CGROUP_ORPHAN;
}

/* Without a base nobody is in a cgroup. */
static void open_cgroups(struct image *image)
{
    const struct ledger_head *from = image->keeper->ledger.head;
    struct handover_head *head = image->head;

    memcpy(head->cgroup_path, from->cgroup_path, sizeof head->cgroup_path);
    memcpy(head->cgroup_folder, from->cgroup_folder, sizeof head->cgroup_folder);
    head->memory_events = from->memory_events;
    head->cgroup_base = cgroup_find_left(head->cgroup_folder, shelf_take(image->shelf, CGROUPS_NAME));
    if (head->cgroup_base < 0)
        head->cgroup_base = -1;
    else
        each_cgroup(head->cgroup_base, count_cgroup, image);
}

/* ---- processes ---- */

/* What the clone has left, where nothing was written after it. */
static void take_birth(const struct ledger_slot *from, struct handover_facts *facts)
{
    if (facts->pid != 0 || from->number <= 0)
        return;
    facts->pid = from->number;
    /* where nobody has looked at the clock since the clone, nobody has had the number since either */
    facts->pid_seen = from->number_seen > 0 ? from->number_seen : INT64_MAX;
    facts->cgroup = from->cgroup;
}

/* The next run was to be cloned, and was not: it still is to begin. */
static void take_back(struct handover_facts *facts)
{
    facts->ended = facts->reaped = facts->tree_gone = facts->respawns = 1;
    facts->tree_watched = 0;
    facts->cgroup = -1;
}

/* It was to be a copy, and never will be. */
static void take_as_undone(struct handover_head *head, struct handover_facts *facts)
{
    facts->failed = facts->ended = facts->reaped = 1;
    facts->cgroup = -1;
    facts->error = 0;
    facts->log = 0;
    facts->report_kind[REPORT_START] = LINK_SPAWN_FAILED;
    facts->report_number[REPORT_START] = ++head->last_report;
}

/* By its number, unless it is in the store. 0, or -errno; -1 where nothing leads to it. */
static int find_child(const struct image *image, struct handover_facts *facts)
{
    int pidfd = store_take_child(image->keeper, image->shelf, facts->process);

    facts->stored = pidfd >= 0;
    if (pidfd < 0)
        pidfd = pidfd_open_seen(facts->pid, facts->pid_seen);
    facts->pidfd = pidfd < 0 ? -1 : pidfd;
    return pidfd < 0 && pidfd != -ESRCH ? pidfd : 0;
}

static int put_slot(const struct image *image, const struct ledger_slot *from, uint64_t place,
                    struct handover_slot *to)
{
    struct handover_facts *facts = &to->facts;

    to->place = place;
    memcpy(to->name, from->name, sizeof to->name);
    *facts = *ledger_facts(from);
    if (is_undone(from, facts) && facts->again)
        take_back(facts);
    else if (is_undone(from, facts))
        take_as_undone(image->head, facts);
    take_birth(from, facts);
    facts->adopted = 1;
    facts->stored = facts->ticket_kept = facts->notify_kept = 0;
    facts->pidfd = facts->notify_fd = -1;
    if (facts->cgroup >= 0 && (uint64_t) facts->cgroup < image->head->cgroup_count)
        image->cgroups[facts->cgroup].state = CGROUP_TAKEN;
    else
        facts->cgroup = -1;
    if (!facts->ended)
        return find_child(image, facts);
    facts->reaped = 1; /* what we held as a zombie somebody else has waited for */
    return 0;
}

static int by_process(const void *one, const void *other)
{
    const struct handover_slot *first = one, *second = other;

    return (first->facts.process > second->facts.process) - (first->facts.process < second->facts.process);
}

/* In the order in which they were spawned. */
static int put_slots(struct image *image)
{
    const struct ledger *ledger = &image->keeper->ledger;
    struct handover_slot *to = image->slots;
    int r = 0;

    for (uint64_t i = 0; i < image->head->slots_made && r == 0; i++) {
        if (!ledger_facts(&ledger->slots[i]))
            continue;
        r = put_slot(image, &ledger->slots[i], i, to++);
    }
    qsort(image->slots, (size_t) (to - image->slots), sizeof *to, by_process);
    return r;
}

/* ---- clients ---- */

/* 0 and its descriptor, -ESRCH: it is dead, or -errno. */
static int find_client(const struct image *image, const struct ledger_client *from,
                       struct handover_client *to)
{
    if (from->pid == 0) {
        to->pidfd = store_take_client(image->keeper, image->shelf, to->client);
        to->stored = 1;
        return to->pidfd < 0 ? -ESRCH : 0;
    }
    to->pidfd = from->seen == 0 ? -ESRCH : pidfd_open_seen(from->pid, from->seen);
    return to->pidfd < 0 ? to->pidfd : 0;
}

static int by_client(const void *one, const void *other)
{
    const struct handover_client *first = one, *second = other;

    return (first->client > second->client) - (first->client < second->client);
}

/* The dead are left out: the broker buries whom it knows and we do not. */
static int put_clients(struct image *image)
{
    const struct ledger *ledger = &image->keeper->ledger;
    uint64_t found = 0;

    for (uint64_t i = 0; i < promised_clients(ledger) && found < image->head->client_count; i++) {
        const struct ledger_client *from = &ledger->clients[i];
        struct handover_client *to = &image->clients[found];
        int r;

        if (atomic_load(&from->client) == 0)
            continue;
        *to = (struct handover_client){.client = atomic_load(&from->client),
                                       .process = from->process,
                                       .pid_seen = from->seen,
                                       .pid = from->pid,
                                       .uid = from->uid,
                                       .place = (uint32_t) i};
        r = find_client(image, from, to);
        if (r < 0 && r != -ESRCH)
            return r;
        found += r == 0;
    }
    image->head->client_count = found;
    qsort(image->clients, found, sizeof *image->clients, by_client);
    return 0;
}

/* ---- pipes ---- */

static bool is_known(const struct image *image, uint64_t process)
{
    struct handover_slot key = {.facts.process = process};

    return bsearch(&key, image->slots, image->head->slot_count, sizeof key, by_process);
}

/* Whether a line is open is not known: it is ended with the stream if it is. */
static void put_pipes(struct image *image)
{
    struct store_pipe pipe;
    uint64_t found = 0;

    while (store_take_pipe(image->keeper, image->shelf, &pipe)) {
        bool is_terminal = pty_is_master(pipe.fd);

        image->pipes[found++] =
            (struct handover_pipe){.process = is_known(image, pipe.process) ? pipe.process : 0,
                                   .kept = pipe.number,
                                   .fd = pipe.fd,
                                   .stream = pipe.stream,
                                   .is_open_line = 1,
                                   .is_terminal = is_terminal,
                                   .was_shared = is_terminal,
                                   .lease = -1}; /* who has it finds it closed, and asks again */
    }
    image->head->pipe_count = found;
}

/* There were fewer clients and pipes than there was room for. */
static void close_gaps(struct image *image)
{
    struct handover_head *head = image->head;
    void *pipes = &image->clients[head->client_count];
    void *cgroups = (struct handover_pipe *) pipes + head->pipe_count;

    memmove(pipes, image->pipes, head->pipe_count * sizeof *image->pipes);
    memmove(cgroups, image->cgroups, head->cgroup_count * sizeof *image->cgroups);
}

/* ---- the whole ---- */

static void put_counters(const struct ledger_head *from, struct handover_head *head)
{
    const struct ledger_counters *counters = ledger_counters(from);

    head->started = from->started;
    head->executed = atomic_load(&from->executed);
    head->last_report = counters->last_report;
    head->last_client = counters->last_client;
    head->last_connection = counters->last_connection;
    head->restarts = head->starts = counters->starts;
    memcpy(head->epoch, counters->epoch, sizeof head->epoch);
}

static bool is_sound(const struct ledger_head *head)
{
    return memchr(ledger_counters(head)->epoch, '\0', LINK_EPOCH_MAX + 1) &&
           memchr(head->cgroup_path, '\0', sizeof head->cgroup_path) &&
           memchr(head->cgroup_folder, '\0', sizeof head->cgroup_folder);
}

static void close_all(struct image *image)
{
    for (uint64_t i = 0; i < image->head->slot_count; i++)
        close_fd(image->slots[i].facts.pidfd > 0 ? image->slots[i].facts.pidfd : -1);
    for (uint64_t i = 0; i < image->head->client_count; i++)
        close_fd(image->clients[i].pidfd > 0 ? image->clients[i].pidfd : -1);
    for (uint64_t i = 0; i < image->head->pipe_count; i++)
        close_fd(image->pipes[i].fd > 0 ? image->pipes[i].fd : -1);
    close_fd(image->head->logs_index_fd);
    close_fd(image->head->logs_data_fd);
    close_fd(image->head->cgroup_base);
}

/* With as many cgroups as were in use or are there. */
static int make_room(struct image *image)
{
    const struct handover_head head = *image->head;
    size_t slots = head.slot_count * sizeof *image->slots;
    size_t clients = head.client_count * sizeof *image->clients;
    size_t pipes = head.pipe_count * sizeof *image->pipes;
    size_t cgroups = head.cgroup_count * sizeof *image->cgroups;
    char *memory = calloc(1, sizeof head + slots + clients + pipes + cgroups);

    if (!memory)
        return -ENOMEM;
    memcpy(memory, &head, sizeof head);
    image->head = (void *) memory;
    image->slots = (void *) (memory + sizeof head);
    image->clients = (void *) (memory + sizeof head + slots);
    image->pipes = (void *) (memory + sizeof head + slots + clients);
    image->cgroups = (void *) (memory + sizeof head + slots + clients + pipes);
    return 0;
}

int adopt_image(struct keeper *keeper, struct shelf *shelf, struct handover_head **ret_head)
{
    struct handover_head head = {.listen_fd = -1, .front_fd = -1, .state_fd = -1, .ledger_fd = -1,
                                 .dead_pidfd = -1, .cgroup_base = -1, .logs_index_fd = -1,
                                 .logs_data_fd = -1};
    struct image image = {.keeper = keeper, .shelf = shelf, .head = &head};
    int r;

    if (!is_sound(keeper->ledger.head))
        return -EBADMSG;
    put_counters(keeper->ledger.head, &head);
    count(&keeper->ledger, &head);
    take_logs(shelf, &head);
    open_cgroups(&image);
    r = make_room(&image);
    if (r < 0) {
        close_fd(head.logs_index_fd);
        close_fd(head.logs_data_fd);
        close_fd(head.cgroup_base);
        return r;
    }
    each_cgroup(head.cgroup_base, leave_cgroup, &image);
    for (uint64_t i = 0; i < image.head->cgroup_count; i++)
        image.cgroups[i].is_spoilt = 1; /* for all that is known: none is used again */
    r = put_slots(&image);
    if (r == 0)
        r = put_clients(&image);
    if (r == 0)
        put_pipes(&image);
    if (r < 0) {
        close_all(&image);
        free(image.head);
        return r;
    }
    close_gaps(&image);
    *ret_head = image.head;
    return 0;
}
