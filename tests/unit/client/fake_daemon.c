/* SPDX-License-Identifier: MIT */
#include "tests/unit/client/fake_daemon.h"

#include "daemon/base/cleanup.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Not check's own: this also runs in threads, and in programs that are no tests. */
#define need(condition)                                                                    \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);        \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

void fake_begin(struct fake *fake)
{
    memset(fake, 0, sizeof *fake);
    strcpy(fake->folder, "/tmp/procd-test.XXXXXX");
    need(mkdtemp(fake->folder) != NULL);
    snprintf(fake->path, sizeof fake->path, "%s/s", fake->folder);
    fake_listen(fake);
    setenv("PROCD_SOCKET", fake->path, 1);
    setenv("PROCD_AUTOSTART", "0", 1);
}

void fake_listen(struct fake *fake)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(address.sun_path, fake->path);
    fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(fake->listener >= 0);
    need(bind(fake->listener, (struct sockaddr *) &address, sizeof address) == 0);
    need(listen(fake->listener, 64) == 0);
}

void fake_close(struct fake *fake)
{
    unlink(fake->path);
    fake->listener = close_fd(fake->listener);
}

void fake_run(struct fake *fake, void *(*part)(void *) )
{
    need(pthread_create(&fake->thread, NULL, part, fake) == 0);
}

void fake_end(struct fake *fake)
{
    if (fake->thread)
        need(pthread_join(fake->thread, NULL) == 0);
    fake_close(fake);
    need(rmdir(fake->folder) == 0);
}

void fake_accept(struct fake *fake, struct fake_peer *ret_peer)
{
    memset(ret_peer, 0, sizeof *ret_peer);
    ret_peer->fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);
    need(ret_peer->fd >= 0);
}

void fake_greet(struct fake *fake, struct fake_peer *ret_peer, const char *epoch)
{
    json_t *hello;

    fake_accept(fake, ret_peer);
    hello = fake_read(ret_peer, "daemon.hello");
    need(hello != NULL);
    fake_answer(ret_peer, hello,
                json_pack("{s:i,s:s,s:s,s:n}", "protocol", 1, "version", "0", "epoch", epoch, "process"));
}

json_t *fake_read(struct fake_peer *peer, const char *method)
{
    json_t *request;
    size_t length;
    char *line;

    while (frame_next(&peer->reader, &line, &length) != FRAME_LINE) {
        struct pollfd entry = {.fd = peer->fd, .events = POLLIN};
        int r;

        poll(&entry, 1, -1);
        r = frame_receive(&peer->reader, peer->fd);
        if (r == 0 || r == -ECONNRESET)
            return NULL;
        need(r > 0);
    }
    request = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    need(request != NULL);
    if (method && strcmp(json_string_value(json_object_get(request, "method")), method) != 0) {
        fprintf(stderr, "fake daemon: %s where %s was expected\n",
                json_string_value(json_object_get(request, "method")), method);
        abort();
    }
    while (peer->fd_count > 0)
        close_fd(peer->fds[--peer->fd_count]);
    peer->fd_count = (size_t) json_integer_value(json_object_get(request, "fds"));
    need(frame_take_fds(&peer->reader, peer->fds, peer->fd_count) == 0);
    return request;
}

void fake_send(struct fake_peer *peer, json_t *message)
{
    CLEANUP_MEMORY char *line = json_dumps(message, JSON_COMPACT);
    size_t length = strlen(line);

    json_decref(message);
    line[length++] = '\n';
    for (size_t done = 0; done < length;) {
        ssize_t sent = send(peer->fd, line + done, length - done, MSG_NOSIGNAL);

        need(sent > 0);
        done += (size_t) sent;
    }
}

void fake_answer(struct fake_peer *peer, json_t *request, json_t *result)
{
    fake_send(peer, json_pack("{s:s,s:O,s:o}", "jsonrpc", "2.0", "id", json_object_get(request, "id"),
                              "result", result));
    json_decref(request);
}

void fake_fail(struct fake_peer *peer, json_t *request, int code, const char *message)
{
    fake_send(peer, json_pack("{s:s,s:O,s:{s:i,s:s,s:{s:s}}}", "jsonrpc", "2.0", "id",
                              json_object_get(request, "id"), "error", "code", code, "message", message,
                              "data", "name", "Name"));
    json_decref(request);
}

void fake_hang_up(struct fake_peer *peer)
{
    size_t none = 0;

    while (peer->fd_count > 0)
        close_fd(peer->fds[--peer->fd_count]);
    frame_reader_done(&peer->reader, NULL, &none);
    peer->fd = close_fd(peer->fd);
}
