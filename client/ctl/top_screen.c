/* SPDX-License-Identifier: MIT */
#include "client/ctl/top.h"

#include "client/ctl/calls.h"
#include "client/ctl/output.h"
#include "client/ctl/screen.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE  (2 * NSEC_PER_SEC) /* with the daemon, while somebody looks */
#define LOG_LINES 1000
#define SPAN_MIN  0.1                   /* s */
#define SETTLE    (100 * NSEC_PER_MSEC) /* after a signal: what comes of it is to be seen */

struct top {
    struct ctl *ctl;
    struct monitor *monitor;
    struct screen_table processes, objects;
    json_int_t chosen; /* the process whose line is chosen: lines move */
    bool at_objects;   /* the keys move there */
    char *message;     /* NULL: the keys are told instead */
    int64_t next;      /* when to ask the daemon again */
    int64_t span;
    int status; /* -1: go on */
};

static const char keys[] = "q quit  c cpu  m memory  t time  n name  i id  r reverse  a all  "
                           "k signal  l logs  Tab ";

/* ---- what is shown ---- */

static void clear_table(struct screen_table *table)
{
    for (size_t i = 0; i < table->line_count * table->column_count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table->colors);
    table->cells = NULL;
    table->colors = NULL;
    table->line_count = 0;
}

static bool make_room(struct screen_table *table, size_t lines)
{
    clear_table(table);
    table->cells = calloc(lines * table->column_count + 1, sizeof *table->cells);
    table->colors = calloc(lines + 1, sizeof *table->colors);
    return table->cells && table->colors;
}

static void fill_processes(struct top *top)
{
    const struct monitor *monitor = top->monitor;
    struct screen_table *table = &top->processes;

    if (!make_room(table, monitor->count))
        return;
    for (size_t i = 0; i < monitor->count; i++) {
        table->colors[i] = top_process_cells(&monitor->processes[i], &table->cells[i * TOP_PROCESS_COLUMNS]);
        if (monitor->processes[i].id == top->chosen)
            table->chosen = i;
    }
    table->line_count = monitor->count;
    if (table->chosen >= table->line_count)
        table->chosen = table->line_count > 0 ? table->line_count - 1 : 0;
    if (table->line_count > 0)
        top->chosen = monitor->processes[table->chosen].id;
}

static void fill_objects(struct top *top)
{
    const json_t *objects = json_object_get(top->monitor->objects, "objects");
    struct screen_table *table = &top->objects;
    size_t count = json_array_size(objects);

    if (!make_room(table, count))
        return;
    for (size_t i = 0; i < count; i++)
        table->colors[i] =
            top_object_cells(json_array_get(objects, i), &table->cells[i * TOP_OBJECT_COLUMNS]);
    table->line_count = count;
    if (table->chosen >= count)
        table->chosen = count > 0 ? count - 1 : 0;
}

static void draw(struct top *top)
{
    int height = screen_height(), below = (int) top->objects.line_count + 1;
    CLEANUP_MEMORY char *title =
        text_format("processes: %zu   objects: %zu   order: %s%s   every %g s", top->processes.line_count,
                    top->objects.line_count, monitor_order_names[top->monitor->order],
                    top->monitor->reversed ? ", reversed" : "", (double) top->span / NSEC_PER_SEC);
    CLEANUP_MEMORY char *help = text_format("%s%s", keys, top->at_objects ? "processes" : "objects");

    below = below > height / 3 ? height / 3 : below;
    screen_clear();
    screen_line(0, title, false);
    screen_table(&top->processes, 1, height - 2 - below, !top->at_objects);
    screen_table(&top->objects, height - 1 - below, below, top->at_objects);
    screen_line(height - 1, top->message ? top->message : help, true);
    screen_show();
}

/* Takes the text over. */
static void say(struct top *top, char *text)
{
    free(top->message);
    top->message = text;
}

static void update(struct top *top)
{
    int64_t now = clock_monotonic();
    char *why = NULL;

    if (monitor_update(top->monitor, top->ctl, now + PATIENCE, &why) != 0)
        say(top, why);
    top->next = now + top->span;
    fill_processes(top);
    fill_objects(top);
}

/* ---- what the keys do ---- */

/* A request about the chosen process. params is taken over. NULL, and said why: no result. */
static json_t *ask(struct top *top, const char *method, json_t *params)
{
    json_t *result = NULL;
    char *why = NULL;

    json_object_set_new(params, "process", json_integer(top->chosen));
    if (monitor_ask(top->ctl, method, params, clock_monotonic() + PATIENCE, &result, &why) != 0)
        say(top, why);
    return result;
}

static const char *chosen_name(const struct top *top)
{
    return top->processes.cells[top->processes.chosen * TOP_PROCESS_COLUMNS + TOP_NAME];
}

static void send_signal(struct top *top)
{
    CLEANUP_MEMORY char *question =
        text_format("signal for %" JSON_INTEGER_FORMAT " %s [TERM]: ", top->chosen, chosen_name(top));
    char answer[32];
    int number;
    json_t *result;

    if (!screen_ask(question, answer, sizeof answer))
        return;
    number = parse_signal(*answer ? answer : "TERM");
    if (number <= 0) {
        say(top, text_format("%s is no signal", answer));
        return;
    }
    result = ask(top, "process.signal", json_pack("{s:i}", "signal", number));
    if (result)
        say(top, text_format("sent %s to %s", *answer ? answer : "TERM", chosen_name(top)));
    json_decref(result);
    top->next = clock_monotonic() + SETTLE;
}

static void show_logs(struct top *top)
{
    CLEANUP_MEMORY char *title = text_format("%s   q back", chosen_name(top));
    json_t *result = ask(top, "process.logs", json_pack("{s:i}", "tail", LOG_LINES));
    const json_t *lines = json_object_get(result, "lines");
    size_t count = json_array_size(lines);
    char **texts = calloc(count + 1, sizeof *texts);

    if (result && count == 0)
        say(top, text_format("%s has written nothing that is kept", chosen_name(top)));
    for (size_t i = 0; texts && i < count; i++)
        texts[i] = text_of_json(json_object_get(json_array_get(lines, i), "text"));
    if (texts && count > 0)
        screen_text(title, texts, count);
    for (size_t i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
    json_decref(result);
}

static void order_by(struct top *top, enum monitor_order order)
{
    top->monitor->order = order;
    monitor_sort(top->monitor);
    fill_processes(top);
}

static void move_to(struct top *top, int key)
{
    struct screen_table *table = top->at_objects ? &top->objects : &top->processes;
    size_t page = (size_t) (screen_height() > 8 ? screen_height() / 2 : 4), last = table->line_count;

    last -= last > 0;
    if (key == SCREEN_UP)
        table->chosen -= table->chosen > 0;
    else if (key == SCREEN_DOWN)
        table->chosen++;
    else if (key == SCREEN_PAGE_UP)
        table->chosen -= table->chosen > page ? page : table->chosen;
    else if (key == SCREEN_PAGE_DOWN)
        table->chosen += page;
    else
        table->chosen = key == SCREEN_HOME ? 0 : last;
    table->chosen = table->chosen > last ? last : table->chosen;
    if (!top->at_objects && top->processes.line_count > 0)
        top->chosen = top->monitor->processes[table->chosen].id;
}

/* What is about a process. */
static void act(struct top *top, int key)
{
    if (top->processes.line_count == 0)
        say(top, text_format("there is no process"));
    else if (key == 'k')
        send_signal(top);
    else
        show_logs(top);
}

static void handle(struct top *top, int key)
{
    static const char orders[] = {
        [MONITOR_BY_CPU] = 'c',  [MONITOR_BY_MEMORY] = 'm', [MONITOR_BY_TIME] = 't',
        [MONITOR_BY_NAME] = 'n', [MONITOR_BY_ID] = 'i',
    };
    const char *order = key > 0 && key < 0x80 ? memchr(orders, key, sizeof orders) : NULL;

    if (key == SCREEN_NOTHING)
        return;
    say(top, NULL);
    if (key == 'q' || key == SCREEN_INTERRUPT)
        top->status = key == 'q' ? CTL_OK : CTL_SIGNALLED + 2;
    else if (key >= SCREEN_UP && key <= SCREEN_END)
        move_to(top, key);
    else if (order)
        order_by(top, (enum monitor_order) (order - orders));
    else if (key == 'k' || key == 'l')
        act(top, key);
    else if (key == '\t')
        top->at_objects = !top->at_objects;
    else if (key == 'r' || key == 'a') {
        top->monitor->reversed ^= key == 'r';
        top->monitor->with_ended ^= key == 'a';
        top->next = 0;
    } else if (key == ' ')
        top->next = 0;
}

int top_screen(struct ctl *ctl, struct monitor *monitor, double seconds)
{
    struct top top = {
        .ctl = ctl,
        .monitor = monitor,
        .processes = {top_process_columns, TOP_PROCESS_COLUMNS, .colored = TOP_STATE},
        .objects = {top_object_columns, TOP_OBJECT_COLUMNS, .colored = TOP_OBJECT_STATE},
        .span = (int64_t) ((seconds < SPAN_MIN ? SPAN_MIN : seconds) * NSEC_PER_SEC),
        .status = -1,
    };

    if (!screen_open(ctl->has_color)) {
        complain(ctl, "this terminal cannot show it: TERM is wrong; --once prints the tables once");
        return CTL_FAILED;
    }
    while (top.status < 0) {
        int64_t rest = top.next - clock_monotonic();

        if (rest <= 0) {
            update(&top);
            rest = top.span;
        }
        draw(&top);
        handle(&top, screen_key((int) (rest / NSEC_PER_MSEC) + 1));
    }
    screen_close();
    say(&top, NULL);
    clear_table(&top.processes);
    clear_table(&top.objects);
    return top.status;
}
