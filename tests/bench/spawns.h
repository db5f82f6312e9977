/* SPDX-License-Identifier: MIT */
/* Spawn and join, with 64 outstanding on 8 connections, or one at a time. */
#ifndef PROCD_TESTS_BENCH_SPAWNS_H
#define PROCD_TESTS_BENCH_SPAWNS_H

#include "tests/bench/lanes.h"

/* Of a program, %s, which is told nothing and is silent. */
#define SPAWNS_REQUEST                                                                                       \
    WIRE_REQUEST("process.spawn", "\"argv\":[\"%s\"],\"env\":{},\"stdout\":\"null\",\"stderr\":\"null\"")
#define SPAWNS_REQUEST_SIZE 4400 /* with the longest path */

/* Starts `count` of them, whose status must be 0, and joins each. How many a second. */
double spawns_a_second(struct lanes *lanes, const char *child, int count);

/* The same, each when the one before it has ended and was joined. How many microseconds one takes. */
double spawns_one_at_a_time(struct wire *wire, const char *child, int count);

#endif
