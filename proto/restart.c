/* SPDX-License-Identifier: MIT */
#include "proto/restart.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Members of `restart` but for policy. */
static const struct {
    const char *name;
    bool is_integer;
    double low, high;
} numbers[] = {
    {"delay", false, 0, RESTART_SECONDS_MAX},
    {"factor", false, 1, RESTART_FACTOR_MAX},
    {"max_delay", false, 0, RESTART_SECONDS_MAX},
    {"max_tries", true, 1, INT32_MAX},
};

static bool number_valid(const char *name, const json_t *json)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        double value = json_number_value(json);

        if (strcmp(name, numbers[i].name) != 0)
            continue;
        return json_is_null(json) ||
               ((numbers[i].is_integer ? json_is_integer(json) : json_is_number(json)) &&
                value >= numbers[i].low && value <= numbers[i].high);
    }
    return false;
}

bool restart_valid(const json_t *json)
{
    const char *policy = json_string_value(json_object_get(json, "policy")), *name;
    json_t *value;

    if (!policy)
        return false;
    if (strcmp(policy, "no") != 0 && strcmp(policy, "on-failure") != 0 && strcmp(policy, "always") != 0)
        return false;
    json_object_foreach((json_t *) json, name, value)
        if (strcmp(name, "policy") != 0 && !number_valid(name, value))
            return false;
    return true;
}
