/* SPDX-License-Identifier: MIT */
/*
 * A semaphore of two permits in shared memory: proto/page.h, daemon/core/permit.c. Each permit has a word of
 * its own. Client 1 wants both of them, one after the other; the others want one.
 *
 *   acquire    a word that is not CLOSED and has no owner: swap. Else the other one. Else: ask, await the
 *              answer.
 *   release    a word that is not CLOSED and names oneself: swap. Else the other one. Else: ask, await the
 *              answer.
 *   daemon     takes one word after the other (sets CLOSED), commits what they said, commits the request
 *              and what it decides, stores one word after the other, answers. It may die between any two of
 *              these; the next one takes both words first, and stores whatever the last one did.
 *
 * A permit of one who dies comes back, and the next one is told by an answer: until then the words are
 * closed.
 */
#define PERMITS 2
#define CLOSED 4
#define ORDER(w) ((w) >> 3) /* changed by the daemon alone; of two stores that a crash may have left apart */
#define ORDERS 4

byte words[PERMITS];

/* The record, on the journal. The owner of each permit, 0: it is free. */
byte owner[PERMITS], abandoned;
byte order_of_record;
bit is_open[PERMITS] = 1;

/* Who has it, whoever knows: what is in an open word that was stored as it was decided, or the record. */
#define IS_NEWS(i, w) (is_open[i] && ORDER(w) == order_of_record)
#define OWNS(i, x) ((IS_NEWS(i, words[i]) -> OWNER(words[i]) : owner[i]) == (x))

byte lost, told;    /* ghosts: permits of those who have died with them, and how many were told of one */

#define HOLDS(x) false
#define AT_DEATH(x) lost = lost + OWNS(0, x) + OWNS(1, x)
#define MAY_DIE(x) (deaths < DEATHS && alive[x])
#include "common.pml"

mtype = { ACQUIRE, RELEASE, TIME, DEATH, RESTART };
mtype = { NONE, GRANTED, TOLD, LATE, RELEASED };

chan requests[SLOTS] = [2] of { mtype, bit };
chan answers[SLOTS] = [2] of { bit, mtype };

bit known[SLOTS], keys[SLOTS], present[SLOTS];
mtype results[SLOTS];
chan queue = [CLIENTS] of { byte };

byte inside_of[SLOTS]; /* ghost: how many permits a client is sure to have */

#define INSIDE(x) (alive[x] -> inside_of[x] : 0)
#define ALL_INSIDE (INSIDE(1) + INSIDE(2) + (CLIENTS > 2 -> INSIDE(CLIENTS) : 0))

#define CONNECTED (link == links[me])

inline connect()
{
    atomic {
        up && !hung_up[me] -> link = links[me];
        do
        :: answers[me]?_, _
        :: empty(answers[me]) -> break
        od
    }
}

inline ask(what)
{
    do
    :: atomic { CONNECTED && nfull(requests[me]) -> requests[me]!what, key; break }
    :: !CONNECTED -> connect()
    od
}

#ifdef WRONG_BARGE
#define MAY_TAKE(w) (OWNER(w) == 0)
#else
#define MAY_TAKE(w) (!((w) & CLOSED) && OWNER(w) == 0)
#endif
#define MAY_GIVE(w) (!((w) & CLOSED) && OWNER(w) == me)

inline try_to_take(i)
{
#ifdef WRONG_PLAIN_SWAP
    seen = words[i];
    atomic {
        if
        :: MAY_TAKE(seen) -> words[i] = seen | me; seen = 0; goto got
        :: else -> seen = 0
        fi
    }
#else
    atomic {
        if
        :: MAY_TAKE(words[i]) ->
            must(order, empty(queue));
            must(report, abandoned == 0);
            words[i] = words[i] | me; goto got
        :: else
        fi
    }
#endif
}

inline try_to_give(i)
{
    atomic {
        if
        :: MAY_GIVE(words[i]) -> words[i] = words[i] & ~3; goto given
        :: else
        fi
    }
}

proctype client(byte me)
{
    byte rounds = (me == 1 -> 1 : ROUNDS), wanted, link, seen;
    bit key, its;
    mtype answer = NONE;

birth:
    {
        do
        :: rounds > 0 ->
            rounds--; wanted = (me == 1 -> 2 : 1);
acquire:    try_to_take(me & 1);
            try_to_take(1 - (me & 1));
            atomic { waits[me] = 1; key = !key };
            ask(ACQUIRE);
end_await:  if
            :: atomic {
                answers[me]?its, answer ->
                if
                :: its == key && answer == LATE ->
                    waits[me] = 0; its = 0; answer = NONE; goto release
                :: its == key && answer != LATE ->
                    waits[me] = 0; its = 0; answer = NONE; goto got
                :: else -> its = 0; answer = NONE; goto end_await
                fi
               }
            :: !CONNECTED && empty(answers[me]) -> ask(ACQUIRE); goto end_await
            fi;
got:        atomic {
                inside_of[me]++; wanted--;
                must(exclusion, ALL_INSIDE <= PERMITS);
                if
                :: wanted > 0 -> goto acquire
                :: else
                fi
            };
release:    do
            :: inside_of[me] > 0 ->
                inside_of[me]--;
                try_to_give(me & 1);
                try_to_give(1 - (me & 1));
                key = !key;
                ask(RELEASE);
                do
                :: atomic {
                    answers[me]?its, answer ->
                    if
                    :: its == key && answer == RELEASED -> its = 0; answer = NONE; break
                    :: else -> its = 0; answer = NONE
                    fi
                   }
                :: !CONNECTED && empty(answers[me]) -> ask(RELEASE)
                od;
given:          skip
            :: inside_of[me] == 0 -> break
            od;
            wanted = 0
        :: rounds == 0 -> goto done
        od
    } unless {
        atomic {
            !alive[me] ->
            rounds = 0; wanted = 0; seen = 0; its = 0; answer = NONE; key = 0; inside_of[me] = 0
        }
    };
#if REUSE
    if
    :: atomic {
        !died[me] ->
        alive[me] = 1; rounds = 1; link = links[me];
        do
        :: answers[me]?_, _
        :: empty(answers[me]) -> break
        od;
        goto birth
       }
    :: true
    fi;
#endif
done:
    alive[me] = 0
}

/* ---- the daemon ---- */

inline take_news(i, w)
{
    if
#ifdef WRONG_NO_ORDER
    :: is_open[i] -> owner[i] = OWNER(w)
#else
    :: IS_NEWS(i, w) -> owner[i] = OWNER(w)
#endif
    :: else
    fi;
    is_open[i] = 0; w = 0
}

inline take_word(i, w)
{
#ifdef WRONG_PLAIN_TAKE
    w = words[i];
    atomic { words[i] = w | CLOSED };
#else
    atomic { w = words[i]; words[i] = w | CLOSED };
#endif
}

/* Both words, and then one commit of what they said. */
inline take()
{
    take_word(0, seen_0);
#ifdef WRONG_TAKE_ONE
    atomic { take_news(0, seen_0) };
#else
    take_word(1, seen_1);
    atomic { take_news(0, seen_0); take_news(1, seen_1) };
#endif
}

inline grant(i)
{
    queue?other; owner[i] = other; results[other] = GRANTED; to_answer[other] = 1;
    if
    :: abandoned > 0 -> abandoned--; told++; results[other] = TOLD
    :: else
    fi;
    lost = lost + !alive[other]; /* it has died behind its request */
    other = 0
}

#ifdef WRONG_OPEN_TOO_SOON
#define MAY_OPEN (abandoned == 0)
#endif
#ifdef WRONG_OPEN_UNTOLD
#define MAY_OPEN (len(queue) == 0)
#endif
#ifndef MAY_OPEN
#define MAY_OPEN (len(queue) == 0 && abandoned == 0)
#endif

/* Grants what is free to the first in the queue; then what the next stores are to say. Atomic. */
inline decide()
{
    do
    :: len(queue) > 0 && owner[0] == 0 -> grant(0)
    :: len(queue) > 0 && owner[0] != 0 && owner[1] == 0 -> grant(1)
    :: else -> break
    od;
    order_of_record = (order_of_record + 1) % ORDERS;
    is_open[0] = MAY_OPEN; is_open[1] = MAY_OPEN
}

#define VALUE(i) ((order_of_record << 3) | (is_open[i] -> owner[i] : CLOSED))

inline answer_one(x)
{
    if
    :: to_answer[x] ->
        if
        :: atomic { present[x] && nfull(answers[x]) -> answers[x]!keys[x], results[x] }
        :: !present[x]
        fi;
        to_answer[x] = 0
    :: else
    fi
}

inline finish()
{
    words[0] = VALUE(0);
    words[1] = VALUE(1);
    answer_one(1);
    answer_one(2);
#if CLIENTS > 2
    answer_one(3);
#endif
}

#ifdef WRONG_BURY_FIRST
#define DRAINED(x) true
#else
#define DRAINED(x) (len(requests[x]) == 0)
#endif
#define EVENT(x) (len(requests[x]) > 0 || died[x] || hung_up[x])
#if TIMEOUTS
#define LATE_ONE(x) (queue??[x] && present[x])
#else
#define LATE_ONE(x) false
#endif

proctype daemon()
{
    byte me, other, seen_0, seen_1;
    mtype what = NONE;
    bit key, to_answer[SLOTS];

start:
    {
        take();
        atomic { decide() };
        finish();
        up = 1;
end_idle:
        atomic {
            if
            :: EVENT(1) -> me = 1
            :: EVENT(2) -> me = 2
#if CLIENTS > 2
            :: EVENT(3) -> me = 3
#endif
            :: LATE_ONE(1) -> me = 1; what = TIME; goto known_event
            :: LATE_ONE(2) -> me = 2; what = TIME; goto known_event
#if CLIENTS > 2
            :: LATE_ONE(3) -> me = 3; what = TIME; goto known_event
#endif
            fi;
            if
            :: len(requests[me]) > 0 -> requests[me]?<what, key>
            :: DRAINED(me) && died[me] -> what = DEATH
            :: len(requests[me]) == 0 && hung_up[me] && !died[me] -> what = RESTART
            fi
        };
known_event:
#ifdef WRONG_DEATH_LOOKS_ONCE
        if
        :: what == DEATH -> take_word(0, seen_0); atomic { take_news(0, seen_0) }
        :: else -> take()
        fi;
#else
#ifdef WRONG_DECIDE_BLINDLY
        if
        :: what == ACQUIRE || what == RELEASE -> take()
        :: else
        fi;
#else
        take();
#endif
#endif
        /* the input, and what it decides: one commit */
        atomic {
            if
            :: what == TIME ->
                if
                :: queue??[eval(me)] -> queue??eval(me); results[me] = LATE; to_answer[me] = 1
                :: else
                fi
            :: what == RESTART -> present[me] = 0; hung_up[me] = 0
            :: what == DEATH ->
                if
                :: queue??[eval(me)] -> queue??eval(me)
                :: else
                fi;
                abandoned = abandoned + (owner[0] == me) + (owner[1] == me);
                owner[0] = (owner[0] == me -> 0 : owner[0]);
                owner[1] = (owner[1] == me -> 0 : owner[1]);
                known[me] = 0; keys[me] = 0; present[me] = 0; results[me] = NONE;
                died[me] = 0; hung_up[me] = 0
            :: (what == ACQUIRE || what == RELEASE) && known[me] && keys[me] == key ->
                /* asked again: it is there again, or was answered */
                requests[me]?_, _; present[me] = 1; to_answer[me] = (results[me] != NONE)
            :: (what == ACQUIRE || what == RELEASE) && !(known[me] && keys[me] == key) ->
                requests[me]?_, _; known[me] = 1; keys[me] = key; present[me] = 1;
                if
                :: what == ACQUIRE -> results[me] = NONE; queue!me
                :: what == RELEASE ->
                    results[me] = RELEASED; to_answer[me] = 1;
                    must(free, owner[0] == me || owner[1] == me);
                    lost = lost - !alive[me];
                    if
                    :: owner[0] == me -> owner[0] = 0
                    :: owner[0] != me && owner[1] == me -> owner[1] = 0
                    :: else
                    fi
                fi
            fi;
            decide()
        };
        finish();
        atomic { me = 0; what = NONE; key = 0; goto end_idle };
    } unless {
        atomic {
            crash -> crash = 0; up = 0;
            me = 1;
            do
            :: me <= CLIENTS ->
                links[me]++; hung_up[me] = 0; present[me] = 0; to_answer[me] = 0;
                do
                :: requests[me]?_, _
                :: empty(requests[me]) -> break
                od;
                me++
            :: me > CLIENTS -> break
            od;
            me = 0; other = 0; seen_0 = 0; seen_1 = 0; what = NONE; key = 0;
            goto start
        }
    }
}

active proctype rest()
{
end:
    timeout ->
    must(wakeup, NOBODY_WAITS);
    must(free, OWNS(0, 0) && OWNS(1, 0) && empty(queue));
    must(open, abandoned > 0 || !((words[0] | words[1]) & CLOSED));
    must(report, lost == told + abandoned)
}
