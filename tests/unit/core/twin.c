/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/twin.h"

#include "daemon/core/save.h"
#include "tests/unit/core/invariants.h"
#include "tests/unit/core/must.h"

#include <stdlib.h>
#include <string.h>

/* ---- the state as bytes ---- */

static void append(void *context, const void *data, size_t size)
{
    struct state *state = context;

    if (state->size + size > state->room) {
        state->room = (state->size + size) * 2;
        state->bytes = realloc(state->bytes, state->room);
        must(state->bytes != NULL);
    }
    memcpy(state->bytes + state->size, data, size);
    state->size += size;
}

void state_take(struct state *state, const struct core *core)
{
    state->size = 0;
    core_save(core, append, state);
}

bool state_equals(const struct state *one, const struct state *other)
{
    return one->size == other->size && memcmp(one->bytes, other->bytes, one->size) == 0;
}

void state_free(struct state *state)
{
    free(state->bytes);
    *state = (struct state){0};
}

/* ---- twins ---- */

static uint64_t named(const struct core *core, uint32_t uid, const struct title *title)
{
    const struct process *process = core_process_named(core, uid, title->name, title->name_size);

    return process ? process->data.id : 0;
}

static void must_answer_queries_alike(const struct core *core, const struct core *twin)
{
    struct process *process, *next;

    must(core_is_idle(core) == core_is_idle(twin) && core_wants_to_leave(core) == core_wants_to_leave(twin));
    must(core_next_deadline(core) == core_next_deadline(twin));
    must(core_first_event(core) == core_first_event(twin));
    HASH_ITER(hh, core->processes, process, next) {
        const struct title *title = process->record->title;

        must(named(core, process->data.uid, title) == named(twin, process->data.uid, title));
    }
}

/* What is counted is not saved. */
static void must_count_alike(const struct core *core, const struct core *twin)
{
    const struct account *account = core->accounts, *other = twin->accounts;

    while (account && other) {
        must(account->uid == other->uid);
        must(account->clients == other->clients && account->ended == other->ended);
        must(memcmp(account->used, other->used, sizeof account->used) == 0);
        account = account->hh.next;
        other = other->hh.next;
    }
    must(!account && !other);
}

void must_be_twins(const struct core *core, const struct core *twin)
{
    struct state one = {0}, other = {0};

    state_take(&one, core);
    state_take(&other, twin);
    must(state_equals(&one, &other));
    state_free(&one);
    state_free(&other);
    must_count_alike(core, twin);
    must_answer_queries_alike(core, twin);
}

struct core *twin_of(const struct core *core)
{
    struct core *twin = NULL;
    struct state state = {0};

    state_take(&state, core);
    must(state.size == core_save_size(core));
    must(core_load(state.bytes, state.size, &twin) == 0);
    state_free(&state);
    check_core(twin);
    must_be_twins(core, twin);
    return twin;
}

/* ---- what they put out ---- */

static bool same_title(const struct title *one, const struct title *other)
{
    if (!one || !other)
        return one == other;
    return one->name_size == other->name_size && one->path_size == other->path_size &&
           memcmp(one->name, other->name, one->name_size) == 0 &&
           memcmp(title_path(one), title_path(other), one->path_size) == 0;
}

static bool same_record(const struct record *one, const struct record *other)
{
    if (!one || !other)
        return one == other;
    return one->argc == other->argc && one->argv_size == other->argv_size &&
           one->cwd_size == other->cwd_size && one->label_count == other->label_count &&
           one->labels_size == other->labels_size &&
           memcmp(one->bytes, other->bytes, one->argv_size + one->cwd_size + 1 + one->labels_size) == 0 &&
           one->account->uid == other->account->uid && same_title(one->title, other->title);
}

static bool same_text(const struct text *one, const struct text *other)
{
    if (!one || !other)
        return one == other;
    return one->size == other->size && memcmp(one->bytes, other->bytes, one->size) == 0;
}

static void must_answer_the_same(const struct waiter *one, const struct waiter *other)
{
    must(one->data.ticket == other->data.ticket && one->data.connection == other->data.connection);
    must(memcmp(&one->reply, &other->reply, sizeof one->reply) == 0);
    must(same_record(one->record, other->record));
    must(same_text(one->text[0], other->text[0]) && same_text(one->text[1], other->text[1]));
    must(one->link_count == other->link_count);
    for (uint32_t i = 0; i < one->link_count; i++)
        must(one->links[i].id == other->links[i].id);
}

/* Orders of one word follow each other, whatever is stored beside it. */
static void must_store(const struct core *twin, const struct word *word)
{
    const struct account *account = core_account(twin, word->account->uid);
    const struct word *its = account->words->word[word->data.index];

    must(its && its->list == &twin->stores && its->value == word->value);
    must(memcmp(&its->data, &word->data, sizeof word->data) == 0);
}

void must_put_out_the_same(const struct core *core, const struct core *twin, uint64_t seq)
{
    const struct waiter *answer = TAILQ_FIRST(&core->replies), *its_answer = TAILQ_FIRST(&twin->replies);
    const struct order *order = core->first_new, *its_order = twin->first_new;
    const struct word *word;

    while (answer && its_answer) {
        must_answer_the_same(answer, its_answer);
        answer = TAILQ_NEXT(answer, of_output);
        its_answer = TAILQ_NEXT(its_answer, of_output);
    }
    must(!answer && !its_answer);
    while (order && its_order) {
        must(memcmp(&order->data, &its_order->data, sizeof order->data) == 0);
        order = STAILQ_NEXT(order, pending);
        its_order = STAILQ_NEXT(its_order, pending);
    }
    must(!order && !its_order);
    TAILQ_FOREACH(word, &core->stores, of_list)
        must_store(twin, word);
    must(core->counters.seq == twin->counters.seq);
    for (seq = seq + 1; seq <= core->counters.seq; seq++) {
        const struct event_entry *event = core_event(core, seq), *its_event = core_event(twin, seq);

        must(event && its_event && memcmp(&event->data, &its_event->data, sizeof event->data) == 0);
        must(same_title(event->title, its_event->title));
        must(same_text(event->text[0], its_event->text[0]) && same_text(event->text[1], its_event->text[1]));
    }
}

/* ---- what need not be a state ---- */

static void take(struct core *core, struct core_input input)
{
    static int64_t now = 1;

    input.mono = input.mono ? input.mono : now++;
    input.wall = now;
    (void) core_step(core, &input);
    core_delivered(core);
}

static void end_processes(struct core *core)
{
    static const uint32_t kinds[] = {INPUT_SPAWNED, INPUT_EXITED, INPUT_TREE_GONE};
    struct process *process, *next;

    HASH_ITER(hh, core->processes, process, next) {
        uint64_t id = process->data.id, report = core->counters.report;

        if (report > UINT64_MAX - 8)
            continue;
        for (uint32_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            take(core, (struct core_input){.kind = kinds[i],
                                           .report = report + 1 + i,
                                           .body.report = {.process = id, .pid = 1}});
    }
}

/* What a broker does that begins from it, and what its clients do. */
struct core *bear(struct core *core)
{
    struct client *client, *next_client;
    struct process *process, *next_process;

    HASH_ITER(hh, core->processes, process, next_process) {
        const char *at = record_argv(process->record);

        for (uint32_t i = 0; i < process->record->argc; i++)
            at += strlen(at) + 1;
        must(at <= process->record->bytes + process->record->argv_size);
    }
    take(core, (struct core_input){.kind = INPUT_RESTARTED, .body.number = core->counters.order});
    must(core_save_size(core) > 0);
    for (uint64_t id = 1; id < 20; id++)
        take(core, (struct core_input){.kind = INPUT_CANCEL, .body.number = id});
    take(core, (struct core_input){.kind = INPUT_TIME, .mono = INT64_MAX});
    end_processes(core);
    HASH_ITER(hh, core->clients, client, next_client)
        take(core, (struct core_input){.kind = INPUT_CLIENT_DEAD, .body.number = client->data.id});
    take(core, (struct core_input){.kind = INPUT_SHUTDOWN});
    must(core_save_size(core) > 0);
    return core_free(core);
}
