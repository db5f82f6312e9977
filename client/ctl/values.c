/* SPDX-License-Identifier: MIT */
#include "client/ctl/values.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "daemon/base/cleanup.h"
#include "proto/ids.h"
#include "proto/signals.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX 1e9 /* thirty years; the protocol takes no more for a grace */
#define SECONDS_MAX_TEXT "1000000000"

static int wrong_value(const struct ctl *ctl, enum option_id id, const char *value, const char *wanted)
{
    const struct option_spec *option = &option_specs[id];

    if (option->letter)
        return usage_error(ctl, "-%c %s: %s is wanted", option->letter, value, wanted);
    return usage_error(ctl, "--%s %s: %s is wanted", option->word, value, wanted);
}

int value_seconds(const struct ctl *ctl, enum option_id id, double *ret_seconds)
{
    const char *value = argument_value(&ctl->arguments, id);
    double seconds;
    char *end;

    if (!value)
        return 0;
    seconds = strtod(value, &end);
    if (end == value || *end || isnan(seconds) || isspace((unsigned char) *value))
        return wrong_value(ctl, id, value, "a number of seconds");
    if (seconds < 0 || seconds > SECONDS_MAX)
        return wrong_value(ctl, id, value, "a number of seconds from 0 to " SECONDS_MAX_TEXT);
    *ret_seconds = seconds;
    return 0;
}

bool parse_integer(const char *text, int64_t least, int64_t most, int64_t *ret_number)
{
    long long number;
    char *end;

    if (!isdigit((unsigned char) *text))
        return false;
    errno = 0;
    number = strtoll(text, &end, 10);
    if (*end || errno || number < least || number > most)
        return false;
    *ret_number = number;
    return true;
}

static bool is_whole(const char *text)
{
    text += *text == '-';
    return *text && text[strspn(text, "0123456789")] == '\0';
}

char *wanted_integer(const char *text, const char *what, int64_t least, int64_t most)
{
    if (is_whole(text))
        return text_format("%s from %" PRId64 " to %" PRId64, what, least, most);
    return text_format("%s", what);
}

int value_integer(const struct ctl *ctl, enum option_id id, int64_t least, int64_t most, int64_t *ret_number)
{
    const char *value = argument_value(&ctl->arguments, id);
    CLEANUP_MEMORY char *wanted = NULL;

    if (!value || parse_integer(value, least, most, ret_number))
        return 0;
    wanted = wanted_integer(value, "a number", least, most);
    return wrong_value(ctl, id, value, wanted);
}

int parse_signal(const char *text)
{
    CLEANUP_MEMORY char *name = NULL;
    int64_t number;

    if (parse_integer(text, 1, 64, &number))
        return (int) number;
    name = text_format("%s%s", strncasecmp(text, "SIG", 3) == 0 ? "" : "SIG", text);
    for (char *letter = name; *letter; letter++)
        *letter = (char) toupper((unsigned char) *letter);
    return signal_from_name(name);
}

int value_signal(const struct ctl *ctl, enum option_id id, int *ret_signal)
{
    const char *value = argument_value(&ctl->arguments, id);
    int number = value ? parse_signal(value) : 0;

    if (number < 0)
        return wrong_value(ctl, id, value, "the name or number of a signal");
    if (value)
        *ret_signal = number;
    return 0;
}

int value_pairs(const struct ctl *ctl, enum option_id id, value_maker make, json_t **ret_object)
{
    json_t *object = NULL;
    const char *pair;

    *ret_object = NULL;
    for (size_t position = 0; (pair = argument_next(&ctl->arguments, id, &position));) {
        const char *equals = strchr(pair, '=');
        json_t *value = equals && equals > pair ? make(equals + 1) : NULL;
        CLEANUP_MEMORY char *name = equals ? strndup(pair, (size_t) (equals - pair)) : NULL;

        if (!object)
            object = json_object();
        /* Names that are not UTF-8 cannot be said in the protocol. */
        if (!value || json_object_set_new(object, name, value) < 0) {
            json_decref(object);
            return wrong_value(ctl, id, pair, option_specs[id].value);
        }
    }
    *ret_object = object;
    return 0;
}

json_t *value_process(const char *word)
{
    CLEANUP_MEMORY char *escaped = NULL;
    int64_t id;
    json_t *name;

    if (parse_integer(word, 0, PROTO_INTEGER_MAX, &id))
        return json_integer(id);
    name = json_string(word);
    if (name)
        return name;
    /* No process has a name that is not UTF-8; asking for one that no process has is a fair question all the
     * same. */
    escaped = text_escaped(word, strlen(word));
    return json_string(escaped);
}
