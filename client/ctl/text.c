/* SPDX-License-Identifier: MIT */
#include "client/ctl/text.h"
#include "client/ctl/ctl.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/harmless.h"
#include "proto/bytes.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static _Noreturn void out_of_memory(void)
{
    fputs("procctl: out of memory\n", stderr);
    _exit(CTL_FAILED);
}

char *text_format(const char *format, ...)
{
    char *text;
    va_list list;

    va_start(list, format);
    if (vasprintf(&text, format, list) < 0)
        out_of_memory();
    va_end(list);
    return text;
}

/* A string that grows. */
struct text {
    char *bytes;
    size_t size;
    FILE *stream;
};

static void text_open(struct text *text)
{
    text->stream = open_memstream(&text->bytes, &text->size);
    if (!text->stream)
        out_of_memory();
}

static char *text_close(struct text *text)
{
    if (fclose(text->stream) != 0)
        out_of_memory();
    return text->bytes;
}

/* also: further characters that get a backslash. */
static void put_escaped(FILE *stream, const char *bytes, size_t size, const char *also)
{
    size_t length;

    for (size_t i = 0; i < size; i += length > 0 ? length : 1) {
        length = harmless_length(bytes + i, size - i);
        if (length == 0) {
            fprintf(stream, "\\x%02x", (unsigned char) bytes[i]);
            continue;
        }
        if (bytes[i] == '\\' || (length == 1 && strchr(also, bytes[i])))
            fputc('\\', stream);
        fwrite(bytes + i, 1, length, stream);
    }
}

char *text_escaped(const char *bytes, size_t size)
{
    struct text text;

    text_open(&text);
    put_escaped(text.stream, bytes, size, "");
    return text_close(&text);
}

/* A word that no shell would split, expand or change. */
static bool is_bare(const char *bytes, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%^";

    return size > 0 && bytes[0] != '=' && memchr(bytes, '\0', size) == NULL && strspn(bytes, plain) >= size;
}

static void put_quoted(FILE *stream, const char *bytes, size_t size)
{
    bool is_simple = memchr(bytes, '\'', size) == NULL;

    for (size_t i = 0, length; is_simple && i < size; i += length) {
        length = harmless_length(bytes + i, size - i);
        is_simple = length > 0;
    }
    if (is_bare(bytes, size)) {
        fwrite(bytes, 1, size, stream);
    } else if (is_simple) {
        fprintf(stream, "'%.*s'", (int) size, bytes);
    } else {
        fputs("$'", stream);
        put_escaped(stream, bytes, size, "'");
        fputc('\'', stream);
    }
}

char *text_quoted(const char *bytes, size_t size)
{
    struct text text;

    text_open(&text);
    put_quoted(text.stream, bytes, size);
    return text_close(&text);
}

/* DEL is ASCII, and no control character to JSON. It is found in strings only. */
static int put_json_bytes(const char *bytes, size_t size, void *context)
{
    FILE *stream = context;

    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == 0x7f)
            fputs("\\u007F", stream);
        else
            putc(bytes[i], stream);
    }
    return 0;
}

int text_put_json(FILE *stream, const json_t *value, size_t flags)
{
    return json_dump_callback(value, put_json_bytes, stream, flags | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
}

char *text_of_json(const json_t *value)
{
    CLEANUP_MEMORY char *bytes = NULL;
    struct text text;
    size_t size;

    if (!value || json_is_null(value))
        return text_format("-");
    if (bytes_from_json(value, &bytes, &size) == 0)
        return text_escaped(bytes, size);
    text_open(&text);
    if (text_put_json(text.stream, value, JSON_COMPACT | JSON_REAL_PRECISION(12)) < 0)
        out_of_memory();
    return text_close(&text);
}

char *text_of_argv(const json_t *argv)
{
    struct text text;
    const json_t *word;
    size_t i;

    text_open(&text);
    json_array_foreach(argv, i, word) {
        CLEANUP_MEMORY char *bytes = NULL;
        size_t size;

        if (i > 0)
            fputc(' ', text.stream);
        if (bytes_from_json(word, &bytes, &size) == 0)
            put_quoted(text.stream, bytes, size);
        else
            fputc('?', text.stream);
    }
    return text_close(&text);
}

char *text_of_time(double seconds)
{
    double whole = floor(seconds);
    int milliseconds = (int) ((seconds - whole) * 1000);
    time_t point = (time_t) whole;
    struct tm local;
    char day[64];

    if (!(whole > -1e15 && whole < 1e15) || !localtime_r(&point, &local))
        return text_format("%.3f", seconds);
    strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &local);
    return text_format("%s.%03d", day, milliseconds);
}

char *text_of_span(double seconds)
{
    unsigned long long rest = seconds > 0 && seconds < 1e15 ? (unsigned long long) seconds : 0;
    unsigned long long days = rest / 86400, hours = rest / 3600 % 24, minutes = rest / 60 % 60;

    if (days > 0)
        return text_format("%llu-%02llu:%02llu:%02llu", days, hours, minutes, rest % 60);
    if (hours > 0)
        return text_format("%02llu:%02llu:%02llu", hours, minutes, rest % 60);
    return text_format("%02llu:%02llu", minutes, rest % 60);
}
