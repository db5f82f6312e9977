/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/render_object.h"

#include "daemon/base/decimal.h"
#include "daemon/rpc/render.h"
#include "proto/bytes.h"
#include "proto/schema.h"

#include <stdio.h>
#include <string.h>

/* ---- info ---- */

static json_t *render_holders(const struct object *object)
{
    json_t *list = json_array();
    const struct hold *hold;

    TAILQ_FOREACH(hold, &object->holds, of_object)
        json_array_append_new(
            list, json_pack("{s:i, s:I, s:o, s:i, s:o, s:I}", "pid", hold->owner->client->data.pid, "uid",
                            (json_int_t) (hold->account ? hold->account->uid : object->data.uid), "holder",
                            render_text(hold->owner->holder), "count", (int) hold->data.count, "since",
                            hold->data.since ? render_time(hold->data.since) : json_null(), "token",
                            (json_int_t) hold->data.token));
    return list;
}

static void add_waiters(json_t *list, const struct wait_queue *queue)
{
    const struct waiter *waiter;

    TAILQ_FOREACH(waiter, queue, of_object)
        json_array_append_new(list, json_pack("{s:i, s:o, s:o}", "pid", waiter->owner->client->data.pid,
                                              "holder", render_text(waiter->owner->holder), "since",
                                              render_time(waiter->data.since)));
}

static json_t *render_waiters(const struct object *object)
{
    json_t *list = json_array();

    add_waiters(list, &object->waiters);
    add_waiters(list, &object->later);
    return list;
}

static json_t *render_mode(uint32_t mode)
{
    char text[16];

    snprintf(text, sizeof text, "%04o", mode & 0777);
    return json_string(text);
}

/* What only its kind has. */
static void add_kind(json_t *info, const struct object *object)
{
    const struct object_data *data = &object->data;

    switch ((enum object_kind) data->kind) {
    case OBJECT_BOUNDED_SEMAPHORE:
        json_object_set_new(info, "bound", json_integer((json_int_t) data->bound));
        json_object_set_new(info, "value", json_integer((json_int_t) data->value));
        break;
    case OBJECT_SEMAPHORE:
        json_object_set_new(info, "value", json_integer((json_int_t) data->value));
        break;
    case OBJECT_EVENT:
        json_object_set_new(info, "set", json_boolean(data->flags & OBJECT_SET));
        break;
    case OBJECT_CONDITION:
        json_object_set_new(info, "lock", object->lock ? render_text(object->lock->name) : json_null());
        break;
    case OBJECT_BARRIER:
        json_object_set_new(info, "parties", json_integer(data->parties));
        json_object_set_new(info, "waiting", json_integer((json_int_t) data->value));
        json_object_set_new(info, "broken", json_boolean(data->flags & OBJECT_BROKEN));
        break;
    case OBJECT_LOCK:
    case OBJECT_RLOCK:
    case OBJECT_KIND_COUNT:
        break;
    }
}

json_t *render_object(const struct object *object)
{
    const struct object_data *data = &object->data;
    json_t *info = json_pack("{s:o, s:s, s:b, s:o, s:I, s:o, s:o, s:o}", "name", render_text(object->name),
                             "kind", object_kind_name((enum object_kind) data->kind), "persist",
                             !!(data->flags & OBJECT_PERSIST), "mode",
                             data->flags & OBJECT_SHARED ? render_mode(data->mode) : json_null(), "uid",
                             (json_int_t) data->uid, "created", render_time(data->created), "holders",
                             render_holders(object), "waiters", render_waiters(object));

    if (info)
        add_kind(info, object);
    return info;
}

/* ---- answers ---- */

static json_t *render_created(const struct waiter *waiter)
{
    json_t *result = json_pack("{s:o, s:b}", "name", render_text(waiter->text[0]), "created",
                               (int) waiter->reply.sync.flag);

    if (result && waiter->text[1])
        json_object_set_new(result, "lock", render_text(waiter->text[1]));
    return result;
}

static json_t *render_named(const struct core *core, const struct waiter *waiter)
{
    const struct text *name = waiter->text[0];
    const struct object *object = core_object(core, waiter->data.uid, name->bytes, name->size);

    return object ? render_object(object) : NULL;
}

/* {"MEMBER":NUMBER}, or with more members behind it. */
static void put_number(char text[CALL_TEXT_MAX], const char *begin, uint64_t number)
{
    char digits[DECIMAL_MAX], *end = digits + sizeof digits, *first = decimal_put(end, number, 1);
    char *at = stpcpy(text, begin);

    memcpy(at, first, (size_t) (end - first));
    strcpy(at + (end - first), "}");
}

bool render_short(const struct waiter *waiter, char text[CALL_TEXT_MAX])
{
    const struct reply_sync *sync = &waiter->reply.sync;
    char *at;

    switch (waiter->reply.kind) {
    case REPLY_ACQUIRED:
        if (!sync->flag)
            strcpy(text, "{\"acquired\":false,\"abandoned\":false}");
        else if (sync->abandoned)
            put_number(text, "{\"acquired\":true,\"abandoned\":true,\"token\":", sync->token);
        else
            put_number(text, "{\"acquired\":true,\"abandoned\":false,\"token\":", sync->token);
        return true;
    case REPLY_SET:
        strcpy(text, sync->flag ? "{\"set\":true}" : "{\"set\":false}");
        return true;
    case REPLY_NOTIFIED:
        at = stpcpy(text, "{\"notified\":");
        at = stpcpy(at, sync->flag ? "true" : "false");
        strcpy(at, sync->abandoned ? ",\"abandoned\":true}" : ",\"abandoned\":false}");
        return true;
    case REPLY_WOKEN:
        put_number(text, "{\"woken\":", sync->number);
        return true;
    case REPLY_INDEX:
        put_number(text, "{\"index\":", sync->number);
        return true;
    case REPLY_RUN_ACTION:
        strcpy(text, "{\"run_action\":true}");
        return true;
    }
    return false;
}

json_t *render_sync(const struct core *core, const struct waiter *waiter)
{
    switch ((enum reply_kind) waiter->reply.kind) {
    case REPLY_CREATED:
        return render_created(waiter);
    case REPLY_OBJECT:
        return render_named(core, waiter);
    case REPLY_EMPTY:
    case REPLY_INFO:
    case REPLY_JOIN:
    case REPLY_PENDING:
    case REPLY_DONE:
    case REPLY_ACQUIRED:
    case REPLY_SET:
    case REPLY_NOTIFIED:
    case REPLY_WOKEN:
    case REPLY_INDEX:
    case REPLY_RUN_ACTION:
    case REPLY_MAPPED:
        break;
    }
    return NULL;
}

json_t *render_cycle(const struct text *cycle)
{
    json_t *list = json_array();
    struct cycle_entry entry;
    size_t at = 0;

    while (cycle && at + sizeof entry <= cycle->size) {
        const char *holder = cycle->bytes + at + sizeof entry;

        memcpy(&entry, cycle->bytes + at, sizeof entry);
        json_array_append_new(list, json_pack("{s:i, s:o, s:o}", "pid", entry.pid, "holder",
                                              bytes_to_json(holder, entry.holder_size), "waits_for",
                                              entry.name_size > 0
                                                  ? bytes_to_json(holder + entry.holder_size, entry.name_size)
                                                  : json_integer((json_int_t) entry.process)));
        at += sizeof entry + entry.holder_size + entry.name_size;
    }
    return list;
}

/* ---- the graph ---- */

static json_t *render_edge(const struct graph_edge *edge)
{
    json_t *json = json_pack("{s:I, s:I}", "from", (json_int_t) edge->from, "to", (json_int_t) edge->to);

    if (json && edge->object)
        json_object_set_new(json, "object", render_text(edge->object->name));
    else if (json)
        json_object_set_new(json, "process", json_integer((json_int_t) edge->process));
    return json;
}

static json_t *render_cycles(const struct graph *graph)
{
    json_t *list = json_array(), *cycle = NULL;

    for (size_t i = 0; i < graph->cycle_count; i++) {
        if (graph->cycles[i] == 0) {
            json_array_append_new(list, cycle ? cycle : json_array());
            cycle = NULL;
            continue;
        }
        cycle = cycle ? cycle : json_array();
        json_array_append_new(cycle, json_integer((json_int_t) graph->cycles[i]));
    }
    return list;
}

json_t *render_graph(struct core *core, uint32_t uid)
{
    json_t *nodes = json_array(), *edges = json_array(), *cycles;
    struct graph graph;

    if (core_graph(core, uid, &graph) < 0) {
        json_decref(nodes);
        json_decref(edges);
        return NULL;
    }
    for (size_t i = 0; i < graph.node_count; i++) {
        const struct graph_node *node = &graph.nodes[i];

        json_array_append_new(nodes,
                              json_pack("{s:I, s:i, s:o}", "id", (json_int_t) (i + 1), "pid", node->pid,
                                        "holder", render_text(node->owner ? node->owner->holder : NULL)));
    }
    for (size_t i = 0; i < graph.edge_count; i++)
        json_array_append_new(edges, render_edge(&graph.edges[i]));
    cycles = render_cycles(&graph);
    core_graph_done(&graph);
    return json_pack("{s:o, s:o, s:o}", "nodes", nodes, "edges", edges, "cycles", cycles);
}
