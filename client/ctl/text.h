/* SPDX-License-Identifier: MIT */
/*
 * Strings of others on their way to a person: a name or an argument may hold anything, also what makes a
 * terminal do things. Control bytes (C0, DEL, C1), what reorders or hides text (bidi controls, zero-width
 * characters), line separators and bytes that are not UTF-8 are written \xHH; a backslash is doubled.
 */
#ifndef PROCD_CTL_TEXT_H
#define PROCD_CTL_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* All return a new string (never NULL: without memory the program ends). */
char *text_escaped(const char *bytes, size_t size);

/* The same as one word of a shell: bare, or '...', or $'...' where something had to be escaped. */
char *text_quoted(const char *bytes, size_t size);

/* A JSON value: strings and {"b64"} escaped, null as "-", numbers plain, anything else as compact JSON. */
char *text_of_json(const json_t *value);

/* As JSON in printable ASCII (jansson's flags beside that). -1 without memory. */
int text_put_json(FILE *stream, const json_t *value, size_t flags);

/* An array of byte strings as a command line that could be typed. */
char *text_of_argv(const json_t *argv);

/* Unix seconds as local time, "2017-09-13 14:29:51.123". */
char *text_of_time(double seconds);

/* A span of time as ps(1) writes it: [[D-]HH:]MM:SS. */
char *text_of_span(double seconds);

/* printf into a new string. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
