/* SPDX-License-Identifier: MIT */
/*
 * Byte strings in JSON (protocol section 1): a JSON string where the bytes are UTF-8 without NUL, else
 * {"b64": "..."} (RFC 4648, section 4, with padding).
 */
#ifndef PROCD_PROTO_BYTES_H
#define PROCD_PROTO_BYTES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The bytes of a JSON string or b64 object, without a NUL inside. 0, -EINVAL (it is neither, or holds a NUL),
 * or -ENOMEM. ret_bytes is NUL-terminated; the caller frees it. */
int bytes_from_json(const json_t *json, char **ret_bytes, size_t *ret_size);

/* Would bytes_from_json take it? Decodes nothing. */
bool bytes_valid(const json_t *json);

/* Bytes that bytes_from_json will give; for something valid. */
size_t bytes_size(const json_t *json);

/* Writes exactly bytes_size(json) bytes. For something valid. */
void bytes_copy(const json_t *json, char *buffer);

/* A new string, or b64 object; NULL without memory. */
json_t *bytes_to_json(const char *bytes, size_t size);

#endif
