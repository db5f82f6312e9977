/* SPDX-License-Identifier: MIT */
/*
 * metrics --listen: an ordinary client that answers HTTP, so that nothing of HTTP reaches the daemon.
 */
#include "client/ctl/metrics.h"

#include "client/ctl/calls.h"
#include "client/ctl/output.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PATIENCE     (2 * NSEC_PER_SEC) /* with the daemon */
#define HEADERS_MAX  8192               /* bytes */
#define BODY_MAX     0
#define CLIENT_TIME  10                 /* seconds, for a request */

struct service {
    struct ctl *ctl;
    struct event_base *base;
    struct evhttp *http;
    uint16_t port;
    int signal; /* that ended it */
};

/* A page in a browser may lead a foreign name here: only our own names are answered to. */
static bool is_ours(const struct service *service, const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    char wanted[64];

    for (size_t i = 0; host && i < sizeof names / sizeof *names; i++) {
        snprintf(wanted, sizeof wanted, "%s:%u", names[i], service->port);
        if (strcasecmp(host, names[i]) == 0 || strcasecmp(host, wanted) == 0)
            return true;
    }
    return false;
}

static void answer(struct evhttp_request *request, int code, const char *reason, const char *type,
                   const char *text, size_t size)
{
    struct evbuffer *buffer = evbuffer_new();
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

    evhttp_add_header(headers, "Content-Type", type);
    if (buffer && evbuffer_add(buffer, text, size) == 0)
        evhttp_send_reply(request, code, reason, buffer);
    else
        evhttp_send_reply(request, 500, "no memory", NULL);
    if (buffer)
        evbuffer_free(buffer);
}

static void refuse(struct evhttp_request *request, int code, const char *reason)
{
    char text[128];
    int size = snprintf(text, sizeof text, "%s\n", reason);

    answer(request, code, reason, "text/plain; charset=utf-8", text, (size_t) size);
}

static void serve(struct evhttp_request *request, void *context)
{
    struct service *service = context;
    CLEANUP_MEMORY char *text = NULL;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
    size_t size = 0;

    if (!is_ours(service, host))
        refuse(request, 403, "ask for localhost");
    else if (!path || strcmp(path, "/metrics") != 0)
        refuse(request, 404, "/metrics is all there is");
    else if (metrics_text(service->ctl, clock_monotonic() + PATIENCE, &text, &size) != 0)
        refuse(request, 503, "the daemon does not answer");
    else
        answer(request, 200, "OK", METRICS_TYPE, text, size);
}

static void stop(evutil_socket_t number, short what, void *context)
{
    struct service *service = context;

    (void) what;
    service->signal = (int) number;
    event_base_loopbreak(service->base);
}

static int listen_on(struct service *service)
{
    service->http = evhttp_new(service->base);
    if (!service->http)
        return -ENOMEM;
    evhttp_set_allowed_methods(service->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(service->http, HEADERS_MAX);
    evhttp_set_max_body_size(service->http, BODY_MAX);
    evhttp_set_timeout(service->http, CLIENT_TIME);
    evhttp_set_gencb(service->http, serve, service);
    errno = 0;
    if (evhttp_bind_socket(service->http, "127.0.0.1", service->port) < 0)
        return errno ? -errno : -EADDRNOTAVAIL;
    return 0;
}

int metrics_serve(struct ctl *ctl, uint16_t port)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    struct service service = {.ctl = ctl, .base = event_base_new(), .port = port};
    struct event *signals[sizeof ends / sizeof *ends] = {0};
    int r = service.base ? listen_on(&service) : -ENOMEM;

    for (size_t i = 0; r == 0 && i < sizeof ends / sizeof *ends; i++) {
        signals[i] = evsignal_new(service.base, ends[i], stop, &service);
        if (!signals[i] || event_add(signals[i], NULL) < 0)
            r = -ENOMEM;
    }
    if (r < 0) {
        complain(ctl, "127.0.0.1:%u: %s", port, strerror(-r));
    } else {
        note(ctl, "serving http://127.0.0.1:%u/metrics", port);
        event_base_dispatch(service.base);
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (signals[i])
            event_free(signals[i]);
    if (service.http)
        evhttp_free(service.http);
    if (service.base)
        event_base_free(service.base);
    return r < 0 ? CTL_FAILED : CTL_SIGNALLED + service.signal;
}
