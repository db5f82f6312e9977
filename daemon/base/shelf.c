/* SPDX-License-Identifier: MIT */
#include "daemon/base/shelf.h"

#include "daemon/base/cleanup.h"

#include <string.h>

static struct shelf_item *find(const struct shelf *shelf, const char *name)
{
    for (size_t i = 0; i < shelf->count; i++)
        if (strcmp(shelf->items[i].name, name) == 0)
            return (struct shelf_item *) &shelf->items[i];
    return NULL;
}

int shelf_put(struct shelf *shelf, const char *name, int fd)
{
    size_t length = strlen(name);
    struct shelf_item *item = find(shelf, name);

    if (item) {
        close_fd(item->fd);
        item->fd = fd;
        return 0;
    }
    if (length == 0 || length > SHELF_NAME_MAX || shelf->count == SHELF_MAX) {
        close_fd(fd);
        return shelf->count == SHELF_MAX ? -ENOSPC : -EINVAL;
    }
    item = &shelf->items[shelf->count++];
    memcpy(item->name, name, length + 1);
    item->fd = fd;
    return 0;
}

int shelf_find(const struct shelf *shelf, const char *name)
{
    const struct shelf_item *item = find(shelf, name);

    return item ? item->fd : -1;
}

int shelf_take(struct shelf *shelf, const char *name)
{
    struct shelf_item *item = find(shelf, name);
    int fd = item ? item->fd : -1;

    if (item)
        *item = shelf->items[--shelf->count];
    return fd;
}

bool shelf_may_block(const char *name)
{
    return strncmp(name, SHELF_TICKET "-", sizeof SHELF_TICKET) == 0 ||
           strncmp(name, SHELF_NOTIFY "-", sizeof SHELF_NOTIFY) == 0;
}

void shelf_drop(struct shelf *shelf, const char *name)
{
    close_fd(shelf_take(shelf, name));
}

void shelf_clear(struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++)
        close_fd(shelf->items[i].fd);
    shelf->count = 0;
}
