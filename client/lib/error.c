/* SPDX-License-Identifier: MIT */
#include "client/lib/library.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct noted {
    struct procd_failure failure;
    char *message;
};

/* One per thread, freed at its end. */
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void forget(void *memory)
{
    struct noted *noted = memory;

    json_decref(noted->failure.data);
    free(noted->message);
    free(noted);
}

static void make_key(void)
{
    pthread_key_create(&key, forget);
}

static struct noted *mine(void)
{
    struct noted *noted;

    pthread_once(&once, make_key);
    noted = pthread_getspecific(key);
    if (!noted) {
        noted = calloc(1, sizeof *noted);
        if (noted && pthread_setspecific(key, noted) != 0) {
            free(noted);
            noted = NULL;
        }
    }
    return noted;
}

/* The words of the daemon's own errors. */
static const char *describe(int code)
{
    switch (code) {
#define ERROR(identifier, name, number, message) \
    case number:                                 \
        return message;
#include "proto/errors.def"
#undef ERROR
    }
    return NULL;
}

const char *procd_strerror(int code)
{
    static _Thread_local char buffer[128];
    const char *text = code >= 0 ? "success" : describe(code);

    if (text)
        return text;
    if (code < -4095) {
        snprintf(buffer, sizeof buffer, "unknown error %d", code);
        return buffer;
    }
    return strerror_r(-code, buffer, sizeof buffer);
}

static int note(int code, const char *message, json_t *data)
{
    struct noted *noted = mine();

    if (!noted) {
        json_decref(data);
        return code;
    }
    json_decref(noted->failure.data);
    free(noted->message);
    noted->message = message ? strdup(message) : NULL;
    noted->failure.code = code;
    noted->failure.data = data;
    return code;
}

int failure_note(int code, const char *message)
{
    return note(code, message, NULL);
}

int failure_note_daemon(int code, const json_t *error)
{
    json_t *data = json_object_get(error, "data");

    /* whatever answers, it is what the header says */
    return note(code, json_string_value(json_object_get(error, "message")),
                json_is_object(data) ? json_incref(data) : NULL);
}

const struct procd_failure *procd_last_error(void)
{
    static const struct procd_failure no_memory = {.code = -12, .message = "no memory"};
    struct noted *noted = mine();

    if (!noted)
        return &no_memory;
    noted->failure.message = noted->message ? noted->message : procd_strerror(noted->failure.code);
    return &noted->failure;
}
