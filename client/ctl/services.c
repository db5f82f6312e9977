/* SPDX-License-Identifier: MIT */
/*
 * daemon reload: what runs is made what the files say, and only what has changed is touched. procd --load is
 * the same. What was started from a file carries its name and content as labels, so nothing else need know.
 */
#include "client/ctl/calls.h"
#include "client/ctl/output.h"
#include "client/ctl/service_file.h"
#include "client/ctl/text.h"
#include "daemon/base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define READY_PATIENCE 90 /* seconds for a service to be ready, before the next one is started anyway */

struct reload {
    struct ctl *ctl;
    struct services services;
    json_t *running; /* records of what was started from files, each id once */
    json_t *done;    /* {started: [name], changed: [name], stopped: [name], unchanged: [name]} */
};

static const char *label(const json_t *process, const char *name)
{
    const char *value = json_string_value(json_object_get(json_object_get(process, "labels"), name));

    return value ? value : "";
}

static void tell(const struct reload *reload, const char *what, const char *name)
{
    CLEANUP_MEMORY char *shown = text_escaped(name, strlen(name));

    json_array_append_new(json_object_get(reload->done, what), json_string(name));
    if (!reload->ctl->is_json && strcmp(what, "unchanged") != 0)
        printf("%s: %s\n", shown, what);
}

/* An ended one is forgotten, so that its name means the next. */
static int end_process(const struct reload *reload, const json_t *process)
{
    static const char *const methods[] = {"process.stop", "process.close"};

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        json_t *result, *params = json_pack("{s:O}", "process", json_object_get(process, "id"));
        int status = call(reload->ctl, methods[i], params, &result);

        if (status != 0 && status != CTL_UNKNOWN) /* somebody else may have been faster */
            return status;
        if (status == 0)
            json_decref(result);
    }
    return 0;
}

static const json_t *process_of(const struct reload *reload, const struct service *service)
{
    const json_t *process;
    size_t i;

    json_array_foreach(reload->running, i, process) {
        if (strcmp(label(process, SERVICE_LABEL), service->path) == 0)
            return process;
    }
    return NULL;
}

/* web, of .../web.json: a new string */
static char *name_of(const json_t *process)
{
    const char *path = label(process, SERVICE_LABEL), *slash = strrchr(path, '/');

    return service_name(slash ? slash + 1 : path);
}

/* Those whose file is gone, or says that they are not to run. Of a bad file nothing is known. */
static int end_what_is_gone(const struct reload *reload)
{
    const json_t *process;
    size_t i;

    json_array_foreach(reload->running, i, process) {
        CLEANUP_MEMORY char *name = name_of(process);
        const struct service *service = services_find_path(&reload->services, label(process, SERVICE_LABEL));
        int status;

        if (service && !(service->params && service->is_disabled))
            continue;
        status = end_process(reload, process);
        if (status != 0)
            return status;
        tell(reload, "stopped", name);
    }
    return 0;
}

/* Those that come after it may need it: but not for ever. */
static int wait_until_ready(const struct reload *reload, const struct service *service, const json_t *process)
{
    json_t *result, *params;
    int status;

    if (!service->is_waited_for || !json_is_true(json_object_get(service->params, "notify")))
        return 0;
    params = json_pack("{s:[O],s:s,s:i}", "processes", json_object_get(process, "id"), "for", "ready",
                       "timeout", READY_PATIENCE);
    status = call(reload->ctl, "process.wait", params, &result);
    if (status != 0)
        return status;
    if (json_array_size(json_object_get(result, "done")) == 0)
        note(reload->ctl, "%s is not ready; what comes after it is started all the same", service->name);
    json_decref(result);
    return 0;
}

/* Where the file says what could not be done. 0: in no one place. */
static int line_of(const struct service *service, const json_t *failure)
{
    const char *stage = error_data(failure, "stage");
    const char *member = strcmp(stage, "exec") == 0 ? "argv" : strcmp(stage, "chdir") == 0 ? "cwd" : NULL;

    return member ? service_member_line(service->text, member) : 0;
}

static int start(struct reload *reload, struct service *service, const char *what)
{
    struct connection_request request = {.method = "process.spawn", .params = service->params};
    struct incoming incoming = {0};
    json_t *process, *failure;
    int error = connection_call(reload->ctl->connection, &request, CONNECTION_FOREVER, &incoming), status = 0;

    if (error < 0)
        return report_connection(reload->ctl, error);
    if (incoming_result(&incoming, &process, &failure) != 0) {
        CLEANUP_MEMORY char *text = error_text(reload->ctl, failure, service->params);

        service_fails(reload->ctl, &reload->services, service->path, line_of(service, failure), "%s", text);
    } else {
        tell(reload, what, service->name);
        status = wait_until_ready(reload, service, process);
    }
    incoming_done(&incoming);
    return status;
}

static int apply(struct reload *reload, struct service *service)
{
    const json_t *process = process_of(reload, service);
    int status;

    if (!service->params || service->is_disabled)
        return 0;
    if (process && strcmp(label(process, SERVICE_MARK_LABEL), service->content) == 0) {
        tell(reload, "unchanged", service->name);
        return 0;
    }
    if (!process)
        return start(reload, service, "started");
    status = end_process(reload, process);
    return status != 0 ? status : start(reload, service, "changed");
}

/* Whatever says that it was started from a file of this directory: only who asks could have said it. */
static int find_running(struct reload *reload, const char *directory)
{
    size_t length = strlen(directory), i;
    json_t *list, *process;
    int status = call(reload->ctl, "process.list", NULL, &list);

    if (status != 0)
        return status;
    json_array_foreach(json_object_get(list, "processes"), i, process) {
        const char *path = label(process, SERVICE_LABEL);

        if (strncmp(path, directory, length) == 0 && path[length] == '/' && !strchr(path + length + 1, '/'))
            json_array_append(reload->running, process);
    }
    json_decref(list);
    return 0;
}

static int reload_all(struct reload *reload, const char *directory)
{
    int status = find_running(reload, directory);

    if (status == 0)
        status = end_what_is_gone(reload);
    for (size_t i = 0; i < reload->services.count && status == 0; i++)
        status = apply(reload, reload->services.order[i]);
    return status;
}

int command_daemon_reload(struct ctl *ctl)
{
    struct reload reload = {.ctl = ctl, .running = json_array()};
    CLEANUP_MEMORY char *standard = services_directory();
    const char *given = ctl->arguments.word_count > 0 ? ctl->arguments.words[0] : standard;
    /* by one name, however it is called: it is a part of the labels */
    CLEANUP_MEMORY char *real = realpath(given, NULL);
    const char *directory = real ? real : given;
    int status = call_local(ctl, "the files of %s are there: run procctl daemon reload there");

    if (status == 0 && given != standard && !real) { /* only one's own may be missing */
        complain(ctl, "%s: %s", given, strerror(errno));
        print_failure(ctl, "Directory", strerror(errno));
        status = CTL_FAILED;
    }
    reload.done = json_pack("{s:[],s:[],s:[],s:[]}", "started", "changed", "stopped", "unchanged");
    if (status == 0)
        status = services_read(ctl, directory, &reload.services);
    if (status == 0)
        status = call_open(ctl);
    if (status == 0)
        status = reload_all(&reload, directory);
    if (status == 0 && ctl->is_json) {
        json_object_set(reload.done, "failed", reload.services.failures);
        print_document(json_incref(reload.done));
    }
    if (status == 0 && reload.services.bad > 0)
        status = CTL_NEGATIVE;
    services_done(&reload.services);
    json_decref(reload.running);
    json_decref(reload.done);
    return status;
}
