/* SPDX-License-Identifier: MIT */
/*
 * What procctl prints: results to standard output, notes and errors to standard error, escaped for a person's
 * eyes.
 */
#ifndef PROCD_CTL_OUTPUT_H
#define PROCD_CTL_OUTPUT_H

#include "client/ctl/ctl.h"

#include <jansson.h>

/* A line with the program's and the command's name in front; what was put into it is escaped. */
void complain(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with a text that is escaped already. */
void complain_escaped(const struct ctl *ctl, const char *text);

/* A line that --quiet leaves out. */
void note(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A wrong command line: says so and how to get help. Returns CTL_USAGE. */
int usage_error(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The one JSON document of --json, in one line. Takes it over. */
void print_document(json_t *document);

/* One JSON document of a stream, in one line. Takes it over. */
void print_line(json_t *document);

/* JSON laid out for reading. Takes it over. */
void print_pretty(json_t *document);

/* The document of a failure that has no answer of the daemon behind it, where --json asks for one. */
void print_failure(const struct ctl *ctl, const char *name, const char *message);

/* A record as "member: value" lines. */
void print_record(const json_t *record);

/* ^C from now on: exit 130, with the document of --json where it is still owed. */
void catch_interrupt(bool owes_document);

/* Flushes standard output. The status to exit with: the given one, or CTL_FAILED where writing failed. */
int finish_output(const struct ctl *ctl, int status);

#endif
