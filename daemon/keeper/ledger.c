/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/ledger.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/cgroup_find.h"
#include "daemon/keeper/handover.h"
#include "daemon/keeper/ledger_layout.h"
#include "daemon/keeper/proc.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#define PLACES_AHEAD 64 /* that there is memory for: some spawns must be able to fail for lack of it */
#define CHUNK        (256 << 10)
#define LOCK_TRIES   5000 /* at least as many milliseconds */

static const char magic[16] = "procd ledger";

/* ---- the memory ---- */

/* Has the process that has taken the lock ended? A lock that is free by now counts as such. */
static bool is_of_the_dead(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct proc_entry entry;
    int r;

    if (fcntl(fd, F_GETLK, &whole) < 0)
        return false;
    if (whole.l_type == F_UNLCK)
        return true;
    if (whole.l_pid <= 0) /* of another pid namespace */
        return false;
    r = proc_read(whole.l_pid, &entry);
    return r == -ENOENT || r == -ESRCH || (r == 0 && (entry.state == 'Z' || entry.state == 'X'));
}

/* Where another keeper lives it has this lock. It is of a table of descriptors and a file, and ends with the
 * process; neither the children's copies nor our own exec matter. But a child that was just cloned may still
 * share the table of one that has died (share.h), for as long as it takes to run: that is waited for. */
static int lock(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    for (int i = 0; fcntl(fd, F_SETLK, &whole) < 0; i++) {
        if (errno != EAGAIN && errno != EACCES)
            return -errno;
        if (!is_of_the_dead(fd))
            return -EBUSY;
        if (i == LOCK_TRIES) { /* it hangs, and is no keeper */
            log_warning("a child of an earlier keeper has its lock: this one goes on without");
            return 0;
        }
        poll(NULL, 0, 1);
    }
    return 0;
}

static int judge(const struct ledger_head *head, bool *ret_written)
{
    *ret_written = memcmp(head->magic, magic, sizeof magic) == 0;
    if (!*ret_written)
        return head->magic[0] == '\0' ? 0 : -EBADMSG;
    if (head->format != HANDOVER_FORMAT || head->head_size != sizeof *head ||
        head->slot_size != sizeof(struct ledger_slot))
        return -EPROTONOSUPPORT;
    return 0;
}

static void *map(int fd, size_t size)
{
    int flags = MAP_NORESERVE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* What is there is not cut off, and the head can be read and written. */
static int size_up(int fd)
{
    struct stat st;
    int r = lock(fd);

    if (r < 0)
        return r;
    if (fstat(fd, &st) < 0 || (st.st_size != 0 && st.st_size != LEDGER_SIZE))
        return -EBADMSG;
    if (st.st_size == 0 && ftruncate(fd, LEDGER_SIZE) < 0)
        return -errno;
    return fallocate(fd, 0, 0, LEDGER_HEAD_SIZE) < 0 ? -errno : 0;
}

int ledger_open(struct ledger *ledger, int fd, bool *ret_written)
{
    int r = fd < 0 ? 0 : size_up(fd);
    char *memory = r == 0 ? map(fd, LEDGER_SIZE) : NULL;

    TAILQ_INIT(&ledger->touched);
    ledger->fd = -1;
    *ret_written = false;
    if (!memory)
        return r < 0 ? r : -ENOMEM;
    ledger->free_clients = memory_reserve(sizeof *ledger->free_clients * LEDGER_CLIENTS_MAX);
    if (!ledger->free_clients) {
        munmap(memory, LEDGER_SIZE);
        return -ENOMEM;
    }
    ledger->fd = fd;
    ledger->head = (void *) memory;
    ledger->slots = (void *) (memory + LEDGER_SLOTS_AT);
    ledger->clients = (void *) (memory + LEDGER_CLIENTS_AT);
    return judge(ledger->head, ret_written);
}

void ledger_close(struct ledger *ledger)
{
    if (ledger->head)
        munmap(ledger->head, LEDGER_SIZE);
    *ledger = (struct ledger){.fd = -1};
}

static void write_head(struct keeper *keeper)
{
    struct ledger_head *head = keeper->ledger.head;

    head->format = HANDOVER_FORMAT;
    head->head_size = sizeof *head;
    head->slot_size = sizeof(struct ledger_slot);
    if (getrandom(&head->tag, sizeof head->tag, GRND_NONBLOCK) != sizeof head->tag)
        head->tag = (uint32_t) clock_realtime();
    head->started = keeper->started;
    ledger_places(keeper);
}

void ledger_places(struct keeper *keeper)
{
    struct ledger_head *head = keeper->ledger.head;
    const struct socket_name *socket = &keeper->socket;

    snprintf(head->socket_path, sizeof head->socket_path, "%s", socket->path ? socket->path : "");
    head->socket_device = socket->device;
    head->socket_inode = socket->inode;
    if (keeper->cgroups.base < 0)
        return;
    memcpy(head->cgroup_path, keeper->cgroups.path, sizeof head->cgroup_path);
    snprintf(head->cgroup_folder, sizeof head->cgroup_folder, "%s", cgroup_folder());
    head->memory_events = keeper->cgroups.memory_events;
}

static int punch(int fd)
{
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, LEDGER_SIZE);
}

int ledger_begin(struct keeper *keeper)
{
    struct ledger *ledger = &keeper->ledger;

    memset(ledger->head, 0, sizeof *ledger->head);
    if (ledger->fd >= 0 && (punch(ledger->fd) < 0 || fallocate(ledger->fd, 0, 0, LEDGER_HEAD_SIZE) < 0))
        return -errno;
    write_head(keeper);
    ledger_flush(keeper);
    atomic_signal_fence(memory_order_seq_cst);
    memcpy(ledger->head->magic, magic, sizeof magic);
    return ledger_has_room(keeper) ? 0 : -ENOMEM;
}

void ledger_void(struct keeper *keeper)
{
    if (keeper->ledger.head)
        memset(keeper->ledger.head->magic, 0, sizeof magic);
}

/* ---- room: from a store into memory that is not there the kernel would have us die ---- */

/* Up to `end` (of `most`), a chunk further each time. promised: how many there are. */
static bool promise(const struct ledger *ledger, uint64_t *promised, uint64_t end, uint64_t most, size_t at,
                    size_t size)
{
    uint64_t more = *promised + CHUNK / size;

    if (end > most)
        end = most;
    if (*promised >= end)
        return true;
    if (ledger->fd < 0) {
        *promised = most;
        return true;
    }
    more = more < end ? end : more;
    more = more > most ? most : more;
    if (fallocate(ledger->fd, 0, (off_t) (at + *promised * size), (off_t) ((more - *promised) * size)) < 0)
        return false;
    *promised = more;
    return true;
}

bool ledger_has_room(struct keeper *keeper)
{
    const struct ledger *ledger = &keeper->ledger;
    uint64_t end = keeper->table.made + PLACES_AHEAD;

    return !ledger->head || promise(ledger, &ledger->head->places, end, SLOTS_MAX, LEDGER_SLOTS_AT,
                                    sizeof(struct ledger_slot));
}

int ledger_client_place(struct keeper *keeper, uint32_t *ret_place)
{
    struct ledger *ledger = &keeper->ledger;

    if (ledger->clients_free > 0) {
        *ret_place = ledger->free_clients[--ledger->clients_free];
        return 0;
    }
    if (!ledger->head)
        return 0;
    if (ledger->clients_made == LEDGER_CLIENTS_MAX ||
        !promise(ledger, &ledger->head->client_places, ledger->clients_made + 1, LEDGER_CLIENTS_MAX,
                 LEDGER_CLIENTS_AT, sizeof(struct ledger_client)))
        return -ENOMEM;
    *ret_place = ledger->clients_made++;
    return 0;
}

void ledger_give_back(struct keeper *keeper, uint32_t place)
{
    struct ledger *ledger = &keeper->ledger;

    if (ledger->head)
        ledger->free_clients[ledger->clients_free++] = place;
}

void ledger_restored(struct keeper *keeper)
{
    struct ledger *ledger = &keeper->ledger;
    const struct client *client;

    TAILQ_FOREACH(client, &keeper->clients.all, order)
        if (client->place >= ledger->clients_made)
            ledger->clients_made = client->place + 1;
    for (uint32_t place = 0; place < ledger->clients_made; place++)
        if (atomic_load(&ledger->clients[place].client) == 0)
            ledger->free_clients[ledger->clients_free++] = place;
}

/* ---- processes ---- */

static struct ledger_slot *place_of(const struct keeper *keeper, const struct slot *slot)
{
    return &keeper->ledger.slots[slot - keeper->table.slots];
}

void ledger_name(struct keeper *keeper, struct slot *slot, const char *name)
{
    char *to = place_of(keeper, slot)->name;

    memmove(to, name, strnlen(name, LINK_NAME_MAX));
    to[strnlen(name, LINK_NAME_MAX)] = '\0';
    slot->name = to;
}

void ledger_touch(struct keeper *keeper, struct slot *slot)
{
    if (slot->is_touched || !keeper->ledger.head)
        return;
    slot->is_touched = true;
    TAILQ_INSERT_TAIL(&keeper->ledger.touched, slot, touched);
}

static void untouch(struct keeper *keeper, struct slot *slot)
{
    if (slot->is_touched)
        TAILQ_REMOVE(&keeper->ledger.touched, slot, touched);
    slot->is_touched = false;
}

/* What the last clone has left is not to be taken for the next one's: no facts that say that it runs may come
 * before this. Those that count say that it has ended. */
static void reset_place(struct ledger_slot *place)
{
    place->number = 0;
    place->number_seen = 0;
    place->cgroup = -1;
    place->progress = (struct spawn_progress){.stage = 0};
    atomic_signal_fence(memory_order_seq_cst);
}

/* Nothing of the place counts before the last store. */
static void write_slot(struct keeper *keeper, struct slot *slot)
{
    struct ledger_slot *to = place_of(keeper, slot);
    uint32_t current = atomic_load_explicit(&to->current, memory_order_relaxed), next = current == 1 ? 2 : 1;

    if (current == 0)
        reset_place(to);
    handover_facts(keeper, slot, &to->facts[next - 1]);
    atomic_store_explicit(&to->current, next, memory_order_release);
}

static void write_counters(struct keeper *keeper)
{
    struct ledger_head *head = keeper->ledger.head;
    uint32_t next = !atomic_load_explicit(&head->current, memory_order_relaxed);
    struct ledger_counters *to = &head->counters[next];

    to->last_report = keeper->table.last_report;
    to->last_client = keeper->clients.last_client;
    to->last_connection = keeper->clients.last_connection;
    to->broker_seen = keeper->broker_seen;
    to->broker_pid = keeper->broker_pid;
    to->starts = keeper->starts;
    to->fresh_state = keeper->fresh_state;
    memcpy(to->epoch, keeper->epoch, sizeof to->epoch);
    atomic_store_explicit(&head->current, next, memory_order_release);
}

void ledger_flush(struct keeper *keeper)
{
    struct slot *slot;

    if (!keeper->ledger.head)
        return;
    while ((slot = TAILQ_FIRST(&keeper->ledger.touched))) {
        untouch(keeper, slot);
        write_slot(keeper, slot);
    }
    write_counters(keeper);
}

void ledger_executed(struct keeper *keeper)
{
    ledger_flush(keeper);
    if (keeper->ledger.head)
        atomic_store_explicit(&keeper->ledger.head->executed, keeper->link.executed, memory_order_release);
}

void ledger_begin_again(struct keeper *keeper, const struct slot *slot)
{
    if (keeper->ledger.head)
        reset_place(place_of(keeper, slot));
}

void ledger_intend(struct keeper *keeper, struct slot *slot)
{
    ledger_touch(keeper, slot);
    ledger_flush(keeper);
}

void ledger_clone(struct keeper *keeper, const struct slot *slot, const struct cgroup *cgroup)
{
    place_of(keeper, slot)->cgroup = cgroup ? (int32_t) (cgroup - keeper->cgroups.all) : -1;
    atomic_signal_fence(memory_order_seq_cst);
}

void ledger_cloned(struct keeper *keeper, struct slot *slot)
{
    slot->pid_seen = clock_boot();
    place_of(keeper, slot)->number_seen = slot->pid_seen;
}

int32_t *ledger_number(struct keeper *keeper, const struct slot *slot)
{
    return &place_of(keeper, slot)->number;
}

volatile struct spawn_progress *ledger_progress(struct keeper *keeper, const struct slot *slot)
{
    return &place_of(keeper, slot)->progress;
}

void ledger_drop(struct keeper *keeper, struct slot *slot)
{
    untouch(keeper, slot);
    if (keeper->ledger.head)
        atomic_store_explicit(&place_of(keeper, slot)->current, 0, memory_order_release);
}

/* The last one's is written by then. */
struct ledger_wait *ledger_wait(struct keeper *keeper, const struct slot *slot)
{
    struct ledger_wait *wait = &keeper->ledger.head->wait;

    ledger_flush(keeper);
    wait->info.si_pid = 0;
    atomic_signal_fence(memory_order_seq_cst);
    wait->process = slot->process;
    atomic_signal_fence(memory_order_seq_cst);
    return wait;
}

/* ---- clients ---- */

/* All of it is about one moment, and does not change. */
void ledger_client(struct keeper *keeper, const struct client *client)
{
    struct ledger_client *to = &keeper->ledger.clients[client->place];

    if (!keeper->ledger.head)
        return;
    to->process = client->process;
    to->seen = client->pid_seen;
    to->pid = client->pid;
    to->uid = client->uid;
    atomic_store_explicit(&to->client, client->client, memory_order_release);
}

void ledger_drop_client(struct keeper *keeper, const struct client *client)
{
    struct ledger *ledger = &keeper->ledger;

    if (!ledger->head)
        return;
    atomic_store_explicit(&ledger->clients[client->place].client, 0, memory_order_release);
    ledger_give_back(keeper, client->place);
}

/* ---- who takes over ---- */

uint32_t ledger_attempt(struct keeper *keeper)
{
    return ++keeper->ledger.head->attempts;
}

void ledger_served(struct keeper *keeper)
{
    if (keeper->ledger.head)
        keeper->ledger.head->attempts = 0;
}
