/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/begin.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/adopt.h"
#include "daemon/keeper/broker.h"
#include "daemon/keeper/capture.h"
#include "daemon/keeper/cgroup.h"
#include "daemon/keeper/handover.h"
#include "daemon/keeper/handover_layout.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/notified.h"
#include "daemon/keeper/pages.h"
#include "daemon/keeper/role.h"
#include "daemon/keeper/store.h"

#include <string.h>
#include <sys/mman.h>

/* Without memory that can be kept, in some that is ours alone. */
static int ledger_make(struct keeper *keeper)
{
    CLEANUP_FD int fd = keeper->front.ready ? memfd_create("procd-ledger", MFD_CLOEXEC) : -1;
    bool written;
    int r = ledger_open(&keeper->ledger, fd, &written);

    if (r == 0 && fd >= 0)
        store_memory(keeper, LEDGER_NAME, take_fd(&fd));
    if (r == 0 || fd < 0)
        return r;
    log_error("no ledger, nobody can take over from this keeper: %s", strerror(-r));
    ledger_close(&keeper->ledger);
    return ledger_open(&keeper->ledger, -1, &written);
}

static int with_nothing(struct keeper *keeper, struct shelf *shelf)
{
    int r = keeper->ledger.head ? 0 : ledger_make(keeper);

    store_clean(shelf);
    if (r < 0)
        return r;
    store_open(keeper);
    r = broker_begin(keeper);
    if (r < 0)
        return r;
    cgroups_open(keeper);
    if (keeper->config->socket.path)
        notified_clean(keeper->config->socket.path);
    capture_fill(keeper, -1, -1);
    return ledger_begin(keeper);
}

/* 1: there is nothing to be taken over. Else the ledger is open, and its memory stays so. */
static int open_ledger(struct keeper *keeper, struct shelf *shelf)
{
    CLEANUP_FD int fd = shelf_take(shelf, LEDGER_NAME);
    bool written = false;
    int r;

    if (fd < 0)
        return shelf_find(shelf, STATE_NAME) < 0 ? 1 : adopt_give_up(-ENODATA);
    r = ledger_open(&keeper->ledger, fd, &written);
    if (r < 0) {
        ledger_close(&keeper->ledger);
        return adopt_give_up(r);
    }
    take_fd(&fd);
    return written ? 0 : 1;
}

static int take_over(struct keeper *keeper, struct shelf *shelf)
{
    int r;

    store_open(keeper);
    r = adopt(keeper, shelf);
    if (r != 0) {
        close_fd(keeper->ledger.fd);
        ledger_close(&keeper->ledger);
        return r;
    }
    if (keeper->cgroups.base < 0)
        cgroups_open(keeper);
    ledger_places(keeper);
    store_clean(shelf);
    return 0;
}

/* Of whoever writes the journal. */
static void keep_program(struct keeper *keeper)
{
    if (role_program() >= 0 && keeper->ledger.fd >= 0)
        store_memory(keeper, ROLE_PROGRAM, role_program());
}

int begin(struct keeper *keeper)
{
    static struct shelf nothing;
    struct shelf *shelf = keeper->config->shelf ? keeper->config->shelf : &nothing;
    int r = open_ledger(keeper, shelf);
    bool goes_on;

    if (r == 0)
        r = take_over(keeper, shelf);
    goes_on = r == 0;
    if (r > 0)
        r = with_nothing(keeper, shelf);
    if (r == 0)
        pages_adopt(keeper, shelf);
    if (goes_on)
        pages_live(keeper);
    shelf_clear(shelf);
    keep_program(keeper);
    return r;
}

int begin_again(struct keeper *keeper, const struct handover_head *head)
{
    bool written;
    int r = ledger_open(&keeper->ledger, head->ledger_fd, &written);

    if (r == 0)
        r = handover_restore(keeper, head);
    if (r < 0)
        return r;
    pages_live(keeper);
    store_open(keeper);
    ledger_restored(keeper);
    store_restored(keeper);
    keep_program(keeper);
    return 0;
}
