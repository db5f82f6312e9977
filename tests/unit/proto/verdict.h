/* SPDX-License-Identifier: MIT */
/*
 * What becomes of one line, whatever it holds: a request in order, or an error that can be answered.
 */
#ifndef PROCD_TESTS_UNIT_PROTO_VERDICT_H
#define PROCD_TESTS_UNIT_PROTO_VERDICT_H

#include "proto/ids.h"

#include <stddef.h>

/* Before anything that uses JSON: from now on verdict_on also sees what is left behind. */
void verdict_counts_memory(void);

/* Parses and checks the line. ERROR_NONE: everything that the daemon relies on with a request holds; else
 * everything that makes an answer out of the error does. A violation ends the test. */
enum proto_error verdict_on(const char *line, size_t length);

#endif
