/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/event_text.h"

#include "daemon/rpc/render.h"

#include <stdlib.h>
#include <string.h>

#define TEXTS_KEPT 1024 /* those of the newest events; a power of two */

struct event_text {
    uint64_t seq;
    size_t size;
    char *text;
};

static char *serialise(const struct event_entry *entry, size_t *ret_size)
{
    struct writer writer;

    writer_begin_behind(&writer); /* what is different for each subscriber */
    render_event(&writer, entry);
    writer_close(&writer, '}');
    writer_close(&writer, '}');
    writer_line_end(&writer);
    return writer_take(&writer, ret_size);
}

const char *event_text(struct server *server, const struct event_entry *entry, size_t *ret_size)
{
    struct event_text *slot;

    if (!server->texts)
        server->texts = calloc(TEXTS_KEPT, sizeof *server->texts);
    if (!server->texts)
        return NULL;
    slot = &server->texts[entry->data.seq % TEXTS_KEPT];
    if (slot->seq != entry->data.seq || !slot->text) {
        free(slot->text);
        slot->text = serialise(entry, &slot->size);
        slot->seq = entry->data.seq;
    }
    *ret_size = slot->size;
    return slot->text;
}

void event_texts_free(struct server *server)
{
    for (size_t i = 0; server->texts && i < TEXTS_KEPT; i++)
        free(server->texts[i].text);
    free(server->texts);
    server->texts = NULL;
}
