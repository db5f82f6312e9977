/* SPDX-License-Identifier: MIT */
/* Who waits for whom, as one picture (protocol, object.graph). */
#ifndef PROCD_CORE_GRAPH_H
#define PROCD_CORE_GRAPH_H

#include "daemon/core/core.h"

/* Nodes are named by their place in the list, from 1 on. */
struct graph_node {
    const struct owner *owner; /* NULL: a process of which no thread waits */
    int32_t pid;
};

struct graph_edge {
    uint64_t from, to;
    const struct object *object; /* that it waits for, or NULL: `process` */
    uint64_t process;
};

struct graph {
    struct graph_node *nodes;
    struct graph_edge *edges; /* in the order of `from` */
    uint64_t *cycles;         /* nodes of one cycle each, each waiting for the next, closed by a 0 */
    size_t node_count, node_room, edge_count, edge_room, cycle_count, cycle_room;
};

/* The waits of a uid's owners. It borrows from the core, and is valid until its next step. 0, or -ENOMEM,
 * also where there are more than anybody could read. */
int core_graph(struct core *core, uint32_t uid, struct graph *ret_graph);
void core_graph_done(struct graph *graph);

#endif
