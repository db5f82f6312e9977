/* SPDX-License-Identifier: MIT */
/*
 * Plays the daemon for the client's unit tests: a private socket, and words put into its mouth one by one.
 * Every function fails the test where it does not succeed.
 */
#ifndef PROCD_TESTS_UNIT_CLIENT_FAKE_DAEMON_H
#define PROCD_TESTS_UNIT_CLIENT_FAKE_DAEMON_H

#include "proto/frame.h"

#include <jansson.h>
#include <pthread.h>

struct fake {
    char folder[40], path[56];
    int listener;
    pthread_t thread;
};

struct fake_peer {
    int fd;
    struct frame_reader reader;
    int fds[FRAME_FDS_MAX]; /* of the last request */
    size_t fd_count;
};

/* A socket in a folder of its own, $PROCD_SOCKET names it, and nothing is started on demand. */
void fake_begin(struct fake *fake);

/* Runs the daemon's part beside the test. */
void fake_run(struct fake *fake, void *(*part)(void *));

/* Waits for that part, and removes everything. */
void fake_end(struct fake *fake);

/* Nobody listens any more; a new daemon. */
void fake_close(struct fake *fake);
void fake_listen(struct fake *fake);

void fake_accept(struct fake *fake, struct fake_peer *ret_peer);

/* Accepts, and answers daemon.hello. */
void fake_greet(struct fake *fake, struct fake_peer *ret_peer, const char *epoch);

/* The next request; NULL at the end of the stream. It must be a request for method, unless that is NULL. */
json_t *fake_read(struct fake_peer *peer, const char *method);

/* Takes message over. */
void fake_send(struct fake_peer *peer, json_t *message);

/* Answers a request; takes both over. */
void fake_answer(struct fake_peer *peer, json_t *request, json_t *result);
void fake_fail(struct fake_peer *peer, json_t *request, int code, const char *message);

void fake_hang_up(struct fake_peer *peer);

#endif
