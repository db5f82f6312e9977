/* SPDX-License-Identifier: MIT */
/*
 * The lock in shared memory: clients take and release it by compare-and-swap, the daemon queues those who
 * find it held, and repairs it when one of them dies. The daemon itself may die and start again at any step.
 *
 * One word is shared: the slot of the holder (0: free), CONTENDED (somebody is queued) and ABANDONED (a
 * holder has died, the next one must be told). Everything else is a socket or somebody's own memory.
 *
 *   acquire   a word that is free and not CONTENDED: CAS in the own slot. Else ACQUIRE, and await GRANT.
 *   release   CAS the slot out, ABANDONED too; if CONTENDED was set, WAKE. No answer is awaited.
 *   time-out  CANCEL, then await what comes: CANCELLED, or a GRANT that was under way, which is handed back.
 *   broken    the connection ended: connect, await the daemon, read the word. It may name us: GRANT was lost.
 *   daemon    ACQUIRE: queue, set CONTENDED, settle. WAKE: settle. CANCEL: leave the queue, settle.
 *             death: read the socket to its end, leave the queue, release what it held as ABANDONED, settle.
 *   settle    free and somebody is queued: the word gets his slot, then he gets GRANT. Nobody is queued:
 *             CONTENDED goes, the fast path is open again.
 *
 * Each WRONG_ macro is one mistake; the table beside this file says which property it breaks.
 */
#include "common.pml"

#define CONTENDED 4
#define ABANDONED 8

mtype = { ACQUIRE, WAKE, CANCEL, GRANT, CANCELLED, HANGUP, DEATH };

/* What a client has written and the daemon has not read; what the daemon has written. The bit is ABANDONED in
 * the message, where one wrong design puts it. */
chan requests[SLOTS] = [4] of { mtype };
chan answers[SLOTS] = [3] of { mtype, bit };
/* The daemon's memory, which does not survive it. One more than can wait: for wrong designs. */
chan queue = [SLOTS] of { byte };

#ifdef WRONG_BARGE
#define MAY_TAKE (OWNER(word) == 0)
#else
#define MAY_TAKE ((word & (3 | CONTENDED)) == 0)
#endif

#define CONNECTED (link == links[me])
#define ROOM (len(requests[me]) < 4)

/* A message on a connection that has ended is lost. */
inline say(message)
{
    if
    :: atomic { CONNECTED && ROOM -> requests[me]!message }
    :: !CONNECTED
    fi
}

/* A connection to a daemon that is ready and has seen the end of the last one. Its answers went with that. */
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

/* WAKE must arrive: who is queued has nobody else to tell the daemon. Before release returns, it is sent
 * again on a new connection if need be. What a crash leaves unread needs no care: all ask again. */
inline wake()
{
#ifdef WRONG_WAKE_ONCE
    say(WAKE)
#else
    do
    :: atomic { CONNECTED && ROOM -> requests[me]!WAKE; break }
    :: !CONNECTED -> connect()
    od
#endif
}

proctype client(byte me)
{
    byte rounds = ROUNDS, link, seen;
    bit told;       /* ABANDONED, as GRANT says it */

birth:
    {
next:   do
        :: rounds > 0 ->
            rounds--;
            /* The fast path. One who fails may find the word free a moment later: the daemon sees that. */
            atomic {
                if
                :: MAY_TAKE -> must(order, !announced); word = word | me; goto hold
                :: else -> waits[me] = 1
                fi
            };
ask:        say(ACQUIRE);
wait:       if
            :: atomic { answers[me]?GRANT, told -> waits[me] = 0; goto hold }
            :: !CONNECTED ->
                connect();
#ifndef WRONG_ASK_BLINDLY
                atomic {
                    if
                    :: OWNER(word) == me -> waits[me] = 0; goto hold
                    :: else
                    fi
                };
#endif
                goto ask
#if TIMEOUTS
            :: true ->
                say(CANCEL);
#ifdef WRONG_LEAVE_EARLY
                waits[me] = 0;
                goto next;
#endif
                if
                :: atomic { answers[me]?GRANT, told -> waits[me] = 0; goto hand_back }
                :: atomic { answers[me]?CANCELLED, _ -> waits[me] = 0; goto next }
                :: !CONNECTED ->
                    connect();
                    atomic {
                        waits[me] = 0;
                        if
                        :: OWNER(word) == me -> goto hand_back
                        :: else -> goto next
                        fi
                    }
                fi
#endif
            fi;

hold:       atomic {
                must(exclusion, inside == 0 && OWNER(word) == me);
                must(report, unreported == (told || (word & ABANDONED) != 0));
                inside = me; unreported = 0; told = 0
            };
            /* The release: the word first, and then whoever is queued. */
            atomic {
                must(exclusion, inside == me && OWNER(word) == me);
                inside = 0; seen = word; word = word & CONTENDED
            };
woken:      if
            :: seen & CONTENDED -> seen = 0; wake()
            :: else -> seen = 0
            fi;
            goto next;

            /* Granted too late: nobody looked at what the lock guards, so ABANDONED stays for the next. */
hand_back:  atomic {
                must(exclusion, OWNER(word) == me);
                seen = word;
#ifdef WRONG_FLAG_DROPPED
                word = word & CONTENDED;
#else
                word = (word & (CONTENDED | ABANDONED)) | (told -> ABANDONED : 0);
#endif
                told = 0; goto woken
            }
        :: rounds == 0 -> goto done
        od
    } unless {
        atomic { !alive[me] -> rounds = 0; seen = 0; told = 0 }
    };
#if REUSE
    /* The slot may be given to a new process, which does one round: when the old one has been buried. */
    if
    :: atomic {
#ifndef WRONG_EARLY_REUSE
            !died[me] ->
#endif
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
    alive[me] = 0   /* it lives on, but nothing more happens to it: its end would only wake the daemon */
}

/* A word that is free and CONTENDED is written by the daemon alone, every other one may change under it. Its
 * writes are compare-and-swap, repeated until they succeed: here, one step that decides and writes. */
inline settle()
{
    atomic {
        if
        :: OWNER(word) == 0 && len(queue) > 0 ->
            queue?other;
#ifdef WRONG_FLAG_IN_MESSAGE
            flag = (word & ABANDONED) != 0;
            word = other | (len(queue) > 0 -> CONTENDED : 0);
#else
            word = other | (word & ABANDONED) | (len(queue) > 0 -> CONTENDED : 0);
#endif
            unreported = unreported || !alive[other]
#ifndef WRONG_STAYS_CONTENDED
        :: len(queue) == 0 && (word & CONTENDED) ->
#ifdef WRONG_STORE_CLEAR
            seen = word
#else
            word = word & ~CONTENDED
#endif
#endif
        :: else
        fi;
        announced = announced && len(queue) > 0
    };
#ifdef WRONG_STORE_CLEAR
    if
    :: seen != 0 -> atomic { word = seen & ~CONTENDED; seen = 0 }
    :: else
    fi;
#endif
    if
    :: other != 0 -> atomic { answers[other]!GRANT, flag; other = 0; flag = 0 }
    :: else
    fi
}

inline leave_queue(x)
{
    atomic {
        if
        :: queue??[eval(x)] -> queue??eval(x)
        :: else
        fi;
        announced = announced && len(queue) > 0
    }
}

#ifdef WRONG_BURY_FIRST
#define DRAINED(x) true
#else
#define DRAINED(x) (len(requests[x]) == 0)
#endif
#define EVENT(x) (len(requests[x]) > 0 || died[x] || hung_up[x])

proctype daemon()
{
    byte me, other, seen;
    mtype what;
    bit flag;

start:
    {
        settle();   /* the queue is empty: who waits asks again */
        up = 1;
end_idle:
        atomic {
            if
            :: EVENT(1) -> me = 1
            :: EVENT(2) -> me = 2
#if CLIENTS > 2
            :: EVENT(3) -> me = 3
#endif
            fi;
            if
            :: requests[me]?what
            :: DRAINED(me) && died[me] -> what = DEATH
            :: len(requests[me]) == 0 && hung_up[me] && !died[me] -> what = HANGUP
            fi
        };
        if
        :: what == ACQUIRE ->
            queue!me;
#ifdef WRONG_STORE_SET
            seen = word;
            atomic { word = seen | CONTENDED; seen = 0; announced = 1 }
#else
            atomic { word = word | CONTENDED; announced = 1 }
#endif
        :: what == WAKE
        :: what == CANCEL ->
            /* One who is not queued has been granted the lock: GRANT is his answer. */
            if
            :: queue??[eval(me)] -> leave_queue(me); answers[me]!CANCELLED, 0
            :: else
            fi
#ifndef WRONG_EOF_IS_DEATH
        :: what == HANGUP ->
            /* It may hold the lock and go on without us; it only does not wait on this connection. */
            atomic { leave_queue(me); hung_up[me] = 0 }
        :: what == DEATH ->
#else
        :: what == HANGUP || what == DEATH ->
#endif
            leave_queue(me);
            atomic {
                if
                :: OWNER(word) == me -> word = (word & CONTENDED) | ABANDONED
#ifdef WRONG_NO_RESCAN
                :: else -> died[me] = 0; hung_up[me] = 0; goto handled
#else
                :: else     /* it may have freed the word and died before its WAKE: settle in any case */
#endif
                fi
            };
            settle();
            atomic { died[me] = 0; hung_up[me] = 0; goto handled }  /* the slot may be issued again */
        fi;
        settle();
handled:
        atomic { me = 0; what = 0; goto end_idle };
    } unless {
        /* The word stays, the queue and what the sockets held are lost. Who has died will be found dead. */
        atomic {
            crash -> crash = 0; up = 0; announced = 0;
            do
            :: len(queue) > 0 -> queue?_
            :: empty(queue) -> break
            od;
            me = 1;
            do
            :: me <= CLIENTS ->
                links[me]++; hung_up[me] = 0;
                do
                :: requests[me]?_
                :: empty(requests[me]) -> break
                od;
                me++
            :: me > CLIENTS -> break
            od;
            me = 0; other = 0; seen = 0; what = 0; flag = 0;
            goto start
        }
    }
}

/* When nothing moves any more. With time-outs a waiter always moves: runs without them find lost wake-ups. */
active proctype rest()
{
end:
    timeout ->
    must(wakeup, NOBODY_WAITS);
    must(free, OWNER(word) == 0 && len(queue) == 0);
    must(open, !(word & CONTENDED));
    must(report, !unreported || (word & ABANDONED))
}
