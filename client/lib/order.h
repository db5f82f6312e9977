/* SPDX-License-Identifier: MIT */
/*
 * What a thread sanitizer cannot see: one thread lets another go on, and the daemon is between them. Private
 * to libprocd; nothing where none looks on.
 *
 * It learns from our atomics who comes after whom. What the daemon does to a word or answers is done in
 * another process, so it would take data that an object guards for a race wherever one of the two, who lets
 * go and who goes on, has asked the daemon and the other has used the word. These say it. Between two who
 * both use the word nothing is said: that our orderings suffice is what is to be found out.
 */
#ifndef PROCD_CLIENT_LIB_ORDER_H
#define PROCD_CLIENT_LIB_ORDER_H

#include "client/lib/object.h"

#ifdef HAVE_THREAD_SANITIZER

/* By its name, as handles of one object need not know of each other. Two in one place hide a race at most. */
#define ORDER_PLACES 1024

struct order_place {
    uint64_t by_word, by_daemon; /* who has let go so. Only their addresses count. */
};
extern struct order_place order_places[ORDER_PLACES];

void __tsan_acquire(void *address);
void __tsan_release(void *address);

static inline struct order_place *order_place(const struct object *object)
{
    uint32_t hash = 0;

    for (const char *at = object->name; *at; at++)
        hash = hash * 31 + (unsigned char) *at;
    return &order_places[hash % ORDER_PLACES];
}

#define ORDER(call, object, how) __tsan_##call(&order_place(object)->how)
#else
#define ORDER(call, object, how) ((void) (object))
#endif

/* Before the word is tried: the daemon may see what it says then, and let somebody go on. */
static inline void order_let_by_word(const struct object *object)
{
    ORDER(release, object, by_word);
}

/* Before it is asked. */
static inline void order_let_by_daemon(const struct object *object)
{
    ORDER(release, object, by_daemon);
}

/* The word has said so, which the daemon may have made it say. */
static inline void order_go_by_word(const struct object *object)
{
    ORDER(acquire, object, by_daemon);
}

/* The daemon has, whoever has told it. */
static inline void order_go_by_answer(const struct object *object)
{
    ORDER(acquire, object, by_word);
    ORDER(acquire, object, by_daemon);
}

#undef ORDER

#endif
