/* SPDX-License-Identifier: MIT */
#include "daemon/core/objects.h"

#include <stdlib.h>
#include <string.h>

struct text *text_new(const char *bytes, size_t size)
{
    struct text *text = calloc(1, sizeof *text + size + 1);

    if (!text)
        return NULL;
    text->refs = 1;
    text->size = (uint32_t) size;
    if (size > 0 && bytes)
        memcpy(text->bytes, bytes, size);
    return text;
}

struct text *text_ref(struct text *text)
{
    if (text)
        text->refs++;
    return text;
}

struct text *text_unref(struct text *text)
{
    if (text && --text->refs == 0)
        free(text);
    return NULL;
}

bool text_is_same(const struct text *a, const struct text *b)
{
    return a == b || (a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0);
}
