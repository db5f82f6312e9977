/* SPDX-License-Identifier: MIT */
/*
 * Memory that clients share with the daemon, so that a lock that nobody waits for is taken and given back
 * without asking it. Declared once, for both sides; no library.
 *
 * A page is a memfd of one uid, sealed against growing and shrinking, handed out by object.map to clients
 * of that uid and to nobody else. Each lock, rlock or event that was mapped has a word in it, each
 * semaphore several in a row, each pair (process, holder) that has asked has a slot: the number by which a
 * word names its owner. Both are issued by the daemon, and issued again only once nobody can use them any
 * more.
 *
 * Who writes what, when. A word is OPEN or CLOSED, and says which.
 *
 *   open    belongs to the clients. Who finds it free puts in its slot and a depth of 1; the owner of an
 *           rlock counts the depth; whoever may release takes owner, depth, KNOWN and ABANDONED out.
 *           Each is one compare-and-swap against the value that was seen, and leaves OPENED and the order
 *           as they are.
 *   closed  belongs to the daemon. A client that finds CLOSED changes nothing: it asks by the socket, at once
 *           or after it has looked for a moment whether it is opened.
 *   offered is closed but for three moves. NEXT names who is first in the queue, and whoever may release
 *           hands the lock to that one, by one swap that puts NEXT in the place of the owner, with a depth
 *           of 0, and rings its bell; and that one takes it, by one swap that makes the depth 1. It may be
 *           handed on before the daemon looks: beside the bell of each of the first in the queue there is a
 *           link, which says who comes behind it in the queue of which word, as of which order, and the
 *           swap puts that one in the place of NEXT; or nobody, where the link is of another word or order.
 *           What was not taken yet is not handed on: whoever lets go of it asks, as the one who has it may
 *           not know. The link of the last one says so where nobody else waits: whoever releases it then
 *           opens the word, by one swap that leaves nothing but the order, and OPENED.
 *
 * An event's word has no owner and is never offered. Open it is set and cleared by anybody who has it
 * mapped, each by one swap even where that changes nothing: what was done before is seen by whoever sees it
 * set. While somebody waits it is closed: who sets it asks the daemon, which wakes them.
 *
 * Whom it wakes needs no answer where the memory can tell. Beside an event's word stands its round, which the
 * daemon alone writes: a number that it gives to each such word and anew with each set that finds somebody
 * waiting, and never twice. A thread that is to wait reads the round, then looks whether the event is set,
 * then says in its request which round it has seen. It sleeps on its bell and on the round, which are two
 * futexes (futex_waitv, Linux 5.16), and all that sleep there are woken at once. Another round than it has
 * seen is the answer: the event has been set while it waited, whatever has been done to it since. Such a
 * request is queued only where the round is still that one, and a set answers it with nothing else. Where it
 * is another, the answer comes at once and says no more than that it was not waited: there was a set since
 * the look, which the round tells; or the word is not this event's any more, and the thread asks without a
 * round. All other answers, as to who finds it set, whose time is up, or who asks again after the daemon has
 * died, come through the socket, with the bell behind them.
 *
 * A semaphore has a word for each of its permits, as many as it had, or can have, when it was mapped first,
 * and PAGE_PERMITS at most. Each is the word of a lock that nobody goes deeper into: who takes a permit is
 * named by the swap that takes it. Who finds no word open and free asks; so does who is in none and gives a
 * permit back, as it is for the daemon to say whose that is. Of several that a slot is in it gives back any:
 * in words holds have no age, and among those that the daemon meets at one time the lowest counts as the
 * oldest. Words that have no permit are closed, and permits beyond the words, or of an owner without a slot,
 * are had by asking. MORE in any of them says that one is free to who asks, and in no word: then it is not
 * worth a moment to look whether one is given back. While somebody waits, or somebody is to be told that a
 * permit's last owner has died, all words are closed. A thread that has given up waiting for an answer gives
 * back by asking from then on: it could not tell a permit that it is still granted from those that it has.
 *
 * Words that are closed as somebody waits may be offered, all that have a permit: they say whose it is, and
 * any of them may be the next that is given back. So who is first in the queue stands beside the words, in
 * their head, which is of their order, and who comes behind it in its link, which is of the first word. An
 * owner gives its permit back by a swap of its word that puts it in the place of NEXT, and nobody in its own.
 * That is all of its release, and it comes once of each owner in one order. What is given goes on in three
 * swaps: the head is said to be at that word, as its step, which only who has given it does, and only where
 * the head is at none; the first is put into the word, with a depth of 0; and the head goes on to the one
 * behind it, with no step. Whoever finds the head at a word makes the other two, or finds them made, before
 * anything else (a word that the first itself has given shows that, too): so permits go out in the order of
 * the queue, whoever stops or dies between two swaps. Who puts the first into the word rings, and so does who
 * has given it. The first takes it as it would a lock. Where nobody is first any more, who is to give asks;
 * and who has given already has the daemon look. To look is enough: what is given is free, and whatever has
 * been begun with the head has not happened unless a word says so. So the daemon never reads the head, and
 * stores it before the words, and behind the links.
 *
 * The daemon takes a word before it decides anything about its lock: it sets CLOSED and LOOKED, by an
 * atomic or, which also tells it what the clients have left there. It decides, on its own record, as for a
 * lock that has no word; and then stores what is so, open if nobody waits, with an offer if one can be
 * made. Between its taking and its store a word cannot change, as nobody makes a move where LOOKED is set:
 * no write of the daemon can fail or overtake a client's, nobody gets past those who wait, and what is
 * granted, abandoned or refused is decided in one place. That the owner is one of those to whom it was
 * offered, or OPENED, is all that tells of hand-overs: no message is needed for that, and a wait may be over
 * for long before the daemon has a reason to look. Those who were before that owner in the queue have taken
 * the lock and given it back, as it comes to no later one otherwise. So none is in a chain of links twice,
 * nor the one who had the lock when it was offered. OPENED says that all of them have had it and that the
 * last one has opened the word. It stays there, whoever has taken the lock since, and also where a daemon has
 * taken the word and died: who has it by then may be one of them who came for it again.
 *
 * Of a semaphore it takes all words that are open, one behind the other, before it decides. What they say
 * together has been so at one instant, that of the last one: each of the others has been frozen since it
 * was taken, and what was done to those that were taken later is not lost but seen. So permits neither are
 * counted twice nor vanish, whatever moves from word to word meanwhile: who gave one back and took another
 * has done it in that order, and nobody can have done the second before the first. Of offered ones only all
 * together tell who has been served: as many of the queue as come up to the last of those that any word
 * names, as its owner or as who has given it; and of these, who is the owner of none has given back what it
 * had. It stores them one behind the other, too. Who finds some open and some not yet may take what is open,
 * as nobody waits then, and what the daemon has decided is on record. A daemon that dies between two stores,
 * or before it has taken the last, leaves words of two orders, or some that are open or offered yet; as each
 * word tells of its own permit and of no other, the next one takes those of the order on record as news, and
 * the others as decided.
 *
 * Whether who was handed a lock knows that it has it, the depth tells. With 1 it does: the hold stands,
 * whatever becomes of its request, its connection or the daemon. With 0 it may have given up meanwhile, and
 * cannot take the lock from the word any more: it is granted as by the daemon, by an answer, and what is
 * known of answers that nobody has read holds for this one.
 *
 * Each store carries a new order, which clients do not touch. A daemon that died after it had decided and
 * before it had stored finds an older order, and knows that what the word says is not news.
 *
 * A bell is the word of a slot on which its thread sleeps while it waits. The grant is taken from the word,
 * or is an answer through the socket; the bell only says: look at both. The thread sets it, sends its
 * request, and from then on looks at the word, then at the socket, then sleeps if the bell is still set, and
 * sets it again before it looks again. Whoever hands over rings after the swap, the daemon after each answer
 * to a request that said `bell`, and to all when it begins and ends. A thread whose slot is the owner's
 * already waits by the socket, as it could not tell a grant from what it has.
 *
 * A daemon may die to its last process, with nobody to close the words, and another begin that knows nothing
 * of them. So the page says whether the keeper lives that it is of: a robust futex (futex(2)), which the
 * kernel marks when the keeper dies, however it does, and before anybody can see that it has. Whoever has
 * made a lock or a permit theirs by a swap looks at it after that: where it says PAGE_DIED the word counts
 * for nothing, is put back as it was, and the daemon is asked, whichever answers. A word that a daemon has
 * taken meanwhile cannot be put back. That may be one that goes on with the page, and the page then says that
 * its keeper lives: the hold stands. Or it was the one that died: whoever cannot tell yet gives back by
 * asking. What gives back, sets, clears or is looked at is asked for where the page says PAGE_DIED before.
 *
 * What a word says of an owner is what the daemon would have recorded: KNOWN, that it has recorded this hold
 * (and minted its token); without it the hold began since the word was last closed. ABANDONED, that the one
 * before died holding it: it stays for whoever takes the lock next, and goes when that one gives it back.
 *
 * Memory orders. Setting or clearing an event is a release, seeing it set an acquire; so it is with the
 * round, which is stored before the word is, and looked at before it: whoever has seen the one before then,
 * and sees no set, is queued by the daemon or told that there was one. Taking a lock is an acquire, giving
 * it back or handing it over a release, and seeing oneself as the owner an acquire, on the same word: what
 * one owner wrote before is seen by the next, directly. So it is with the words of a semaphore: whoever
 * takes a permit sees what was done before it was given back, whichever word it was in, as that is the word
 * it is taken from, or the daemon has been told. No order is needed between two words of one semaphore: to
 * look at them one by one finds a permit that nobody has at that instant, or asks; and each word that the
 * daemon has taken is frozen, whatever it sees of the others. Through the daemon: the or is an acquire and
 * a release, the opening store a release; between a client and the daemon each message is both. A client
 * reads a word with relaxed order before it swaps, since the swap looks again.
 * A link is stored before the word that it belongs to, in any order, as it says of what it is.
 * Setting a bell and then reading the word, and swapping the word and then clearing the bell, are each in
 * one order for all (seq_cst): else both could see what was before, and the thread sleep though it owns.
 * So is each swap of a head and of an offered permit's word, and each look that such a swap goes by: a word
 * is swapped from what it said while the head was at it, as a second look at the head has shown.
 * So are the swap that makes a word one's own and the look at the keeper's life after it: a hold that is kept
 * had begun before the keeper died.
 *
 * The page is no proof of anything: any process of the uid may write any value at any time. The daemon reads
 * each word once for a decision, checks what it names, and can be led to wrong ideas about locks of that uid
 * alone, as by a client that releases what others hold.
 */
#ifndef PROCD_PROTO_PAGE_H
#define PROCD_PROTO_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_WORDS 16384 /* 0 is never issued */
#define PAGE_SLOTS 16384 /* nor are 0, nobody, and the last one */
#define PAGE_PERMITS 16  /* the most words of a semaphore */

/* The parts of a word: bits 0 to 13 owner, 14 to 27 NEXT, 28 to 35 depth, 36 to 40 flags, then the order. */
#define WORD_OWNER_BITS  14
#define WORD_OWNER_MAX   ((UINT64_C(1) << WORD_OWNER_BITS) - 1) /* somebody who has no slot */
#define WORD_SET         UINT64_C(1) /* of an event, in the place of an owner */
#define WORD_NEXT_SHIFT  14
#define WORD_NEXT_MASK   (WORD_OWNER_MAX << WORD_NEXT_SHIFT)
#define WORD_DEPTH_SHIFT 28
#define WORD_DEPTH_MAX   UINT64_C(255) /* so deep or deeper: the daemon counts */
#define WORD_DEPTH_ONE   (UINT64_C(1) << WORD_DEPTH_SHIFT)
#define WORD_CLOSED      (UINT64_C(1) << 36)
#define WORD_ABANDONED   (UINT64_C(1) << 37)
#define WORD_KNOWN       (UINT64_C(1) << 38)
#define WORD_LOOKED      (UINT64_C(1) << 39) /* only with CLOSED */
#define WORD_OPENED      (UINT64_C(1) << 40) /* by the last one that it was offered to */
#define WORD_MORE        WORD_OPENED         /* of a semaphore, which nobody opens but the daemon */
#define WORD_ORDER_SHIFT 41
#define WORD_ORDER_MAX   ((UINT64_C(1) << 23) - 1)
#define WORD_ORDER_MASK  (WORD_ORDER_MAX << WORD_ORDER_SHIFT)
#define WORD_KEPT_MASK   (WORD_ORDER_MASK | WORD_OPENED) /* what moves of an open word leave as it is */

/* Its object is gone, or the daemon: closed for good. */
#define WORD_GONE        (~(WORD_KEPT_MASK | WORD_NEXT_MASK))

static inline uint64_t word_owner(uint64_t word)
{
    return word & WORD_OWNER_MAX;
}

static inline uint64_t word_next(uint64_t word)
{
    return word >> WORD_NEXT_SHIFT & WORD_OWNER_MAX;
}

static inline uint64_t word_depth(uint64_t word)
{
    return word >> WORD_DEPTH_SHIFT & WORD_DEPTH_MAX;
}

static inline uint64_t word_order(uint64_t word)
{
    return word >> WORD_ORDER_SHIFT;
}

/* What a slot's link says: who comes behind it, in the queue of the word of that index, as of that order. */
static inline uint64_t word_link(uint64_t word, uint64_t index, uint64_t behind)
{
    return (word & WORD_KEPT_MASK) | index << WORD_OWNER_BITS | behind;
}

/* Of the last one: nobody else waits, and it may open the word. */
static inline uint64_t word_last_link(uint64_t word, uint64_t index)
{
    return word_link(word, index, 0) | UINT64_C(1) << (2 * WORD_OWNER_BITS);
}

/* Who that is; 0: nobody, or the link is of another word or order. */
static inline uint64_t word_behind(uint64_t link, uint64_t word, uint64_t index)
{
    return (link & ~WORD_OWNER_MAX) == word_link(word, index, 0) ? link & WORD_OWNER_MAX : 0;
}

/* What a release makes of an offered word. link: of its NEXT. */
static inline uint64_t word_handed(uint64_t word, uint64_t index, uint64_t link)
{
    return (word & (WORD_KEPT_MASK | WORD_CLOSED)) | word_next(word) |
           word_behind(link, word, index) << WORD_NEXT_SHIFT;
}

/* Has it been handed to this slot, which may take it now? */
static inline bool word_is_handed(uint64_t word, uint64_t slot)
{
    return (word & ~(WORD_ORDER_MASK | WORD_NEXT_MASK)) == (WORD_CLOSED | slot);
}

/* May its owner hand it to the NEXT? Not who may not know yet that it has it. */
static inline bool word_can_be_handed(uint64_t word)
{
    return word & WORD_CLOSED && !(word & WORD_LOOKED) && word_next(word) != 0 && word_depth(word) == 1;
}

/* Has it been handed to the last one that it was offered to? Then nobody is NEXT. */
static inline bool word_is_at_end(uint64_t word)
{
    return word & WORD_CLOSED && !(word & (WORD_LOOKED | WORD_KNOWN)) && word_next(word) == 0 &&
           word_depth(word) == 1;
}

/* May its owner open it? link: the owner's. */
static inline bool word_can_be_opened(uint64_t word, uint64_t index, uint64_t link)
{
    return word_is_at_end(word) && link == word_last_link(word, index);
}

/* What that release makes of it. */
static inline uint64_t word_opened(uint64_t word)
{
    return (word & WORD_KEPT_MASK) | WORD_OPENED;
}

/* Of a semaphore: may this owner give its permit to who is first? */
static inline bool permit_can_be_given(uint64_t word, uint64_t slot)
{
    return (word & ~(WORD_ORDER_MASK | WORD_KNOWN)) == (WORD_CLOSED | WORD_DEPTH_ONE | slot);
}

/* What that makes of its word, */
static inline uint64_t permit_given(uint64_t word)
{
    return (word & WORD_ORDER_MASK) | WORD_CLOSED | word_owner(word) << WORD_NEXT_SHIFT;
}

/* which it is until somebody puts who is first in it. */
static inline bool permit_is_given(uint64_t word)
{
    return (word & ~(WORD_ORDER_MASK | WORD_NEXT_MASK)) == WORD_CLOSED && word_next(word) != 0;
}

static inline uint64_t permit_handed(uint64_t word, uint64_t first)
{
    return (word & WORD_ORDER_MASK) | WORD_CLOSED | first;
}

/* The parts of a head: as in a word who is first, or 0, and the order; and between them the step. */
#define HEAD_STEP_SHIFT WORD_OWNER_BITS
#define HEAD_STEP_MAX   UINT64_C(31)

static inline uint64_t head_make(uint64_t word, uint64_t first)
{
    return (word & WORD_ORDER_MASK) | first;
}

static inline uint64_t head_first(uint64_t head)
{
    return head & WORD_OWNER_MAX;
}

/* 0: it is at no word. Else one more than the index of that word, from the first on. */
static inline uint64_t head_step(uint64_t head)
{
    return head >> HEAD_STEP_SHIFT & HEAD_STEP_MAX;
}

/* It is at that word from now on. */
static inline uint64_t head_at(uint64_t head, uint64_t index)
{
    return head | (index + 1) << HEAD_STEP_SHIFT;
}

static inline bool head_is_of(uint64_t head, uint64_t word)
{
    return ((head ^ word) & WORD_ORDER_MASK) == 0;
}

static inline bool word_is_gone(uint64_t word)
{
    return (word & WORD_GONE) == WORD_GONE;
}

/* Whose the words are, in the place of the first word, which is never issued. */
struct page_life {
    _Alignas(64) _Atomic uint32_t keeper; /* the thread number of a keeper that lives, or PAGE_DIED */
};

#define PAGE_DIED UINT32_C(0x40000000) /* FUTEX_OWNER_DIED, as the kernel sets it */

/* Each in a line of the cache of its own: locks that have nothing to do with each other do not meet. */
struct page_word {
    _Alignas(64) _Atomic uint64_t value;
    _Atomic uint64_t round; /* of an event's */
    _Atomic uint64_t head;  /* of a semaphore's first */
};

/* What is slept on until there is another round: its lower half. */
static inline _Atomic uint32_t *page_round_futex(const struct page_word *word)
{
    return (_Atomic uint32_t *) &word->round + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

struct page_bell {
    _Alignas(64) _Atomic uint32_t is_set; /* 1: its thread sleeps, or is about to; a futex */
    _Atomic uint64_t link;                /* word_link() */
};

struct page {
    union {
        struct page_life life;
        struct page_word words[PAGE_WORDS];
    };
    struct page_bell bells[PAGE_SLOTS];
};

#endif
