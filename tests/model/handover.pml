/* SPDX-License-Identifier: MIT */
/*
 * The lock in shared memory as it is made: proto/page.h, daemon/core/word.c, daemon/rpc/pages.c and
 * client/lib. The daemon keeps a record of each lock, which a journal brings through its death; the word says
 * who may change what. A waiter sleeps on its bell, and owns when it has taken the lock from the word, or an
 * answer says so.
 *
 *   word      holder, CLOSED, LOOKED, ABANDONED, NEXT, HANDED (a depth of 0: the holder has not taken it),
 *             and an order that the daemon alone changes (here: its parity)
 *   acquire   free and not CLOSED: swap. Else set the bell, ask, and look at word and socket at each ring.
 *             HANDED to oneself and not LOOKED: swap HANDED out.
 *   release   not CLOSED: swap. CLOSED with NEXT and not LOOKED: swap NEXT in, HANDED; ring it. Else: ask,
 *             await the answer.
 *   daemon    takes the word (sets CLOSED and LOOKED), commits what it said, decides and commits that,
 *             stores, answers, rings. It may die between any two of these; the next one takes the word first,
 *             and stores and rings whatever the last one did.
 */
byte holds; /* ghost: who has the lock, whoever knows it: 0 nobody */
#define HOLDS(x) (holds == (x))
#define WORD short
#include "common.pml"

#define CLOSED 4
#define ABANDONED 8
#define NEXT(w) (((w) >> 4) & 3)
#define OFFER(x) ((x) << 4)
#define ORDER 64
#define HANDED 128
#define LOOKED 256

mtype = { ACQUIRE, RELEASE, TIME, DEATH, RESTART };
#define NONE 0
#define GRANTED 1
#define TOLD 2      /* granted, and the holder before had died */
#define LATE 3      /* its time is over */
#define RELEASED 4

/* Requests carry their key: two are enough, as the one before is answered before the next is made. */
chan requests[SLOTS] = [3] of { mtype, bit };
chan answers[SLOTS] = [3] of { bit, byte };
bit bell[SLOTS], asleep[SLOTS];

/* The record, on the journal. */
chan queue = [SLOTS] of { byte };
byte holder, offered;   /* offered: to whom the word of the last store offers it */
bit abandoned, is_open, parity, told[SLOTS];
bit known[SLOTS], keys[SLOTS], present[SLOTS];  /* the last request of each, and whether it is connected */
byte results[SLOTS];    /* what it was answered; NONE: it waits */

#define CONNECTED (link == links[me])

inline wake(x) { asleep[x] = 0 }

/* A connection to a daemon that serves. What was answered on the last one is gone, and asked for again. */
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

proctype client(byte me)
{
    byte rounds = ROUNDS, link, answer, next;
    short seen;
    bit key, its;

birth:
    {
again:  do
        :: rounds > 0 ->
            rounds--;
            atomic {
                if
                :: OWNER(word) == 0 && !(word & CLOSED) ->
                    must(order, empty(queue));
                    word = word | me; holds = me;
                    answer = ((word & ABANDONED) -> TOLD : GRANTED);
                    goto hold
                :: else -> waits[me] = 1; key = !key
                fi
            };
#ifdef WRONG_BELL_LATE
            ask(ACQUIRE);
            bell[me] = 1;
#else
            bell[me] = 1;
            ask(ACQUIRE);
#endif
look:       atomic {
                if
                :: (word & ~(ORDER)) == (CLOSED | HANDED | me) ->
                    word = word & ~(HANDED); answer = GRANTED; goto got
                :: else
                fi
            };
            atomic {
                if
                :: bell[me] -> asleep[me] = 1
                :: else
                fi
            };
#ifdef WRONG_TRUST_BELL
            atomic { !asleep[me] -> answer = GRANTED; goto got };
#else
            !asleep[me];
#endif
            bell[me] = 1;
socket:     if
            :: atomic {
                answers[me]?its, answer ->
                if
                :: its == key && answer == LATE ->
                    waits[me] = 0; bell[me] = 0; answer = NONE; its = 0; goto again
                :: its == key && answer != LATE -> its = 0; goto got
                :: else -> its = 0; answer = NONE; goto socket  /* owed, for a hold that the word gave */
                fi
               }
            :: !CONNECTED && empty(answers[me]) -> ask(ACQUIRE)
            :: CONNECTED && empty(answers[me])
            fi;
            goto look;
got:        waits[me] = 0; bell[me] = 0;

hold:       atomic {
                must(exclusion, inside == 0 && holds == me);
                must(report, unreported == (answer == TOLD));
                inside = me; unreported = 0; answer = NONE
            };
            atomic { must(exclusion, inside == me); inside = 0; seen = word };
            /* the release */
swap:       atomic {
                if
                :: seen != word -> seen = word; goto swap
                :: seen == word && !(seen & CLOSED) -> word = word & ORDER; holds = 0; seen = 0; goto again
#ifdef WRONG_HAND_LOOKED
                :: seen == word && (seen & CLOSED) && NEXT(seen) != 0 ->
#else
                :: seen == word && (seen & (CLOSED | LOOKED)) == CLOSED && NEXT(seen) != 0 ->
#endif
                    next = NEXT(seen);
                    must(order, queue?[eval(next)]);
                    word = (word & (ORDER | CLOSED)) | HANDED | next; holds = next;
                    unreported = unreported || !alive[next];
                    seen = 0
                :: else -> seen = 0; key = !key; goto through_socket
                fi
            };
            /* it may die before it rings */
            atomic { seen = bell[next]; bell[next] = 0 };
            if
            :: atomic { seen -> seen = 0; wake(next); next = 0 }
            :: atomic { !seen -> next = 0 }
            fi;
            goto again;
through_socket:
            ask(RELEASE);
            do
            :: atomic { answers[me]?its, answer ->
                if
                :: its == key && answer == RELEASED -> its = 0; answer = NONE; goto again
                :: else -> its = 0; answer = NONE
                fi }
            :: !CONNECTED && empty(answers[me]) -> ask(RELEASE)
            od
        :: rounds == 0 -> goto done
        od
    } unless {
        atomic {
            !alive[me] -> rounds = 0; seen = 0; answer = 0; its = 0; next = 0; bell[me] = 0; asleep[me] = 0
        }
    };
#if REUSE
    if
    :: atomic {
#ifndef WRONG_EARLY_REUSE
            !died[me] ->
#endif
            alive[me] = 1; rounds = 1; link = links[me]; key = 0;
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

/* What the word said becomes the record. Atomic: one input on the journal. */
inline take_news()
{
#ifdef WRONG_NO_ORDER
    if
    :: true ->
#else
    if
    :: ((seen & ORDER) != 0) == parity ->
#endif
        if
        :: is_open ->
            holder = OWNER(seen);
            abandoned = (holder == 0 && (seen & ABANDONED));
            if
            :: holder != 0 -> told[holder] = ((seen & ABANDONED) != 0)
            :: else
            fi
        :: !is_open && offered != 0 && NEXT(seen) == 0 && OWNER(seen) == offered ->
            queue??eval(offered); holder = offered; abandoned = 0; told[offered] = 0;
            results[offered] = GRANTED; to_answer[offered] = 1
        :: else
        fi
    :: else
    fi;
    is_open = 0; offered = 0; seen = 0
}

/* Takes the word: one step of the processor; and then what it said is committed. */
inline take()
{
#ifdef WRONG_PLAIN_TAKE
    seen = word;
    atomic { word = seen | CLOSED | LOOKED };
#else
    atomic { seen = word; word = word | CLOSED | LOOKED };
#endif
    atomic { take_news() }
}

/* Grants to the first in the queue what is free; then what the next store is to say. Atomic. */
inline decide()
{
    if
    :: holder == 0 && len(queue) > 0 ->
        queue?other; holder = other; told[other] = abandoned; abandoned = 0;
        results[other] = (told[other] -> TOLD : GRANTED); to_answer[other] = 1;
        holds = other; unreported = unreported || !alive[other]; other = 0
    :: else
    fi;
    parity = !parity;
    value = (parity -> ORDER : 0);
    if
    :: holder != 0 -> value = value | holder | (told[holder] -> ABANDONED : 0)
    :: holder == 0 && abandoned -> value = value | ABANDONED
    :: else
    fi;
    if
    :: len(queue) == 0 -> is_open = 1
    :: len(queue) > 0 ->
        is_open = 0; value = value | CLOSED; queue?<other>;
        if
        :: other != holder && present[other] -> offered = other; value = value | OFFER(other)
        :: else
        fi;
        other = 0
    fi
}

inline answer_one(x)
{
    if
    :: to_answer[x] ->
        if
        :: atomic { present[x] && nfull(answers[x]) -> answers[x]!keys[x], results[x] }
        :: !present[x]
        fi;
#ifndef WRONG_SILENT_ANSWER
        atomic { bell[x] = 0 };
        atomic { wake(x) };
#endif
        to_answer[x] = 0
    :: else
    fi
}

inline finish()
{
    word = value;
    answer_one(1);
    answer_one(2);
#if CLIENTS > 2
    answer_one(3);
#endif
    value = 0
}

#ifdef WRONG_BURY_FIRST
#define DRAINED(x) true
#else
#define DRAINED(x) (len(requests[x]) == 0)
#endif
#if TIMEOUTS
#define LATE_ONE(x) (queue??[x] && present[x])
#else
#define LATE_ONE(x) false
#endif
#define EVENT(x) (len(requests[x]) > 0 || died[x] || hung_up[x])

proctype daemon()
{
    byte me, other;
    short seen, value;
    mtype what;
    bit key, to_answer[SLOTS];

    atomic { is_open = 1 };
start:
    {
        take();
        atomic { decide() };
        finish();
        up = 1;
#ifndef WRONG_NO_RING_ALL
        bell[1] = 0; wake(1);
        bell[2] = 0; wake(2);
#if CLIENTS > 2
        bell[3] = 0; wake(3);
#endif
#endif
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
#ifdef WRONG_DECIDE_BLINDLY
        if
        :: what == ACQUIRE -> take()
        :: else
        fi;
#else
        take();
#endif
        /* the input, and what it decides: one commit */
        atomic {
            if
            :: what == ACQUIRE && known[me] && keys[me] == key ->
                /* asked again: it is there again, or was answered */
                requests[me]?_, _; present[me] = 1;
                if
                :: results[me] != NONE -> to_answer[me] = 1
                :: else
                fi
            :: what == ACQUIRE && !(known[me] && keys[me] == key) ->
                requests[me]?_, _; known[me] = 1; keys[me] = key; present[me] = 1; results[me] = NONE;
                queue!me
            :: what == RELEASE && known[me] && keys[me] == key ->
                requests[me]?_, _; present[me] = 1; to_answer[me] = 1
            :: what == RELEASE && !(known[me] && keys[me] == key) ->
                requests[me]?_, _; known[me] = 1; keys[me] = key; present[me] = 1;
                results[me] = RELEASED; to_answer[me] = 1;
                assert(holder == me && holds == me);
                holder = 0; holds = 0; unreported = 0   /* one who dies behind this request has released */
            :: what == TIME ->
                if
                :: queue??[eval(me)] -> queue??eval(me); results[me] = LATE; to_answer[me] = 1
                :: else   /* it has been handed the lock meanwhile */
                fi
            :: what == RESTART -> /* the end of a connection: with a key it asks again */
                present[me] = 0; hung_up[me] = 0
            :: what == DEATH ->
                if
                :: queue??[eval(me)] -> queue??eval(me)
                :: else
                fi;
                if
                :: holder == me -> holder = 0; abandoned = 1; holds = (holds == me -> 0 : holds)
                :: else
                fi;
                known[me] = 0; present[me] = 0; results[me] = NONE; told[me] = 0
            fi;
            decide();
            if
            :: what == DEATH -> died[me] = 0; hung_up[me] = 0
            :: else
            fi
        };
        finish();
        atomic { me = 0; what = 0; key = 0; goto end_idle };
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
            me = 0; other = 0; seen = 0; value = 0; what = 0; key = 0;
            goto start
        }
    }
}

active proctype rest()
{
end:
    timeout ->
    must(wakeup, NOBODY_WAITS);
    must(free, holds == 0 && OWNER(word) == 0 && len(queue) == 0);
    must(open, !(word & CLOSED));
    must(report, !unreported || (word & ABANDONED))
}
