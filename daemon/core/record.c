/* SPDX-License-Identifier: MIT */
#include "daemon/core/internal.h"

#include <stdlib.h>
#include <string.h>

#define NUMBER_DIGITS 21 /* of a uint64_t, with a ':' before it */

static const char name_prefix[] = "Process-";

/* ---- titles ---- */

const char *title_path(const struct title *title)
{
    return title->name + title->name_room;
}

/* A name that is not given yet is made later of the path, and never longer than a name may be. */
static size_t name_room(size_t name_size, size_t path_room)
{
    size_t made = sizeof name_prefix + path_room;

    return name_size > 0 ? name_size + 1 : made < PROTO_NAME_MAX + 1 ? made : PROTO_NAME_MAX + 1;
}

static struct title *title_new(const struct blob *name, const char *parent_path, size_t parent_path_size)
{
    size_t path_room = parent_path_size + NUMBER_DIGITS + 1, room = name_room(name->size, path_room);
    struct title *title = calloc(1, sizeof *title + room + path_room);

    if (!title)
        return NULL;
    title->refs = 1;
    title->name_room = (uint32_t) room;
    title->name_size = (uint32_t) name->size;
    if (name->size > 0)
        memcpy(title->name, name->data, name->size);
    title->path_size = (uint32_t) parent_path_size;
    if (parent_path_size > 0)
        memcpy((char *) title_path(title), parent_path, parent_path_size);
    return title;
}

struct title *title_copy(const char *name, size_t name_size, const char *path, size_t path_size)
{
    return title_new(&(struct blob){name, name_size}, path, path_size);
}

struct title *title_ref(struct title *title)
{
    if (title)
        title->refs++;
    return title;
}

struct title *title_unref(struct title *title)
{
    if (title && --title->refs == 0)
        free(title);
    return NULL;
}

bool title_is_same(const struct title *a, const struct title *b)
{
    return a == b || (a->name_size == b->name_size && a->path_size == b->path_size &&
                      memcmp(a->name, b->name, a->name_size) == 0 &&
                      memcmp(title_path(a), title_path(b), a->path_size) == 0);
}

static size_t write_number(char *to, uint64_t number)
{
    char digits[NUMBER_DIGITS];
    size_t count = 0;

    do
        digits[count++] = (char) ('0' + number % 10);
    while ((number /= 10) > 0);
    for (size_t i = 0; i < count; i++)
        to[i] = digits[count - 1 - i];
    return count;
}

void title_number(struct title *title, uint64_t number)
{
    char *path = (char *) title_path(title);

    if (title->path_size > 0)
        path[title->path_size++] = ':';
    title->path_size += (uint32_t) write_number(path + title->path_size, number);
    path[title->path_size] = '\0';
    if (title->name_size > 0)
        return;
    memcpy(title->name, name_prefix, sizeof name_prefix);
    title->name_size = sizeof name_prefix - 1;
    /* generations upon generations: a path that does not fit gives the name its last number only */
    if (title->name_size + title->path_size <= PROTO_NAME_MAX) {
        memcpy(title->name + title->name_size, path, title->path_size);
        title->name_size += title->path_size;
    } else {
        title->name_size += (uint32_t) write_number(title->name + title->name_size, number);
    }
    title->name[title->name_size] = '\0';
}

/* ---- records ---- */

const char *record_argv(const struct record *record)
{
    return record->bytes;
}

const char *record_cwd(const struct record *record)
{
    return record->bytes + record->argv_size;
}

const char *record_labels(const struct record *record)
{
    return record_cwd(record) + record->cwd_size + 1;
}

static size_t record_bytes(const struct blob *argv, const struct blob *cwd, const struct blob *labels)
{
    return argv->size + cwd->size + 1 + labels->size;
}

size_t record_size(const struct core_input *input)
{
    return sizeof(struct record) +
           record_bytes(&input->blob[BLOB_ARGV], &input->blob[BLOB_CWD], &input->blob[BLOB_LABELS]);
}

struct record *record_make(struct account *account, struct title *title, const struct blob *argv,
                           const struct blob *cwd, const struct blob *labels)
{
    size_t size = sizeof(struct record) + record_bytes(argv, cwd, labels);
    struct record *record = title ? calloc(1, size) : NULL;

    if (!record) {
        title_unref(title);
        return NULL;
    }
    record->refs = 1;
    record->title = title;
    record->account = account;
    record->argv_size = (uint32_t) argv->size;
    record->cwd_size = (uint32_t) cwd->size;
    record->labels_size = (uint32_t) labels->size;
    if (argv->size > 0)
        memcpy(record->bytes, argv->data, argv->size);
    if (cwd->size > 0)
        memcpy(record->bytes + argv->size, cwd->data, cwd->size);
    if (labels->size > 0)
        memcpy(record->bytes + argv->size + cwd->size + 1, labels->data, labels->size);
    record->charged = (uint32_t) size;
    account->used[QUOTA_BYTES] += record->charged;
    return record;
}

struct record *record_new(struct account *account, const struct core_input *input, const struct title *parent)
{
    struct title *title = title_new(&input->blob[BLOB_NAME], parent ? title_path(parent) : NULL,
                                    parent ? parent->path_size : 0);
    struct record *record = record_make(account, title, &input->blob[BLOB_ARGV], &input->blob[BLOB_CWD],
                                        &input->blob[BLOB_LABELS]);

    if (record && input->kind == INPUT_SPAWN) {
        record->argc = input->body.request.count;
        record->label_count = input->body.request.labels;
    }
    return record;
}

struct record *record_ref(struct record *record)
{
    if (record)
        record->refs++;
    return record;
}

struct record *record_unref(struct core *core, struct record *record)
{
    struct account *account;

    if (!record || --record->refs > 0)
        return NULL;
    account = record->account;
    account->used[QUOTA_BYTES] -= record->charged;
    account_trim(core, account);
    title_unref(record->title);
    free(record);
    return NULL;
}
