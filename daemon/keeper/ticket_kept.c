/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/ticket_kept.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/drop.h"
#include "daemon/keeper/handover_layout.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/spec.h"
#include "daemon/keeper/store.h"
#include "daemon/keeper/ticket.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACKED_MAX (sizeof(struct handover_ticket) + sizeof(struct ticket) + SPEC_SIZE_MAX + 16 + \
                    SPEC_GROUPS_MAX * sizeof(uint32_t))

/* ---- the socket ---- */

/* Its memory, too. */
static size_t fds_of(const struct ticket *ticket)
{
    return ticket->fd_count + 1;
}

static int pack_memory(const struct slot *slot)
{
    CLEANUP_MEMORY struct handover_ticket *head = malloc(handover_ticket_size(slot->ticket));
    CLEANUP_FD int memory = memfd_create("procd-ticket", MFD_CLOEXEC);

    if (!head)
        return -ENOMEM;
    if (memory < 0)
        return -errno;
    handover_put_ticket(slot, head);
    if (write(memory, head, head->size) != (ssize_t) head->size)
        return -ENOSPC;
    return take_fd(&memory);
}

int ticket_pack(const struct slot *slot)
{
    const struct ticket *ticket = slot->ticket;
    CLEANUP_FD int memory = pack_memory(slot), in = -1, out = -1;
    struct iovec iov = {.iov_base = (void *) "t", .iov_len = 1};
    int fds[FDPASS_MAX], pair[2];
    ssize_t sent;

    if (memory < 0)
        return memory;
    if (fds_of(ticket) > FDPASS_MAX)
        return -EMFILE;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    in = pair[0];
    out = pair[1];
    fds[0] = memory;
    memcpy(fds + 1, ticket->fds, ticket->fd_count * sizeof *fds);
    sent = fdpass_send(in, &iov, 1, fds, fds_of(ticket));
    return sent < 0 ? (int) sent : take_fd(&out);
}

/* From a ticket's memory, the first of these, with the others in the place of those that it had. */
static int read_ticket(struct keeper *keeper, struct slot *slot, const struct fdpass *fds)
{
    int memory = fds->fd[0];
    CLEANUP_MEMORY struct handover_ticket *head = NULL;
    struct ticket *ticket;
    struct stat st;

    if (fstat(memory, &st) < 0)
        return -errno;
    if (st.st_size < (off_t) (sizeof *head + sizeof *ticket) || st.st_size > (off_t) PACKED_MAX)
        return -EBADMSG;
    head = malloc((size_t) st.st_size);
    if (!head)
        return -ENOMEM;
    if (pread(memory, head, (size_t) st.st_size, 0) != st.st_size)
        return -EIO;
    ticket = (void *) (head + 1);
    if (head->size != (uint64_t) st.st_size || head->process != slot->process ||
        fds_of(ticket) != fds->count)
        return -EBADMSG;
    memcpy(ticket->fds, fds->fd + 1, ticket->fd_count * sizeof *fds->fd);
    return handover_take_ticket(keeper, head);
}

/* Whoever comes after us is to find it, too. */
int ticket_unpack(struct keeper *keeper, struct slot *slot, int box)
{
    struct fdpass fds;
    char byte;
    ssize_t size = fdpass_peek(box, &byte, sizeof byte, &fds);
    int r = size < 0 ? (int) size : fds.truncated ? -EMFILE : -EBADMSG;

    if (size == 1 && fds.count > 0 && !fds.truncated)
        r = read_ticket(keeper, slot, &fds);
    drop_descriptors(fds.fd, r == 0 ? 1 : fds.count);
    return r;
}

/* ---- the store ---- */

static int keep(struct keeper *keeper, struct slot *slot)
{
    CLEANUP_FD int box = -1;
    int r;

    if (keeper->tickets.kept_fds + fds_of(slot->ticket) > TICKETS_KEPT_FDS_MAX)
        return -EDQUOT;
    box = ticket_pack(slot);
    if (box < 0)
        return box;
    r = store_put(keeper, STORE_TICKET, slot->process, box);
    if (r < 0)
        return r;
    slot->ticket_kept = true;
    keeper->tickets.kept_fds += fds_of(slot->ticket);
    ledger_touch(keeper, slot);
    return 0;
}

void ticket_keep(struct keeper *keeper, struct slot *slot)
{
    int r;

    if (!keeper->store.is_open || !slot->ticket || slot->ticket_kept)
        return;
    r = keep(keeper, slot);
    if (r < 0 && log_again(&keeper->tickets.tell_at, keeper->now))
        log_warning("process %" PRIu64 ": its restart policy ends with this keeper: %s", slot->process,
                    strerror(-r));
}

void ticket_drop(struct keeper *keeper, struct slot *slot)
{
    if (slot->ticket_kept) {
        keeper->tickets.kept_fds -= fds_of(slot->ticket);
        store_take_out(keeper, STORE_TICKET, slot->process);
    }
    slot->ticket_kept = false;
    slot->ticket = ticket_free(keeper, slot->ticket);
    slot->flags &= ~(uint32_t) LINK_SPAWN_TICKET;
    ledger_touch(keeper, slot);
}

void ticket_restored(struct keeper *keeper, struct slot *slot)
{
    if (slot->ticket && slot->ticket_kept)
        keeper->tickets.kept_fds += fds_of(slot->ticket);
}

void ticket_adopt(struct keeper *keeper, struct shelf *shelf, struct slot *slot)
{
    bool has_box;
    int box, r;

    if (!(slot->flags & LINK_SPAWN_TICKET))
        return;
    box = store_take(keeper, shelf, STORE_TICKET, slot->process);
    has_box = box >= 0;
    r = has_box ? ticket_unpack(keeper, slot, box) : -ENOENT;
    drop_descriptors(&box, box >= 0);
    if (r == 0) {
        slot->ticket_kept = true;
        ticket_restored(keeper, slot);
        return;
    }
    if (has_box)
        store_take_out(keeper, STORE_TICKET, slot->process);
    log_warning("process %" PRIu64 " (%d): what it would be started again from is lost with the keeper that "
                "has died, and its restart policy ends: %s", slot->process, slot->pid, strerror(-r));
}
