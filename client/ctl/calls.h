/* SPDX-License-Identifier: MIT */
/*
 * Requests to the daemon and their failures, on top of client/lib/connection.h. What fails is said on
 * standard error and turned into an exit status here.
 */
#ifndef PROCD_CTL_CALLS_H
#define PROCD_CTL_CALLS_H

#include "client/ctl/ctl.h"
#include "client/lib/connection.h"
#include "proto/ids.h"

#include <jansson.h>
#include <stdint.h>

/* Connects, if that has not been done. 0, or the status: reported. */
int call_open(struct ctl *ctl);

/* The machine whose daemon is meant, or NULL: this one. */
const char *call_host(const struct ctl *ctl);

/* Says that something cannot be done with a daemon of another machine, where one is meant. 0, or the status:
 * reported. format has one %s, for the host. */
int call_local(const struct ctl *ctl, const char *format);

/* One request and its answer, without a limit of time. params is taken over; it may be NULL. 0 and ret_result
 * (a new reference), or the status: reported, with --json as the one document, too. */
int call(struct ctl *ctl, const char *method, json_t *params, json_t **ret_result);

/* The same with descriptors, which stay the caller's. */
int call_with_fds(struct ctl *ctl, const char *method, json_t *params, const int *fds, size_t fd_count,
                  json_t **ret_result);

/* A lost or impossible connection: says so. The status. */
int report_connection(const struct ctl *ctl, int error);

/* An error object of the daemon: what to tell a person (a new string) and the status. params: of the request,
 * or NULL. error_line, for complain_escaped, has the next step behind it, which is there to be typed. */
char *error_text(const struct ctl *ctl, const json_t *error, const json_t *params);
char *error_line(const struct ctl *ctl, const json_t *error, const json_t *params);
int error_status(const struct ctl *ctl, const json_t *error);

/* Which error it is; ERROR_NONE: one that this procctl does not know. */
enum proto_error error_id(const json_t *error);
bool error_is(const json_t *error, enum proto_error id);

/* A string among its data, or "". */
const char *error_data(const json_t *error, const char *member);

/* Says what an error object tells, with --json as the one document, too. The status. */
int report_error(const struct ctl *ctl, json_t *error, const json_t *params);

/* A statement that answers `status` for failures of procctl where statuses below 124 are the child's. */
int own_status(const struct ctl *ctl, int status);

#endif
