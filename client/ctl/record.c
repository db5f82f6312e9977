/* SPDX-License-Identifier: MIT */
#include "client/ctl/record.h"

#include "client/ctl/object.h"
#include "client/ctl/text.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <stdlib.h>
#include <string.h>

char *record_exit(const json_t *info)
{
    const char *signal = json_string_value(json_object_get(info, "signal"));

    if (!json_is_number(json_object_get(info, "ended")))
        return text_format("-");
    if (signal)
        return text_escaped(signal, strlen(signal));
    if (json_is_integer(json_object_get(info, "exitcode")))
        return text_of_json(json_object_get(info, "exitcode"));
    return text_format("unknown");
}

char *record_time(const json_t *info)
{
    const json_t *started = json_object_get(info, "started"), *ended = json_object_get(info, "ended");
    double now = (double) clock_realtime() / NSEC_PER_SEC;

    if (!json_is_number(started))
        return text_format("-");
    return text_of_span((json_is_number(ended) ? json_number_value(ended) : now) -
                        json_number_value(started));
}

const char *record_color(const json_t *info)
{
    const char *state = json_string_value(json_object_get(info, "state"));
    const json_t *exitcode = json_object_get(info, "exitcode");

    if (!state)
        return NULL;
    if (strcmp(state, "exited") == 0)
        return json_integer_value(exitcode) != 0 || json_is_null(exitcode) ? "red" : NULL;
    return strcmp(state, "stopped") == 0 || strcmp(state, "restarting") == 0 ? "yellow" : "green";
}

char *record_holder(const json_t *info)
{
    const json_t *holders = json_object_get(info, "holders");
    size_t count = json_array_size(holders);
    CLEANUP_MEMORY char *first = NULL;

    if (count == 0)
        return text_format("-");
    first = object_party(json_array_get(holders, 0));
    return count > 1 ? text_format("%s +%zu", first, count - 1) : TAKE(first);
}

char *record_waiters(const json_t *info)
{
    return text_format("%zu", json_array_size(json_object_get(info, "waiters")));
}

char *record_age(const json_t *info)
{
    double now = (double)clock_realtime() / NSEC_PER_SEC;
    const json_t *created = json_object_get(info, "created");

    return json_is_number(created) ? text_of_span(now - json_number_value(created)) : text_format("-");
}
