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
#ifndef QUIET
#define QUIET 0         /* which client waits by the socket; 0: none */
#endif
#ifndef SLOTLESS
#define SLOTLESS 0      /* which client has no slot: it asks for all, and no word names it; 0: none */
#endif
#ifndef ABSENCES
#define ABSENCES 0      /* 1: who is away after a crash may come back too late */
#endif
#ifndef LEAVES
#define LEAVES 0        /* 1: client 1 gives up once, as the daemon does not answer; of 2 clients */
#endif
#define LEAVER 1
#define LEFT 3          /* who waits, for the daemon, in its place */

#if LEAVES
#define IDS 4
#define SLOT(x) ((x) == LEFT -> LEAVER : (x))
#define ID(slot) (has_left && (slot) == LEAVER -> LEFT : (slot)) /* who is offered the lock with that slot */
#define HOLDS(x) (holds == (x) || ((x) == LEAVER && holds == LEFT))
#else
#define IDS SLOTS
#define SLOT(x) (x)
#define ID(slot) (slot)
#define HOLDS(x) (holds == (x))
#endif

#if IN_TURN || LEAVES
/* Where one order is as another, or one client is not as another, anybody may be who dies. */
#define MAY_DIE(x) (deaths < DEATHS && alive[x])
#endif

#if IN_TURN
/* Clients differ by their number alone: one order is as another. */
#define IS_TURN(x) (begun[x] || ((x) == 1 -> up : begun[(x) - 1] || !alive[(x) - 1]))
#endif

byte holds; /* ghost: who has the lock, whoever knows it: 0 nobody */
bit has_left;
bit stands[4];  /* ghost: its grant was answered by a broker that has died. No other can know whether that was
                 * read: it stands until its process gives it back, or dies, which is here at any time. */
#define WORD short

#define NONE 0
#define GRANTED 1
#define TOLD 2      /* granted, and the holder before had died */
#define LATE 3      /* its time is over */
#define RELEASED 4

#define ALL_IDS 4
chan answers[ALL_IDS] = [3] of { bit, byte };
bit by_answer[ALL_IDS]; /* of the record: it was granted by that, and not taken from the word */
byte lost[ALL_IDS];     /* how many answers were not read, as the broker knows, or is about to see */
#define HAS_ANSWER(x, what) (answers[x]??[0, what] || answers[x]??[1, what])

/* It closes the connection, with what it has not read in it. */
#define AT_HANGUP(x) at_hangup(x)
inline at_hangup(x)
{
    lost[x] = lost[x] + (by_answer[x] && (HAS_ANSWER(x, GRANTED) || HAS_ANSWER(x, TOLD)));
    do
    :: answers[x]?_, _
    :: empty(answers[x]) -> break
    od
}

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

mtype = { ACQUIRE, ACQUIRE_QUIETLY, RELEASE, TIME, DEATH, HANGUP, UNREAD, ABSENCE, SEIZE };
/* Requests carry their key, two are enough, as the one before is answered before the next is made; and come
 * by a connection of that number. */
chan requests[SLOTS] = [3] of { mtype, bit, byte };
bit bell[SLOTS], asleep[SLOTS];
short link_of[SLOTS];
short seen[SLOTS];  /* what the word was for who is about to swap it; [0]: who is no client */
bit is_seized;      /* it is released by a request of somebody else */

/* The record, on the journal. */
chan queue = [SLOTS] of { byte };
byte holder, order_of_record;
byte offered[SLOTS];    /* to whom the word of the last store offers it, one behind the other */
bit abandoned, is_open, told[IDS];
bit known[IDS], keys[IDS], by_bell[IDS];    /* the last request of each */
byte lead[IDS], follower[IDS];  /* the connections that wait for its answer; 0: none, as a broker died */
byte results[IDS];      /* what it was answered; NONE: it waits */
byte answered[IDS];     /* how many answers may have been read */
bit unasked[IDS];       /* granted while it was away */
bit to_answer[IDS];     /* the broker's alone */

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
#define NOW(x) (links[x] + 1)   /* the number of its last connection */

inline wake(x) { asleep[x] = 0 }

/* A connection to a daemon that serves. What was answered on the last one is gone, and asked for again. */
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
            must(order, line?[eval(ID(next))]);
            leave_line(ID(next));
            word = OF_ORDER(ORDER(seen[me])) | CLOSED | HANDED | OFFER(following) | next; holds = ID(next);
            unreported = unreported || died[next];
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

#if LEAVES
#define BE_LEFT(list) \
    count = len(list); \
    do \
    :: count > 0 -> list?next; list!(next == me -> LEFT : next); next = 0; count-- \
    :: count == 0 -> break \
    od

/* What the daemon knows of its wait is that of somebody else who has the same slot. Atomic. */
inline be_left()
{
    has_left = 1;
    BE_LEFT(queue);
    BE_LEFT(line);
    offered[0] = (offered[0] == me -> LEFT : offered[0]);
    offered[1] = (offered[1] == me -> LEFT : offered[1]);
    holder = (holder == me -> LEFT : holder);
    holds = (holds == me -> LEFT : holds);
    if
    :: known[me] && keys[me] == key ->
        known[LEFT] = 1; keys[LEFT] = key; by_bell[LEFT] = by_bell[me]; lead[LEFT] = lead[me];
        follower[LEFT] = follower[me]; results[LEFT] = results[me]; told[LEFT] = told[me];
        by_answer[LEFT] = by_answer[me]; answered[LEFT] = answered[me]; to_answer[LEFT] = to_answer[me];
        lost[LEFT] = lost[me];
        known[me] = 0; by_bell[me] = 0; lead[me] = 0; follower[me] = 0; results[me] = NONE; told[me] = 0;
        by_answer[me] = 0; answered[me] = 0; to_answer[me] = 0; lost[me] = 0;
        stands[LEFT] = stands[me]; stands[me] = 0; unasked[LEFT] = unasked[me]; unasked[me] = 0
    :: else -> known[me] = 0    /* it is under way; no key comes a second time */
    fi
}

/* The daemon cannot write any more from here on; what it has written is read before the end. */
inline leave()
{
    atomic {
        leaves_left > 0 && me == LEAVER ->
        leaves_left--; asleep[me] = 0;
#ifndef WRONG_LEAVE_QUIETLY
        links[me]++; hung_up[me] = 1;
#endif
        do
        :: answers[me]?its, answer ->
            if
            :: its == key -> break
            :: else -> answer = NONE
            fi
        :: empty(answers[me]) -> break
        od;
        its = 0;
        if
        :: answer == GRANTED || answer == TOLD -> goto got
        :: answer == LATE -> answer = NONE
        :: answer == NONE -> be_left()
        fi;
        waits[me] = 0; bell[me] = 0; goto again
    }
}
#endif

#ifdef WRONG_BELL_OF_BEFORE
#define RINGS_FOR(x) ((x) != QUIET && (x) != SLOTLESS)
#else
#define RINGS_FOR(x) ((x) != QUIET && (x) != SLOTLESS && (!has_left || (x) != LEAVER))
#endif
#define MAY_BE_QUIET (LEAVES + QUIET + SLOTLESS > 0)

proctype client(byte me)
{
    byte rounds = (me == 1 -> ROUNDS + AGAIN : ROUNDS), link, answer, next, following;
#if LEAVES
    byte count, leaves_left = LEAVES;
#endif
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
                :: MAY_TAKE(word) && me != SLOTLESS ->
                    must(order, (empty(queue) || (word & OPENED)) && empty(line));
                    word = word | me; holds = me;
                    answer = ((word & ABANDONED) -> TOLD : GRANTED);
                    goto hold
                :: else -> waits[me] = 1; key = !key; taken[me] = 0
                fi
            };
#if MAY_BE_QUIET
            if
            :: !RINGS_FOR(me) -> ask(ACQUIRE_QUIETLY); goto end_socket
            :: RINGS_FOR(me)
            fi;
#endif
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
            if
            :: !asleep[me]
#if LEAVES
            :: leave()
#endif
            fi;
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
#if MAY_BE_QUIET
end_socket: if
            :: atomic {
                answers[me]?its, answer ->
                if
                :: its == key && answer == LATE -> waits[me] = 0; answer = NONE; its = 0; goto again
                :: its == key && answer != LATE -> its = 0; goto got
                :: else -> its = 0; answer = NONE; goto end_socket
                fi
               }
            :: !CONNECTED && empty(answers[me]) -> ask(ACQUIRE_QUIETLY); goto end_socket
            fi;
#endif
got:        waits[me] = 0; bell[me] = 0;

hold:       atomic {
                must(exclusion, inside == 0 && holds == me);
                must(report, unreported == (answer == TOLD));
                inside = me; unreported = 0; answer = NONE
            };
            atomic {
                must(exclusion, inside == me); inside = 0;
                if
                :: me == SLOTLESS -> key = !key; taken[me] = 0; goto through_socket
                :: else -> look_at_word(1)
                fi
            };
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
#define HAS_BEEN_HANDED (offered[0] != 0 && OWNER(said) == SLOT(offered[0]))
#else
#define HAS_BEEN_HANDED \
    (offered[0] != 0 && OWNER(said) != SLOT(holder) && queue??[eval(ID(OWNER(said)))])
#endif
#ifdef WRONG_OPENED_BY_CLOSED
#define HAS_BEEN_OPENED ((said & CLOSED) == 0)
#else
#define HAS_BEEN_OPENED ((said & OPENED) != 0)
#endif
#if defined(WRONG_ANSWER_DONE) || OWED
#define END_WAIT(x) results[x] = GRANTED; by_answer[x] = 0; to_answer[x] = 1
#elif defined(WRONG_KEEP_DONE)
#define END_WAIT(x) queue!x
#else
#define END_WAIT(x) results[x] = GRANTED; by_answer[x] = 0
#endif

/* By an answer. Nobody is told who is not there. What comes of lost answers matters only where some are. */
#define MAY_LOSE (HANGUPS + LEAVES + ABSENCES > 0)
#define TELL(x, what) \
    results[x] = what; to_answer[x] = 1; unasked[x] = (lead[x] == 0); \
    by_answer[x] = MAY_LOSE; answered[x] = (MAY_LOSE -> (lead[x] != 0) + (follower[x] != 0) : 0)

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
        :: SLOT(other) == OWNER(said) -> break
#endif
        :: SLOT(other) != OWNER(said) -> END_WAIT(other)
        fi
    od;
    if
    :: said & HANDED -> TELL(other, GRANTED)
    :: else -> results[other] = GRANTED; by_answer[other] = 0; to_answer[other] = OWED
    fi;
    holder = other; abandoned = 0; other = 0
}

inline take_holder()
{
    holder = (OWNER(said) == SLOT(holder) -> holder : OWNER(said));
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

/* A word names neither who has no slot nor who was away and has not asked yet; then it is closed, and nobody
 * is offered the lock. */
#define IS_NAMED (holder != 0 && holder != SLOTLESS && !unasked[holder])
#define SOMEBODY 3

#define MAY_OFFER(x) (IS_NAMED && SLOT(x) != SLOT(holder) && lead[x] != 0 && by_bell[x])

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
    value = value | OFFER(SLOT(offered[0]))
}

/* Grants to the first in the queue what is free; then what the next store is to say. Atomic. */
inline decide()
{
    if
    :: holder == 0 && len(queue) > 0 ->
        queue?other; leave_line(other);
        holder = other; told[other] = abandoned; abandoned = 0;
        TELL(other, (told[other] -> TOLD : GRANTED));
        holds = other; unreported = unreported || died[SLOT(other)]; other = 0
    :: else
    fi;
    choose_order();
    value = OF_ORDER(order_of_record);
    if
    :: IS_NAMED -> value = value | SLOT(holder) | (told[holder] -> ABANDONED : 0)
    :: holder != 0 && !IS_NAMED -> value = value | SOMEBODY
#ifndef WRONG_TELL_BY_ANSWER
    :: holder == 0 && abandoned -> value = value | ABANDONED
#endif
    :: else
    fi;
#ifdef WRONG_STAY_CLOSED
    is_open = 0;
#else
    is_open = (len(queue) == 0 && (holder == 0 || IS_NAMED));
#endif
    if
    :: !is_open -> value = value | CLOSED; offer()
    :: else
    fi
}

/* To one connection. What it does not take any more is lost. */
inline answer_to(x, connection)
{
    if
    :: atomic {
        connection != 0 && connection == NOW(SLOT(x)) && nfull(answers[SLOT(x)]) ->
        must(once, !taken[SLOT(x)] || OWED || CRASHES + HANGUPS > 0);  /* or it may have asked twice */
        answers[SLOT(x)]!keys[x], results[x]
       }
    :: atomic { connection != 0 && connection != NOW(SLOT(x)) -> lost[x] = lost[x] + by_answer[x] }
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
        atomic { bell[SLOT(x)] = 0 };
        atomic { wake(SLOT(x)) };
#endif
        atomic { to_answer[x] = 0; lead[x] = 0; follower[x] = 0 }
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
    link_of[SLOT(offered[i])] = LINK(order_of_record, SLOT(offered[(i) + 1])) | (IS_LAST(i) -> LAST : 0)

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
#if CLIENTS > 2 || LEAVES
    answer_one(3);
#endif
    if
    :: to_ring != 0 -> bell[to_ring] = 0; atomic { wake(to_ring); to_ring = 0 }
    :: to_ring == 0
    fi;
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
#define LATE_ONE(x) (queue??[x] && lead[x] != 0 && (HASTY == 0 || (x) == HASTY))
#else
#define LATE_ONE(x) false
#endif
#define EVENT(x) (len(requests[x]) > 0 || died[x] || hung_up[x])
/* What it has sent by the connection that has ended is read first. */
#define HAS_ENDED(x) (empty(requests[x]) || requests[x]?[what, key, eval(NOW(x))])
#define IS_ACQUIRE (what == ACQUIRE || what == ACQUIRE_QUIETLY)
#define IS_REQUEST (IS_ACQUIRE || what == RELEASE)
/* A process gets the time to die, so that what it did not read counts as held. */
#define UNREAD_ONE(x) (lost[x] > 0 && !hung_up[SLOT(x)] && !died[SLOT(x)])
/* Its place is kept, and what it was granted, for as long as it may take to come back. */
#if LEAVES + ABSENCES > 0
#define IS_ABSENT(x) (known[x] && lead[x] == 0 && (queue??[x] || (holder == x && answered[x] == 0)))
#else
#define IS_ABSENT(x) false
#endif

inline forget(x)
{
    known[x] = 0; lead[x] = 0; follower[x] = 0; results[x] = NONE;
    by_answer[x] = 0; answered[x] = 0; lost[x] = 0; stands[x] = 0; unasked[x] = 0
}

inline give_up_wait(x)
{
    if
    :: queue??[eval(x)] -> queue??eval(x); leave_line(x); forget(x)
    :: else
    fi
}

#ifdef WRONG_TAKE_BACK_NEWS
#define IS_TOLD_AGAIN 0
#else
#define IS_TOLD_AGAIN 1
#endif

/* Nobody has known of this hold: if its process dies meanwhile, that is no news. */
inline take_back(x)
{
    if
    :: holder == x && by_answer[x] ->
        holder = 0; holds = 0; abandoned = told[x] && IS_TOLD_AGAIN; unreported = told[x]; told[x] = 0
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
        to_ring = (queue??[eval(x)] && by_bell[x] -> SLOT(x) : 0); give_up_wait(x);
        lost[x] = lost[x] + (to_answer[x] && by_answer[x] && ANSWERS_GONE); lead[x] = 0
    :: lead[x] == 0
    fi
}

proctype daemon()
{
    byte me, other, count, from, to_ring;
    short said, value;
    mtype what;
    bit key;

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
#if ABSENCES
            :: IS_ABSENT(1) -> me = 1; what = ABSENCE; goto known_event
            :: IS_ABSENT(2) -> me = 2; what = ABSENCE; goto known_event
#endif
            :: UNREAD_ONE(1) -> me = 1; what = UNREAD; goto known_event
            :: UNREAD_ONE(2) -> me = 2; what = UNREAD; goto known_event
#if CLIENTS > 2
            :: LATE_ONE(3) -> me = 3; what = TIME; goto known_event
            :: UNREAD_ONE(3) -> me = 3; what = UNREAD; goto known_event
#endif
#if LEAVES
            :: LATE_ONE(LEFT) -> me = LEFT; what = TIME; goto known_event
            :: UNREAD_ONE(LEFT) -> me = LEFT; what = UNREAD; goto known_event
            :: IS_ABSENT(LEFT) || (stands[LEFT] && holder == LEFT) ->
                me = LEFT; what = ABSENCE; goto known_event
#endif
            fi;
            if
            :: len(requests[me]) > 0 -> requests[me]?<what, key, from>
            :: DRAINED(me) && died[me] -> what = DEATH
            :: hung_up[me] && !died[me] && HAS_ENDED(me) -> what = HANGUP
            fi
        };
known_event:
#ifdef WRONG_DECIDE_BLINDLY
        if
        :: IS_ACQUIRE -> take()
        :: else
        fi;
#else
        take();
#endif
        /* the input, and what it decides: one commit */
        atomic {
            if
            :: IS_REQUEST -> requests[me]?_, _, _
            :: else
            fi;
#if LEAVES
            if
            :: IS_ACQUIRE && me == LEAVER && from != NOW(me) -> me = LEFT
            :: else
            fi;
#endif
            if
            :: IS_ACQUIRE && IS_REPEATED(me) ->
                /* asked again: it is there again, or was answered */
                unasked[me] = 0;
                if
                :: results[me] != NONE ->
                    lead[me] = from; to_answer[me] = 1;
                    answered[me] = answered[me] + by_answer[me]
                :: results[me] == NONE && lead[me] != 0 && lead[me] != from -> follower[me] = from
                :: results[me] == NONE && (lead[me] == 0 || lead[me] == from) -> lead[me] = from
                fi
            :: IS_ACQUIRE && !IS_REPEATED(me) ->
                forget(me);
                known[me] = 1; keys[me] = key; lead[me] = from; by_bell[me] = (what == ACQUIRE);
                if
                :: holder != 0 && SLOT(holder) == me ->
                    results[me] = LATE; to_answer[me] = 1   /* it has it already: a deadlock */
                :: else -> queue!me; line!me
                fi
            :: what == RELEASE && known[me] && keys[me] == key -> lead[me] = from; to_answer[me] = 1
            :: what == RELEASE && !(known[me] && keys[me] == key) ->
                forget(me);
                known[me] = 1; keys[me] = key; lead[me] = from; results[me] = RELEASED; to_answer[me] = 1;
                must(exclusion, holder == me && holds == me);
                holder = 0; holds = 0; unreported = 0   /* one who dies behind this request has released */
            :: what == TIME ->
                if
                :: queue??[eval(me)] ->
                    queue??eval(me); leave_line(me); results[me] = LATE; to_answer[me] = 1
                :: else   /* it has been handed the lock meanwhile */
                fi
            :: what == SEIZE -> is_seized = 0; holder = 0; holds = 0
            :: what == HANGUP -> lose_connection(me); hung_up[me] = 0;
#ifdef WRONG_END_IS_DEATH
                if
                :: holder == me -> holder = 0; abandoned = 1
                :: else
                fi;
#endif
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
#ifdef WRONG_TAKE_BACK_TOLD
                :: true -> take_back(me)
#else
                :: answered[me] == 0 -> take_back(me)
                :: answered[me] > 0
#endif
                fi
            :: what == ABSENCE -> give_up_wait(me); take_back(me)
            :: what == DEATH ->
                if
                :: queue??[eval(me)] -> queue??eval(me); leave_line(me)
                :: else
                fi;
                if
                :: holder == me -> holder = 0; abandoned = IS_TOLD; holds = (holds == me -> 0 : holds)
                :: else
                fi;
                forget(me); told[me] = 0;
#if LEAVES
                if
                :: me == LEAVER && has_left ->
                    give_up_wait(LEFT);
                    if
                    :: holder == LEFT -> holder = 0; abandoned = IS_TOLD; holds = (holds == LEFT -> 0 : holds)
                    :: else
                    fi;
                    forget(LEFT); told[LEFT] = 0
                :: else
                fi
#endif
            fi;
            decide();
            if
            :: what == DEATH -> died[me] = 0; hung_up[me] = 0
            :: else
            fi
        };
        finish();
        atomic { me = 0; what = 0; key = 0; from = 0; goto end_idle };
    } unless {
        atomic {
            crash -> crash = 0; up = 0;
            stands[holder] = (LEAVES && answered[holder] > 0);
            me = 1;
            do
            :: me < IDS ->
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
            me = 0; other = 0; count = 0; said = 0; value = 0; what = 0; key = 0; from = 0; to_ring = 0;
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
