/* SPDX-License-Identifier: MIT */
#include "daemon/core/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool in_take(struct in *in, void *to, size_t size)
{
    if (in->error || in->left < size) {
        in->error = in->error ? in->error : -EBADMSG;
        memset(to, 0, size);
        return false;
    }
    memcpy(to, in->data, size);
    in->data += size;
    in->left -= size;
    return true;
}

uint64_t in_number(struct in *in)
{
    uint64_t number;

    in_take(in, &number, sizeof number);
    return number;
}

struct blob in_blob(struct in *in)
{
    struct blob blob = {NULL, in_number(in)};

    if (in->error || in->left < blob.size) {
        in->error = in->error ? in->error : -EBADMSG;
        return (struct blob){"", 0};
    }
    blob.data = in->data;
    in->data += blob.size;
    in->left -= blob.size;
    return blob;
}

bool in_failed(struct in *in, bool bad, int error)
{
    if (bad && !in->error)
        in->error = error;
    return in->error != 0;
}

/* ---- texts, titles and records ---- */

struct text *in_text(struct in *in)
{
    struct text *text;
    struct blob blob;

    if (in_number(in) == 0)
        return NULL;
    blob = in_blob(in);
    if (in->error)
        return NULL;
    text = text_new(blob.data, blob.size);
    in_failed(in, !text, -ENOMEM);
    return text;
}

struct title *in_title(struct in *in)
{
    struct blob name, path;
    struct title *title;

    if (in_number(in) == 0)
        return NULL;
    name = in_blob(in);
    path = in_blob(in);
    if (in_failed(in, name.size > PROTO_NAME_MAX, -EBADMSG))
        return NULL;
    title = title_copy(name.data, name.size, path.data, path.size);
    in_failed(in, !title, -ENOMEM);
    return title;
}

static struct record *new_record(struct core *core, struct in *in)
{
    uint32_t uid = (uint32_t) in_number(in), argc = (uint32_t) in_number(in);
    uint32_t labels = (uint32_t) in_number(in);
    struct blob argv = in_blob(in), cwd = in_blob(in), pairs = in_blob(in);
    struct title *title = in_title(in);
    struct account *account;
    struct record *record;
    bool is_whole = title && strings_hold(&argv, argc) && labels <= UINT32_MAX / 2 &&
                    strings_hold(&pairs, 2 * labels);

    if (in_failed(in, !is_whole, -EBADMSG)) {
        title_unref(title);
        return NULL;
    }
    account = account_get(core, uid);
    if (!account)
        title_unref(title);
    record = account ? record_make(account, title, &argv, &cwd, &pairs) : NULL;
    if (in_failed(in, !record, -ENOMEM))
        return NULL;
    record->argc = argc;
    record->label_count = labels;
    return record;
}

static bool make_room(struct in *in)
{
    uint64_t room = in->record_room ? in->record_room * 2 : 64;
    struct record **records;

    if (in->record_count < in->record_room)
        return true;
    records = realloc(in->records, room * sizeof(struct record *));
    if (!records)
        return false;
    in->records = records;
    in->record_room = room;
    return true;
}

struct record *in_record(struct core *core, struct in *in)
{
    uint64_t number = in_number(in);
    struct record *record;

    if (number == 0)
        return NULL;
    if (in_failed(in, number > in->record_count + 1, -EBADMSG))
        return NULL;
    if (number <= in->record_count)
        return record_ref(in->records[number - 1]);
    if (in_failed(in, !make_room(in), -ENOMEM))
        return NULL;
    record = new_record(core, in);
    if (record)
        in->records[in->record_count++] = record;
    return record;
}
