/* SPDX-License-Identifier: MIT */
#include "client/ctl/object.h"
#include "client/ctl/calls.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "daemon/base/cleanup.h"

#include <string.h>
#include <unistd.h>

#define MODE_MAX 0777

json_t *object_name(const char *word)
{
    CLEANUP_MEMORY char *escaped = NULL;
    json_t *name = json_string(word);

    if (name)
        return name;
    /* No object has a name that is not UTF-8: the daemon says so. */
    escaped = text_escaped(word, strlen(word));
    return json_string(escaped);
}

json_t *object_params(const struct ctl *ctl)
{
    return json_pack("{s:o}", "name", object_name(ctl->arguments.words[0]));
}

char *object_method(const struct ctl *ctl, const char *verb)
{
    const char *name = ctl->command->name;

    return text_format("%.*s.%s", (int)strcspn(name, " "), name, verb);
}

int object_mode(const struct ctl *ctl, json_t *params)
{
    const char *mode = argument_value(&ctl->arguments, OPT_MODE);

    if (!mode)
        return 0;
    if (*mode == '\0' || strlen(mode) > 4 || mode[strspn(mode, "01234567")] ||
        strtol(mode, NULL, 8) > MODE_MAX)
        return usage_error(ctl, "--mode %s: an octal number up to 0777 is wanted", mode);
    if (ctl->arguments.words[0][0] != '/')
        return usage_error(ctl, "--mode is for names that begin with a slash: only they are shared");
    json_object_set_new(params, "mode", json_string(mode));
    return 0;
}

int object_make(struct ctl *ctl, const char *kind, json_t *more, json_t **ret_result)
{
    json_t *params = object_params(ctl), *result = NULL;
    int status = object_mode(ctl, params);

    json_object_set_new(params, "kind", json_string(kind));
    json_object_set_new(params, "exist_ok", json_true());
    json_object_set_new(params, "persist", json_true());
    if (more)
        json_object_update(params, more);
    json_decref(more);
    if (status != 0) {
        json_decref(params);
        return status;
    }
    status = call(ctl, "object.create", params, &result);
    if (status == 0 && ret_result)
        *ret_result = json_incref(result);
    json_decref(result);
    return status;
}

int object_owner(const struct ctl *ctl, json_t *params)
{
    int64_t pid = getppid();
    int status = value_integer(ctl, OPT_HOLDER, 1, INT32_MAX, &pid);

    if (status == 0 && !argument_given(&ctl->arguments, OPT_HOLDER))
        status = call_local(ctl, "the calling shell is not a process of %s: name one of there by --for-pid");
    if (status != 0)
        return status;
    if (pid == 0)
        return usage_error(ctl, "the calling process is out of sight: name one by --for-pid");
    json_object_set_new(params, "owner_pid", json_integer(pid));
    return 0;
}

int object_do(struct ctl *ctl, const char *method, json_t *params)
{
    json_t *result = NULL;
    int status = call(ctl, method, params, &result);

    if (status == 0 && ctl->is_json)
        print_document(json_incref(result));
    json_decref(result);
    return status;
}

void object_note_abandoned(const struct ctl *ctl, const json_t *result)
{
    if (json_is_true(json_object_get(result, "abandoned")))
        note(ctl, "%s: abandoned: its holder before ended without a release", ctl->arguments.words[0]);
}
