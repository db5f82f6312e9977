/* SPDX-License-Identifier: MIT */
/* semaphore and bounded_semaphore: one handle for both. */
#include "client/lib/object.h"

struct procd_semaphore {
    struct object object;
};

static procd_semaphore *make(enum object_kind kind, const char *name, unsigned value)
{
    return object_create(sizeof(procd_semaphore), kind, name, json_pack("{s:I}", "value", (json_int_t)value),
                         NULL);
}

procd_semaphore *procd_semaphore_new(const char *name, unsigned value)
{
    return make(OBJECT_SEMAPHORE, name, value);
}

procd_semaphore *procd_bounded_semaphore_new(const char *name, unsigned value)
{
    return make(OBJECT_BOUNDED_SEMAPHORE, name, value);
}

procd_semaphore *procd_semaphore_from_json(const json_t *json)
{
    return object_from_json(sizeof(procd_semaphore), KIND(SEMAPHORE) | KIND(BOUNDED_SEMAPHORE), json);
}

json_t *procd_semaphore_json(procd_semaphore *semaphore)
{
    return object_json((struct object *)semaphore);
}

int procd_semaphore_acquire(procd_semaphore *semaphore, double timeout)
{
    return object_acquire((struct object *)semaphore, "semaphore.acquire", timeout, NULL, NULL);
}

int procd_semaphore_release(procd_semaphore *semaphore)
{
    return object_tell((struct object *)semaphore, "semaphore.release", json_object());
}

int procd_semaphore_value(procd_semaphore *semaphore)
{
    return object_number((struct object *)semaphore, "object.info", json_object(), "value");
}

void procd_semaphore_free(procd_semaphore *semaphore)
{
    object_free((struct object *)semaphore);
}
