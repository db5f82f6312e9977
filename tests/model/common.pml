/* SPDX-License-Identifier: MIT */
/*
 * What the models share: their size, the properties, and fate, which ends processes, connections and the
 * daemon.
 */
/* The size of a run: how much may happen. */
#ifndef CLIENTS
#define CLIENTS 2   /* 2 to 4, each with a slot; slot 0 is nobody's */
#endif
#ifndef ROUNDS
#define ROUNDS 2    /* how often each acquires and releases */
#endif
#ifndef DEATHS
#define DEATHS 1    /* of clients, at any step */
#endif
#ifndef CRASHES
#define CRASHES 0   /* of the daemon, at any step */
#endif
#ifndef HANGUPS
#define HANGUPS 0   /* connections that end while both sides live */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0  /* 1: who waits may give up at any step */
#endif
#ifndef REUSE
#define REUSE 0     /* 1: the slot of a dead client may be given to a new one */
#endif
#define SLOTS (CLIENTS + 1)

/* The properties. A run of a wrong design checks one of them, so that it fails for the reason it should. */
#define exclusion 1 /* one holder at a time, and the word names it from its acquire to its release */
#define wakeup 2    /* at rest nobody waits */
#define free 3      /* at rest nobody holds the lock and nobody is queued */
#define open 4      /* at rest the fast path is open */
#define report 5    /* the next holder is told that one died, once, and none is told without cause */
#define order 6     /* nobody gets past those whom the word announces */
#ifndef PROPERTY
#define PROPERTY 0  /* all of them */
#endif
#define must(property, claim) assert((PROPERTY != 0 && PROPERTY != (property)) || (claim))

bit alive[SLOTS];   /* a process of this slot runs */
bit died[SLOTS];    /* one has ended and the daemon has not buried it: the pidfd is readable until then */
bit hung_up[SLOTS]; /* its connection has ended and the daemon has not seen that */
byte links[SLOTS];  /* counts the connections of a slot: who knows an older count writes to a broken one */
bit crash, up;

#ifndef WORD
#define WORD byte
#endif
WORD word;          /* what all share. Its lowest two bits are the slot of the holder, 0: it is free. */
#ifndef OWNER
#define OWNER(w) ((w) & 3)
#endif
#ifndef HOLDS
#define HOLDS(x) (OWNER(word) == (x))
#endif

/* Ghosts: what is so, whoever knows it. Only claims read them. */
byte inside;        /* who is in the critical section, 0: nobody */
bit waits[SLOTS];   /* has found the lock held and has neither got it nor given up */
bit unreported;     /* a process has died while the word named it, and no holder has been told */

#define NOBODY_WAITS (!waits[1] && !waits[2] && !waits[CLIENTS - 1] && !waits[CLIENTS])

inline end_process(x)
{
    alive[x] = 0; died[x] = 1;
#ifdef AT_DEATH
    AT_DEATH(x);
#endif
    if
    :: HOLDS(x) -> unreported = 1
    :: else
    fi;
    if
    :: inside == x -> inside = 0
    :: else
    fi;
    waits[x] = 0
}

/* Clients differ by their number alone, so the runs in which a later one meets a fault before an earlier one
 * has met any are others with the names exchanged. Connections end for client HANGS. */
#ifndef MAY_DIE
#define MAY_DIE(x) (deaths < DEATHS && alive[x] && deaths + (HANGUPS > 0) >= (x) - 1)
#endif

#ifndef HANGS
#define HANGS 1
#endif

/* When nothing more may happen it is over at once, as a choice to stop would double the states. */
#define STOP_IF_SPENT \
    if \
    :: deaths == DEATHS && crashes == CRASHES && hangups == HANGUPS -> break \
    :: else \
    fi

active proctype fate()
{
    byte deaths, crashes, hangups;

    do
    :: atomic { MAY_DIE(1) -> deaths++; end_process(1); STOP_IF_SPENT }
    :: atomic { MAY_DIE(2) -> deaths++; end_process(2); STOP_IF_SPENT }
#if CLIENTS > 2
    :: atomic { MAY_DIE(3) -> deaths++; end_process(3); STOP_IF_SPENT }
#endif
#if CLIENTS > 3
    :: atomic { MAY_DIE(4) -> deaths++; end_process(4); STOP_IF_SPENT }
#endif
#if HANGUPS > 0
    :: atomic {
        hangups < HANGUPS && alive[HANGS] && !hung_up[HANGS] && up ->
        hangups++;
#ifdef AT_HANGUP
        AT_HANGUP(HANGS);
#endif
        links[HANGS]++; hung_up[HANGS] = 1; STOP_IF_SPENT
    }
#endif
    :: atomic { crashes < CRASHES && !crash -> crashes++; crash = 1; STOP_IF_SPENT }
    :: atomic { true -> deaths = DEATHS; crashes = CRASHES; hangups = HANGUPS; break }
    od
}

init {
    atomic {
#ifdef AT_BEGINNING
        AT_BEGINNING;
#endif
        run daemon();
        alive[1] = 1; run client(1);
        alive[2] = 1; run client(2);
#if CLIENTS > 2
        alive[3] = 1; run client(3);
#endif
#if CLIENTS > 3
        alive[4] = 1; run client(4);
#endif
    }
}
