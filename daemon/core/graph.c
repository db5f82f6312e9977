/* SPDX-License-Identifier: MIT */
#include "daemon/core/graph.h"

#include "daemon/core/objects.h"

#include <errno.h>
#include <stdlib.h>

/* ---- lists that grow ---- */

#define ROOM_MAX (1 << 18) /* of each list: who waits for whom can be as many as those who wait, squared */

/* Room for one more of `size` bytes; -ENOMEM also where there are too many. */
static int grow(void **list, size_t count, size_t *room, size_t size)
{
    size_t more = *room ? *room * 2 : 64;
    void *larger;

    if (count < *room)
        return 0;
    if (more > ROOM_MAX)
        return -ENOMEM;
    larger = realloc(*list, more * size);
    if (!larger)
        return -ENOMEM;
    *list = larger;
    *room = more;
    return 0;
}

/* The number of a new node, or 0 without memory. */
static uint64_t add_node(struct graph *graph, const struct owner *owner, int32_t pid)
{
    if (grow((void **) &graph->nodes, graph->node_count, &graph->node_room, sizeof *graph->nodes) < 0)
        return 0;
    graph->nodes[graph->node_count++] = (struct graph_node){owner, pid};
    return graph->node_count;
}

static uint64_t node_of_owner(struct core *core, struct graph *graph, struct owner *owner)
{
    if (owner->search != core->search) {
        owner->number = add_node(graph, owner, owner->client->data.pid);
        owner->search = core->search;
        owner->by = NULL;
    }
    return owner->number;
}

static uint64_t node_of_process(struct core *core, struct graph *graph, struct process *process)
{
    if (process->search != core->search) {
        process->number = add_node(graph, NULL, process->data.pid);
        process->search = core->search;
    }
    return process->number;
}

static int add_edge(struct graph *graph, uint64_t from, uint64_t to, const struct object *object,
                    uint64_t process)
{
    if (from == 0 || to == 0 ||
        grow((void **) &graph->edges, graph->edge_count, &graph->edge_room, sizeof *graph->edges) < 0)
        return -ENOMEM;
    graph->edges[graph->edge_count++] = (struct graph_edge){from, to, object, process};
    return 0;
}

static int add_to_cycle(struct graph *graph, uint64_t node)
{
    if (grow((void **) &graph->cycles, graph->cycle_count, &graph->cycle_room, sizeof *graph->cycles) < 0)
        return -ENOMEM;
    graph->cycles[graph->cycle_count++] = node;
    return 0;
}

/* ---- nodes and edges ---- */

/* To each owner that holds some of the object, once: `by` tells by which wait it was met last. */
static int edges_to_holders(struct core *core, struct graph *graph, uint64_t from,
                            const struct waiter *waiter)
{
    const struct hold *hold;
    int r = 0;

    TAILQ_FOREACH(hold, &waiter->object->holds, of_object) {
        uint64_t to = node_of_owner(core, graph, hold->owner);

        if (r == 0 && hold->owner->by != waiter)
            r = add_edge(graph, from, to, waiter->object, 0);
        hold->owner->by = waiter;
    }
    return r;
}

static int edges_to_process(struct core *core, struct graph *graph, uint64_t from, struct process *process)
{
    struct owner *owner, *next;
    bool any = false;
    int r = 0;

    if (process->client) {
        HASH_ITER(hh, process->client->owners, owner, next) {
            if (TAILQ_EMPTY(&owner->waits) || r < 0)
                continue;
            any = true;
            r = add_edge(graph, from, node_of_owner(core, graph, owner), NULL, process->data.id);
        }
    }
    return any ? r : add_edge(graph, from, node_of_process(core, graph, process), NULL, process->data.id);
}

static int edges_of_wait(struct core *core, struct graph *graph, uint64_t from, const struct waiter *waiter)
{
    if (from == 0)
        return -ENOMEM;
    if (waiter->data.kind == WAIT_HOLD || waiter->data.kind == WAIT_RELOCK)
        return edges_to_holders(core, graph, from, waiter);
    if (waiter->data.kind == WAIT_JOIN && waiter->link_count > 0 && waiter->links[0].process)
        return edges_to_process(core, graph, from, waiter->links[0].process);
    return 0;
}

/* Of the waits that this uid has asked for: a process may have become another user's. */
static int edges_of(struct core *core, uint32_t uid, struct graph *graph, struct owner *owner)
{
    const struct waiter *waiter;
    int r = 0;

    TAILQ_FOREACH(waiter, &owner->waits, of_owner)
        if (r == 0 && waiter->data.uid == uid)
            r = edges_of_wait(core, graph, node_of_owner(core, graph, owner), waiter);
    return r;
}

static int collect(struct core *core, uint32_t uid, struct graph *graph)
{
    struct client *client, *next_client;
    struct owner *owner, *next;
    int r = 0;

    core->search++;
    HASH_ITER(hh, core->clients, client, next_client)
        HASH_ITER(hh, client->owners, owner, next)
            if (r == 0)
                r = edges_of(core, uid, graph, owner);
    return r;
}

/* ---- cycles ---- */

/* A walk in depth: where it stands, and which way it took. */
struct visit {
    size_t first, end; /* the node's edges */
    size_t next;       /* the next of them to be taken */
    uint64_t parent;
    enum { UNSEEN, ON_THE_WAY, DONE } state;
    bool told; /* in a cycle that was noted */
};

/* It was found from its end to its beginning. */
static void turn_round(uint64_t *nodes, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        uint64_t node = nodes[i];

        nodes[i] = nodes[count - 1 - i];
        nodes[count - 1 - i] = node;
    }
}

/* From `node` back along the way to `to`: a cycle, unless part of it was noted already. */
static int note_cycle(struct graph *graph, struct visit *visits, uint64_t node, uint64_t to)
{
    size_t first = graph->cycle_count;
    uint64_t at;

    for (at = node; !visits[at].told && at != to; at = visits[at].parent)
        ;
    if (visits[at].told)
        return 0;
    for (at = node;; at = visits[at].parent) {
        visits[at].told = true;
        if (add_to_cycle(graph, at) < 0)
            return -ENOMEM;
        if (at == to)
            break;
    }
    turn_round(graph->cycles + first, graph->cycle_count - first);
    return add_to_cycle(graph, 0);
}

static int walk_from(struct graph *graph, struct visit *visits, uint64_t start)
{
    uint64_t at = start;

    visits[at].state = ON_THE_WAY;
    while (at != 0) {
        struct visit *visit = &visits[at];
        uint64_t to;

        if (visit->next == visit->end) {
            visit->state = DONE;
            at = visit->parent;
            continue;
        }
        to = graph->edges[visit->next++].to;
        if (visits[to].state == ON_THE_WAY && note_cycle(graph, visits, at, to) < 0)
            return -ENOMEM;
        if (visits[to].state == UNSEEN) {
            visits[to].state = ON_THE_WAY;
            visits[to].parent = at;
            at = to;
        }
    }
    return 0;
}

static int find_cycles(struct graph *graph)
{
    struct visit *visits = calloc(graph->node_count + 1, sizeof *visits);
    int r = 0;

    if (!visits)
        return -ENOMEM;
    for (size_t i = 0; i < graph->edge_count; i++) {
        struct visit *visit = &visits[graph->edges[i].from];

        if (visit->end == 0)
            visit->first = visit->next = i;
        visit->end = i + 1;
    }
    for (uint64_t node = 1; node <= graph->node_count && r == 0; node++)
        if (visits[node].state == UNSEEN)
            r = walk_from(graph, visits, node);
    free(visits);
    return r;
}

int core_graph(struct core *core, uint32_t uid, struct graph *ret_graph)
{
    int r;

    *ret_graph = (struct graph){.nodes = NULL};
    r = collect(core, uid, ret_graph);
    if (r == 0)
        r = find_cycles(ret_graph);
    if (r < 0)
        core_graph_done(ret_graph);
    return r;
}

void core_graph_done(struct graph *graph)
{
    free(graph->nodes);
    free(graph->edges);
    free(graph->cycles);
}
