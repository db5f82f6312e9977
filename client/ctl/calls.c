/* SPDX-License-Identifier: MIT */
#include "client/ctl/calls.h"
#include "client/ctl/object.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "daemon/base/cleanup.h"
#include "proto/bytes.h"
#include "proto/ids.h"
#include "proto/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int own_status(const struct ctl *ctl, int status)
{
    return ctl->exits_as_child && status < CTL_TIMEOUT && status != CTL_USAGE ? CTL_FAILED : status;
}

/* Has the library tried to start one? */
static bool may_start(const struct ctl *ctl)
{
    const char *wish = getenv("PROCD_AUTOSTART");

    return !ctl->no_autostart && !(wish && strcmp(wish, "0") == 0);
}

/* What to say of a connection that cannot be made, or is lost. */
static const char *connection_text(const struct ctl *ctl, int error)
{
    switch (error) {
    case -ENOENT:
    case -ECONNREFUSED:
        if (ctl->connection)
            return "procd is gone";
        return may_start(ctl) ? "procd is not running, and could not be started"
                              : "procd is not running";
    case -ECONNRESET:
        return "procd is gone";
    case -ENAMETOOLONG:
        return "the path of the socket is too long (107 bytes at most)";
    case -ENOTSOCK:
        return "there is a file of that name that is no socket";
    case -EPERM:
        return "the directory of the socket does not belong to you, or others may write to it";
    case -ETIMEDOUT:
        return "procd does not answer";
    case -EPROTO:
    case -EPROTONOSUPPORT:
        return "what answers there does not speak the protocol of procd";
    case -EMSGSIZE:
        return "the request is too long (1 MiB at most)";
    default:
        return strerror(-error);
    }
}

/* The socket that was tried. "": to name it tells nothing, for there was a daemon. */
static const char *tried_socket(const struct ctl *ctl, struct endpoint *own)
{
    const char *named = ctl->socket ? ctl->socket : getenv("PROCD_SOCKET");

    if (ctl->connection)
        return "";
    if (named && *named)
        return named;
    return endpoint_own(geteuid(), getenv("XDG_RUNTIME_DIR"), "/run/user", "/tmp", own) == 0 ? own->path : "";
}

static bool is_absent(int error)
{
    return error == -ENOENT || error == -ECONNREFUSED;
}

/* ssh has said on standard error what it had to say. */
static int report_remote(const struct ctl *ctl, const char *host, int error)
{
    const char *text = ctl->connection && error == -ECONNRESET ? "the link is lost, or procd there is gone"
                       : error == -ECONNRESET || error == -EHOSTUNREACH
                           ? "there is no link: ssh failed, or there is no procctl, or no procd"
                       : error == -EINVAL ? "no host: want ssh://[user@]host[:port]"
                       : error == -ENOENT ? "there is no ssh"
                       : error == -EOPNOTSUPP ? "descriptors cannot go to another machine"
                                              : connection_text(ctl, error);

    complain(ctl, "%s: %s", host, text);
    print_failure(ctl, "Connection", text);
    return CTL_FAILED;
}

int report_connection(const struct ctl *ctl, int error)
{
    const char *host = call_host(ctl);
    struct endpoint own;
    const char *path, *text;
    struct stat info;

    if (host)
        return report_remote(ctl, host, error);
    path = tried_socket(ctl, &own);
    if (error == -ECONNREFUSED && stat(path, &info) == 0 && !S_ISSOCK(info.st_mode))
        error = -ENOTSOCK;
    text = connection_text(ctl, error);
    if (is_absent(error) && !ctl->connection && may_start(ctl))
        complain(ctl, "%s%s%s (run procd --user --socket %s to see why)", path, *path ? ": " : "", text,
                 path);
    else
        complain(ctl, "%s%s%s", path, *path ? ": " : "", text);
    print_failure(ctl, "Connection", text);
    return CTL_FAILED;
}

const char *call_host(const struct ctl *ctl)
{
    struct endpoint_options options = {.host = ctl->host};

    return endpoint_host(&options);
}

int call_local(const struct ctl *ctl, const char *format)
{
    const char *host = call_host(ctl);
    CLEANUP_MEMORY char *text = NULL;

    if (!host)
        return 0;
    if (asprintf(&text, format, host) < 0)
        text = NULL;
    complain(ctl, "%s", text ? text : "not with a daemon of another machine");
    print_failure(ctl, "Remote", text ? text : "not with a daemon of another machine");
    return own_status(ctl, CTL_FAILED);
}

int call_open(struct ctl *ctl)
{
    struct endpoint_options options = {
        .host = ctl->host, .socket = ctl->socket, .no_autostart = ctl->no_autostart};
    int error;

    if (ctl->connection)
        return 0;
    error = connection_open(&options, &ctl->connection);
    return error < 0 ? report_connection(ctl, error) : 0;
}

static int spawn_error_status(const json_t *error)
{
    bool is_missing = strcmp(error_data(error, "errno"), "ENOENT") == 0 &&
                      strcmp(error_data(error, "stage"), "exec") == 0;

    return is_missing ? CTL_NOT_FOUND : CTL_CANNOT_EXECUTE;
}

int error_status(const struct ctl *ctl, const json_t *error)
{
    switch ((int) error_id(error)) {
    case ERROR_NO_SUCH_PROCESS:
    case ERROR_NO_SUCH_OBJECT:
        return own_status(ctl, CTL_UNKNOWN);
    case ERROR_PERMISSION_DENIED:
        return own_status(ctl, CTL_DENIED);
    case ERROR_BROKEN_BARRIER:
    case ERROR_OBJECT_GONE:
    case ERROR_DEADLOCK:
        return own_status(ctl, CTL_BROKEN);
    case ERROR_SPAWN_FAILED:
        return spawn_error_status(error);
    case ERROR_INTERNAL_ERROR:
    case ERROR_SHUTTING_DOWN:
        return CTL_FAILED;
    default:
        return own_status(ctl, CTL_NEGATIVE);
    }
}

int report_error(const struct ctl *ctl, json_t *error, const json_t *params)
{
    CLEANUP_MEMORY char *text = error_line(ctl, error, params);

    complain_escaped(ctl, text);
    if (ctl->is_json)
        print_document(json_pack("{s:O}", "error", error));
    return error_status(ctl, error);
}

int call_with_fds(struct ctl *ctl, const char *method, json_t *params, const int *fds, size_t fd_count,
                  json_t **ret_result)
{
    struct connection_request request = {
        .method = method, .params = params, .fds = fds, .fd_count = fd_count};
    struct incoming incoming = {0};
    json_t *result = NULL, *error = NULL;
    int64_t deadline = ctl->deadline ? ctl->deadline : CONNECTION_FOREVER;
    int status = call_open(ctl), failed;

    if (status == 0) {
        failed = connection_call(ctl->connection, &request, deadline, &incoming);
        if (failed < 0)
            status = report_connection(ctl, failed);
        else if (incoming_result(&incoming, &result, &error) == 0)
            *ret_result = json_incref(result);
        else
            status = error ? report_error(ctl, error, params) : report_connection(ctl, -EPROTO);
        incoming_done(&incoming);
    }
    json_decref(params);
    return status;
}

int call(struct ctl *ctl, const char *method, json_t *params, json_t **ret_result)
{
    return call_with_fds(ctl, method, params, NULL, 0, ret_result);
}
