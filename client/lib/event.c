/* SPDX-License-Identifier: MIT */
/* event */
#include "client/lib/object.h"

#include <errno.h>

struct procd_event {
    struct object object;
};

procd_event *procd_event_new(const char *name)
{
    return object_create(sizeof(procd_event), OBJECT_EVENT, name, NULL, NULL);
}

procd_event *procd_event_from_json(const json_t *json)
{
    return object_from_json(sizeof(procd_event), KIND(EVENT), json);
}

json_t *procd_event_json(procd_event *event)
{
    return object_json((struct object *)event);
}

int procd_event_set(procd_event *event)
{
    return object_tell((struct object *)event, "event.set", json_object());
}

int procd_event_clear(procd_event *event)
{
    return object_tell((struct object *)event, "event.clear", json_object());
}

int procd_event_is_set(procd_event *event)
{
    return object_number((struct object *)event, "event.is_set", json_object(), "set");
}

int procd_event_wait(procd_event *event, double timeout)
{
    struct incoming answer;
    json_t *params, *result;
    int64_t deadline;
    int r = object_wait_params(timeout, &params, &deadline);

    if (r < 0)
        return r;
    r = object_ask((struct object *)event, "event.wait", params, deadline, &answer, &result);
    if (r == 0)
        r = json_is_true(json_object_get(result, "set"));
    incoming_done(&answer);
    return r;
}

void procd_event_free(procd_event *event)
{
    object_free((struct object *)event);
}
