/* SPDX-License-Identifier: MIT */
#include "tests/bench/spawns.h"

#include "tests/bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- 64 outstanding ---- */

/* On each lane ids 0.. are spawns, ids LANE_DEEP.. joins. */
static const char *program;
static int begun, left, wanted;

static void ask_spawn(struct lane *lane, int id)
{
    lane_ask(lane,
             "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"process.spawn\",\"params\":{\"argv\":[\"%s\"],"
             "\"env\":{},\"stdout\":\"null\",\"stderr\":\"null\"}}\n",
             id, program);
    begun++;
}

static void take_reply(struct lane *lane, char *line)
{
    const char *id = strstr(line, "\"id\":");
    int number = id ? atoi(id + 5) : -1;

    errno = 0;
    if (number < 0 || number >= 2 * LANE_DEEP) {
        bench_die("not ours: %s", line);
    } else if (number < LANE_DEEP) {
        lane_ask(lane,
                 "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"process.join\",\"params\":{\"process\":%ld}}\n",
                 LANE_DEEP + number, wire_number(line, "\"id\":"));
    } else {
        wire_expect(line, "\"exitcode\":0");
        left--;
        if (begun < wanted)
            ask_spawn(lane, number - LANE_DEEP);
    }
}

double spawns_a_second(struct lanes *lanes, const char *child, int count)
{
    double begin = bench_seconds();

    program = child;
    begun = 0;
    left = wanted = count;
    for (int i = 0; i < LANES; i++) {
        for (int id = 0; id < LANE_DEEP && begun < wanted; id++)
            ask_spawn(&lanes->lane[i], id);
        lane_flush(&lanes->lane[i]);
    }
    lanes_run(lanes, take_reply, &left);
    return count / (bench_seconds() - begin);
}

/* ---- one at a time ---- */

double spawns_one_at_a_time(struct wire *wire, const char *child, int count)
{
    char spawn[SPAWNS_REQUEST_SIZE];
    size_t spawn_size = (size_t) snprintf(spawn, sizeof spawn, SPAWNS_REQUEST, child);
    double begin = bench_seconds();

    for (int i = 0; i < count; i++) {
        long id = wire_number(wire_call(wire, spawn, spawn_size), "\"id\":");
        char join[128];
        int size = snprintf(join, sizeof join, WIRE_REQUEST("process.join", "\"process\":%ld"), id);

        wire_expect(wire_call(wire, join, (size_t) size), "\"exitcode\":0");
    }
    return (bench_seconds() - begin) / count * 1e6;
}
