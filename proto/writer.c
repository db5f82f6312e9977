/* SPDX-License-Identifier: MIT */
#include "proto/writer.h"

#include "daemon/base/decimal.h"
#include "proto/bytes.h"

#include <stdlib.h>
#include <string.h>

/* ---- the text ---- */

void writer_begin(struct writer *writer)
{
    writer->bytes = writer->small;
    writer->size = 0;
    writer->room = sizeof writer->small;
    writer->comma = writer->failed = false;
}

void writer_begin_behind(struct writer *writer)
{
    writer_begin(writer);
    writer->comma = true;
}

void writer_done(struct writer *writer)
{
    if (writer->bytes != writer->small)
        free(writer->bytes);
    writer_begin(writer);
}

const char *writer_text(const struct writer *writer, size_t *ret_size)
{
    *ret_size = writer->size;
    return writer->failed ? NULL : writer->bytes;
}

char *writer_take(struct writer *writer, size_t *ret_size)
{
    char *text = writer->failed ? NULL : malloc(writer->size + 1);

    if (text) {
        memcpy(text, writer->bytes, writer->size);
        text[writer->size] = '\0';
        *ret_size = writer->size;
    }
    writer_done(writer);
    return text;
}

static bool grow(struct writer *writer, size_t size)
{
    size_t room = 2 * (writer->room + size);
    char *bytes = writer->bytes == writer->small ? malloc(room) : realloc(writer->bytes, room);

    if (!bytes) {
        writer->failed = true;
        return false;
    }
    if (writer->bytes == writer->small)
        memcpy(bytes, writer->small, writer->size);
    writer->bytes = bytes;
    writer->room = room;
    return true;
}

/* Room for this many bytes more, or NULL. */
static char *reserve(struct writer *writer, size_t size)
{
    if (writer->failed || (writer->room - writer->size < size && !grow(writer, size)))
        return NULL;
    return writer->bytes + writer->size;
}

static void put(struct writer *writer, const char *bytes, size_t size)
{
    char *room = reserve(writer, size);

    if (!room)
        return;
    memcpy(room, bytes, size);
    writer->size += size;
}

static void put_char(struct writer *writer, char c)
{
    put(writer, &c, 1);
}

/* What stands before a value. */
static void put_key(struct writer *writer, const char *key)
{
    size_t size = key ? strlen(key) : 0;
    char *room = reserve(writer, size + 4);

    if (!room)
        return;
    if (writer->comma)
        *room++ = ',';
    if (key) {
        *room++ = '"';
        memcpy(room, key, size);
        room[size] = '"';
        room[size + 1] = ':';
        room += size + 2;
    }
    writer->size = (size_t) (room - writer->bytes);
    writer->comma = true;
}

/* ---- values ---- */

void writer_open(struct writer *writer, const char *key, char bracket)
{
    put_key(writer, key);
    put_char(writer, bracket);
    writer->comma = false;
}

void writer_close(struct writer *writer, char bracket)
{
    put_char(writer, bracket);
    writer->comma = true;
}

void writer_line_end(struct writer *writer)
{
    put_char(writer, '\n');
}

void writer_null(struct writer *writer, const char *key)
{
    put_key(writer, key);
    put(writer, "null", 4);
}

void writer_bool(struct writer *writer, const char *key, bool value)
{
    put_key(writer, key);
    put(writer, value ? "true" : "false", value ? 4 : 5);
}

void writer_integer(struct writer *writer, const char *key, int64_t value)
{
    char text[DECIMAL_MAX], *end = text + sizeof text, *at = decimal_put_signed(end, value);

    put_key(writer, key);
    put(writer, at, (size_t) (end - at));
}

void writer_id(struct writer *writer, const char *key, uint64_t id)
{
    if (id > 0)
        writer_integer(writer, key, (int64_t) id);
    else
        writer_null(writer, key);
}

void writer_seconds(struct writer *writer, const char *key, int64_t ns)
{
    uint64_t whole = (uint64_t) ns / 1000000000, part = (uint64_t) ns % 1000000000;
    char text[DECIMAL_MAX + 10], *end = text + sizeof text;
    char *at = decimal_put(end, part, 9);

    *--at = '.';
    at = decimal_put(at, whole, 1);
    while (end[-1] == '0' && end[-2] != '.') /* an integer is no real, for some readers */
        end--;
    put_key(writer, key);
    put(writer, at, (size_t) (end - at));
}

void writer_word(struct writer *writer, const char *key, const char *word)
{
    put_key(writer, key);
    put_char(writer, '"');
    put(writer, word, strlen(word));
    put_char(writer, '"');
}

/* ASCII without what is escaped. */
static bool is_plain(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] < ' ' || bytes[i] > '~' || bytes[i] == '"' || bytes[i] == '\\')
            return false;
    return true;
}

static int put_dumped(const char *bytes, size_t size, void *context)
{
    struct writer *writer = context;

    put(writer, bytes, size);
    return writer->failed ? -1 : 0;
}

/* Takes the reference over. */
static void put_tree(struct writer *writer, json_t *tree)
{
    if (!tree || json_dump_callback(tree, put_dumped, writer, JSON_COMPACT | JSON_ENCODE_ANY) < 0)
        writer->failed = true;
    json_decref(tree);
}

static void put_quoted(struct writer *writer, const char *plain, size_t size)
{
    put_char(writer, '"');
    put(writer, plain, size);
    put_char(writer, '"');
}

static void put_text(struct writer *writer, const char *text)
{
    size_t size = strlen(text);

    if (is_plain(text, size))
        put_quoted(writer, text, size);
    else
        put_tree(writer, json_string(text));
}

void writer_pair(struct writer *writer, const char *key, const char *text)
{
    put_key(writer, NULL);
    put_text(writer, key);
    put_char(writer, ':');
    put_text(writer, text);
}

void writer_bytes(struct writer *writer, const char *key, const char *bytes, size_t size)
{
    if (!is_plain(bytes, size)) {
        writer_tree(writer, key, bytes_to_json(bytes, size));
        return;
    }
    put_key(writer, key);
    put_quoted(writer, bytes, size);
}

void writer_tree(struct writer *writer, const char *key, json_t *tree)
{
    put_key(writer, key);
    put_tree(writer, tree);
}
