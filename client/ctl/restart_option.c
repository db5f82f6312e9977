/* SPDX-License-Identifier: MIT */
#include "client/ctl/restart_option.h"

#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "daemon/base/cleanup.h"
#include "proto/restart.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int wrong(const struct ctl *ctl, const char *part, const char *wanted)
{
    return usage_error(ctl, "--restart %s: %s is wanted", part, wanted);
}

/* no, on-failure or always; and, behind a colon, how often. */
static int add_policy(const struct ctl *ctl, char *text, json_t *restart)
{
    char *tries = strchr(text, ':');
    int64_t number;

    if (tries)
        *tries++ = '\0';
    if (strcmp(text, "no") != 0 && strcmp(text, "on-failure") != 0 && strcmp(text, "always") != 0)
        return wrong(ctl, text, "no, on-failure or always");
    if (tries && !parse_integer(tries, 1, INT32_MAX, &number)) {
        CLEANUP_MEMORY char *wanted = wanted_integer(tries, "a number of tries", 1, INT32_MAX);

        return wrong(ctl, tries, wanted);
    }
    json_object_set_new(restart, "policy", json_string(text));
    if (tries)
        json_object_set_new(restart, "max_tries", json_integer(number));
    return 0;
}

/* delay=SEC and the like. */
static int add_number(const struct ctl *ctl, char *text, json_t *restart)
{
    static const struct {
        const char *word, *member, *what;
        double low, high;
    } numbers[] = {{"delay", "delay", "number of seconds", 0, RESTART_SECONDS_MAX},
                 {"factor", "factor", "factor", 1, RESTART_FACTOR_MAX},
                 {"max-delay", "max_delay", "number of seconds", 0, RESTART_SECONDS_MAX}};
    char *value = strchr(text, '='), *end = NULL;
    double number;

    if (value)
        *value++ = '\0';
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && value; i++) {
        if (strcmp(text, numbers[i].word) != 0)
            continue;
        number = strtod(value, &end);
        if (end == value || *end || isspace((unsigned char) *value) || !isfinite(number) ||
            number < numbers[i].low || number > numbers[i].high) {
            CLEANUP_MEMORY char *wanted = text_format("a %s from %.0f to %.0f", numbers[i].what,
                                                      numbers[i].low, numbers[i].high);

            return wrong(ctl, value, wanted);
        }
        json_object_set_new(restart, numbers[i].member, json_real(number));
        return 0;
    }
    return wrong(ctl, text, "delay=SEC, factor=N or max-delay=SEC");
}

int restart_option(const struct ctl *ctl, json_t *params)
{
    const char *value = argument_value(&ctl->arguments, OPT_RESTART);
    CLEANUP_MEMORY char *copy = value ? strdup(value) : NULL;
    char *rest = copy, *part = strsep(&rest, ",");
    json_t *restart;
    int status;

    if (!part)
        return 0;
    restart = json_object();
    status = add_policy(ctl, part, restart);
    while (status == 0 && (part = strsep(&rest, ",")))
        status = add_number(ctl, part, restart);
    if (status == 0)
        json_object_set(params, "restart", restart);
    json_decref(restart);
    return status;
}
