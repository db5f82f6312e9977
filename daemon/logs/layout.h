/* SPDX-License-Identifier: MIT */
/*
 * What processes have written, as it stands in memory that outlives keeper and broker.
 *
 * Two memfds. The *data* is LOGS_CHUNKS_MAX chunks of LOGS_CHUNK bytes; each chunk in use belongs to one log
 * and is a row of records: a header, and what came out of a pipe at once. The *index*, struct logs_index,
 * says which chunks are whose. The keeper alone writes (store.h); the broker has both to read, and reads
 * while the keeper writes (view.h). Nothing in either is an address, and nobody but the two ever sees them:
 * there is no file and no name.
 *
 * Lines are not made here but where they are read: a record is what a pipe gave. A line's number, seq, is
 * that of its end among the ends of both streams of its process; so it is known behind a chunk that was
 * dropped from the number of line ends in it (struct logs_point).
 *
 * LOGS_FORMAT is to be raised with every change of these structs; HANDOVER_FORMAT goes with it.
 */
#ifndef PROCD_LOGS_LAYOUT_H
#define PROCD_LOGS_LAYOUT_H

#include <stdint.h>
#include <sys/types.h>

#define LOGS_FORMAT 1
#define LOGS_CHUNK (64 << 10)
#define LOGS_CHUNKS_MAX (1 << 16)
#define LOGS_MAX (1 << 17)          /* logs at once */
#define LOGS_ACCOUNTS_MAX (1 << 14) /* uids with logs at once */
#define LOGS_BUCKETS (1 << 14)
#define LOGS_LINE_MAX (16 << 10) /* bytes; a longer line is cut into such pieces */
#define LOGS_STREAMS 2

enum logs_stream { LOGS_STDOUT, LOGS_STDERR };

enum logs_kind {
    LOGS_DATA = 1, /* size bytes follow */
    LOGS_END,      /* of a stream, or of the process: a line that has begun ends here. Nothing follows */
    LOGS_LOST,     /* size lines could not be kept. Nothing follows */
};

/* In the data, not aligned. */
struct logs_record {
    int64_t wall; /* when it was taken out of the pipe, ns since 1970 */
    uint32_t size;
    uint8_t stream, kind;
    uint16_t unused;
};

/* Between two records. */
struct logs_point {
    uint64_t seq;                   /* of the last line that ended before it; 0: none */
    uint32_t partial[LOGS_STREAMS]; /* bytes of lines that have begun and not ended */
};

/* Where a log begins. */
struct logs_start {
    struct logs_point point;
    uint64_t number; /* of its first chunk */
    uint32_t chunk;  /* 0: nothing was kept yet */
    uint32_t unused;
};

/* Entries of the tables are named by their index; 0 is none. */
struct logs_log {
    uint64_t process; /* 0: not in use */
    uint64_t chunks_made;
    uint64_t bytes; /* in its chunks */
    uint32_t turn;  /* start[turn & 1] counts; rises by one when the other one is complete */
    uint32_t last;  /* chunk */
    uint32_t account;
    uint32_t next;     /* of its bucket, or not in use */
    uint32_t lost;     /* lines that are to be recorded as lost */
    uint32_t followed; /* by this broker, by the keeper's count of them */
    struct logs_start start[2];
};

struct logs_chunk {
    uint64_t process;       /* 0: not in use. This and number are set after everything else */
    uint64_t number;        /* rises by one within a log */
    int64_t first, written; /* when it was begun, and written last; CLOCK_MONOTONIC, ns */
    uint32_t log;
    uint32_t used;         /* bytes; what is before it does not change */
    uint32_t next;         /* of its log, or not in use */
    uint32_t older, newer; /* of its account, by `written` */
    uint32_t touched;      /* 1: not in use, and its memory not given back */
};

struct logs_account {
    uint64_t bytes; /* in pages */
    uint32_t uid;
    uint32_t logs;           /* 0: not in use */
    uint32_t oldest, newest; /* chunks */
    uint32_t next;           /* of its bucket, or not in use */
    uint32_t unused;
};

/* A record that is being taken: what is between `at` and cursor came out of the pipe. The kernel moves bytes
 * and cursor in one call, so that nothing is lost or doubled however the keeper ends. */
struct logs_filling {
    uint32_t log; /* 0: none. Set last, cleared first */
    uint32_t chunk, at, stream;
    int64_t wall, mono;
};

struct logs_index {
    uint32_t format;
    uint32_t logs_made, chunks_made, accounts_made; /* indices above these were never used */
    uint32_t free_log, free_chunk, free_account;
    uint32_t touched; /* free chunks whose memory was not given back */
    uint64_t bytes;   /* of all accounts */
    struct logs_filling filling;
    loff_t cursor;                      /* where the kernel is in the data */
    uint32_t buckets[LOGS_BUCKETS];     /* logs by process */
    uint32_t uid_buckets[LOGS_BUCKETS]; /* accounts by uid */
    struct logs_log logs[LOGS_MAX];
    struct logs_chunk chunks[LOGS_CHUNKS_MAX];
    struct logs_account accounts[LOGS_ACCOUNTS_MAX];
};

static inline uint32_t logs_bucket(uint64_t key)
{
    return (uint32_t) (key * UINT64_C(0x9e3779b97f4a7c15) >> 50);
}

_Static_assert(LOGS_BUCKETS == 1 << 14, "logs_bucket keeps 14 bits");

/* Where a chunk is in the data. */
static inline off_t logs_offset(uint32_t chunk)
{
    return (off_t) chunk * LOGS_CHUNK;
}

#endif
