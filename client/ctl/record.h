/* SPDX-License-Identifier: MIT */
/*
 * The daemon's info records in words, for tables. All but the color are new strings.
 */
#ifndef PROCD_CTL_RECORD_H
#define PROCD_CTL_RECORD_H

#include <jansson.h>

/* ---- of a process ---- */

/* The status, or the signal; while it runs "-". */
char *record_exit(const json_t *info);

/* How long it has been running, or ran. */
char *record_time(const json_t *info);

/* Of its state: green lives, yellow is halted, red has failed; or NULL. */
const char *record_color(const json_t *info);

/* ---- of an object ---- */

/* The oldest holder, and how many more there are. */
char *record_holder(const json_t *info);

/* How many. Those at a barrier are in its state. */
char *record_waiters(const json_t *info);

/* Since it was made. */
char *record_age(const json_t *info);

#endif
