/* SPDX-License-Identifier: MIT */
/*
 * Does what was read make sense to those who will use it? Numbers that choose from a table are in it, and
 * strings are as many as is said. A state that is wrong elsewhere leads to wrong answers; one that is wrong
 * here would lead out of memory.
 */
#include "daemon/core/reader.h"

#include <string.h>

bool strings_hold(const struct blob *strings, uint32_t count)
{
    const char *at = strings->data, *end = at + strings->size;

    if (count > strings->size)
        return false;
    for (; count > 0; count--) {
        at = memchr(at, '\0', (size_t) (end - at));
        if (!at)
            return false;
        at++;
    }
    return true;
}

static bool exitcode_is_sound(int32_t exitcode)
{
    return exitcode >= -64 && exitcode <= 255;
}

bool process_is_sound(const struct process_data *data)
{
    return data->state <= PROCESS_RESTARTING && exitcode_is_sound(data->exitcode) && data->stop_signal >= 0 &&
           data->stop_signal <= 64 && data->oom <= INPUT_OOM_UNKNOWN;
}

bool restart_is_sound(const struct restart_data *restart)
{
    const struct input_restart *plan = &restart->plan;

    return plan->policy > RESTART_POLICY_NO && plan->policy <= RESTART_POLICY_ALWAYS &&
           plan->factor >= RESTART_FACTOR_ONE && plan->factor <= INT32_MAX && plan->delay > 0 &&
           plan->delay <= plan->max_delay && restart->next > 0 && restart->next <= plan->max_delay;
}

bool reply_is_sound(const struct reply_data *reply, const struct record *record,
                    struct text *const text[2])
{
    if (reply->error >= ERROR_COUNT || reply->kind > REPLY_MAPPED || reply->quota >= QUOTA_COUNT ||
        !process_is_sound(&reply->process) || reply->sync.kind >= OBJECT_KIND_COUNT)
        return false;
    if (reply->error)
        return reply->error != ERROR_DEADLOCK || cycle_is_sound(text[0]);
    return (reply->kind != REPLY_INFO || record) && (reply->kind != REPLY_OBJECT || text[0]);
}

bool cycle_is_sound(const struct text *cycle)
{
    struct cycle_entry entry;
    size_t at = 0;

    while (cycle && at < cycle->size) {
        if (cycle->size - at < sizeof entry)
            return false;
        memcpy(&entry, cycle->bytes + at, sizeof entry);
        at += sizeof entry;
        if (entry.holder_size > cycle->size - at || entry.name_size > cycle->size - at - entry.holder_size)
            return false;
        at += entry.holder_size + entry.name_size;
    }
    return true;
}

bool event_is_sound(const struct event_entry *entry)
{
    const struct event_data *data = &entry->data;

    return data->kind < EVENT_COUNT && exitcode_is_sound(data->exitcode) && data->oom <= INPUT_OOM_UNKNOWN &&
           data->object_kind < OBJECT_KIND_COUNT &&
           (data->kind != EVENT_DEADLOCK_DETECTED || cycle_is_sound(entry->text[0]));
}
