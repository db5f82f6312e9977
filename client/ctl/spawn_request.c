/* SPDX-License-Identifier: MIT */
#include "client/ctl/spawn_request.h"
#include "client/ctl/calls.h"
#include "client/ctl/output.h"
#include "client/ctl/relay.h"
#include "client/ctl/restart_option.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "daemon/base/cleanup.h"
#include "proto/bytes.h"
#include "proto/ids.h"
#include "proto/schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static json_t *byte_string(const char *text)
{
    return bytes_to_json(text, strlen(text));
}

static json_t *words_json(const struct ctl *ctl)
{
    json_t *argv = json_array();

    for (size_t i = 0; i < ctl->arguments.word_count; i++)
        json_array_append_new(argv, byte_string(ctl->arguments.words[i]));
    return argv;
}

/* The caller's environment. The first of several variables of one name counts, as in getenv(3); what is no
 * variable, or has a name that is not UTF-8, cannot be said in the protocol and stays here. */
static json_t *environment_json(void)
{
    json_t *environment = json_object();

    for (char **variable = environ; variable && *variable; variable++) {
        const char *equals = strchr(*variable, '=');
        CLEANUP_MEMORY char *name = NULL;

        if (!equals || equals == *variable)
            continue;
        name = strndup(*variable, (size_t) (equals - *variable));
        if (name && !json_object_get(environment, name))
            json_object_set_new(environment, name, byte_string(equals + 1));
    }
    return environment;
}

/* Read without changing it: umask(2) cannot do that. */
static mode_t own_umask(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    unsigned mask = 022;
    char line[256];
    bool is_found = false;

    while (status && !is_found && fgets(line, sizeof line, status))
        is_found = sscanf(line, "Umask: %o", &mask) == 1;
    if (status)
        fclose(status);
    if (!is_found) {
        mask = umask(022);
        umask(mask);
    }
    return mask;
}

/* The daemon has a working directory of its own: a path it gets begins with a slash. */
static int absolute_path(const struct ctl *ctl, const char *path, json_t **ret_json)
{
    CLEANUP_MEMORY char *here = NULL, *whole = NULL;

    if (path && path[0] == '\0')
        return usage_error(ctl, "an empty path is no path");
    if (path && path[0] == '/') {
        *ret_json = byte_string(path);
        return 0;
    }
    if (call_host(ctl))
        return usage_error(ctl, "%s: a path on another machine begins with /", path);
    here = getcwd(NULL, 0);
    if (!here) {
        complain(ctl, "the working directory cannot be named: %s (-C DIR tells another)", strerror(errno));
        print_failure(ctl, "WorkingDirectory", strerror(errno));
        return own_status(ctl, CTL_FAILED);
    }
    whole = path ? text_format("%s/%s", strcmp(here, "/") == 0 ? "" : here, path) : TAKE(here);
    *ret_json = byte_string(whole);
    return 0;
}

static int add_path(const struct ctl *ctl, enum option_id id, const char *member, json_t *params)
{
    const char *file = argument_value(&ctl->arguments, id);
    json_t *path;
    int status;

    if (!file)
        return 0;
    status = absolute_path(ctl, file, &path);
    if (status == 0)
        json_object_set_new(params, member, json_pack("{s:o}", "file", path));
    return status;
}

static json_t *limit_bound(const char *text)
{
    int64_t number;

    if (strcmp(text, "unlimited") == 0)
        return json_string(text);
    return parse_integer(text, 0, PROTO_INTEGER_MAX, &number) ? json_integer(number) : NULL;
}

/* N, unlimited, SOFT:HARD */
static json_t *limit_value_json(const char *text)
{
    const char *colon = strchr(text, ':');
    CLEANUP_MEMORY char *soft = NULL;
    json_t *low, *high;

    if (!colon)
        return limit_bound(text);
    soft = strndup(text, (size_t) (colon - text));
    low = limit_bound(soft);
    high = limit_bound(colon + 1);
    if (low && high)
        return json_pack("[o,o]", low, high);
    json_decref(low);
    json_decref(high);
    return NULL;
}

static int add_pairs(const struct ctl *ctl, enum option_id id, value_maker make, const char *member,
                     json_t *params)
{
    json_t *pairs;
    int status = value_pairs(ctl, id, make, &pairs);

    if (pairs)
        json_object_set_new(params, member, pairs);
    return status;
}

/* As add_pairs; the names are those of the daemon. */
static int add_limits(const struct ctl *ctl, json_t *params)
{
    int status = add_pairs(ctl, OPT_LIMIT, limit_value_json, "limits", params);
    const char *name;
    json_t *value;

    json_object_foreach(json_object_get(params, "limits"), name, value) {
        if (limit_from_name(name) < 0)
            return usage_error(ctl, "--limit %s: there is no such limit (nofile, core, ...: setrlimit(2))",
                               name);
    }
    return status;
}

static json_t *label_value(const char *text)
{
    return json_string(text);
}

/* Whose end is its end. Said in any case: the flag of a process that procctl itself may be is not
 * inherited. */
static int add_owner(const struct ctl *ctl, json_t *params)
{
    int64_t pid = 0;
    int status = value_integer(ctl, OPT_FOR_PID, 1, INT32_MAX, &pid);

    if (status == 0 && pid == 0 && argument_given(&ctl->arguments, OPT_DAEMON)) {
        status = call_local(ctl, "the calling shell is not a process of %s: name one of there by --for-pid");
        pid = getppid();
    }
    if (pid > 0)
        json_object_set_new(params, "owner_pid", json_integer(pid));
    json_object_set_new(params, "daemon", json_boolean(pid > 0));
    return status;
}

void spawn_request_terminal(json_t *params)
{
    static const char *const streams[] = {"stdin", "stdout", "stderr"};
    json_t *size = relay_size();

    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (!json_object_get(params, streams[i]))
            json_object_set_new(params, streams[i], json_string("pty"));
    if (size)
        json_object_set_new(params, "winsize", size);
}

static int add_options(const struct ctl *ctl, json_t *params)
{
    const char *name = argument_value(&ctl->arguments, OPT_NAME);
    const char *directory = argument_value(&ctl->arguments, OPT_CHDIR);
    json_t *cwd = NULL;
    int status = directory || !call_host(ctl) ? absolute_path(ctl, directory, &cwd) : 0;

    if (status != 0)
        return status;
    if (cwd)
        json_object_set_new(params, "cwd", cwd);
    if (name && json_object_set_new(params, "name", json_string(name)) < 0)
        return usage_error(ctl, "the name %s is not UTF-8", name);
    status = add_path(ctl, OPT_STDIN, "stdin", params);
    if (status == 0)
        status = add_path(ctl, OPT_STDOUT, "stdout", params);
    if (status == 0)
        status = add_pairs(ctl, OPT_ENV, byte_string, "env_add", params);
    if (status == 0)
        status = add_pairs(ctl, OPT_LABEL, label_value, "labels", params);
    if (status == 0)
        status = add_limits(ctl, params);
    if (status == 0)
        status = restart_option(ctl, params);
    if (status == 0)
        status = add_owner(ctl, params);
    if (status == 0 && argument_given(&ctl->arguments, OPT_PTY))
        spawn_request_terminal(params);
    return status;
}

int spawn_request(const struct ctl *ctl, json_t **ret_params)
{
    json_t *params = json_object();
    int status;

    json_object_set_new(params, "argv", words_json(ctl));
    if (!call_host(ctl)) { /* there they mean nothing */
        json_object_set_new(params, "env", environment_json());
        json_object_set_new(params, "umask", json_integer(own_umask()));
    }
    status = add_options(ctl, params);
    if (status != 0) {
        json_decref(params);
        return status;
    }
    *ret_params = params;
    return 0;
}
