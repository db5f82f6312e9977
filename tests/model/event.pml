/* SPDX-License-Identifier: MIT */
/*
 * The event in shared memory: proto/page.h, daemon/core/word.c. The same word as a lock's, without an owner:
 * client 1 sets it, clears it and sets it again, client 2 waits for it.
 *
 *   set, clear  not CLOSED: swap. Else: ask, await the answer.
 *   wait        not CLOSED and SET: done. Else: ask, await the answer.
 * daemon      takes the word (sets CLOSED and LOOKED), commits what it said, commits the request and what
 * it
 *               decides, stores, answers. It may die between any two of these; the next one takes the word
 *               first, and stores whatever the last one did.
 */
#define HOLDS(x) false
#include "common.pml"

#define truth 7     /* what the word or the daemon says is what was last done */

#define SET 1
#define CLOSED 4
#define LOOKED 8
#define ORDER 16    /* changed by the daemon alone: its parity */

mtype = { PUT_1, PUT_0, WAIT, TIME, DEATH, RESTART };

bit is_set;         /* ghost */
chan requests[SLOTS] = [3] of { mtype, bit };
chan answers[SLOTS] = [3] of { bit };

/* The record, on the journal. */
bit record, is_open, parity;
bit queued[SLOTS], known[SLOTS], keys[SLOTS], present[SLOTS], answered[SLOTS];

#define CONNECTED (link == links[me])

inline connect()
{
    atomic {
        up && !hung_up[me] -> link = links[me];
        do
        :: answers[me]?_
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
    byte steps = (me == 1 -> 3 : 1), link, seen;
    bit key, its, want;

    {
        do
        :: steps > 0 && me == 1 ->
            want = steps & 1;
#ifdef WRONG_PLAIN_SET
            seen = word;
            if
            :: !(seen & CLOSED) ->
                atomic { word = (seen & ~(SET)) | want; is_set = want; seen = 0; goto next }
            :: else -> seen = 0; key = !key
            fi;
#else
            atomic {
                if
                :: !(word & CLOSED) -> word = (word & ~(SET)) | want; is_set = want; goto next
                :: else -> key = !key
                fi
            };
#endif
            if
            :: want -> ask(PUT_1)
            :: else -> ask(PUT_0)
            fi;
            goto end_await
        :: steps > 0 && me != 1 ->
            atomic {
                if
                :: !(word & CLOSED) && (word & SET) -> must(truth, is_set); goto next
                :: else -> waits[me] = 1; key = !key
                fi
            };
            ask(WAIT);
end_await:  if
            :: atomic { answers[me]?its ->
                if
                :: its == key -> its = 0; waits[me] = 0
                :: else -> its = 0; goto end_await
                fi
               }
            :: !CONNECTED && empty(answers[me]) ->
                if
                :: me != 1 -> ask(WAIT)
                :: me == 1 && want -> ask(PUT_1)
                :: me == 1 && !want -> ask(PUT_0)
                fi;
                goto end_await
            fi;
next:       steps--; want = 0
        :: steps == 0 -> break
        od
    } unless {
        atomic { !alive[me] -> steps = 0; seen = 0; its = 0; want = 0 }
    };
    alive[me] = 0
}

/* ---- the daemon ---- */

inline take_news()
{
#ifdef WRONG_NO_ORDER
    if
    :: is_open -> record = seen & SET
#else
    if
    :: is_open && ((seen & ORDER) != 0) == parity -> record = seen & SET
#endif
    :: else
    fi;
    is_open = 0; seen = 0
}

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

#ifdef WRONG_OPEN_TOO_SOON
#define IS_AWAITED false
#else
#define IS_AWAITED (queued[1] || queued[2] || queued[CLIENTS])
#endif

/* What the next store is to say. Atomic. */
inline decide()
{
    parity = !parity;
    is_open = !(IS_AWAITED);
    value = (parity -> ORDER : 0) | record | (is_open -> 0 : CLOSED)
}

inline answer_now(x) { answered[x] = 1; to_answer[x] = 1; queued[x] = 0 }

inline wake_one(x)
{
    if
    :: queued[x] -> answer_now(x)
    :: else
    fi
}

inline answer_one(x)
{
    if
    :: to_answer[x] ->
        if
        :: atomic { present[x] && nfull(answers[x]) -> answers[x]!keys[x] }
        :: !present[x]
        fi;
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

#define EVENT(x) (len(requests[x]) > 0 || died[x] || hung_up[x])
#if TIMEOUTS
#define LATE_ONE(x) (queued[x] && present[x])
#else
#define LATE_ONE(x) false
#endif

proctype daemon()
{
    byte me, seen, value;
    mtype what;
    bit key, to_answer[SLOTS];

    atomic { is_open = 1 };
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
            :: LATE_ONE(2) -> me = 2; what = TIME; goto known_event
#if CLIENTS > 2
            :: LATE_ONE(3) -> me = 3; what = TIME; goto known_event
#endif
            fi;
            if
            :: len(requests[me]) > 0 -> requests[me]?<what, key>
            :: len(requests[me]) == 0 && died[me] -> what = DEATH
            :: len(requests[me]) == 0 && hung_up[me] && !died[me] -> what = RESTART
            fi
        };
known_event:
#ifdef WRONG_DECIDE_BLINDLY
        if
        :: what == PUT_1 || what == PUT_0 -> take()
        :: else
        fi;
#else
        take();
#endif
        /* the input, and what it decides: one commit */
        atomic {
            if
            :: what == TIME -> wake_one(me)
            :: what == RESTART -> present[me] = 0; hung_up[me] = 0
            :: what == DEATH ->
                queued[me] = 0; known[me] = 0; present[me] = 0; answered[me] = 0;
                died[me] = 0; hung_up[me] = 0
            :: what != TIME && what != RESTART && what != DEATH && known[me] && keys[me] == key ->
                /* asked again */
                requests[me]?_, _; present[me] = 1; to_answer[me] = answered[me]
            :: what != TIME && what != RESTART && what != DEATH && !(known[me] && keys[me] == key) ->
                requests[me]?_, _; known[me] = 1; keys[me] = key; present[me] = 1; answered[me] = 0;
                must(truth, record == is_set);
                if
                :: what == PUT_1 ->
                    record = 1; is_set = 1; answer_now(me);
                    wake_one(1);
                    wake_one(2);
#if CLIENTS > 2
                    wake_one(3)
#endif
                :: what == PUT_0 -> record = 0; is_set = 0; answer_now(me)
                :: what == WAIT && record -> answer_now(me)
                :: what == WAIT && !record -> queued[me] = 1
                fi
            fi;
            decide()
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
            me = 0; seen = 0; value = 0; what = 0; key = 0;
            goto start
        }
    }
}

active proctype rest()
{
end:
    timeout ->
    must(wakeup, NOBODY_WAITS || !is_set);
    must(open, !NOBODY_WAITS || !(word & CLOSED));
    must(truth, (word & SET) == is_set)
}
