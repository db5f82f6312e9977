/* SPDX-License-Identifier: MIT */
/*
 * What an error of the daemon is to a person: the thing, the reason, and the next step.
 */
#include "client/ctl/calls.h"
#include "client/ctl/object.h"
#include "client/ctl/text.h"
#include "daemon/base/cleanup.h"
#include "proto/bytes.h"
#include "proto/schema.h"

#include <string.h>

enum proto_error error_id(const json_t *error)
{
    json_int_t code = json_integer_value(json_object_get(error, "code"));

    for (enum proto_error id = ERROR_NONE + 1; id < ERROR_COUNT; id++)
        if (proto_error_code(id) == code)
            return id;
    return ERROR_NONE;
}

bool error_is(const json_t *error, enum proto_error id)
{
    return error_id(error) == id;
}

const char *error_data(const json_t *error, const char *member)
{
    const char *text = json_string_value(json_object_get(json_object_get(error, "data"), member));

    return text ? text : "";
}

/* errno of "ENOENT", or 0. */
static int errno_of(const char *name)
{
    for (int number = 1; number < 200; number++) {
        const char *known = strerrorname_np(number);
        if (known && strcmp(known, name) == 0)
            return number;
    }
    return 0;
}

/* What the command line names for a stage of the start. NULL: nothing, or more than one thing. */
static const json_t *stage_subject(const char *stage, const json_t *params)
{
    const json_t *input = json_object_get(json_object_get(params, "stdin"), "file"),
                 *output = json_object_get(json_object_get(params, "stdout"), "file");

    if (strcmp(stage, "exec") == 0)
        return json_array_get(json_object_get(params, "argv"), 0);
    if (strcmp(stage, "chdir") == 0)
        return json_object_get(params, "cwd");
    if (strcmp(stage, "stdio") == 0 && !(input && output))
        return input ? input : output;
    return NULL;
}

/* "exec ./nope: No such file or directory" */
static char *spawn_error_text(const json_t *error, const json_t *params)
{
    const char *stage = error_data(error, "stage"), *name = error_data(error, "errno");
    const json_t *subject = stage_subject(stage, params);
    CLEANUP_MEMORY char *bytes = NULL;
    int number = errno_of(name);
    size_t size;

    if (!*stage || !*name)
        return NULL;
    if (subject && bytes_from_json(subject, &bytes, &size) < 0)
        bytes = NULL;
    return text_format("%s%s%s: %s", stage, bytes ? " " : "", bytes ? bytes : "",
                       number ? strerror(number) : name);
}

/* "waiting would be a deadlock: 17 waits for a, 18 (x) waits for process 3" */
static char *deadlock_text(const json_t *error, const char *message)
{
    CLEANUP_MEMORY char *text = text_format("%s:", message);
    const json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(error, "data"), "cycle"), i, entry) {
        const json_t *target = json_object_get(entry, "waits_for");
        CLEANUP_MEMORY char *who = object_party(entry), *what = text_of_json(target), *before = TAKE(text);

        text = text_format("%s%s %s waits for %s%s", before, i > 0 ? "," : "", who,
                           json_is_integer(target) ? "process " : "", what);
    }
    return TAKE(text);
}

/* "limit reached: processes (10000 at most)" */
static char *limit_text(const json_t *error, const char *message)
{
    json_int_t value = json_integer_value(json_object_get(json_object_get(error, "data"), "value"));

    if (value <= 0)
        return text_format("%s", message);
    return text_format("%s (%" JSON_INTEGER_FORMAT " at most)", message, value);
}

/* What an error has to tell beside its message. */
static char *whole_message(const json_t *error)
{
    const char *message = json_string_value(json_object_get(error, "message"));

    if (!message)
        message = "the daemon's error has no message";
    switch ((int) error_id(error)) {
    case ERROR_DEADLOCK:
        return deadlock_text(error, message);
    case ERROR_WRONG_KIND:
        return text_format("%s (%s)", message, error_data(error, "kind"));
    case ERROR_LIMIT_EXCEEDED:
        return limit_text(error, message);
    default:
        return text_format("%s", message);
    }
}

/* The daemon names its parameter; here it was an option. "owner_pid: no such process": "process 17: no
 * such process" */
static char *owner_text(const char *message, const json_t *params)
{
    static const char wire_name[] = "owner_pid: ";
    const json_t *pid = json_object_get(params, "owner_pid");

    if (!json_is_integer(pid) || strncmp(message, wire_name, strlen(wire_name)) != 0)
        return NULL;
    return text_format("process %" JSON_INTEGER_FORMAT ": %s", json_integer_value(pid),
                       message + strlen(wire_name));
}

/* What the request was about: a process, or an object. */
static const json_t *subject_of(const json_t *params)
{
    const json_t *process = json_object_get(params, "process"), *name = json_object_get(params, "name");

    if (json_is_string(process) || json_is_integer(process))
        return process;
    return json_object_get(params, "argv") ? NULL : name;
}

/* "owner_pid: no such process", in the words of the command line */
static char *text_about_owner(const struct ctl *ctl, const char *message)
{
    const char *pid = argument_value(&ctl->arguments, OPT_FOR_PID);

    if (!pid || strncmp(message, "owner_pid: ", 11) != 0)
        return NULL;
    return text_format("--for-pid %s: %s", pid, message + 11);
}

/* ---- the next step ---- */

/* The first that fits: the error, and the beginning of the command's name. A %s is what it was about. */
static const struct {
    enum proto_error error;
    const char *command;
    const char *step;
} steps[] = {
    {ERROR_NO_SUCH_PROCESS, "", "procctl ps -a lists them"},
    {ERROR_NO_SUCH_OBJECT, "semaphore", "procctl semaphore create %s makes it"},
    {ERROR_NO_SUCH_OBJECT, "barrier wait", "-p N makes it"},
    {ERROR_NO_SUCH_OBJECT, "", "procctl objects lists them"},
    {ERROR_NO_TERMINAL, "", "procctl spawn --pty gives it one"},
    {ERROR_STILL_RUNNING, "", "procctl stop %s ends it"},
    {ERROR_BROKEN_BARRIER, "", "procctl barrier reset %s makes it whole"},
    {ERROR_NOT_OWNER, "lock ", "procctl lock show %s tells the present hold"},
    {ERROR_NOT_OWNER, "rlock ", "procctl rlock show %s tells who is"},
    {ERROR_DEADLOCK, "", "procctl graph draws who waits for whom"},
    {ERROR_METHOD_NOT_FOUND, "", "procctl schema lists them"},
    {ERROR_INVALID_PARAMS, "call", "procctl schema, and procd-api(7), tell what it takes"},
    {ERROR_INVALID_PARAMS, "events", "procd-api(7) lists them"},
};

/* What was typed: a word that is no UTF-8 went to the daemon escaped. */
static const char *typed(const struct ctl *ctl, const char *subject)
{
    for (size_t i = 0; i < ctl->arguments.word_count; i++) {
        const char *word = ctl->arguments.words[i];
        CLEANUP_MEMORY char *escaped = text_escaped(word, strlen(word));

        if (strcmp(word, subject) == 0 || strcmp(escaped, subject) == 0)
            return word;
    }
    return subject;
}

/* A new string. */
static char *subject_text(const struct ctl *ctl, const json_t *subject)
{
    if (json_is_integer(subject))
        return text_format("%" JSON_INTEGER_FORMAT, json_integer_value(subject));
    return text_format("%s", json_is_string(subject) ? typed(ctl, json_string_value(subject)) : "");
}

/* " (...)", or an empty string: a new one, which may be typed as it stands there. */
static char *next_step(const struct ctl *ctl, enum proto_error error, const json_t *subject)
{
    const char *command = ctl->command ? ctl->command->name : "";
    CLEANUP_MEMORY char *word = subject_text(ctl, subject);
    CLEANUP_MEMORY char *quoted = text_quoted(word, strlen(word));

    for (size_t i = 0; !ctl->is_quiet && i < sizeof steps / sizeof *steps; i++) {
        const char *step = steps[i].step, *place = strstr(step, "%s");

        if (steps[i].error != error || strncmp(command, steps[i].command, strlen(steps[i].command)) != 0)
            continue;
        if (!place)
            return text_format(" (%s)", step);
        return text_format(" (%.*s%s%s)", (int) (place - step), step, quoted, place + 2);
    }
    return text_format("%s", "");
}

/* In the words of the command line. */
static const char *renamed(const struct ctl *ctl, const char *message)
{
    if (ctl->command && ctl->command->run == command_events && strncmp(message, "kinds: ", 7) == 0)
        return "--kind: there is no such kind of event";
    return message;
}

/* What has a sentence of its own, which is the whole. NULL: nothing. */
static char *sentence(const struct ctl *ctl, const json_t *error, const char *message, const json_t *params)
{
    char *text = text_about_owner(ctl, message);

    text = text ? text : owner_text(message, params);
    if (!text && error_id(error) == ERROR_SPAWN_FAILED)
        text = spawn_error_text(error, params);
    return text;
}

/* "deploy: no such object". A new string; is a next step to follow? */
static char *body(const struct ctl *ctl, const json_t *error, const json_t *params, bool *ret_has_step)
{
    CLEANUP_MEMORY char *whole = whole_message(error), *subject = subject_text(ctl, subject_of(params));
    const char *message = renamed(ctl, whole);
    char *text = sentence(ctl, error, message, params);

    *ret_has_step = !text;
    return text ? text : text_format("%s%s%s", subject, *subject ? ": " : "", message);
}

char *error_text(const struct ctl *ctl, const json_t *error, const json_t *params)
{
    bool unused;

    return body(ctl, error, params, &unused);
}

char *error_line(const struct ctl *ctl, const json_t *error, const json_t *params)
{
    bool has_step;
    CLEANUP_MEMORY char *text = body(ctl, error, params, &has_step);
    CLEANUP_MEMORY char *escaped = text_escaped(text, strlen(text));
    CLEANUP_MEMORY char *step = next_step(ctl, error_id(error), subject_of(params));

    return text_format("%s%s", escaped, has_step ? step : "");
}
