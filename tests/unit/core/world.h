/* SPDX-License-Identifier: MIT */
/*
 * A core and what a test needs around it: short names for inputs, and what each step has put out. After each
 * step the invariants are checked, and that each request is answered once at most.
 */
#ifndef PROCD_TESTS_UNIT_CORE_WORLD_H
#define PROCD_TESTS_UNIT_CORE_WORLD_H

#include "daemon/core/core.h"
#include "tests/unit/core/pages.h"
#include "tests/unit/core/must.h"

#define SECOND INT64_C(1000000000)

struct answer {
    uint64_t ticket, connection;
    struct reply_data reply;
    bool is_told;    /* by the word's round */
    char *argv;      /* of the record, or NULL */
    char *name;      /* of the record's title, or NULL */
    uint64_t *done;  /* REPLY_DONE: ids, 0 for those that have not ended */
    size_t done_count;
    char *text[2]; /* names, or a cycle of size[0] bytes; NULL: none */
    size_t size[2];
};

struct world {
    struct core *core;
    int64_t mono, wall;
    uint64_t ticket, connection, client, report;
    struct answer *answers; /* all of them, in order */
    size_t answer_count;
    struct order_data *orders; /* given by the last step */
    size_t order_count;
    struct pages *pages; /* words are closed before each step, and stored after it */
    bool unchecked; /* for tests with very many entities: the test calls check_core itself */
};

/* What a request says; the rest is 0. uid 0 means the connection's. */
struct ask {
    uint64_t connection, process, creator, digest;
    const char *key, *name, *argv, *cwd;
    const uint64_t *processes;
    int64_t span;
    uint32_t count, flags, uid;
    int32_t signal;
    size_t argv_size; /* 0: strlen */
    /* about objects: the kind is that of the method's family where it has but one */
    enum object_kind object;
    uint64_t value, token; /* value 0: 1, where that is the default */
    uint32_t parties, mode, gid;
    const char *holder; /* NULL: the default one, "#N", or "" in another's place */
    const char *lock;
    const char *objects; /* of a spawn: one name */
    struct input_restart restart;
    const struct input_threads *threads; /* thread_count of them */
    size_t thread_count;
};

struct world *world_new(void);
/* Also checks that nothing at all is left, once every client is dead and every process is closed. */
void world_free(struct world *world);
/* Buries all clients, ends and closes all processes. */
void world_clear(struct world *world);

/* The word of uid 1000's lock of that name. */
uint64_t *world_word(const struct world *world, const char *name);

/* One step; its outputs are recorded. The time is the world's. Returns what core_step returns. */
int world_step(struct world *world, struct core_input *input);
/* A step that has only a number. */
void world_number(struct world *world, enum input_kind kind, uint64_t number);
/* `span` later; due deadlines have passed. */
void world_pass(struct world *world, int64_t span);
/* The keeper has executed all orders. */
void world_executed(struct world *world);

/* A new connection of a new client (returned: both have the same number), or of a given one. */
uint64_t world_connect(struct world *world, uint32_t uid);
uint64_t world_connect_as(struct world *world, uint64_t client, uint32_t uid, uint64_t process);
void world_disconnect(struct world *world, uint64_t connection);

/* A request; returns its ticket. */
uint64_t world_ask(struct world *world, enum input_kind kind, const struct ask *ask);
#define ASK(world, kind, ...) world_ask(world, INPUT_##kind, &(struct ask){__VA_ARGS__})

/* A report about a process, with the next number. */
void world_report(struct world *world, enum input_kind kind, uint64_t process);
void world_spawned(struct world *world, uint64_t process);
void world_exited(struct world *world, uint64_t process, int exitcode);
/* A spawn and its start; returns the process. */
uint64_t world_run(struct world *world, const struct ask *ask);
#define RUN(world, ...) world_run(world, &(struct ask){__VA_ARGS__})

/* The answer to a ticket, or NULL. */
const struct answer *world_answer(const struct world *world, uint64_t ticket);
/* It was answered, with that error or none. */
void must_answer(const struct world *world, uint64_t ticket, enum proto_error error);
const struct answer *must_reply(const struct world *world, uint64_t ticket, enum reply_kind kind);
void must_wait(const struct world *world, uint64_t ticket);
/* The last step gave exactly these orders: kind and subject of each. */
void must_order(const struct world *world, size_t index, enum order_kind kind, uint64_t subject);
void must_order_signal(const struct world *world, size_t index, uint64_t subject, int signal);
void must_order_nothing(const struct world *world);

/* It was granted, or (within its time) not. */
const struct answer *must_get(const struct world *world, uint64_t ticket);
void must_not_get(const struct world *world, uint64_t ticket);
/* A reply whose number (index, woken) or flag (set, notified, created) is that one. */
void must_number(const struct world *world, uint64_t ticket, enum reply_kind kind, uint64_t number);
const struct answer *must_flag(const struct world *world, uint64_t ticket, enum reply_kind kind, bool flag);
/* uid 1000's object of that name, or a shared one; NULL: there is none. */
struct object *world_object(const struct world *world, const char *name);

/* The last process begun, and a process's name. */
uint64_t world_last(const struct world *world);
const char *world_name(const struct world *world, uint64_t process);

#endif
