/* SPDX-License-Identifier: MIT */
/* Writing a snapshot, piece by piece, into a sink. */
#ifndef PROCD_CORE_WRITER_H
#define PROCD_CORE_WRITER_H

#include "daemon/core/objects.h"
#include "daemon/core/save.h"

#include <string.h>

#define PUT_AT_ONCE 4096

/* Most pieces are a few bytes: the sink is called for many of them. */
struct out {
    core_sink *sink;
    void *context;
    uint32_t records; /* written so far */
    size_t used;
    char bytes[PUT_AT_ONCE];
};

/* Hands the sink what has gathered. */
static inline void put_out(struct out *out)
{
    out->sink(out->context, out->bytes, out->used);
    out->used = 0;
}

static inline void put(struct out *out, const void *data, size_t size)
{
    if (size > sizeof out->bytes - out->used)
        put_out(out);
    if (size > sizeof out->bytes) {
        out->sink(out->context, data, size);
        return;
    }
    memcpy(out->bytes + out->used, data, size);
    out->used += size;
}

static inline void put_number(struct out *out, uint64_t number)
{
    put(out, &number, sizeof number);
}

static inline void put_blob(struct out *out, const char *data, size_t size)
{
    put_number(out, size);
    if (size > 0)
        put(out, data, size);
}

static inline void put_text(struct out *out, const struct text *text)
{
    put_number(out, text != NULL);
    if (text)
        put_blob(out, text->bytes, text->size);
}

/* Owners, objects, who has them open, holds, and the queues; after everything that these refer to. */
void put_sync(struct out *out, const struct core *core);

#endif
