/* SPDX-License-Identifier: MIT */
/*
 * graph: who waits for whom, for dot(1).
 */
#include "client/ctl/calls.h"
#include "client/ctl/object.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "daemon/base/cleanup.h"

#include <stdint.h>
#include <stdio.h>

/* In which cycle a node is, by its number; 0: in none. Nodes are numbered from 1 on. */
struct cycles {
    size_t *of_node;
    size_t count; /* of nodes */
};

static void cycles_fill(struct cycles *cycles, const json_t *graph)
{
    const json_t *cycle, *node;
    size_t i, k;

    cycles->count = json_array_size(json_object_get(graph, "nodes"));
    cycles->of_node = calloc(cycles->count + 1, sizeof *cycles->of_node);
    json_array_foreach(json_object_get(graph, "cycles"), i, cycle) json_array_foreach(cycle, k, node)
    {
        json_int_t number = json_integer_value(node);

        if (cycles->of_node && number > 0 && number <= (json_int_t)cycles->count)
            cycles->of_node[number] = i + 1;
    }
}

static size_t cycle_of(const struct cycles *cycles, const json_t *node)
{
    json_int_t number = json_integer_value(node);

    return cycles->of_node && number > 0 && number <= (json_int_t)cycles->count ? cycles->of_node[number] : 0;
}

/* Inside "...": dot knows escapes of its own (\N), and entities of HTML. */
static void print_label(const char *text)
{
    for (; *text; text++) {
        if (*text == '&')
            fputs("&amp;", stdout);
        else
            printf("%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
    }
}

static void print_node(const struct cycles *cycles, const json_t *node)
{
    const json_t *id = json_object_get(node, "id");
    CLEANUP_MEMORY char *holder = text_of_json(json_object_get(node, "holder"));

    printf("    n%" JSON_INTEGER_FORMAT " [label=\"%" JSON_INTEGER_FORMAT, json_integer_value(id),
           json_integer_value(json_object_get(node, "pid")));
    if (*holder) {
        fputs("\\n", stdout);
        print_label(holder);
    }
    printf("\"%s];\n", cycle_of(cycles, id) > 0 ? ", color=red, fontcolor=red" : "");
}

/* Two of one cycle wait for each other: an edge between them is part of one. */
static void print_edge(const struct cycles *cycles, const json_t *edge)
{
    const json_t *from = json_object_get(edge, "from"), *to = json_object_get(edge, "to");
    const json_t *object = json_object_get(edge, "object");
    CLEANUP_MEMORY char *name = text_of_json(object ? object : json_object_get(edge, "process"));
    bool is_red = cycle_of(cycles, from) > 0 && cycle_of(cycles, from) == cycle_of(cycles, to);

    printf("    n%" JSON_INTEGER_FORMAT " -> n%" JSON_INTEGER_FORMAT " [label=\"%s", json_integer_value(from),
           json_integer_value(to), object ? "" : "process ");
    print_label(name);
    printf("\"%s];\n", is_red ? ", color=red, fontcolor=red" : "");
}

static void print_graph(const json_t *graph)
{
    struct cycles cycles = {0};
    const json_t *item;
    size_t i;

    cycles_fill(&cycles, graph);
    puts("digraph waits {\n    node [shape=box];");
    json_array_foreach(json_object_get(graph, "nodes"), i, item) print_node(&cycles, item);
    json_array_foreach(json_object_get(graph, "edges"), i, item) print_edge(&cycles, item);
    puts("}");
    free(cycles.of_node);
}

int command_graph(struct ctl *ctl)
{
    json_t *graph = NULL;
    int status = call(ctl, "object.graph", NULL, &graph);

    if (status != 0)
        return status;
    if (ctl->is_json)
        print_document(json_incref(graph));
    else
        print_graph(graph);
    if (!ctl->is_json && json_array_size(json_object_get(graph, "edges")) == 0)
        note(ctl, "nobody waits");
    json_decref(graph);
    return status;
}
