/* SPDX-License-Identifier: MIT */
/*
 * A semaphore of two permits in shared memory: proto/page.h, daemon/core/permit.c. Each permit has a word of
 * its own. Client 1 wants both of them, one after the other; the others want one.
 *
 *   word      owner, CLOSED, LOOKED, HANDED (a depth of 0: the owner has not taken it), GIVER (who has given
 *             it back, while nobody has it), and an order that the daemon alone changes. All that are stored
 *             for one decision have the same one.
 *   head      who is the first in the queue, as of which order; and a step: the permit of which word is
 *             being handed to that one. Nobody: what is given back is the daemon's.
 *   link      of each slot: who comes behind it in the queue of which semaphore, as of which order
 *   acquire   a word that is not CLOSED and has no owner: swap. Else the other one. Else: set the bell, ask,
 *             look at both words and the socket at each ring. HANDED to oneself and not LOOKED: swap HANDED
 *             out. Who has a permit already waits by the socket.
 *   release   a word that names oneself and is not CLOSED: swap. CLOSED and neither HANDED nor LOOKED: read
 *             the head. Of another order, or nobody's: ask, await the answer. Else swap oneself in as GIVER,
 *             with no owner: it is given back. Then read the head until there is nothing to do. No step in
 *             it: if one's own word is as one has left it, swap its step in; or have the daemon look, if the
 *             head is nobody's. Whosever step it is: read its word, and the head again; if somebody else
 *             than who is first has given it, swap that one in, HANDED, and ring; read the link of that one;
 *             swap the next one into the head, without a step. Who has swapped its step in rings, too.
 *             Who has given up waiting for an answer asks: it could not tell what it may be granted still
 *             from what it has.
 *   daemon    takes one word after the other (sets CLOSED and LOOKED), commits what they said together,
 *             commits the request and what it decides, stores the links of those whom it offers permits,
 *             the head, one word after the other, answers, rings. It may die between any two of these; the
 *             next one takes both words first, and stores whatever the last one did.
 *
 * A permit of one who dies comes back, and the next one is told by an answer: until then the words are
 * closed and nobody's turn.
 */
#ifndef CLIENTS
#define CLIENTS 2
#endif
#ifndef LEAVES
#define LEAVES 0    /* 1: client 1 gives up once, as the daemon does not answer */
#endif
#define LEAVER 1
/* Who waits, for the daemon, in its place: the number behind those of the clients. */
#if CLIENTS == 2
#define LEFT 3
#elif CLIENTS == 3
#define LEFT 4
#else
#define LEFT 5
#endif
#ifndef HAS_0
#define HAS_0 0     /* who has the permit of the first word at the beginning; it wants no other one */
#endif
#ifndef HAS_1
#define HAS_1 0     /* and of the second */
#endif
#define HAD_BY(x) (HAS_0 == (x) || HAS_1 == (x))
#ifndef QUEUED
#define QUEUED 0    /* from which client on who has none is asleep in the queue at the beginning; 0: none */
#endif
#define IS_QUEUED(x) (QUEUED > 0 && (x) >= QUEUED && (x) != QUIET && !HAD_BY(x))
#ifndef KEEPS
#define KEEPS 0     /* who keeps the first permit that it gets; 0: nobody */
#endif
#ifndef BELLS
#define BELLS 1     /* 0: all wait by the socket */
#endif
#ifndef QUIET
#define QUIET 0     /* which client waits by the socket; 0: none */
#endif
#ifndef HASTY
#define HASTY 0     /* which client alone may time out, if they may; 0: each */
#endif
#ifndef LATE_LINKS
#define LATE_LINKS 0    /* 1: a link may be seen later than what was stored behind it */
#endif
#ifndef OTHERS
#define OTHERS 0    /* who does not wait here may be offered another lock: the order of its word */
#endif
#ifndef LATE_HELP
#define LATE_HELP 0 /* 1: who gives back does so with a step under way, and helps behind it */
#endif

#if LEAVES
#define IDS (CLIENTS + 2)
#define SLOT(x) ((x) == LEFT -> LEAVER : (x))
#define ID(slot) (has_left && (slot) == LEAVER -> LEFT : (slot)) /* who is offered a permit with that slot */
#define IS_OF(x, id) ((id) == (x) || ((x) == LEAVER && (id) == LEFT))
#else
#define IDS (CLIENTS + 1)
#define SLOT(x) (x)
#define ID(slot) (slot)
#define IS_OF(x, id) ((id) == (x))
#endif
#define ALL_IDS (CLIENTS + 2)

#define PERMITS 2
#define OWNER(w) ((w) & 7)
#define CLOSED 8
#define LOOKED 16
#define HANDED 32
#define GIVER(w) (((w) >> 6) & 7)
#define BY_GIVER(x) ((x) << 6)
#define ORDER(w) ((w) >> 9)
#define OF_ORDER(n) ((n) << 9)

/* The head: who is first, the step, the order. */
#define STEP(h) (((h) >> 3) & 7)    /* 0: none; else which word, from 1 on */
#define OF_STEP(k) ((k) << 3)

/* A link: who, of this semaphore or of another queue, the order. */
#define OTHER_WORD 8

short words[PERMITS], head, link_of[CLIENTS + 1];

/* The record, on the journal. The owner of each permit, 0: it is free. */
byte owner[PERMITS], abandoned;
byte order_of_record;
bit is_open = (QUEUED == 0);
byte offered[CLIENTS];  /* to whom the last store offers what is given back, one behind the other */

/* Who has it, whoever knows: what is in a word that was stored as it was decided, or the record. */
#define IS_NEWS(w) ((is_open || offered[0] != 0) && ORDER(w) == order_of_record)
#define OWNS(i, x) ((IS_NEWS(words[i]) -> OWNER(words[i]) : owner[i]) == (x))

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
#define OWNS_ANY(i, x) (IS_NEWS(words[i]) && OWNER(words[i]) != SLOT(owner[i]) -> \
                        OWNER(words[i]) == (x) : IS_OF(x, owner[i]))
#define AT_DEATH(x) died_with = died_with + OWNS_ANY(0, x) + OWNS_ANY(1, x)
#define MAY_DIE(x) (deaths < DEATHS && alive[x])

/* Somebody has it and these wait, as the daemon leaves that when all have come to it. */
#if QUEUED
#define FIRST_ORDER 1
#define BEGIN_IN_QUEUE(x) \
    if \
    :: IS_QUEUED(x) && !asleep[x] -> \
        offered[len(queue)] = x; queue!x; line!x; known[x] = 1; keys[x] = 1; by_bell[x] = 1; lead[x] = 1; \
        bell[x] = 1; asleep[x] = 1; waits[x] = 1; \
        link_of[behind] = OF_ORDER(FIRST_ORDER) | x; link_of[x] = OF_ORDER(FIRST_ORDER); behind = x \
    :: else \
    fi
#define BEGIN_QUEUED \
    byte behind; \
    up = 1; order_of_record = FIRST_ORDER; \
    BEGIN_IN_QUEUE(1); \
    BEGIN_IN_QUEUE(2); \
    BEGIN_IN_QUEUE(CLIENTS - 1); \
    BEGIN_IN_QUEUE(CLIENTS); \
    link_of[0] = 0; head = OF_ORDER(FIRST_ORDER) | offered[0]; \
    words[0] = OF_ORDER(FIRST_ORDER) | CLOSED | HAS_0; words[1] = OF_ORDER(FIRST_ORDER) | CLOSED | HAS_1
#else
#define BEGIN_QUEUED words[0] = HAS_0; words[1] = HAS_1
#endif
#define AT_BEGINNING \
    owner[0] = HAS_0; owner[1] = HAS_1; BEGIN_QUEUED; \
    inside_of[HAS_0] = (HAS_0 > 0); inside_of[HAS_1] = inside_of[HAS_1] + (HAS_1 > 0)
byte inside_of[CLIENTS + 1];    /* ghost: how many permits a client is sure to have */
bit known[IDS], keys[IDS], by_bell[IDS];
byte lead[IDS], follower[IDS];  /* the connections that wait for its answer; 0: none, as a broker died */
bit bell[CLIENTS + 1], asleep[CLIENTS + 1];
chan queue = [CLIENTS + 1] of { byte };
chan line = [CLIENTS + 1] of { byte };  /* ghost: the queue without those who were handed a permit */
#include "common.pml"

mtype = { ACQUIRE, ACQUIRE_QUIETLY, RELEASE, LOOK, TIME, DEATH, HANGUP, UNREAD, ABSENCE };
#define IS_ACQUIRE (what == ACQUIRE || what == ACQUIRE_QUIETLY)

/* By a connection of that number. */
chan requests[SLOTS] = [2] of { mtype, bit, byte };

short seen[SLOTS];      /* what a word was for who is about to swap it */
short heads[SLOTS];     /* and the head */
short left[SLOTS];      /* what a word is once it is given back */
mtype results[IDS];
byte granted[IDS];      /* which permit that was, from 1 on; 0: it has taken it from its word */
byte answered[IDS];     /* how many answers may have been read */
bit to_answer[IDS];     /* the broker's alone */
bit stands[ALL_IDS];    /* ghost: its grant was answered by a broker that has died */

inline leave_line(x)
{
    if
    :: line??[eval(x)] -> line??eval(x)
    :: else
    fi
}

#define INSIDE(x) (alive[x] -> inside_of[x] : 0)
#define ALL_INSIDE \
    (INSIDE(1) + INSIDE(2) + (CLIENTS > 2 -> INSIDE(CLIENTS) : 0) + (CLIENTS > 3 -> INSIDE(CLIENTS - 1) : 0))

#define CONNECTED (link == links[me])
#define NOW(x) (links[x] + 1)   /* the number of its last connection */

inline wake(x) { asleep[x] = 0 }

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

/* It may be given back while it is offered. */
#ifdef WRONG_GIVE_LOOKED
#define MAY_LEAVE(w) (OWNER(w) == me && ((w) & (CLOSED | HANDED)) == CLOSED)
#else
#define MAY_LEAVE(w) (OWNER(w) == me && ((w) & (CLOSED | LOOKED | HANDED)) == CLOSED)
#endif

#define IS_HEAD_OF(h, w) (ORDER(h) == ORDER(w))
#define IS_CHANGED(h) ((h) != heads[me])
#ifdef WRONG_HAND_LOOKED
#define HAS_LOOKED(w) (ORDER(w) != ORDER(heads[me]))
#else
#define HAS_LOOKED(w) (((w) & LOOKED) != 0 || ORDER(w) != ORDER(heads[me]))
#endif
/* And not by the one to whom it was handed just now, who has taken it already and given it back. */
#ifdef WRONG_HAND_BACK
#define IS_GIVEN(w) (GIVER(w) != 0)
#else
#define IS_GIVEN(w) (GIVER(w) != 0 && GIVER(w) != OWNER(heads[me]))
#endif

#define IS_HANDED_TO(x, w) (OWNER(w) == (x) && ((w) & (CLOSED | HANDED | LOOKED)) == (CLOSED | HANDED))

inline try_to_take(i)
{
#ifdef WRONG_PLAIN_SWAP
    seen[me] = words[i];
    atomic {
        if
        :: MAY_TAKE(seen[me]) -> words[i] = seen[me] | me; seen[me] = 0; goto got
        :: else -> seen[me] = 0
        fi
    }
#else
    atomic {
        if
        :: MAY_TAKE(words[i]) ->
            must(order, empty(queue) && empty(line));
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

#define MUST_HELP(h) (STEP(h) != 0 && (!LATE_HELP || GIVER(left[me]) != 0))

inline try_to_give(i)
{
    atomic {
        if
        :: IS_IN_DOUBT
        :: !IS_IN_DOUBT && MAY_GIVE(words[i]) -> words[i] = words[i] & ~7; goto given
        :: !IS_IN_DOUBT && MAY_LEAVE(words[i]) ->
            mine = i; left[me] = words[i]; goto read
        :: else
        fi
    }
}

inline look_at(i)
{
    atomic {
        if
        :: IS_HANDED_TO(me, words[i]) -> words[i] = words[i] & ~(HANDED); goto got
        :: else
        fi
    }
}

#if defined(WRONG_LINK_UNCHECKED)
#define IS_LINK_OF(l, h) true
#elif defined(WRONG_LINK_OF_ANY_WORD)
#define IS_LINK_OF(l, h) (ORDER(l) == ORDER(h))
#else
#define IS_LINK_OF(l, h) (ORDER(l) == ORDER(h) && !((l) & OTHER_WORD))
#endif

inline read_link()
{
    behind = (IS_LINK_OF(link_of[OWNER(heads[me])], heads[me]) -> OWNER(link_of[OWNER(heads[me])]) : 0)
}

inline hand(i)
{
    next = OWNER(heads[me]);
    must(order, line?[eval(ID(next))]);
    leave_line(ID(next));
    died_with = died_with + died[next];
    words[i] = OF_ORDER(ORDER(seen[me])) | CLOSED | HANDED | next
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

#if LEAVES
#define BE_LEFT(list) \
    count = len(list); \
    do \
    :: count > 0 -> list?other; list!(other == me -> LEFT : other); other = 0; count-- \
    :: count == 0 -> break \
    od

/* What the daemon knows of its wait is that of somebody else who has the same slot. Atomic. */
inline be_left()
{
    has_left = 1;
    if
    :: known[me] && keys[me] == key ->
        BE_LEFT(queue);
        BE_LEFT(line);
        offered[0] = (offered[0] == me -> LEFT : offered[0]);
        offered[1] = (offered[1] == me -> LEFT : offered[1]);
#if CLIENTS > 2
        offered[2] = (offered[2] == me -> LEFT : offered[2]);
#endif
        known[LEFT] = 1; keys[LEFT] = key; lead[LEFT] = lead[me]; follower[LEFT] = follower[me];
        by_bell[LEFT] = by_bell[me];
        results[LEFT] = results[me]; granted[LEFT] = granted[me]; answered[LEFT] = answered[me];
        to_answer[LEFT] = to_answer[me]; lost[LEFT] = lost[me]; stands[LEFT] = stands[me];
        known[me] = 0; lead[me] = 0; follower[me] = 0; results[me] = NONE; granted[me] = 0; answered[me] = 0;
        by_bell[me] = 0; to_answer[me] = 0; lost[me] = 0; stands[me] = 0;
        if
        :: granted[LEFT] > 0 -> owner[granted[LEFT] - 1] = LEFT
        :: else
        fi
    :: else ->
        /* it is under way, and no key comes a second time. Where one of before is queued, that has taken what
         * it was handed, and the daemon has not seen it yet. */
        known[me] = 0
    fi
}

/* The daemon cannot write any more from here on; what it has written is read before the end. */
inline leave()
{
    atomic {
        me == LEAVER && leaves_left > 0 ->
        leaves_left--; links[me]++; hung_up[me] = 1; asleep[me] = 0; bell[me] = 0;
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

#define RINGS_FOR(x) (BELLS && (x) != QUIET && (!has_left || (x) != LEAVER))
#ifdef WRONG_CHAIN_NAMED
#define WAITS_BY_BELL RINGS_FOR(me)
#else
#define WAITS_BY_BELL (RINGS_FOR(me) && inside_of[me] == 0)
#endif

proctype client(byte me)
{
    byte rounds = (HAD_BY(me) -> 0 : (me == 1 -> 1 : ROUNDS)), wanted, link, mine, to, behind, next;
#if LEAVES
    byte count, other, leaves_left = LEAVES;
#endif
    bit key, its, was_set;
    mtype answer = NONE;

birth:
    {
#if HAS_0 + HAS_1 > 0
        atomic {
            if
            :: inside_of[me] > 0 -> goto release
            :: inside_of[me] == 0
            fi
        };
#endif
#if QUEUED
        atomic {
            if
            :: waits[me] -> rounds--; wanted = 1; key = 1; goto sleep
            :: !waits[me]
            fi
        };
#endif
        do
        :: rounds > 0 ->
            rounds--; wanted = (me == 1 -> 2 : 1);
acquire:    try_to_take(me & 1);
            try_to_take(1 - (me & 1));
            atomic { waits[me] = 1; key = !key };
            if
            :: WAITS_BY_BELL
            :: !WAITS_BY_BELL -> ask(ACQUIRE_QUIETLY); goto end_await
            fi;
#ifdef WRONG_BELL_LATE
            ask(ACQUIRE);
            bell[me] = 1;
#else
            bell[me] = 1;
            ask(ACQUIRE);
#endif
look:       look_at(0);
            look_at(1);
            atomic {
                if
                :: bell[me] -> asleep[me] = 1
                :: else
                fi
            };
sleep:      if
#ifdef WRONG_NO_SLEEP
            :: asleep[me] = 0
#else
            :: !asleep[me]
#endif
#if LEAVES
            :: leave()
#endif
            fi;
#ifdef WRONG_TRUST_BELL
            goto got;
#endif
            bell[me] = 1;
socket:     if
            :: atomic {
                answers[me]?its, answer ->
                if
                :: its == key && answer == LATE ->
                    waits[me] = 0; bell[me] = 0; its = 0; answer = NONE; goto release
                :: its == key && answer != LATE -> its = 0; answer = NONE; goto got
                :: else -> its = 0; answer = NONE; goto socket
                fi
               }
            :: !CONNECTED && empty(answers[me]) -> ask(ACQUIRE)
            :: CONNECTED && empty(answers[me])
            fi;
            goto look;
end_await:  if
            :: atomic {
                answers[me]?its, answer ->
                if
                :: its == key && answer == LATE ->
                    waits[me] = 0; its = 0; answer = NONE; goto release
                :: its == key && answer != LATE -> its = 0; answer = NONE; goto got
                :: else -> its = 0; answer = NONE; goto end_await
                fi
               }
            :: !CONNECTED && empty(answers[me]) -> ask(ACQUIRE_QUIETLY); goto end_await
#if LEAVES
            :: leave()
#endif
            fi;
got:        atomic {
                waits[me] = 0; bell[me] = 0;
                inside_of[me]++; wanted--;
                must(exclusion, ALL_INSIDE <= PERMITS);
                if
                :: wanted > 0 -> goto acquire
                :: else
                fi
            };
release:
#if KEEPS
            if
            :: me == KEEPS && inside_of[me] > 0 ->
end_keep:       false
            :: else
            fi;
#endif
            do
            :: inside_of[me] > 0 ->
                inside_of[me]--;
give:           try_to_give(me & 1);
                try_to_give(1 - (me & 1));
                goto through_socket;

read:           atomic {
                    heads[me] = head;
                    if
                    :: !IS_HEAD_OF(head, left[me]) -> goto is_done
                    :: IS_HEAD_OF(head, left[me]) && MUST_HELP(head) -> goto help
                    :: IS_HEAD_OF(head, left[me]) && !MUST_HELP(head) && GIVER(left[me]) != 0
                    :: IS_HEAD_OF(head, left[me]) && !MUST_HELP(head) && GIVER(left[me]) == 0 ->
                        if
                        :: OWNER(head) == 0 -> goto is_done
                        :: OWNER(head) != 0 -> heads[me] = 0; goto leave_it
                        fi
                    fi
                };
                atomic {
                    if
                    :: words[mine] != left[me] -> goto is_done
                    :: words[mine] == left[me] && OWNER(heads[me]) == 0 -> goto look_there
                    :: words[mine] == left[me] && OWNER(heads[me]) != 0
                    fi
                };
#ifdef WRONG_POP_FIRST
                read_link();
                atomic {
                    if
                    :: head != heads[me] -> behind = 0; goto read
                    :: head == heads[me] -> head = OF_ORDER(ORDER(head)) | behind; behind = 0
                    fi
                };
                atomic {
                    if
                    :: words[mine] == left[me] -> seen[me] = left[me]; hand(mine); seen[me] = 0
                    :: else -> goto is_done
                    fi
                };
                ring();
                goto is_done;
#else
                atomic {
                    if
                    :: head == heads[me] -> to = OWNER(head); head = head | OF_STEP(mine + 1)
                    :: else
                    fi;
                    heads[me] = 0;
                    goto read
                };
#endif
leave_it:       atomic {
                    if
                    :: words[mine] == left[me] ->
                        left[me] = OF_ORDER(ORDER(left[me])) | CLOSED | BY_GIVER(me); words[mine] = left[me];
                        goto read
                    :: else -> left[me] = 0; mine = 0; goto give
                    fi
                };
help:           seen[me] = words[STEP(heads[me]) - 1];
                atomic {
                    if
                    :: IS_CHANGED(head) -> seen[me] = 0; goto read
                    :: !IS_CHANGED(head) && HAS_LOOKED(seen[me]) -> goto is_done
                    :: !IS_CHANGED(head) && !HAS_LOOKED(seen[me]) && IS_GIVEN(seen[me])
                    :: else -> seen[me] = 0; goto advance
                    fi
                };
                atomic {
                    if
                    :: words[STEP(heads[me]) - 1] == seen[me] -> hand(STEP(heads[me]) - 1); seen[me] = 0
                    :: else -> seen[me] = 0; heads[me] = 0; goto read
                    fi
                };
#ifdef WRONG_RING_OWN
                if
                :: to == next -> ring()
                :: to != next -> next = 0
                fi;
#else
                ring();
#endif
advance:        read_link();
                atomic {
                    if
                    :: head == heads[me] -> head = OF_ORDER(ORDER(head)) | behind
                    :: else
                    fi;
                    behind = 0; heads[me] = 0;
                    goto read
                };
is_done:        atomic {
                    if
                    :: GIVER(left[me]) != 0 -> goto ring_too
                    :: GIVER(left[me]) == 0 ->
                        left[me] = 0; heads[me] = 0; seen[me] = 0; mine = 0; goto through_socket
                    fi
                };
look_there:
#ifndef WRONG_NO_LOOK
                ask(LOOK);
#endif
ring_too:       atomic { left[me] = 0; heads[me] = 0; seen[me] = 0; mine = 0; next = to; to = 0 };
#ifdef WRONG_RING_OWN
                next = 0;
#endif
                if
                :: next != 0 -> ring()
                :: next == 0
                fi;
                goto given;

through_socket: key = !key;
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
            rounds = 0; wanted = 0; seen[me] = 0; heads[me] = 0; left[me] = 0; its = 0; answer = NONE;
            key = 0; mine = 0; to = 0; behind = 0; next = 0; was_set = 0; bell[me] = 0; asleep[me] = 0;
            inside_of[me] = 0
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

/* What comes of lost answers matters only where some are. */
#define MAY_LOSE (HANGUPS + LEAVES > 0)

#define BY_ANSWER(x, i) \
    to_answer[x] = 1; granted[x] = MAY_LOSE * ((i) + 1); \
    answered[x] = (MAY_LOSE -> (lead[x] != 0) + (follower[x] != 0) : 0)

#ifdef WRONG_NO_ORDER
#define IS_OF_RECORD(w) true
#else
#define IS_OF_RECORD(w) (ORDER(w) == order_of_record)
#endif

#ifdef WRONG_OWNERS_ONLY
#define NAMES_NOW(w, x) (IS_OF_RECORD(w) && OWNER(w) == (x))
#else
#define NAMES_NOW(w, x) (IS_OF_RECORD(w) && (OWNER(w) == (x) || GIVER(w) == (x)))
#endif

inline take_permit(i, w)
{
    if
    :: IS_OF_RECORD(w) -> owner[i] = (OWNER(w) == SLOT(owner[i]) -> owner[i] : OWNER(w))
    :: else
    fi
}

inline end_hold(i, w)
{
    if
    :: IS_OF_RECORD(w) && OWNER(w) != SLOT(owner[i]) -> owner[i] = 0
    :: else
    fi
}

inline begin_hold(i, w)
{
    owner[i] = other; results[other] = GRANTED; granted[other] = 0;
    if
    :: w & HANDED -> BY_ANSWER(other, i)
    :: else
    fi
}

/* Those up to the last whom any word names anew have been handed a permit each. */
inline take_hand_overs()
{
    count = 0; from = 0;
    do
    :: count < CLIENTS && offered[count] != 0 ->
        if
        :: NAMES_NOW(seen_0, SLOT(offered[count])) || NAMES_NOW(seen_1, SLOT(offered[count])) ->
            from = count + 1
        :: else
        fi;
        count++
    :: else -> break
    od;
    end_hold(0, seen_0);
    end_hold(1, seen_1);
    count = 0;
    do
    :: count < from ->
        queue?other;
        must(order, other == offered[count]);
        if
        :: IS_OF_RECORD(seen_0) && OWNER(seen_0) == SLOT(other) -> begin_hold(0, seen_0)
        :: else ->
            if
            :: IS_OF_RECORD(seen_1) && OWNER(seen_1) == SLOT(other) -> begin_hold(1, seen_1)
            :: else -> results[other] = GRANTED; granted[other] = 0  /* it has given it back */
            fi
        fi;
        count++
    :: count == from -> break
    od;
    count = 0; other = 0; from = 0
}

/* What the words said together becomes the record. Atomic. */
inline take_news()
{
    if
    :: is_open -> take_permit(0, seen_0); take_permit(1, seen_1)
    :: !is_open && offered[0] != 0 -> saved = from; take_hand_overs(); from = saved; saved = 0
    :: else
    fi
}

inline end_news()
{
    is_open = 0; count = 0;
    do
    :: count < CLIENTS -> offered[count] = 0; count++
    :: count == CLIENTS -> count = 0; break
    od;
    seen_0 = 0; seen_1 = 0
}

inline take_word(i, w)
{
#ifdef WRONG_PLAIN_TAKE
    w = words[i];
    atomic { words[i] = w | CLOSED | LOOKED };
#else
    atomic { w = words[i]; words[i] = w | CLOSED | LOOKED };
#endif
}

/* A word of no order: it says nothing. */
#define UNSEEN (-1)

/* Both words, and then one commit of what they said. */
inline take()
{
#if defined(WRONG_TAKE_ONE)
    take_word(0, seen_0);
    atomic { seen_1 = UNSEEN; take_news(); end_news() };
#elif defined(WRONG_NEWS_ONE_BY_ONE)
    take_word(0, seen_0);
    atomic {
        seen_1 = UNSEEN; take_news(); seen_0 = UNSEEN;
        /* those who have gone are out of the chain */
        do
        :: offered[0] != 0 && !(queue??[eval(offered[0])]) ->
            offered[0] = offered[1]; offered[1] = offered[CLIENTS - 1]; offered[CLIENTS - 1] = 0
        :: else -> break
        od
    };
    take_word(1, seen_1);
    atomic { take_news(); end_news() };
#else
    take_word(0, seen_0);
    take_word(1, seen_1);
    atomic { take_news(); end_news() };
#endif
}

inline grant(i)
{
    queue?other;
    must(order, line?[eval(other)]);
    leave_line(other);
    owner[i] = other; results[other] = GRANTED;
    BY_ANSWER(other, i);
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

#define HAS_ORDER(x, n) \
    ((ORDER(link_of[x]) == (n) && !(link_of[x] & OTHER_WORD)) || ORDER(seen[x]) == (n) || \
     ORDER(heads[x]) == (n) || ORDER(left[x]) == (n))
#define IS_USED(n) \
    (ORDER(words[0]) == (n) || ORDER(words[1]) == (n) || ORDER(head) == (n) || \
     HAS_ORDER(1, n) || HAS_ORDER(2, n) || HAS_ORDER(CLIENTS - 1, n) || HAS_ORDER(CLIENTS, n))

/* One that nobody has: orders are compared and nothing else. Atomic. */
inline choose_order()
{
    order_of_record = 0;
    do
    :: IS_USED(order_of_record) -> order_of_record++
    :: else -> break
    od
}

#ifdef WRONG_CHAIN_NAMED
#define IS_NAMED(x) false
#else
#define IS_NAMED(x) (SLOT(owner[0]) == SLOT(x) || SLOT(owner[1]) == SLOT(x))
#endif
#define IS_IN_CHAIN(x) \
    ((offered[0] != 0 && SLOT(offered[0]) == SLOT(x)) || (offered[1] != 0 && SLOT(offered[1]) == SLOT(x)))
#define MAY_OFFER(x) (lead[x] != 0 && by_bell[x] && !IS_NAMED(x) && !IS_IN_CHAIN(x))

/* The first of the queue that look at the words, up to one that does not. Atomic. */
inline offer()
{
    do
    :: count < len(queue) ->
        queue?other; queue!other;
        if
        :: count < CLIENTS && MAY_OFFER(other) && (count == 0 || offered[count - 1] != 0) ->
            offered[count] = other
        :: else
        fi;
        count++
    :: count == len(queue) -> count = 0; other = 0; break
    od
}

/* Grants what is free to the first in the queue; then what the next stores are to say. Atomic. */
inline decide()
{
    do
    :: len(queue) > 0 && owner[0] == 0 -> grant(0)
    :: len(queue) > 0 && owner[0] != 0 && owner[1] == 0 -> grant(1)
    :: else -> break
    od;
    choose_order();
    is_open = MAY_OPEN;
    if
    :: !is_open -> assert(abandoned == 0 || len(queue) == 0); offer()
    :: else
    fi
}

#define NAMES(i) (is_open || offered[0] != 0 -> SLOT(owner[i]) : 0)
#define VALUE(i) (OF_ORDER(order_of_record) | (is_open -> 0 : CLOSED) | NAMES(i))

#define STORE_LINK(i, next) link_of[SLOT(offered[i])] = OF_ORDER(order_of_record) | SLOT(next)

inline store_links()
{
    if
    :: atomic { offered[0] != 0 -> STORE_LINK(0, offered[1]) };
        if
#if CLIENTS == 2
        :: atomic { offered[1] != 0 -> STORE_LINK(1, 0) }
#else
        :: atomic { offered[1] != 0 -> STORE_LINK(1, offered[2]) };
            if
            :: atomic { offered[2] != 0 -> STORE_LINK(2, 0) }
            :: offered[2] == 0
            fi
#endif
        :: offered[1] == 0
        fi
    :: offered[0] == 0
    fi
}

#define STORE_HEAD head = OF_ORDER(order_of_record) | SLOT(offered[0])

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
#ifndef WRONG_SILENT_ANSWER
        if
        :: by_bell[x] -> bell[SLOT(x)] = 0; atomic { wake(SLOT(x)) }
        :: !by_bell[x]
        fi;
#endif
        atomic { to_answer[x] = 0; lead[x] = 0; follower[x] = 0 }
    :: else
    fi
}

inline finish()
{
#if LATE_LINKS
    STORE_HEAD;
    words[0] = VALUE(0);
    words[1] = VALUE(1);
    store_links();
#else
    store_links();
    STORE_HEAD;
    words[0] = VALUE(0);
    words[1] = VALUE(1);
#endif
    answer_one(1);
    answer_one(2);
#if CLIENTS > 2 || LEAVES
    answer_one(3);
#endif
#if CLIENTS > 3 || (CLIENTS > 2 && LEAVES)
    answer_one(4);
#endif
    if
    :: to_ring != 0 -> bell[to_ring] = 0; atomic { wake(to_ring); to_ring = 0 }
    :: to_ring == 0
    fi
}

#ifdef WRONG_BURY_FIRST
#define DRAINED(x) true
#else
#define DRAINED(x) (len(requests[x]) == 0)
#endif
#define EVENT(x) (len(requests[x]) > 0 || died[x] || hung_up[x])
#if TIMEOUTS
#define LATE_ONE(x) (queue??[x] && lead[x] != 0 && (HASTY == 0 || (x) == HASTY))
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
    known[x] = 0; lead[x] = 0; follower[x] = 0; results[x] = NONE; by_bell[x] = 0;
    granted[x] = 0; answered[x] = 0; lost[x] = 0; stands[x] = 0
}

inline leave_queue(x)
{
    queue??eval(x); leave_line(x)
}

inline give_up_wait(x)
{
    if
    :: queue??[eval(x)] -> leave_queue(x); forget(x)
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

#ifdef WRONG_ANSWER_NOBODY
#define ANSWERS_GONE 0
#else
#define ANSWERS_GONE 1  /* what it was handed, as was just seen, is answered */
#endif

/* Who has asked again waits on. */
inline lose_connection(x)
{
    if
    :: lead[x] == NOW(SLOT(x))
    :: lead[x] != NOW(SLOT(x)) && follower[x] != 0 -> lead[x] = follower[x]; follower[x] = 0
    :: lead[x] != NOW(SLOT(x)) && lead[x] != 0 && follower[x] == 0 ->
        to_ring = (queue??[eval(x)] && by_bell[x] -> SLOT(x) : to_ring); give_up_wait(x);
        lost[x] = lost[x] + (to_answer[x] && granted[x] > 0 && ANSWERS_GONE); lead[x] = 0
    :: lead[x] == 0
    fi
}

inline bury(x)
{
    if
    :: queue??[eval(x)] -> leave_queue(x)
    :: else
    fi;
    abandoned = abandoned + (owner[0] == x) + (owner[1] == x);
    owner[0] = (owner[0] == x -> 0 : owner[0]);
    owner[1] = (owner[1] == x -> 0 : owner[1]);
    forget(x); keys[x] = 0
}

proctype daemon()
{
    byte me, other, from, saved, count, to_ring;
    short seen_0, seen_1;
    mtype what = NONE;
    bit key;

start:
    {
#if QUEUED
        if
        :: up -> goto end_idle
        :: !up
        fi;
#endif
        take();
        atomic { decide() };
        finish();
        up = 1;
#if BELLS
#ifndef WRONG_NO_RING_ALL
        bell[1] = 0; wake(1);
        bell[2] = 0; wake(2);
#if CLIENTS > 2
        bell[3] = 0; wake(3);
#endif
#if CLIENTS > 3
        bell[4] = 0; wake(4);
#endif
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
#if CLIENTS > 3
            :: EVENT(4) -> me = 4
#endif
            :: LATE_ONE(1) -> me = 1; what = TIME; goto known_event
            :: LATE_ONE(2) -> me = 2; what = TIME; goto known_event
            :: UNREAD_ONE(1) -> me = 1; what = UNREAD; goto known_event
            :: UNREAD_ONE(2) -> me = 2; what = UNREAD; goto known_event
#if CLIENTS > 2
            :: LATE_ONE(3) -> me = 3; what = TIME; goto known_event
            :: UNREAD_ONE(3) -> me = 3; what = UNREAD; goto known_event
#endif
#if CLIENTS > 3
            :: LATE_ONE(4) -> me = 4; what = TIME; goto known_event
            :: UNREAD_ONE(4) -> me = 4; what = UNREAD; goto known_event
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
        :: what == DEATH -> take_word(0, seen_0); atomic { seen_1 = UNSEEN; take_news(); end_news() }
        :: else -> take()
        fi;
#else
#ifdef WRONG_DECIDE_BLINDLY
        if
        :: IS_ACQUIRE || what == RELEASE || what == LOOK -> take()
        :: else
        fi;
#else
        take();
#endif
#endif
        /* the input, and what it decides: one commit */
        atomic {
            if
            :: IS_ACQUIRE || what == RELEASE || what == LOOK -> requests[me]?_, _, _
            :: else
            fi;
#if LEAVES
            if
            :: IS_ACQUIRE && me == LEAVER && from != NOW(me) -> me = LEFT
            :: else
            fi;
#endif
            if
            :: what == LOOK
            :: what == TIME ->
                if
                :: queue??[eval(me)] -> leave_queue(me); results[me] = LATE; to_answer[me] = 1
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
            :: (IS_ACQUIRE || what == RELEASE) && known[me] && keys[me] == key ->
                /* asked again: it is there again, or was answered */
                if
                :: results[me] != NONE ->
                    lead[me] = from; to_answer[me] = 1; answered[me] = answered[me] + (granted[me] > 0)
                :: results[me] == NONE && lead[me] != 0 && lead[me] != from -> follower[me] = from
                :: results[me] == NONE && (lead[me] == 0 || lead[me] == from) -> lead[me] = from
                fi
            :: (IS_ACQUIRE || what == RELEASE) && !(known[me] && keys[me] == key) ->
                forget(me); known[me] = 1; keys[me] = key; lead[me] = from;
                if
                :: IS_ACQUIRE -> queue!me; line!me; by_bell[me] = (what == ACQUIRE)
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
            me = 0; other = 0; from = 0; saved = 0; count = 0; to_ring = 0; seen_0 = 0; seen_1 = 0;
            what = NONE; key = 0;
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
        link_of[who] = OF_ORDER(OTHERS) | OTHER_WORD | (who % CLIENTS + 1); who = 0
    }
}
#endif

#define IS_FREE(i) (OWNS(i, 0) || (KEEPS > 0 && OWNS(i, KEEPS)))

active proctype rest()
{
end:
    timeout ->
    must(wakeup, NOBODY_WAITS);
    must(free, IS_FREE(0) && IS_FREE(1) && empty(queue));
    must(open, abandoned > 0 || !((words[0] | words[1]) & CLOSED));
    must(report, died_with == told + abandoned)
}
