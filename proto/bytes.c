/* SPDX-License-Identifier: MIT */
#include "proto/bytes.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static size_t b64_padding(const char *text, size_t length)
{
    return length == 0 || text[length - 1] != '=' ? 0 : text[length - 2] == '=' ? 2 : 1;
}

/* The bytes of four digits, 3 less the padding; bits that nobody needs must be 0, so that each text is the
 * only one for its bytes. -1 when it is no base64. */
static int b64_group(const char *text, size_t padding, unsigned char out[3])
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 4; i++) {
        int value = i < 4 - padding ? digit(text[i]) : text[i] == '=' ? 0 : -1;

        if (value < 0)
            return -1;
        bits = bits << 6 | (uint32_t) value;
    }
    if (padding > 0 && bits & ((1u << 8 * padding) - 1))
        return -1;
    for (size_t i = 0; i < 3; i++)
        out[i] = (unsigned char) (bits >> (16 - 8 * i));
    return (int) (3 - padding);
}

/* The text of {"b64": text}, or NULL. */
static const char *b64_text(const json_t *json, size_t *ret_length)
{
    const json_t *text = json_object_size(json) == 1 ? json_object_get(json, "b64") : NULL;

    if (!json_is_string(text))
        return NULL;
    *ret_length = json_string_length(text);
    return json_string_value(text);
}

static bool b64_valid(const char *text, size_t length)
{
    size_t padding = length % 4 == 0 ? b64_padding(text, length) : 0;

    if (length % 4 != 0)
        return false;
    for (size_t i = 0; i < length; i += 4) {
        unsigned char out[3];
        int count = b64_group(text + i, i + 4 == length ? padding : 0, out);

        if (count < 0 || memchr(out, 0, (size_t) count))
            return false;
    }
    return true;
}

bool bytes_valid(const json_t *json)
{
    size_t length;
    const char *text;

    if (json_is_string(json))
        return !memchr(json_string_value(json), 0, json_string_length(json));
    text = b64_text(json, &length);
    return text && b64_valid(text, length);
}

size_t bytes_size(const json_t *json)
{
    size_t length;
    const char *text;

    if (json_is_string(json))
        return json_string_length(json);
    text = b64_text(json, &length);
    return length / 4 * 3 - b64_padding(text, length);
}

void bytes_copy(const json_t *json, char *buffer)
{
    size_t length, padding;
    const char *text;

    if (json_is_string(json)) {
        memcpy(buffer, json_string_value(json), json_string_length(json));
        return;
    }
    text = b64_text(json, &length);
    padding = b64_padding(text, length);
    for (size_t i = 0; i < length; i += 4) {
        unsigned char out[3];
        int count = b64_group(text + i, i + 4 == length ? padding : 0, out);

        memcpy(buffer, out, (size_t) count);
        buffer += count;
    }
}

int bytes_from_json(const json_t *json, char **ret_bytes, size_t *ret_size)
{
    size_t size;
    char *bytes;

    if (!bytes_valid(json))
        return -EINVAL;
    size = bytes_size(json);
    bytes = malloc(size + 1);
    if (!bytes)
        return -ENOMEM;
    bytes_copy(json, bytes);
    bytes[size] = '\0';
    *ret_bytes = bytes;
    *ret_size = size;
    return 0;
}

static void b64_encode(const unsigned char *bytes, size_t size, char *text)
{
    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = (uint32_t) bytes[i] << 16 | (i + 1 < size ? (uint32_t) bytes[i + 1] << 8 : 0) |
                        (i + 2 < size ? bytes[i + 2] : 0);

        *text++ = alphabet[bits >> 18];
        *text++ = alphabet[bits >> 12 & 63];
        *text++ = i + 1 < size ? alphabet[bits >> 6 & 63] : '=';
        *text++ = i + 2 < size ? alphabet[bits & 63] : '=';
    }
}

json_t *bytes_to_json(const char *bytes, size_t size)
{
    /* json_stringn refuses what is not UTF-8; an escaped NUL many readers refuse, ours too */
    json_t *json = memchr(bytes, 0, size) ? NULL : json_stringn(bytes, size);
    size_t length = (size + 2) / 3 * 4;
    char *text;

    if (json)
        return json;
    text = malloc(length + 1);
    if (!text)
        return NULL;
    b64_encode((const unsigned char *) bytes, size, text);
    json = json_pack("{s:s#}", "b64", text, (int) length);
    free(text);
    return json;
}
