/* SPDX-License-Identifier: MIT */
/* Spawn and join with 64 outstanding, on 8 connections. */
#ifndef PROCD_TESTS_BENCH_SPAWNS_H
#define PROCD_TESTS_BENCH_SPAWNS_H

#include "tests/bench/lanes.h"

/* Starts `count` of them, whose status must be 0, and joins each. How many a second. */
double spawns_a_second(struct lanes *lanes, const char *child, int count);

#endif
