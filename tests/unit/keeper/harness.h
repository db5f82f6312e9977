/* SPDX-License-Identifier: MIT */
/*
 * A real keeper in a process of its own; the test plays its broker, and its clients.
 */
#ifndef PROCD_TESTS_KEEPER_HARNESS_H
#define PROCD_TESTS_KEEPER_HARNESS_H

#include "daemon/base/fdpass.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/link.h"
#include "tests/unit/keeper/spec_builder.h"

#include <check.h>
#include <stdbool.h>
#include <sys/types.h>

union message {
    struct link_head head;
    struct link_hello hello;
    struct link_client client;
    struct link_child child;
    struct link_connection connection;
    struct link_identity identity;
    struct link_pidfd pidfd;
    struct link_threads threads;
    struct link_page page;
    struct link_spawned spawned;
    struct link_spawn_failed failed;
    struct link_exited exited;
    struct link_process process;
    unsigned char bytes[LINK_MESSAGE_MAX];
};

struct harness {
    pid_t keeper;
    int keeper_pidfd;
    int control;      /* the keeper's start function sends each broker's end here */
    int link;         /* our end of the present broker */
    int lookup;       /* to the present look-up helper, which would end, and be replaced, without */
    pid_t stand_in;   /* the process that the keeper takes for the broker */
    char folder[64], path[80];
    uint64_t order, process;
    uint64_t connection; /* of the test process itself */
    int client;
    union message hello;
    size_t fds_before;
    bool no_cgroups, user;
    int64_t watchdog; /* of the keeper, ns; 0: none */
    uint32_t flags; /* link_spawn_flags of what is spawned */
    bool is_kept; /* what the keeper knows outlives it: harness_take_over */
    bool serves_not; /* the brokers of those who take over do not */
    int ledger, state;
};

/* Starts a keeper and serves as its first broker, with one connection of our own. */
void harness_start(struct harness *harness);
/* Kills it, checks that no descriptor was lost and that nothing is left behind. */
void harness_stop(struct harness *harness);
/* The same without the kill: after LINK_LEAVE. */
void harness_gone(struct harness *harness);
/* The two parts of harness_stop, where there is something to do between them. */
void harness_end_keeper(struct harness *harness);
void harness_left_nothing(struct harness *harness);

/* SIGKILL. Its children are ours from then on, with is_kept. */
void harness_kill_keeper(struct harness *harness);
/* Starts another one with what the last one has left, and serves as its broker; with serves_not it goes only
 * as far as the table. */
void harness_take_over(struct harness *harness, void (*seen)(const union message *message));
/* Connects to it once more. What it had to say before must have been heard. */
void harness_connect_again(struct harness *harness);

/* Takes the place of the next broker up to LINK_TABLE_END; each message of the table goes to `seen` (or
 * NULL). */
void harness_next_broker(struct harness *harness, void (*seen)(const union message *message));
/* The same with the descriptors, which are closed after. */
void harness_next_broker_with(struct harness *harness,
                              void (*seen)(const union message *message, const struct fdpass *fds));
void harness_ready(struct harness *harness);
/* A process of that uid, which does nothing; and its end. */
pid_t process_as(uid_t uid);
void process_end(pid_t pid);

/* The broker dies without a word. Unread messages are lost. */
void harness_kill_broker(struct harness *harness);

void harness_send(struct harness *harness, const void *message, size_t size, const int *fds, size_t count);
/* The next message that is not LINK_EXECUTED or LINK_LOOKUP. Its descriptors are closed unless fds is
 * given. */
void harness_receive(struct harness *harness, union message *message, struct fdpass *fds);
void harness_expect(struct harness *harness, uint32_t kind, union message *message);
/* True if nothing comes within `ms`. */
bool harness_silent(struct harness *harness, int ms);

void harness_ask_pidfd(struct harness *harness, uint64_t process, uint64_t tag);
/* The keeper has done all that it was sent; whatever it says meanwhile is passed over. */
void harness_served(struct harness *harness);
/* Everything that was sent has been taken, and the keeper has said nothing about it. */
void harness_barrier(struct harness *harness);

void harness_acknowledge(struct harness *harness, uint64_t number);
/* Sends the order; returns the process's id. */
uint64_t harness_spawn(struct harness *harness, uint64_t connection, const struct spec_builder *spec,
                       const int *fds, size_t count);
/* Spawns a shell command and expects that it begins. Returns the id; *ret_pid where wanted. */
uint64_t harness_shell(struct harness *harness, const char *command, pid_t *ret_pid);
/* Spawns, and expects this failure. */
void harness_fails(struct harness *harness, const struct spec_builder *spec, int error, uint32_t stage);
/* Waits for the end of this process and returns its exit code. */
int harness_exit(struct harness *harness, uint64_t process);
/* Runs a shell command to its end; its output, NUL-terminated. */
void harness_output(struct harness *harness, uint64_t connection, const struct spec_builder *spec, char *text,
                    size_t size);
void harness_signal(struct harness *harness, uint64_t process, int signal, bool tree);
void harness_about(struct harness *harness, uint32_t kind, uint64_t process);

/* A client process of another user; lives until the returned pidfd's process is killed. */
uint64_t harness_connect_as(struct harness *harness, uid_t uid, pid_t *ret_pid);
size_t harness_keeper_fds(const struct harness *harness);
/* Waits until the condition holds (5 s at most). */
#define harness_until(condition)                          \
    do {                                                  \
        for (int until_ = 0; !(condition); until_++) {    \
            ck_assert_int_lt(until_, 5000);               \
            poll(NULL, 0, 1);                             \
        }                                                 \
    } while (0)

int harness_main(const char *name, void (*add)(TCase *test));

#endif
