/* SPDX-License-Identifier: MIT */
/*
 * Builds a spawn spec (link_spec) for the keeper's tests.
 */
#ifndef PROCD_TESTS_SPEC_BUILDER_H
#define PROCD_TESTS_SPEC_BUILDER_H

#include "daemon/keeper/link.h"

#include <stdlib.h>
#include <string.h>

struct spec_builder {
    _Alignas(8) unsigned char data[1 << 16];
};

static inline struct link_spec *spec_head(struct spec_builder *builder)
{
    return (struct link_spec *) (void *) builder->data;
}

/* Appends at an 8-byte boundary. Returns the offset. */
static inline uint32_t spec_add(struct spec_builder *builder, const void *data, size_t size)
{
    struct link_spec *head = spec_head(builder);
    uint32_t at = (head->size + 7) & ~7u;

    memcpy(builder->data + at, data, size);
    head->size = at + (uint32_t) size;
    return at;
}

static inline uint32_t spec_text(struct spec_builder *builder, const char *text)
{
    return spec_add(builder, text, strlen(text) + 1);
}

static inline uint32_t spec_strings(struct spec_builder *builder, char *const *list, uint32_t *ret_count)
{
    uint32_t at = (spec_head(builder)->size + 7) & ~7u;
    unsigned char *to = builder->data + at;

    for (*ret_count = 0; list[*ret_count]; ++*ret_count) {
        strcpy((char *) to, list[*ret_count]);
        to += strlen(list[*ret_count]) + 1;
    }
    spec_head(builder)->size = (uint32_t) (to - builder->data);
    return at;
}

/* argv, an environment of one variable, "/" as folder, /dev/null on 0 to 2. */
static inline void spec_begin(struct spec_builder *builder, char *const *argv)
{
    char *const environment[] = {(char *) "TEST=1", NULL};
    struct link_spec *head = spec_head(builder);

    memset(builder->data, 0, sizeof builder->data);
    head->size = sizeof *head;
    head->umask = 022;
    head->argv = spec_strings(builder, argv, &head->argc);
    head->envp = spec_strings(builder, environment, &head->envc);
    head->search = spec_text(builder, "/usr/local/bin:/usr/bin:/bin");
    head->cwd = spec_text(builder, "/");
}

static inline void spec_shell(struct spec_builder *builder, const char *command)
{
    char *const argv[] = {(char *) "sh", (char *) "-c", (char *) command, NULL};

    spec_begin(builder, argv);
}

#endif
