/* SPDX-License-Identifier: MIT */
/*
 * Values of options, checked. Each answers 0, or CTL_USAGE after it has said what is wrong; without the
 * option the result stays as it was.
 */
#ifndef PROCD_CTL_VALUES_H
#define PROCD_CTL_VALUES_H

#include "client/ctl/ctl.h"

#include <jansson.h>
#include <stdint.h>

int value_seconds(const struct ctl *ctl, enum option_id id, double *ret_seconds);
int value_integer(const struct ctl *ctl, enum option_id id, int64_t least, int64_t most, int64_t *ret_number);

/* The number of a signal: TERM, SIGTERM, 15, RTMIN+3. */
int value_signal(const struct ctl *ctl, enum option_id id, int *ret_signal);

/* All K=V of an option: a new object, or NULL if it was not given. make turns V into JSON (NULL: it
 * cannot). */
typedef json_t *(*value_maker)(const char *text);
int value_pairs(const struct ctl *ctl, enum option_id id, value_maker make, json_t **ret_object);

/* A process on the command line: an id where it is a number, else a name. A new value. */
json_t *value_process(const char *word);

/* TERM, SIGTERM, 15, RTMIN+3: its number, or -EINVAL. */
int parse_signal(const char *text);

/* A decimal number, whole and nothing else, within bounds. */
bool parse_integer(const char *text, int64_t least, int64_t most, int64_t *ret_number);

/* What is wanted where that says false: "a number", or where the text is one, "a number from 1 to 255". A
 * new string. */
char *wanted_integer(const char *text, const char *what, int64_t least, int64_t most);

#endif
