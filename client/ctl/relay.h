/* SPDX-License-Identifier: MIT */
/*
 * Between procctl's terminal and that of a process: what is typed goes there, what the process writes comes
 * back, both as they are. The terminal is in raw mode meanwhile, and as it was whenever somebody else has it.
 */
#ifndef PROCD_CTL_RELAY_H
#define PROCD_CTL_RELAY_H

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#define RELAY_ENTRIES 5
#define RELAY_BUFFER  4096

struct relay_buffer {
    char bytes[RELAY_BUFFER];
    size_t at, size;
};

struct relay {
    int in, out;   /* -1: not open; in also: nothing is read */
    int master, lease; /* of the process; -1: not attached */
    bool is_shared_out; /* out has flags that are not ours alone: it may wait */
    bool is_raw;
    struct termios before;
    bool detaches;    /* ^P ^Q means that one wants to leave */
    bool has_prefix;  /* ^P was the last that was typed */
    bool is_detached; /* it was typed */
    bool is_over;     /* the lease was closed: the process has ended, or the daemon */
    bool is_quiet;    /* nobody has the process's end open: there is nothing to poll for */
    struct relay_buffer typed, written;
};

/* The size of procctl's terminal as `winsize`, or NULL: it has none, or does not know. */
json_t *relay_size(void);

/* Is standard input a terminal? */
bool relay_is_terminal(void);

/* reads: what is typed goes to the process. 0 or -errno. */
int relay_open(struct relay *relay, bool reads);
/* The terminal is as before. */
void relay_close(struct relay *relay);

/* Takes the descriptors over; the process gets our size. */
void relay_attach(struct relay *relay, int master, int lease);

/* As raw as can be while procctl itself has something to say. */
void relay_prepare(struct relay *relay);
/* Raw, or as before: for who stops meanwhile. */
void relay_take(struct relay *relay);
void relay_give_back(struct relay *relay);
/* Our terminal has another size. */
void relay_resize(const struct relay *relay);

/* What is to be polled. How many. */
size_t relay_poll(const struct relay *relay, struct pollfd entries[RELAY_ENTRIES]);
/* Moves what can be moved without waiting. */
void relay_move(struct relay *relay);
/* The process has ended: the rest of what it has written. */
void relay_drain(struct relay *relay);

#endif
