/* SPDX-License-Identifier: MIT */
/*
 * JSON as text, written as it is said: for what is answered often, where a tree of jansson's would be built
 * only to be dumped. Nothing fails until writer_text, which says whether there was memory.
 *
 *     struct writer writer;
 *
 *     writer_begin(&writer);
 *     writer_open(&writer, NULL, '{');
 *     writer_integer(&writer, "id", 7);
 *     writer_close(&writer, '}');
 *     text = writer_text(&writer, &size);
 *     ...
 *     writer_done(&writer);
 *
 * Each value has a key in an object and NULL in an array or at the top. A key is a literal that needs no
 * escapes.
 */
#ifndef PROCD_PROTO_WRITER_H
#define PROCD_PROTO_WRITER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct writer {
    char *bytes; /* of `small`, or of the heap once that is too small */
    size_t size, room;
    bool comma;  /* the next value is not the first of its list */
    bool failed; /* no memory */
    char small[1536];
};

void writer_begin(struct writer *writer);
/* As writer_begin, for what is put behind other members of an object. */
void writer_begin_behind(struct writer *writer);
void writer_done(struct writer *writer);
/* What was written; it belongs to the writer. NULL without memory. */
const char *writer_text(const struct writer *writer, size_t *ret_size);
/* The same as memory of the caller's, with a NUL behind it; the writer is done. NULL without memory. */
char *writer_take(struct writer *writer, size_t *ret_size);

/* bracket: '{' or '[', and the other one of it. */
void writer_open(struct writer *writer, const char *key, char bracket);
void writer_close(struct writer *writer, char bracket);

void writer_null(struct writer *writer, const char *key);
void writer_bool(struct writer *writer, const char *key, bool value);
void writer_integer(struct writer *writer, const char *key, int64_t value);
/* An id, or null for 0. */
void writer_id(struct writer *writer, const char *key, uint64_t id);
/* A span or a point in time of 0 or more ns, as seconds: every digit that is not a 0 at the end. */
void writer_seconds(struct writer *writer, const char *key, int64_t ns);
/* The LF behind the last value. */
void writer_line_end(struct writer *writer);
/* A name that needs no escapes: one of ours. */
void writer_word(struct writer *writer, const char *key, const char *word);
/* Bytes of somebody else's: as bytes_to_json has them. */
void writer_bytes(struct writer *writer, const char *key, const char *bytes, size_t size);
/* A member whose key is somebody else's, too; both are UTF-8. */
void writer_pair(struct writer *writer, const char *key, const char *text);
/* Takes the reference over. NULL: there was no memory for it. */
void writer_tree(struct writer *writer, const char *key, json_t *tree);

#endif
