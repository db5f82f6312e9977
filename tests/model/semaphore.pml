/* SPDX-License-Identifier: MIT */
/*
 * A semaphore of two permits in shared memory: proto/page.h, daemon/core/permit.c. Each permit has a word of
 * its own. Client 1 wants both of them, one after the other; the others want one.
 *
 *   acquire    a word that is not CLOSED and has no owner: swap. Else the other one. Else: ask, await the
 *              answer.
 *   release    a word that is not CLOSED and names oneself: swap. Else the other one. Else: ask, await the
 *              answer. Who has given up waiting for an answer asks: it could not tell what it may be granted
 *              still from what it has.
 *   daemon     takes one word after the other (sets CLOSED), commits what they said, commits the request
 *              and what it decides, stores one word after the other, answers. It may die between any two of
 *              these; the next one takes both words first, and stores whatever the last one did.
 *
 * A permit of one who dies comes back, and the next one is told by an answer: until then the words are
 * closed.
 */
#ifndef LEAVES
#define LEAVES 0    /* 1: client 1 gives up once, as the daemon does not answer; of 2 clients */
#endif
#define LEAVER 1
#define LEFT 3      /* who waits, for the daemon, in its place */

#if LEAVES
#define IDS 4
#define SLOT(x) ((x) == LEFT -> LEAVER : (x))
#define IS_OF(x, id) ((id) == (x) || ((x) == LEAVER && (id) == LEFT))
#else
#define IDS SLOTS
#define SLOT(x) (x)
#define IS_OF(x, id) ((id) == (x))
#endif
#define ALL_IDS 4

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

byte died_with, told;   /* ghosts: permits of those who have died with them, and how many were told of one */
bit has_left;

mtype = { NONE, GRANTED, TOLD, LATE, RELEASED };

chan answers[ALL_IDS] = [3] of { bit, mtype };
byte lost[ALL_IDS];     /* grants that were not read, as the broker knows, or is about to see */
#define HAS_ANSWER(x, what) (answers[x]??[0, what] || answers[x]??[1, what])

/* It closes the connection, with what it has not read in it. */
#define AT_HANGUP(x) at_hangup(x)
inline at_hangup(x)
{
    lost[x] = lost[x] + (HAS_ANSWER(x, GRANTED) || HAS_ANSWER(x, TOLD));
    do
    :: answers[x]?_, _
    :: empty(answers[x]) -> break
    od
}

#define HOLDS(x) false
#define OWNS_ANY(i, x) (IS_NEWS(i, words[i]) && OWNER(words[i]) != SLOT(owner[i]) -> \
                        OWNER(words[i]) == (x) : IS_OF(x, owner[i]))
#define AT_DEATH(x) died_with = died_with + OWNS_ANY(0, x) + OWNS_ANY(1, x)
#define MAY_DIE(x) (deaths < DEATHS && alive[x])
#include "common.pml"

mtype = { ACQUIRE, RELEASE, TIME, DEATH, HANGUP, UNREAD, ABSENCE };

/* By a connection of that number. */
chan requests[SLOTS] = [2] of { mtype, bit, byte };

bit known[IDS], keys[IDS];
byte lead[IDS], follower[IDS];  /* the connections that wait for its answer; 0: none, as a broker died */
mtype results[IDS];
byte granted[IDS];      /* which permit that was, from 1 on */
byte answered[IDS];     /* how many answers may have been read */
bit to_answer[IDS];     /* the broker's alone */
bit stands[ALL_IDS];    /* ghost: its grant was answered by a broker that has died */
chan queue = [SLOTS] of { byte };

byte inside_of[SLOTS]; /* ghost: how many permits a client is sure to have */

#define INSIDE(x) (alive[x] -> inside_of[x] : 0)
#define ALL_INSIDE (INSIDE(1) + INSIDE(2) + (CLIENTS > 2 -> INSIDE(CLIENTS) : 0))

#define CONNECTED (link == links[me])
#define NOW(x) (links[x] + 1)   /* the number of its last connection */

inline connect()
{
    atomic {
        up -> link = links[me];
        do
        :: answers[me]?_, _
        :: empty(answers[me]) -> break
        od
    }
}

inline ask(what)
{
    do
    :: atomic { CONNECTED && nfull(requests[me]) -> requests[me]!what, key, link + 1; break }
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

#ifdef WRONG_GIVE_IN_DOUBT
#define IS_IN_DOUBT false
#else
#define IS_IN_DOUBT (has_left && me == LEAVER)
#endif

inline try_to_give(i)
{
    atomic {
        if
        :: IS_IN_DOUBT
        :: !IS_IN_DOUBT && MAY_GIVE(words[i]) -> words[i] = words[i] & ~3; goto given
        :: else
        fi
    }
}

#if LEAVES
/* What the daemon knows of its wait is that of somebody else who has the same slot. Atomic. */
inline be_left()
{
    has_left = 1;
    count = len(queue);
    do
    :: count > 0 -> queue?other; queue!(other == me -> LEFT : other); other = 0; count--
    :: count == 0 -> break
    od;
    if
    :: known[me] && keys[me] == key ->
        known[LEFT] = 1; keys[LEFT] = key; lead[LEFT] = lead[me]; follower[LEFT] = follower[me];
        results[LEFT] = results[me]; granted[LEFT] = granted[me]; answered[LEFT] = answered[me];
        to_answer[LEFT] = to_answer[me]; lost[LEFT] = lost[me]; stands[LEFT] = stands[me];
        known[me] = 0; lead[me] = 0; follower[me] = 0; results[me] = NONE; granted[me] = 0; answered[me] = 0;
        to_answer[me] = 0; lost[me] = 0; stands[me] = 0;
        if
        :: granted[LEFT] > 0 -> owner[granted[LEFT] - 1] = LEFT
        :: else
        fi
    :: else -> known[me] = 0    /* it is under way; no key comes a second time */
    fi
}

/* The daemon cannot write any more from here on; what it has written is read before the end. */
inline leave()
{
    atomic {
        me == LEAVER && leaves_left > 0 ->
        leaves_left--; links[me]++; hung_up[me] = 1;
        do
        :: answers[me]?its, answer ->
            if
            :: its == key -> break
            :: else -> answer = NONE
            fi
        :: empty(answers[me]) -> break
        od;
        its = 0; waits[me] = 0;
        if
        :: answer == GRANTED || answer == TOLD -> answer = NONE; goto got
        :: answer == LATE -> answer = NONE
        :: answer == NONE -> be_left()
        fi;
        goto release
    }
}
#endif

proctype client(byte me)
{
    byte rounds = (me == 1 -> 1 : ROUNDS), wanted, link, seen;
#if LEAVES
    byte count, other, leaves_left = LEAVES;
#endif
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
#if LEAVES
            :: leave()
#endif
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
    :: IS_NEWS(i, w) -> owner[i] = (OWNER(w) == SLOT(owner[i]) -> owner[i] : OWNER(w))
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

/* What comes of lost answers matters only where some are. */
#define MAY_LOSE (HANGUPS + LEAVES > 0)

inline grant(i)
{
    queue?other; owner[i] = other; results[other] = GRANTED; to_answer[other] = 1;
    granted[other] = MAY_LOSE * (i + 1);
    answered[other] = (MAY_LOSE -> (lead[other] != 0) + (follower[other] != 0) : 0);
    if
    :: abandoned > 0 -> abandoned--; told++; results[other] = TOLD
    :: else
    fi;
    died_with = died_with + died[SLOT(other)]; /* it has died behind its request */
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

#define VALUE(i) ((order_of_record << 3) | (is_open[i] -> SLOT(owner[i]) : CLOSED))

/* To one connection. What it does not take any more is lost. */
inline answer_to(x, connection)
{
    if
    :: atomic {
        connection != 0 && connection == NOW(SLOT(x)) && nfull(answers[SLOT(x)]) ->
        answers[SLOT(x)]!keys[x], results[x]
       }
    :: atomic { connection != 0 && connection != NOW(SLOT(x)) -> lost[x] = lost[x] + (granted[x] > 0) }
    :: connection == 0
    fi
}

inline answer_one(x)
{
    if
    :: to_answer[x] ->
        answer_to(x, lead[x]);
        answer_to(x, follower[x]);
        atomic { to_answer[x] = 0; lead[x] = 0; follower[x] = 0 }
    :: else
    fi
}

inline finish()
{
    words[0] = VALUE(0);
    words[1] = VALUE(1);
    answer_one(1);
    answer_one(2);
#if CLIENTS > 2 || LEAVES
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
#define LATE_ONE(x) (queue??[x] && lead[x] != 0)
#else
#define LATE_ONE(x) false
#endif
/* What it has sent by the connection that has ended is read first. */
#define HAS_ENDED(x) (empty(requests[x]) || requests[x]?[what, key, eval(NOW(x))])
/* A process gets the time to die, so that what it did not read counts as held. */
#define UNREAD_ONE(x) (lost[x] > 0 && !hung_up[SLOT(x)] && !died[SLOT(x)])
/* Its place is kept, and what it was granted, for as long as it may take to come back. */
#define HAS_GRANT(x) (granted[x] > 0 && owner[granted[x] - 1] == (x))
#define IS_ABSENT(x) \
    (known[x] && lead[x] == 0 && (queue??[x] || (HAS_GRANT(x) && (answered[x] == 0 || stands[x]))))

inline forget(x)
{
    known[x] = 0; lead[x] = 0; follower[x] = 0; results[x] = NONE;
    granted[x] = 0; answered[x] = 0; lost[x] = 0; stands[x] = 0
}

inline give_up_wait(x)
{
    if
    :: queue??[eval(x)] -> queue??eval(x); forget(x)
    :: else
    fi
}

/* Nobody has known of this hold: if its process dies meanwhile, that is no news. */
inline take_back(x)
{
    if
    :: HAS_GRANT(x) ->
        owner[granted[x] - 1] = 0;
        died_with = died_with - died[SLOT(x)];
        if
        :: results[x] == TOLD -> abandoned++; told--
        :: else
        fi
    :: else
    fi;
    forget(x)
}

/* Who has asked again waits on. */
inline lose_connection(x)
{
    if
    :: lead[x] == NOW(SLOT(x))
    :: lead[x] != NOW(SLOT(x)) && follower[x] != 0 -> lead[x] = follower[x]; follower[x] = 0
    :: lead[x] != NOW(SLOT(x)) && lead[x] != 0 && follower[x] == 0 -> give_up_wait(x); lead[x] = 0
    :: lead[x] == 0
    fi
}

inline bury(x)
{
    if
    :: queue??[eval(x)] -> queue??eval(x)
    :: else
    fi;
    abandoned = abandoned + (owner[0] == x) + (owner[1] == x);
    owner[0] = (owner[0] == x -> 0 : owner[0]);
    owner[1] = (owner[1] == x -> 0 : owner[1]);
    forget(x); keys[x] = 0
}

proctype daemon()
{
    byte me, other, from, seen_0, seen_1;
    mtype what = NONE;
    bit key;

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
            :: UNREAD_ONE(1) -> me = 1; what = UNREAD; goto known_event
            :: UNREAD_ONE(2) -> me = 2; what = UNREAD; goto known_event
#if CLIENTS > 2
            :: LATE_ONE(3) -> me = 3; what = TIME; goto known_event
            :: UNREAD_ONE(3) -> me = 3; what = UNREAD; goto known_event
#endif
#if LEAVES
            :: LATE_ONE(LEFT) -> me = LEFT; what = TIME; goto known_event
            :: UNREAD_ONE(LEFT) -> me = LEFT; what = UNREAD; goto known_event
            :: IS_ABSENT(LEFT) -> me = LEFT; what = ABSENCE; goto known_event
#endif
            fi;
            if
            :: len(requests[me]) > 0 -> requests[me]?<what, key, from>
            :: DRAINED(me) && died[me] -> what = DEATH
            :: hung_up[me] && !died[me] && HAS_ENDED(me) -> what = HANGUP
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
            :: what == ACQUIRE || what == RELEASE -> requests[me]?_, _, _
            :: else
            fi;
#if LEAVES
            if
            :: what == ACQUIRE && me == LEAVER && from != NOW(me) -> me = LEFT
            :: else
            fi;
#endif
            if
            :: what == TIME ->
                if
                :: queue??[eval(me)] -> queue??eval(me); results[me] = LATE; to_answer[me] = 1
                :: else
                fi
            :: what == HANGUP -> lose_connection(me); hung_up[me] = 0;
#if LEAVES
                if
                :: me == LEAVER && has_left -> lose_connection(LEFT)
                :: else
                fi
#endif
            :: what == UNREAD ->
                lost[me]--;
                answered[me] = answered[me] - (answered[me] > 0);
                if
                :: answered[me] == 0 -> take_back(me)
                :: answered[me] > 0
                fi
            :: what == ABSENCE -> give_up_wait(me); take_back(me)
            :: what == DEATH -> bury(me); died[me] = 0; hung_up[me] = 0;
#if LEAVES
                if
                :: me == LEAVER && has_left -> bury(LEFT)
                :: else
                fi
#endif
            :: (what == ACQUIRE || what == RELEASE) && known[me] && keys[me] == key ->
                /* asked again: it is there again, or was answered */
                if
                :: results[me] != NONE ->
                    lead[me] = from; to_answer[me] = 1; answered[me] = answered[me] + (granted[me] > 0)
                :: results[me] == NONE && lead[me] != 0 && lead[me] != from -> follower[me] = from
                :: results[me] == NONE && (lead[me] == 0 || lead[me] == from) -> lead[me] = from
                fi
            :: (what == ACQUIRE || what == RELEASE) && !(known[me] && keys[me] == key) ->
                forget(me); known[me] = 1; keys[me] = key; lead[me] = from;
                if
                :: what == ACQUIRE -> queue!me
                :: what == RELEASE ->
                    results[me] = RELEASED; to_answer[me] = 1;
                    must(free, owner[0] == me || owner[1] == me);
                    died_with = died_with - died[me];
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
        atomic { me = 0; what = NONE; key = 0; from = 0; goto end_idle };
    } unless {
        atomic {
            crash -> crash = 0; up = 0;
            me = 1;
            do
            :: me < IDS ->
                stands[me] = (LEAVES && answered[me] > 0);
                lead[me] = 0; follower[me] = 0; to_answer[me] = 0; lost[me] = 0;
                if
                :: me <= CLIENTS ->
                    links[me]++; hung_up[me] = 0;
                    do
                    :: requests[me]?_, _, _
                    :: empty(requests[me]) -> break
                    od
                :: else
                fi;
                me++
            :: me == IDS -> break
            od;
            me = 0; other = 0; from = 0; seen_0 = 0; seen_1 = 0; what = NONE; key = 0;
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
    must(report, died_with == told + abandoned)
}
