/* SPDX-License-Identifier: MIT */
/* Those whose broker died: see daemon/core/absence.c. */
#include "tests/unit/core/model_inside.h"

void m_become_absent(struct m_wait *wait)
{
    if (!wait->key[0] || wait->sleep == M_SPAWN)
        return;
    wait->absent = true;
    wait->ticket_count = 1;
    wait->connections[0] = 0;
}

void m_end_absent_waits(struct model *model, uint64_t client)
{
    for (;;) {
        const struct m_wait *first = NULL;

        for (size_t i = 0; i < model->wait_count; i++) {
            const struct m_wait *wait = &model->waits[i];

            if (wait->absent && wait->asker == client && (!first || wait->tickets[0] < first->tickets[0]))
                first = wait;
        }
        if (!first)
            return;
        m_give_up(model, first->tickets[0]);
    }
}

static uint64_t grant_of(const struct m_key *key)
{
    return key->answer.hold ? key->answer.hold : key->answer.run_serial;
}

void m_end_absent_grants(struct model *model, uint64_t client)
{
    for (;;) {
        struct m_key *first = NULL;
        struct m_answer answer;

        for (size_t i = 0; i < model->key_count; i++) {
            struct m_key *key = &model->keys[i];

            if (key->unasked && key->client == client && (!first || grant_of(key) < grant_of(first)))
                first = key;
        }
        if (!first)
            return;
        answer = first->answer;
        m_forget_key(model, first);
        m_take_back(model, &answer);
    }
}

void m_end_absences(struct model *model)
{
    bool is_late = model->mono - model->absent_due > INT64_C(1000000000);
    uint64_t last = 0;

    model->absent_due = is_late ? model->mono + 5 * INT64_C(1000000000) : INT64_MAX;
    model->absent_stamp = ++model->stamp;
    if (is_late) /* who was to give them up stood still */
        return;
    for (size_t i = 0; i < model->client_count; i++)
        last = model->clients[i].id > last ? model->clients[i].id : last;
    for (uint64_t id = 1; id <= last; id++)
        m_end_absent_waits(model, id);
    for (uint64_t id = 1; id <= last; id++)
        m_end_absent_grants(model, id);
}
