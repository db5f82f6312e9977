/* SPDX-License-Identifier: MIT */
/*
 * The lock in shared memory as it is made: proto/page.h, daemon/core/word.c, daemon/rpc/pages.c and
 * client/lib. The daemon keeps a record of each lock, which a journal brings through its death; the word says
 * who may change what. A waiter sleeps on its bell, and owns when it has taken the lock from the word, or an
 * answer says so.
 *
 *   word      holder, CLOSED, LOOKED, ABANDONED, NEXT, HANDED (a depth of 0: the holder has not taken it),
 *             OPENED, and an order that the daemon alone changes
 *   link      of each slot: who comes behind it in the queue of which word, as of which order; or that nobody
 *             does, and nobody else waits
 *   acquire   free and not CLOSED: swap. Else set the bell, ask, and look at word and socket at each ring.
 *             HANDED to oneself and not LOOKED: swap HANDED out.
 *   release   not CLOSED: swap. CLOSED with NEXT and neither HANDED nor LOOKED: read the link of NEXT; swap
 *             NEXT in, HANDED, and in its place whom the link names, if it is of this word and order; ring
 *             the new holder. CLOSED without any of those: read the link of the holder; if it says that
 *             nobody else waits, swap all out but the order, and OPENED in. Else: ask, await the answer.
 *   daemon    takes the word (sets CLOSED and LOOKED), commits what it said, decides and commits that,
 *             stores the links of those whom it offers the lock, then the word, answers, rings. A holder
 *             that is one of those has been handed the lock, as all before it were, who have given it back;
 *             OPENED: all of them have. It stays, whoever takes and releases the lock, until that store.
 *             The daemon may die between any two of these; the next one takes the word first, and stores and
 *             rings whatever the last one did.
 */
/* More of the size of a run. */
#ifndef IN_TURN
#define IN_TURN (CLIENTS > 2)   /* each begins when the one before it has, the first when the daemon serves */
#endif
#ifndef AGAIN
#define AGAIN 0         /* how many rounds client 1 has more than the others */
#endif
#ifndef HASTY
#define HASTY 0         /* which client alone may time out, if they may; 0: each */
#endif
#ifndef OWED
#define OWED 0          /* 1: who has taken it from the word is answered, too; nothing depends on that */
#endif
#ifndef LATE_LINKS
#define LATE_LINKS 0    /* 1: a link may be seen later than the word that was stored behind it */
#endif
#ifndef OTHERS
#define OTHERS 0        /* who does not wait here may be offered another lock, once: the order of its word */
#endif
#ifndef FOREIGN
#define FOREIGN 0       /* 1: what is handed and not taken somebody else releases, once: it excludes nobody */
#endif

#if IN_TURN
/* Clients differ by their number alone: one order is as another, and then anybody may be who dies. */
#define MAY_DIE(x) (deaths < DEATHS && alive[x])
#define IS_TURN(x) (begun[x] || ((x) == 1 -> up : begun[(x) - 1] || !alive[(x) - 1]))
#endif

byte holds; /* ghost: who has the lock, whoever knows it: 0 nobody */
#define HOLDS(x) (holds == (x))
#define WORD short
#include "common.pml"
#if IN_TURN
bit begun[SLOTS];
#endif

#define CLOSED 4
#define ABANDONED 8
#define NEXT(w) (((w) >> 4) & 3)
#define OFFER(x) ((x) << 4)
#define HANDED 64
#define LOOKED 128
#define OPENED 256
#define ORDER(w) ((w) >> 9)
#define OF_ORDER(n) ((n) << 9)
#define FLAGS (CLOSED | ABANDONED | HANDED | LOOKED | OPENED)

/* A link: that slot, of this word or of another one, and the order. */
#define LINK(n, x) (OF_ORDER(n) | (x))
#define OTHER_WORD 4
#define LAST 8
#define END 4       /* what is `following`, where nobody else waits */

#define once 7      /* nobody is answered what the word has told it */

mtype = { ACQUIRE, RELEASE, TIME, DEATH, RESTART, SEIZE };
#define NONE 0
#define GRANTED 1
#define TOLD 2      /* granted, and the holder before had died */
#define LATE 3      /* its time is over */
#define RELEASED 4

/* Requests carry their key: two are enough, as the one before is answered before the next is made. */
chan requests[SLOTS] = [3] of { mtype, bit };
chan answers[SLOTS] = [3] of { bit, byte };
bit bell[SLOTS], asleep[SLOTS];
short link_of[SLOTS];
short seen[SLOTS];  /* what the word was for who is about to swap it; [0]: who is no client */
bit is_seized;      /* it is released by a request of somebody else */

/* The record, on the journal. */
chan queue = [SLOTS] of { byte };
byte holder, order_of_record;
byte offered[SLOTS];    /* to whom the word of the last store offers it, one behind the other */
bit abandoned, is_open, told[SLOTS];
bit known[SLOTS], keys[SLOTS], present[SLOTS];  /* the last request of each, and whether it is connected */
byte results[SLOTS];    /* what it was answered; NONE: it waits */

/* Ghosts. */
chan line = [SLOTS] of { byte };    /* the queue without those who were handed the lock */
bit taken[SLOTS];       /* what it asked for last it has taken from the word */

inline leave_line(x)
{
    if
    :: line??[eval(x)] -> line??eval(x)
    :: else
    fi
}

#ifdef WRONG_TAKE_LOOKED
#define IS_HANDED_TO(x) (OWNER(word) == (x) && (word & (FLAGS & ~(LOOKED))) == (CLOSED | HANDED))
#else
#define IS_HANDED_TO(x) (OWNER(word) == (x) && (word & FLAGS) == (CLOSED | HANDED))
#endif

#ifdef WRONG_BARGE
#define MAY_TAKE(w) (OWNER(w) == 0)
#else
#define MAY_TAKE(w) (OWNER(w) == 0 && !((w) & CLOSED))
#endif

#ifdef WRONG_PLAIN_SWAP
#define IS_AS_SEEN(w) true
#else
#define IS_AS_SEEN(w) (seen[me] == (w))
#endif

#ifdef WRONG_NO_KEY
#define IS_REPEATED(x) false
#else
#define IS_REPEATED(x) (known[x] && keys[x] == key)
#endif

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

/* What a release may do where the word says so. */
#if defined(WRONG_HAND_LOOKED)
#define MAY_HAND(w) (((w) & (CLOSED | HANDED)) == CLOSED && NEXT(w) != 0)
#elif defined(WRONG_HAND_UNTAKEN)
#define MAY_HAND(w) (((w) & (CLOSED | LOOKED)) == CLOSED && NEXT(w) != 0)
#else
#define MAY_HAND(w) (((w) & (CLOSED | LOOKED | HANDED)) == CLOSED && NEXT(w) != 0)
#endif

/* And where nobody is next. */
#if defined(WRONG_OPEN_LOOKED)
#define AT_END(w) (((w) & (CLOSED | HANDED)) == CLOSED && NEXT(w) == 0)
#elif defined(WRONG_OPEN_UNTAKEN)
#define AT_END(w) (((w) & (CLOSED | LOOKED)) == CLOSED && NEXT(w) == 0)
#else
#define AT_END(w) (((w) & (CLOSED | LOOKED | HANDED)) == CLOSED && NEXT(w) == 0)
#endif

#if defined(WRONG_LINK_UNCHECKED)
#define IS_OF_SEEN(l) true
#elif defined(WRONG_LINK_OF_ANY_WORD)
#define IS_OF_SEEN(l) (ORDER(l) == ORDER(seen[me]))
#else
#define IS_OF_SEEN(l) (ORDER(l) == ORDER(seen[me]) && !((l) & OTHER_WORD))
#endif

#ifdef WRONG_LINK_KEPT
#define READS(is_first) (is_first)
#else
#define READS(is_first) true
#endif

/* The end of a step: from here on it is as `seen`. */
inline look_at_word(is_first)
{
    seen[me] = word;
    if
    :: (MAY_HAND(word) || AT_END(word)) && READS(is_first) -> goto read
    :: else -> goto swap
    fi
}

#define ENDS(l) (IS_OF_SEEN(l) && ((l) & LAST))

inline read_link()
{
    following = (NEXT(seen[me]) == 0 -> (ENDS(link_of[OWNER(seen[me])]) -> END : 0) :
                 (IS_OF_SEEN(link_of[NEXT(seen[me])]) -> (link_of[NEXT(seen[me])] & 3) : 0))
}

#ifdef WRONG_OPENED_LOST
#define KEPT(w) OF_ORDER(ORDER(w))
#else
#define KEPT(w) (OF_ORDER(ORDER(w)) | ((w) & OPENED))
#endif

/* Goes on at `again` where that was all, at `through_socket` where it must ask. */
inline swap_word()
{
    atomic {
        if
        :: !IS_AS_SEEN(word) -> look_at_word(0)
        :: IS_AS_SEEN(word) && !(seen[me] & CLOSED) ->
            word = KEPT(seen[me]); holds = 0; seen[me] = 0; following = 0; goto again
        :: IS_AS_SEEN(word) && AT_END(seen[me]) && following == END ->
            must(order, empty(line));
            word = OF_ORDER(ORDER(seen[me])) | OPENED; holds = 0; seen[me] = 0; following = 0; goto again
        :: IS_AS_SEEN(word) && MAY_HAND(seen[me]) ->
            next = NEXT(seen[me]);
            must(order, line?[eval(next)]);
            leave_line(next);
            word = OF_ORDER(ORDER(seen[me])) | CLOSED | HANDED | OFFER(following) | next; holds = next;
            unreported = unreported || !alive[next];
            seen[me] = 0; following = 0
        :: else -> seen[me] = 0; following = 0; key = !key; taken[me] = 0; goto through_socket
        fi
    }
}

/* It may die before it rings. */
inline ring()
{
    atomic { was_set = bell[next]; bell[next] = 0 };
    if
#ifdef WRONG_NO_WAKE
    :: atomic { was_set -> was_set = 0; next = 0 }
#else
    :: atomic { was_set -> was_set = 0; wake(next); next = 0 }
#endif
    :: atomic { !was_set -> next = 0 }
    fi
}

proctype client(byte me)
{
    byte rounds = (me == 1 -> ROUNDS + AGAIN : ROUNDS), link, answer, next, following;
    bit key, its, was_set;

birth:
    {
again:  do
        :: rounds > 0 ->
            rounds--;
            atomic {
#if IN_TURN
                IS_TURN(me) -> begun[me] = 1;
#endif
                if
                :: MAY_TAKE(word) ->
                    must(order, (empty(queue) || (word & OPENED)) && empty(line));
                    word = word | me; holds = me;
                    answer = ((word & ABANDONED) -> TOLD : GRANTED);
                    goto hold
                :: else -> waits[me] = 1; key = !key; taken[me] = 0
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
                :: IS_HANDED_TO(me) ->
                    word = word & ~(HANDED); answer = GRANTED; taken[me] = 1; goto got
                :: else
                fi
            };
#ifdef WRONG_BELL_AGAIN_LATE
            bell[me] = 1;
#endif
            atomic {
                if
                :: bell[me] -> asleep[me] = 1
                :: else
                fi
            };
#ifdef WRONG_TRUST_BELL
            atomic { !asleep[me] -> answer = GRANTED; goto got };
#elif defined(WRONG_NO_SLEEP)
            atomic { asleep[me] = 0 };
#else
            !asleep[me];
#endif
#ifndef WRONG_BELL_AGAIN_LATE
            bell[me] = 1;
#endif
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
            atomic { must(exclusion, inside == me); inside = 0; look_at_word(1) };
read:       read_link();
swap:       swap_word();
            ring();
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
            !alive[me] -> rounds = 0; seen[me] = 0; answer = 0; its = 0; next = 0; following = 0;
            was_set = 0; bell[me] = 0; asleep[me] = 0; taken[me] = 0
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

#ifdef WRONG_TAKE_NEXT_ONLY
#define HAS_BEEN_HANDED (offered[0] != 0 && OWNER(said) == offered[0])
#else
#define HAS_BEEN_HANDED (offered[0] != 0 && OWNER(said) != holder && queue??[eval(OWNER(said))])
#endif
#ifdef WRONG_OPENED_BY_CLOSED
#define HAS_BEEN_OPENED ((said & CLOSED) == 0)
#else
#define HAS_BEEN_OPENED ((said & OPENED) != 0)
#endif
#if defined(WRONG_ANSWER_DONE) || OWED
#define END_WAIT(x) results[x] = GRANTED; to_answer[x] = 1
#elif defined(WRONG_KEEP_DONE)
#define END_WAIT(x) queue!x
#else
#define END_WAIT(x) results[x] = GRANTED
#endif

/* It was offered, and its holder is another one: it was handed to each of them up to that one. Who has been
 * handed it and does not hold it any more has taken it, and given it back. */
inline take_hand_overs()
{
    do
    :: queue?other ->
        told[other] = 0;
        if
#ifdef WRONG_TAKE_ONE
        :: true -> break
#else
        :: other == OWNER(said) -> break
#endif
        :: other != OWNER(said) -> END_WAIT(other)
        fi
    od;
    results[other] = GRANTED; to_answer[other] = (OWED || (said & HANDED));
    holder = other; abandoned = 0; other = 0
}

inline take_holder()
{
    holder = OWNER(said);
    abandoned = (holder == 0 && (said & ABANDONED));
    if
    :: holder != 0 -> told[holder] = ((said & ABANDONED) != 0)
    :: else
    fi
}

/* All of them have had it. */
inline take_opened()
{
    do
    :: queue?other -> told[other] = 0; END_WAIT(other)
    :: empty(queue) -> break
    od;
    other = 0;
    take_holder()
}

/* What the word said becomes the record. Atomic: one input on the journal. */
inline take_news()
{
    if
#ifdef WRONG_NO_ORDER
    :: true ->
#else
    :: ORDER(said) == order_of_record ->
#endif
        if
        :: is_open -> take_holder()
        :: !is_open && HAS_BEEN_OPENED -> take_opened()
        :: !is_open && !HAS_BEEN_OPENED && HAS_BEEN_HANDED -> take_hand_overs()
        :: else
        fi
    :: else
    fi;
    is_open = 0; said = 0;
    offered[0] = 0; offered[1] = 0; offered[CLIENTS - 1] = 0
}

/* Takes the word: one step of the processor; and then what it said is committed. */
inline take()
{
#ifdef WRONG_PLAIN_TAKE
    said = word;
    atomic { word = said | CLOSED | LOOKED };
#else
    atomic { said = word; word = word | CLOSED | LOOKED };
#endif
    atomic { take_news() }
}

#define HAS_ORDER(x, n) ((ORDER(link_of[x]) == (n) && !(link_of[x] & OTHER_WORD)) || ORDER(seen[x]) == (n))
#define IS_USED(n) \
    (ORDER(word) == (n) || HAS_ORDER(0, n) || HAS_ORDER(1, n) || HAS_ORDER(2, n) || HAS_ORDER(CLIENTS, n))

/* One that nobody has: orders are compared and nothing else. Atomic. */
inline choose_order()
{
    order_of_record = 0;
    do
    :: IS_USED(order_of_record) -> order_of_record++
    :: else -> break
    od
}

#define MAY_OFFER(x) ((x) != holder && present[x])

/* The first of the queue that look at the word, up to one that does not. Atomic. */
inline offer()
{
    do
    :: count < len(queue) ->
        queue?other; queue!other;
        if
        :: MAY_OFFER(other) && (count == 0 || offered[count - 1] != 0) -> offered[count] = other
        :: else
        fi;
        count++
    :: count == len(queue) -> count = 0; other = 0; break
    od;
    value = value | OFFER(offered[0])
}

/* Grants to the first in the queue what is free; then what the next store is to say. Atomic. */
inline decide()
{
    if
    :: holder == 0 && len(queue) > 0 ->
        queue?other; leave_line(other);
        holder = other; told[other] = abandoned; abandoned = 0;
        results[other] = (told[other] -> TOLD : GRANTED); to_answer[other] = 1;
        holds = other; unreported = unreported || !alive[other]; other = 0
    :: else
    fi;
    choose_order();
    value = OF_ORDER(order_of_record);
    if
    :: holder != 0 -> value = value | holder | (told[holder] -> ABANDONED : 0)
    :: holder == 0 && abandoned -> value = value | ABANDONED
    :: else
    fi;
#ifdef WRONG_STAY_CLOSED
    is_open = 0;
#else
    is_open = (len(queue) == 0);
#endif
    if
    :: !is_open -> value = value | CLOSED; offer()
    :: else
    fi
}

inline answer_one(x)
{
    if
    :: to_answer[x] ->
        if
        :: atomic {
            present[x] && nfull(answers[x]) ->
            must(once, !taken[x] || OWED || CRASHES + HANGUPS > 0);    /* or it may have asked twice */
            answers[x]!keys[x], results[x]
           }
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

#define HAS_LINK(i) (offered[i] != 0)
#ifdef WRONG_END_TOO_SOON
#define ARE_ALL(i) true
#else
#define ARE_ALL(i) (len(queue) == (i) + 1)
#endif
#define IS_LAST(i) (!HAS_LINK((i) + 1) && ARE_ALL(i))
#define STORE_LINK(i) \
    link_of[offered[i]] = LINK(order_of_record, offered[(i) + 1]) | (IS_LAST(i) -> LAST : 0)

inline store_links()
{
    if
    :: atomic { HAS_LINK(0) -> STORE_LINK(0) };
#if CLIENTS > 2
        if
        :: atomic { HAS_LINK(1) -> STORE_LINK(1) }
        :: !HAS_LINK(1)
        fi
#endif
    :: !HAS_LINK(0)
    fi
}

inline finish()
{
#if LATE_LINKS
    word = value;
    store_links();
#else
    store_links();
    word = value;
#endif
    answer_one(1);
    answer_one(2);
#if CLIENTS > 2
    answer_one(3);
#endif
    value = 0
}

#ifdef WRONG_UNTOLD
#define IS_TOLD 0
#else
#define IS_TOLD 1
#endif
#ifdef WRONG_BURY_FIRST
#define DRAINED(x) true
#else
#define DRAINED(x) (len(requests[x]) == 0)
#endif
#if TIMEOUTS
#define LATE_ONE(x) (queue??[x] && present[x] && (HASTY == 0 || (x) == HASTY))
#else
#define LATE_ONE(x) false
#endif
#define EVENT(x) (len(requests[x]) > 0 || died[x] || hung_up[x])

proctype daemon()
{
    byte me, other, count;
    short said, value;
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
            :: is_seized -> what = SEIZE; goto known_event
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
            :: what == ACQUIRE && IS_REPEATED(me) ->
                /* asked again: it is there again, or was answered */
                requests[me]?_, _; present[me] = 1;
                if
                :: results[me] != NONE -> to_answer[me] = 1
                :: else
                fi
            :: what == ACQUIRE && !IS_REPEATED(me) ->
                requests[me]?_, _; known[me] = 1; keys[me] = key; present[me] = 1; results[me] = NONE;
                queue!me; line!me
            :: what == RELEASE && known[me] && keys[me] == key ->
                requests[me]?_, _; present[me] = 1; to_answer[me] = 1
            :: what == RELEASE && !(known[me] && keys[me] == key) ->
                requests[me]?_, _; known[me] = 1; keys[me] = key; present[me] = 1;
                results[me] = RELEASED; to_answer[me] = 1;
                must(exclusion, holder == me && holds == me);
                holder = 0; holds = 0; unreported = 0   /* one who dies behind this request has released */
            :: what == TIME ->
                if
                :: queue??[eval(me)] ->
                    queue??eval(me); leave_line(me); results[me] = LATE; to_answer[me] = 1
                :: else   /* it has been handed the lock meanwhile */
                fi
            :: what == SEIZE -> is_seized = 0; holder = 0; holds = 0
            :: what == RESTART -> /* the end of a connection: with a key it asks again */
                present[me] = 0; hung_up[me] = 0
            :: what == DEATH ->
                if
                :: queue??[eval(me)] -> queue??eval(me); leave_line(me)
                :: else
                fi;
                if
                :: holder == me -> holder = 0; abandoned = IS_TOLD; holds = (holds == me -> 0 : holds)
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
            me = 0; other = 0; said = 0; value = 0; what = 0; key = 0;
            goto start
        }
    }
}

#if OTHERS
/* The daemon offers it another lock, and that to somebody else behind it. */
active proctype elsewhere()
{
    byte who;

end:
    atomic {
        if
        :: alive[2] && !waits[2] -> who = 2
        :: alive[1] && !waits[1] -> who = 1
        :: alive[CLIENTS] && !waits[CLIENTS] -> who = CLIENTS
        fi;
        link_of[who] = LINK(OTHERS, who % CLIENTS + 1) | OTHER_WORD; who = 0
    }
}
#endif

#if FOREIGN
active proctype anybody()
{
    byte me, next, following;
    bit key, was_set;

end:
    atomic { word & HANDED -> look_at_word(1) };
read:
    read_link();
swap:
    swap_word();
    ring();
    goto again;
through_socket:
    is_seized = 1;
again:
    skip
}
#endif

active proctype rest()
{
end:
    timeout ->
    must(wakeup, NOBODY_WAITS);
    must(free, holds == 0 && OWNER(word) == 0 && ((word & OPENED) || len(queue) == 0));
    must(open, !(word & CLOSED));
    must(report, !unreported || (word & ABANDONED))
}
