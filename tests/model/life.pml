/* SPDX-License-Identifier: MIT */
/*
 * Who believes what a word says, where a daemon may die to its last process: the life of a page's keeper in
 * proto/page.h. One lock; page 0 is the first daemon's, page 1 is of one that begins anew and knows nothing
 * of it. What else passes between clients and the daemon is in the other models, and is short here.
 *
 *   acquire  free: swap, then look whether the keeper lives. It does: done. It does not: put the word back as
 *            it was, and ask. Where it is not as it was left, and still one's own: look again, done if it
 *            lives by now; else await any daemon's answer, and look once more.
 *   release  the keeper does not live, or the word is closed: ask. Else: swap.
 *   keeper   dies, once, at any step. The kernel marks its page before anybody can see that it is dead. Then
 *            comes one that goes on with record and page, and says that it lives, or one that begins anew.
 */
#define exclusion 1 /* one holder at a time */
#define gone 2      /* nobody begins to believe what a page says, once another daemon has begun anew */
#define wakeup 3    /* at rest nobody waits */
#ifndef PROPERTY
#define PROPERTY 0  /* all of them */
#endif
#define must(property, claim) assert((PROPERTY != 0 && PROPERTY != (property)) || (claim))

#ifndef ROUNDS
#define ROUNDS 2
#endif
#define CLIENTS 2
#define CLOSED 4
#define OWNER(w) ((w) & 3)

byte word[2];
bit died;           /* the mark in page 0 */
byte serves = 1;    /* the daemon that does; 0: none. 2 has begun anew, 3 goes on with what 1 had */
#define PAGE (mine == 2)
bit anew;           /* a daemon has begun anew */

/* On the journal, of each page. */
byte record[2];
bit is_open[2];

/* What clients ask for, and what they are told: by whose page, and 1. */
bit wants[CLIENTS + 1], gives[CLIENTS + 1];
byte granted[CLIENTS + 1];

/* Ghosts. */
byte inside;        /* who holds the lock */
bit lost[CLIENTS + 1]; /* what it held went with its daemon */

inline enter(x, p)
{
    must(gone, p == 1 || !anew);
    must(exclusion, inside == 0);
    inside = x
}

#define IS_DEAD(p) ((p) == 0 && died)

proctype client(byte me)
{
    byte rounds = ROUNDS, at;

    do
    :: rounds > 0 ->
#ifdef WRONG_LOOK_FIRST
        if
        :: atomic { IS_DEAD(at) -> goto ask }
        :: !IS_DEAD(at)
        fi;
#endif
        atomic {
            if
            :: word[at] == 0 -> word[at] = me
            :: else -> goto ask
            fi
        };
#if defined(WRONG_LOOK_FIRST) || defined(WRONG_NO_LOOK)
        atomic { enter(me, at); goto held };
#else
        if
        :: atomic { !IS_DEAD(at) -> enter(me, at); goto held }
        :: IS_DEAD(at)
        fi;
#endif
#ifdef WRONG_UNDO_BLINDLY
        word[at] = 0;
#else
        atomic {
            if
            :: word[at] == me -> word[at] = 0; goto ask
            :: word[at] != me && OWNER(word[at]) == me
            :: word[at] != me && OWNER(word[at]) != me -> goto ask
            fi
        };
#ifdef WRONG_STANDS
        atomic { enter(me, at); goto held };
#endif
        if
        :: atomic { !IS_DEAD(at) -> enter(me, at); goto held }
        :: IS_DEAD(at)
        fi;
#ifndef WRONG_NEVER_STANDS
        if /* whoever answers has gone on with the page by then, and says so, or never will */
        :: atomic { serves != 0 && !IS_DEAD(at) && OWNER(word[at]) == me -> enter(me, at); goto held }
        :: atomic { serves != 0 && (IS_DEAD(at) || OWNER(word[at]) != me) }
        fi;
#endif
#endif
ask:    wants[me] = 1;
        atomic { granted[me] != 0 -> at = granted[me] - 1; granted[me] = 0; enter(me, at) };
held:   atomic {
            if
            :: lost[me] -> lost[me] = 0
            :: else -> inside = 0
            fi;
            if
            :: !IS_DEAD(at) && word[at] == me -> word[at] = 0; goto next
            :: else -> gives[me] = 1
            fi
        };
        gives[me] == 0;
next:   rounds--
    :: rounds == 0 -> break
    od
}

/* ---- the daemons ---- */

inline grant_one(x, p)
{
    if
    :: wants[x] && record[p] == 0 -> record[p] = x; wants[x] = 0; granted[x] = p + 1
    :: else
    fi
}

inline give_one(x, p)
{
    if
    :: gives[x] -> /* what is not its own it has lost */
        if
        :: record[p] == x -> record[p] = 0
        :: else
        fi;
        gives[x] = 0
    :: else
    fi
}

/* One that is killed between two steps does no more. */
proctype daemon(byte mine)
{
end_idle:
    do
    :: serves == mine && (wants[1] || wants[2] || gives[1] || gives[2]) ->
        atomic {
            if
            :: serves != mine -> break
            :: else
            fi;
            if
            :: is_open[PAGE] -> record[PAGE] = OWNER(word[PAGE])
            :: else
            fi;
            word[PAGE] = word[PAGE] | CLOSED
        };
        atomic {
            if
            :: serves != mine -> break
            :: else
            fi;
            give_one(1, PAGE); give_one(2, PAGE);
            grant_one(1, PAGE); grant_one(2, PAGE);
            is_open[PAGE] = !wants[1] && !wants[2];
            word[PAGE] = record[PAGE] | (is_open[PAGE] -> 0 : CLOSED)
        };
        /* until something happens: a look that changes nothing would be made for ever */
end_waits:
        (serves != mine || gives[1] || gives[2] || ((wants[1] || wants[2]) && record[PAGE] == 0) ||
         (is_open[PAGE] && (wants[1] || wants[2])))
    :: serves != mine -> break
    od
}

inline lose(x)
{
    lost[x] = inside == x;
    if
    :: granted[x] != 0 -> granted[x] = 0; wants[x] = 1 /* its connection has ended: it asks again */
    :: else
    fi
}

active proctype keeper()
{
    if
    :: true -> goto end_keeper /* or it lives */
    :: true
    fi;
#ifdef WRONG_MARK_LATE
    serves = 0;
#else
    atomic { died = 1; serves = 0 };
#endif
    if
    :: atomic { died = 0; serves = 3; run daemon(3) }
    :: atomic { anew = 1; lose(1); lose(2); inside = 0; serves = 2; run daemon(2) }
    fi;
#ifdef WRONG_MARK_LATE
    died = serves == 2;
#endif
end_keeper:
    skip
}

active proctype rest()
{
end:
    timeout -> must(wakeup, !wants[1] && !wants[2])
}

init {
    atomic {
        is_open[0] = 1; is_open[1] = 1;
        run daemon(1); run client(1); run client(2)
    }
}
