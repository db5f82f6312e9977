/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/pages.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/life.h"
#include "daemon/keeper/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define PAGES_MAX LIVES_MAX /* of more uids than that objects are not mapped */

static struct kept_page *page_find(const struct keeper *keeper, uint32_t uid)
{
    struct kept_page *page;

    LIST_FOREACH(page, &keeper->pages, order)
        if (page->uid == uid)
            return page;
    return NULL;
}

unsigned pages_count(const struct keeper *keeper)
{
    const struct kept_page *page;
    unsigned count = 0;

    LIST_FOREACH(page, &keeper->pages, order)
        count++;
    return count;
}

int page_restore(struct keeper *keeper, uint32_t uid, int fd, bool stored)
{
    struct kept_page *page;

    if (fd < 0 || page_find(keeper, uid))
        return -EBADMSG;
    page = calloc(1, sizeof *page);
    if (!page)
        return -ENOMEM;
    page->uid = uid;
    page->fd = fd;
    page->life = -1;
    page->stored = stored;
    LIST_INSERT_HEAD(&keeper->pages, page, order);
    return 0;
}

static bool is_same(int fd, int other)
{
    struct stat one, two;

    return fstat(fd, &one) == 0 && fstat(other, &two) == 0 && one.st_dev == two.st_dev &&
           one.st_ino == two.st_ino;
}

int page_keep(struct keeper *keeper, uint32_t uid, int fd)
{
    struct kept_page *page = page_find(keeper, uid);
    int copy, life, r;

    if (fd < 0) /* it was lost on the way: we had no number for it */
        return EMFILE;
    if (!life_is_page(fd)) /* anything but such memory could hold us up when closed */
        return EINVAL;
    if (page && page->life >= 0 && is_same(page->fd, fd)) {
        life_renew(&keeper->lives, page->life); /* asked for twice at a time, or because it did not say so */
        return 0;
    }
    if (!page && pages_count(keeper) >= PAGES_MAX)
        return ENOSPC;
    if (page) { /* what it was is closed for good */
        life_end(&keeper->lives, page->life);
        page->life = -1;
    }
    life = life_begin(&keeper->lives, fd);
    if (life < 0)
        return -life;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) {
        life_end(&keeper->lives, life);
        return errno;
    }
    r = store_page(keeper, uid, copy);
    if (r == 0 && !page)
        r = page_restore(keeper, uid, copy, keeper->store.is_open);
    if (r < 0) {
        life_end(&keeper->lives, life);
        close_fd(copy);
        return -r;
    }
    if (page) {
        close_fd(page->fd);
        page->fd = copy;
        page->stored = keeper->store.is_open;
    } else {
        page = page_find(keeper, uid);
    }
    page->life = life;
    return 0;
}

static void let_go(struct keeper *keeper, struct kept_page *page)
{
    LIST_REMOVE(page, order);
    life_end(&keeper->lives, page->life);
    close_fd(page->fd);
    free(page);
}

void page_drop(struct keeper *keeper, uint32_t uid)
{
    struct kept_page *page = page_find(keeper, uid);

    if (!page)
        return;
    if (keeper->link.page_cursor == page) /* a new broker is about to get it: it need not */
        keeper->link.page_cursor = LIST_NEXT(page, order);
    store_drop_page(keeper, uid);
    let_go(keeper, page);
}

void pages_live(struct keeper *keeper)
{
    struct kept_page *page;

    LIST_FOREACH(page, &keeper->pages, order)
    {
        if (page->life < 0)
            page->life = life_begin(&keeper->lives, page->fd);
        if (page->life < 0)
            log_error("the page of uid %u cannot be used: %s", page->uid, strerror(-page->life));
    }
}

void pages_adopt(struct keeper *keeper, struct shelf *shelf)
{
    struct store_page page;

    while (store_take_page(keeper, shelf, &page)) {
        bool is_one_more = page_find(keeper, page.uid);

        if (!is_one_more && !page.stored)
            page.stored = store_page(keeper, page.uid, page.fd) == 0;
        if (!is_one_more && page_restore(keeper, page.uid, page.fd, page.stored) == 0)
            continue;
        log_error("a page of uid %u is lost: what its locks do is not seen any more", page.uid);
        close_fd(page.fd);
    }
}

void pages_close(struct keeper *keeper)
{
    struct kept_page *page;

    while ((page = LIST_FIRST(&keeper->pages)))
        let_go(keeper, page);
}
