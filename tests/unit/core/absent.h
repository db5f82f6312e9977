/* SPDX-License-Identifier: MIT */
/*
 * What the tests of absences share: three clients, me, them and they (1 to 3), who are connected by mine,
 * other and third; and brokers that die. Before and after each death the state goes through a snapshot.
 */
#ifndef PROCD_TESTS_UNIT_CORE_ABSENT_H
#define PROCD_TESTS_UNIT_CORE_ABSENT_H

#include "tests/unit/core/world.h"

extern struct world *world;
extern uint64_t mine, me, other, them, third, they;

/* The digests are those of the same requests asked again. */
#define LOCK(from, ...) ASK(world, ACQUIRE, .connection = (from), .name = "l", .digest = 1, __VA_ARGS__)
#define FREE(from)      must_answer(world, ASK(world, RELEASE, .connection = (from), .name = "l"), ERROR_NONE)
#define RLOCK(from)                                                                                          \
    must_get(world, ASK(world, ACQUIRE, .connection = (from), .name = "c.lock", .object = OBJECT_RLOCK,      \
                        .holder = "t"))
#define RFREE(from)                                                                                          \
    ASK(world, RELEASE, .connection = (from), .name = "c.lock", .object = OBJECT_RLOCK, .holder = "t")
#define SLEEP(from, ...)                                                                                     \
    ASK(world, CONDITION_WAIT, .connection = (from), .name = "c", .holder = "t", .digest = 2, __VA_ARGS__)
#define NOTIFY(from)                                                                                         \
    must_number(world, ASK(world, CONDITION_NOTIFY, .connection = (from), .name = "c", .holder = "t"),       \
                REPLY_WOKEN, 1)
#define COME(from, ...)                                                                                      \
    ASK(world, BARRIER_WAIT, .connection = (from), .name = "w", .digest = 3, __VA_ARGS__)

/* There are a condition c and a barrier w of two parties. */
void absent_begin(void);
void absent_end(void);

/* All three come back. */
void connect_all(void);
/* The state as a broker finds it that takes over at this moment. */
void reload(void);
/* A broker dies, and the next one serves. */
void restart(void);

size_t waiting(const char *name);
/* Who has the lock; 0: nobody. */
uint64_t holder_of(const char *name);

#endif
