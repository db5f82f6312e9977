/* SPDX-License-Identifier: MIT */
/*
 * The envelope of a request (protocol section 1): one line -> one checked struct request, or the error to
 * answer.
 */
#ifndef PROCD_PROTO_MESSAGE_H
#define PROCD_PROTO_MESSAGE_H

#include "proto/ids.h"
#include "proto/schema.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct request {
    json_t *root;       /* owns everything below */
    const json_t *id;   /* NULL: a notification, or (with an error) unknown */
    enum method_id method;
    const json_t *params; /* NULL: absent */
    const char *key;      /* NULL: none */
    size_t fd_count;
    bool fds_known;       /* with an error: was `fds` read before it? */
    struct args args;     /* set by message_check */
};

/* An error answer in the making: which, and the words and the `param` that go with it. */
struct failure {
    enum proto_error error; /* ERROR_NONE: no failure */
    char message[512];
    char param[PROTO_NAME_MAX + 1]; /* "": none */
};

/* Reads the line's envelope. ret_request is always set and must go to request_done. With a failure the id is
 * the one to answer with (NULL: id null). The method's name is looked up last, so that fd_count is known for
 * unknown methods. */
void message_parse(const char *line, size_t length, struct request *ret_request, struct failure *ret_failure);

/* Checks the params against the method's table. */
void message_check(struct request *request, struct failure *ret_failure);

void request_done(struct request *request);
/* The same, but for the method. */
void request_forget(struct request *request);

void failure_set(struct failure *failure, enum proto_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* InvalidParams about one parameter. */
void failure_param(struct failure *failure, const char *param, const char *wanted);

#endif
