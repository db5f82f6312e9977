/* SPDX-License-Identifier: MIT */
/*
 * The event in shared memory: proto/page.h, daemon/core/word.c, client/lib. The same word as a lock's,
 * without an owner, and beside it a round, which the daemon alone writes: a number that is never used again,
 * another one with each set that finds somebody waiting. Client 1 sets it, clears it and sets it again, the
 * others wait for it, BELLS of them by bell.
 *
 *   set, clear  not CLOSED: swap. Else: ask, await the answer.
 *   wait        by socket: not CLOSED and SET: done. Else: ask, await the answer.
 *               by bell: read the round; not CLOSED and SET: done. Else set the bell, ask with that round,
 *               and sleep on both, the bell while it is set, the round while it is that one; look at the
 *               round and at the socket whenever woken: another round is `true`.
 *   daemon      takes the word (sets CLOSED and LOOKED), commits what it said, commits the request and what
 *               it decides, stores the round, then the word, wakes all that sleep on a round that is another
 *               now, answers, rings. Who waits by bell and is woken by a set has no other answer. It may die
 *               between any two of these; the next one takes the word first, stores whatever the last one
 *               did, and rings all.
 */
#ifndef BELLS
#define BELLS 1     /* how many wait by bell: client 2, and those after it */
#endif
#ifndef PUTS
#define PUTS 3      /* how often client 1 sets or clears it, in turn */
#endif
#ifndef CLEARS
#define CLEARS 0    /* 1: somebody else may clear it, once, at any step */
#endif
#ifndef WAITS
#define WAITS 1     /* how often each waits */
#endif

#define HOLDS(x) false
/* Each has a part of its own. */
#define MAY_DIE(x) (deaths < DEATHS && alive[x])
#define HANGS 2
#include "common.pml"

#define truth 7     /* what the word or the daemon says is what was last done */
#define cause 8     /* who is told that it was set has waited while it was */

#define SET 1
#define CLOSED 4
#define LOOKED 8
#define ORDER(w) ((w) >> 4) /* changed by the daemon alone: of as many stores as may be missing */
#define ORDERS (CRASHES + 1)

#define BY_BELL(x) ((x) > 1 && (x) < 2 + BELLS)

mtype = { PUT_1, PUT_0, WAIT, TIME, DEATH, RESTART, BEGIN };
#define LATE 0      /* its time is over */
#define YES 1       /* it is set, or is done */
#define STALE 2     /* the round is another one: `false`, as for LATE */

/* Requests carry their key: two are enough, as none is made three times while an answer is under way. */
chan requests[SLOTS] = [3] of { mtype, bit, byte };
chan answers[SLOTS] = [3] of { bit, byte };
bit bell[SLOTS], asleep[SLOTS];
byte page_round;

/* The record, on the journal. */
bit record, is_open;
byte order_of_record, round, results[SLOTS];
bit queued[SLOTS], known[SLOTS], keys[SLOTS], present[SLOTS], answered[SLOTS];

/* Ghosts. */
bit is_set;
bit was_set[SLOTS]; /* since its wait has begun */
bit owed[SLOTS];    /* it was in the queue when somebody set it */

inline set_now()
{
    is_set = 1;
    was_set[1] = waits[1]; was_set[2] = waits[2]; was_set[CLIENTS] = waits[CLIENTS]
}

inline begin_wait() { waits[me] = 1; was_set[me] = is_set }

inline end_time()
{
    waits[me] = 0; was_set[me] = 0; owed[me] = 0; bell[me] = 0;
    seen = 0; answer = 0; its = 0
}

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
    :: atomic { CONNECTED && nfull(requests[me]) -> requests[me]!what, key, seen; break }
    :: !CONNECTED -> connect()
    od
}

#define IS_SEEN_SET (!(word & CLOSED) && (word & SET))

/* How it is waited for by bell. Until it is over `seen` is the round. */
inline look_at_round()
{
    atomic {
        if
        :: page_round != seen -> answer = YES; goto told
        :: else
        fi
    }
}

proctype client(byte me)
{
    byte steps = (me == 1 -> PUTS : WAITS), link, seen, answer;
    bit key, its, want;

    {
        do
        :: steps > 0 && me == 1 ->
            want = (PUTS - steps + 1) & 1;
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
                :: !(word & CLOSED) ->
                    word = (word & ~(SET)) | want;
                    if
                    :: want -> set_now()
                    :: else -> is_set = 0
                    fi;
                    goto next
                :: else -> key = !key
                fi
            };
#endif
            ask((want -> PUT_1 : PUT_0));
await:      if
            :: atomic { answers[me]?its, _ ->
                if
                :: its == key -> its = 0; goto next
                :: else -> its = 0; goto await
                fi }
            :: !CONNECTED && empty(answers[me]) -> ask((want -> PUT_1 : PUT_0)); goto await
            fi

        :: steps > 0 && me != 1 && !BY_BELL(me) ->
            atomic {
                begin_wait();
                if
                :: IS_SEEN_SET -> answer = YES; must(truth, is_set); goto told
                :: else -> key = !key
                fi
            };
            ask(WAIT);
end_await:   if
            :: atomic { answers[me]?its, answer ->
                if
                :: its == key -> goto told
                :: else -> its = 0; answer = 0; goto end_await
                fi }
            :: !CONNECTED && empty(answers[me]) -> ask(WAIT); goto end_await
            fi

        :: steps > 0 && BY_BELL(me) ->
            atomic { begin_wait(); seen = page_round };
            atomic {
                if
                :: IS_SEEN_SET -> answer = YES; must(truth, is_set); goto told
                :: else -> key = !key
                fi
            };
#ifdef WRONG_BELL_LATE
            ask(WAIT);
            bell[me] = 1;
#else
            bell[me] = 1;
            ask(WAIT);
#endif
#ifdef WRONG_ROUND_LATE
            seen = page_round;
#endif
look:       look_at_round();
#ifdef WRONG_BELL_UNORDERED
            bell[me] = 1;
#endif
            atomic {
                if
#ifdef WRONG_SLEEP_UNSEEN
                :: bell[me] -> asleep[me] = 1
#else
                :: bell[me] && page_round == seen -> asleep[me] = 1
#endif
                :: else
                fi
            };
#ifdef WRONG_TRUST_BELL
end_asleep: atomic { !asleep[me] -> answer = YES; goto told };
#else
end_asleep: !asleep[me];
#endif
            look_at_round();
#ifndef WRONG_BELL_UNORDERED
            bell[me] = 1;
#endif
socket:     if
            :: atomic { answers[me]?its, answer ->
                if
                :: its == key -> goto told
                :: else -> its = 0; answer = 0; goto socket
                fi }
            :: !CONNECTED && empty(answers[me]) -> ask(WAIT)
            :: CONNECTED && empty(answers[me])
            fi;
            goto look;

told:       atomic {
                if
                :: BY_BELL(me) && answer != YES && page_round != seen -> answer = YES
                :: else
                fi;
                must(cause, answer != YES || was_set[me]);
                must(wakeup, answer == YES || !owed[me]);
                must(open, !queued[me]);        /* else the word stays closed for nobody */
                must(truth, answer != STALE);   /* it would take the word for another's, and ask again */
                end_time()
            };
next:       atomic { steps--; want = 0 }
        :: steps == 0 -> break
        od
    } unless {
        atomic { !alive[me] -> steps = 0; want = 0; asleep[me] = 0; end_time() }
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
    :: is_open && ORDER(seen) == order_of_record -> record = seen & SET
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

#define SOMEBODY_IS_QUEUED (queued[1] || queued[2] || queued[CLIENTS])
#ifdef WRONG_OPEN_TOO_SOON
#define IS_AWAITED false
#else
#define IS_AWAITED SOMEBODY_IS_QUEUED
#endif

/* What the next store is to say. Atomic. */
inline decide()
{
    order_of_record = (order_of_record + 1) % ORDERS;
    is_open = !(IS_AWAITED);
    value = (order_of_record << 4) | record | (is_open -> 0 : CLOSED)
}

inline answer_now(x, result) { answered[x] = 1; results[x] = result; to_answer[x] = 1; queued[x] = 0 }

/* By a set. */
inline wake_one(x)
{
    if
    :: queued[x] && BY_BELL(x) ->
        owed[x] = waits[x]; answered[x] = 1; results[x] = YES; queued[x] = 0
    :: queued[x] && !BY_BELL(x) -> owed[x] = waits[x]; answer_now(x, YES)
    :: else
    fi
}

#if defined(WRONG_ROUND_BY_CLEAR)
#define IS_NEW_ROUND(is_to_be_set) (!(is_to_be_set))
#elif defined(WRONG_ROUND_BY_ALL)
#define IS_NEW_ROUND(is_to_be_set) true
#else
#define IS_NEW_ROUND(is_to_be_set) ((is_to_be_set) && SOMEBODY_IS_QUEUED)
#endif

inline put(is_to_be_set)
{
    if
    :: IS_NEW_ROUND(is_to_be_set) -> round++; is_new_round = 1
    :: else
    fi;
    record = is_to_be_set;
    if
    :: is_to_be_set -> set_now(); wake_one(2); wake_one(CLIENTS)
    :: else -> is_set = 0
    fi;
    answer_now(me, YES)
}

inline wait()
{
    if
    :: record -> answer_now(me, YES)
#ifndef WRONG_QUEUE_STALE
    :: !record && BY_BELL(me) && about != round -> answer_now(me, STALE)
    :: !record && !(BY_BELL(me) && about != round) -> queued[me] = 1
#else
    :: else -> queued[me] = 1
#endif
    fi
}

inline ring(x)
{
    bell[x] = 0;
    asleep[x] = 0
}

inline answer_one(x)
{
    if
    :: to_answer[x] ->
        if
        :: atomic { present[x] && nfull(answers[x]) -> answers[x]!keys[x], results[x] }
        :: !present[x]
        fi;
        if
        :: BY_BELL(x) -> ring(x)
        :: else
        fi;
        to_answer[x] = 0
    :: else
    fi
}

/* All that sleep on the round, by one call. */
inline wake_round()
{
    if
#ifndef WRONG_NO_WAKE
    :: to_wake -> atomic { asleep[2] = 0; asleep[CLIENTS] = 0; to_wake = 0 }
#endif
    :: else
    fi
}

/* Whose connection has ended. */
inline ring_ended()
{
    if
    :: to_ring > 0 -> ring(to_ring); to_ring = 0
    :: else
    fi
}

/* A new broker. */
inline ring_all()
{
#ifdef WRONG_NO_RING_ALL
    skip
#else
    ring(2)
#if BELLS > 1
    ; ring(3)
#endif
#endif
}

inline store_round()
{
    if
#ifndef WRONG_NO_ROUND
    :: is_new_round && page_round != round -> page_round = round; to_wake = 1
#endif
    :: else
    fi;
    is_new_round = 0
}

inline finish()
{
#ifdef WRONG_WAKE_FIRST
    to_wake = is_new_round;
    wake_round();
#endif
#ifdef WRONG_VALUE_FIRST
    word = value;
    store_round();
#else
    store_round();
    word = value;
#endif
#ifndef WRONG_WAKE_FIRST
    wake_round();
#endif
    answer_one(1);
    answer_one(2);
#if CLIENTS > 2
    answer_one(3);
#endif
    ring_ended();
    value = 0
}

#define EVENT(x) (len(requests[x]) > 0 || died[x] || hung_up[x])
#if TIMEOUTS
#define LATE_ONE(x) queued[x]
#else
#define LATE_ONE(x) false
#endif
#define IS_REQUEST (what == PUT_1 || what == PUT_0 || what == WAIT)

proctype daemon()
{
    byte me, seen, value, about;
    mtype what;
    bit key, is_new_round, to_wake, to_answer[SLOTS];
    byte to_ring;

    atomic { is_open = 1 };
start:
    {
        atomic { what = BEGIN; goto known_event };
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
            :: len(requests[me]) > 0 -> requests[me]?<what, key, about>
            :: len(requests[me]) == 0 && died[me] -> what = DEATH
            :: len(requests[me]) == 0 && hung_up[me] && !died[me] -> what = RESTART
            fi
        };
known_event:
#ifdef WRONG_DECIDE_BLINDLY
        if
        :: what == PUT_1 || what == PUT_0 || what == BEGIN -> take()
        :: else
        fi;
#else
        take();
#endif
        /* the input, and what it decides: one commit */
        atomic {
            if
            :: what == BEGIN ->
#ifdef WRONG_NO_RESTORE
                skip
#else
                is_new_round = 1
#endif
            :: what == TIME -> answer_now(me, LATE)
            :: what == RESTART ->
                /* who waits is removed, and its key; it finds the end when it is rung, and asks anew */
                present[me] = 0; hung_up[me] = 0;
                if
                :: queued[me] -> queued[me] = 0; known[me] = 0; to_ring = (BY_BELL(me) -> me : 0)
                :: else
                fi
            :: what == DEATH ->
                queued[me] = 0; known[me] = 0; present[me] = 0; answered[me] = 0; results[me] = 0;
                died[me] = 0; hung_up[me] = 0
            :: IS_REQUEST && known[me] && keys[me] == key ->
                /* asked again */
                requests[me]?_, _, _; present[me] = 1; to_answer[me] = answered[me]
            :: IS_REQUEST && !(known[me] && keys[me] == key) ->
                requests[me]?_, _, _; known[me] = 1; keys[me] = key; present[me] = 1;
                answered[me] = 0; results[me] = 0;
                must(truth, record == is_set);
                if
                :: what == PUT_1 -> put(1)
                :: what == PUT_0 -> put(0)
                :: what == WAIT -> wait()
                fi
            fi;
            decide()
        };
        finish();
        if
        :: what == BEGIN -> up = 1; ring_all()
        :: else
        fi;
        atomic { me = 0; what = 0; key = 0; about = 0; goto end_idle };
    } unless {
        atomic {
            crash -> crash = 0; up = 0;
            me = 1;
            do
            :: me <= CLIENTS ->
                links[me]++; hung_up[me] = 0; present[me] = 0; to_answer[me] = 0;
                do
                :: requests[me]?_, _, _
                :: empty(requests[me]) -> break
                od;
                me++
            :: me > CLIENTS -> break
            od;
            me = 0; seen = 0; value = 0; what = 0; key = 0; about = 0;
            is_new_round = 0; to_wake = 0; to_ring = 0;
#ifdef WRONG_ROUND_UNRECORDED
            round = 0;
#endif
            goto start
        }
    }
}

#if CLEARS
active proctype anybody()
{
    if
    :: atomic { IS_SEEN_SET -> word = word & ~(SET); is_set = 0 }
    :: true
    fi
}
#endif

active proctype rest()
{
end:
    timeout ->
    must(wakeup, (NOBODY_WAITS || !is_set) && !owed[2] && !owed[CLIENTS]);
    must(open, !NOBODY_WAITS || !(word & CLOSED));
    must(truth, (word & SET) == is_set)
}
