/* SPDX-License-Identifier: MIT */
#include "daemon/journal/journal.h"

#include "daemon/base/cleanup.h"
#include "daemon/core/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define HEADER_SIZE   4096
#define RESERVE_CHUNK (1u << 20)
#define CACHE_LINE    64
#define FETCHED       256 /* bytes, more than most inputs take */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static const char magic[16] = "procd journal 3";

/* The first page; its layout goes with `magic`, and how checksums are made. An area is valid when `active`
 * names it; `committed` counts its bytes, snapshot included. */
struct header {
    char magic[16];
    char epoch[64], build[64];
    _Atomic uint64_t active; /* 0: none, else 1 or 2 */
    uint64_t snapshot[2];    /* bytes */
    uint64_t checksum[2];    /* of the snapshots, padded; each input has its own in front of it */
    _Atomic uint64_t committed[2];
    uint64_t allocated[2]; /* bytes that the kernel has promised, so that no store can fail */
};

struct journal {
    int fd; /* a copy of our own */
    struct header *header;
    char *area[2];
    int current;      /* the active area, -1: none */
    char build[64];   /* ours */
    bool is_foreign;  /* what the memory holds was written by another build */
    size_t used;      /* of it, committed */
};

static inline uint64_t mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * UINT64_C(0x100000001b3);
    return sum ^ sum >> 32;
}

#define LANES 4

/* Every bit counts: what a stray store of ours has hit is not taken for a state. The lanes do not wait for
 * each other. */
struct sum {
    uint64_t lane[LANES];
    size_t size; /* bytes so far, a multiple of all lanes' words */
};

#define SUM_BEGIN {.lane = {UINT64_C(0xcbf29ce484222325), 1, 2, 3}}

/* As much of the first `size` bytes as fills all lanes and is not in it yet. */
static inline void sum_up(struct sum *sum, const char *data, size_t size)
{
    uint64_t lane[LANES], word;
    size_t at = sum->size;

    memcpy(lane, sum->lane, sizeof lane);
    for (; size - at >= LANES * sizeof word; at += LANES * sizeof word)
        for (size_t i = 0; i < LANES; i++) {
            memcpy(&word, data + at + i * sizeof word, sizeof word);
            lane[i] = mix(lane[i], word);
        }
    memcpy(sum->lane, lane, sizeof lane);
    sum->size = at;
}

/* Of all of it. size is a multiple of 8. */
static inline uint64_t sum_end(struct sum *sum, const char *data, size_t size)
{
    uint64_t *lane = sum->lane, word;

    sum_up(sum, data, size);
    for (size_t at = sum->size; at < size; at += sizeof word) {
        memcpy(&word, data + at, sizeof word);
        lane[0] = mix(lane[0], word);
    }
    return mix(mix(mix(lane[0], lane[1]), lane[2]), lane[3]);
}

static uint64_t checksum(const char *data, size_t size)
{
    struct sum sum = SUM_BEGIN;

    return sum_end(&sum, data, size);
}

static size_t padded(size_t size)
{
    return (size + 7) & ~(size_t) 7;
}

/* ---- opening ---- */

static bool header_is_of(const struct header *header, const char *epoch)
{
    return memcmp(header->magic, magic, sizeof magic) == 0 &&
           strncmp(header->epoch, epoch, sizeof header->epoch) == 0;
}

/* Inputs that follow are ours. Where this is cut short, nobody's name is there, and no inputs either. */
static void header_sign(struct header *header, const char build[64])
{
    memcpy(header->build, build, sizeof header->build);
}

static void punch(int fd, off_t offset, size_t size)
{
    (void) fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, (off_t) size);
}

/* Whatever another one has left goes. */
static void header_begin(struct header *header, int fd, const char *epoch)
{
    atomic_store(&header->active, 0);
    memset(header, 0, sizeof *header);
    punch(fd, HEADER_SIZE, 2 * JOURNAL_AREA_MAX);
    strncpy(header->epoch, epoch, sizeof header->epoch - 1);
    memcpy(header->magic, magic, sizeof magic);
}

/* What is there already, or nothing. */
static void find_state(struct journal *journal, const char *epoch)
{
    struct header *header = journal->header;
    uint64_t active;

    if (!header_is_of(header, epoch))
        header_begin(header, journal->fd, epoch);
    active = atomic_load(&header->active);
    journal->current = active == 1 || active == 2 ? (int) active - 1 : -1;
    journal->used = journal->current < 0 ? 0 : atomic_load(&header->committed[journal->current]);
    journal->is_foreign = active > 0 && memcmp(header->build, journal->build, sizeof header->build) != 0;
    if (!journal->is_foreign)
        header_sign(header, journal->build);
}

int journal_open(int fd, const char *epoch, const char *build, struct journal **ret_journal)
{
    size_t size = HEADER_SIZE + 2 * JOURNAL_AREA_MAX;
    struct journal *journal = calloc(1, sizeof *journal);
    void *memory;
    int r;

    if (!journal)
        return -ENOMEM;
    journal->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (journal->fd < 0 || ftruncate(fd, (off_t) size) < 0 || fallocate(fd, 0, 0, HEADER_SIZE) < 0)
        goto fail;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (memory == MAP_FAILED)
        goto fail;
    journal->header = memory;
    journal->area[0] = (char *) memory + HEADER_SIZE;
    journal->area[1] = journal->area[0] + JOURNAL_AREA_MAX;
    strncpy(journal->build, build, sizeof journal->build - 1);
    find_state(journal, epoch);
    *ret_journal = journal;
    return 0;
fail:
    r = -errno;
    close_fd(journal->fd);
    free(journal);
    return r;
}

struct journal *journal_close(struct journal *journal)
{
    if (!journal)
        return NULL;
    munmap(journal->header, HEADER_SIZE + 2 * JOURNAL_AREA_MAX);
    close_fd(journal->fd);
    free(journal);
    return NULL;
}

/* ---- reading ---- */

/* One input with its checksum. The bytes that it takes, or a negative error. */
static int64_t replay_input(struct core *core, const char *data, size_t size)
{
    struct core_input input;
    uint64_t sum;
    int64_t used;
    int r;

    if (size < sizeof sum)
        return -EBADMSG;
    memcpy(&sum, data, sizeof sum);
    used = input_decode(data + sizeof sum, size - sizeof sum, &input);
    if (used < 0 || checksum(data + sizeof sum, (size_t) used) != sum)
        return -EBADMSG;
    r = core_step(core, &input);
    if (r < 0)
        return r == -ENOMEM ? r : -EBADMSG;
    core_delivered(core);
    return (int64_t) sizeof sum + used;
}

static int replay_inputs(struct core *core, const char *data, size_t size)
{
    while (size > 0) {
        int64_t used = replay_input(core, data, size);

        if (used < 0)
            return (int) used;
        data += used;
        size -= (size_t) used;
    }
    return 0;
}

/* Another build's inputs would lead it where they lead nobody else. */
static int replay_area(const struct journal *journal, const char *area, struct core **ret_core)
{
    const struct header *header = journal->header;
    uint64_t size = header->snapshot[journal->current], end = padded(size);
    struct core *core;
    int r;

    if (size > JOURNAL_AREA_MAX || end > journal->used || journal->used > JOURNAL_AREA_MAX ||
        checksum(area, end) != header->checksum[journal->current])
        return -EBADMSG;
    if (journal->is_foreign && end < journal->used)
        return -ESTALE;
    r = core_load(area, size, &core);
    if (r < 0)
        return r;
    r = replay_inputs(core, area + end, journal->used - end);
    if (r < 0) {
        core_free(core);
        return r;
    }
    *ret_core = core;
    return 0;
}

int journal_replay(struct journal *journal, struct core **ret_core)
{
    int r;

    if (atomic_load(&journal->header->active) > 2)
        return -EBADMSG;
    r = journal->current < 0 ? 1 : replay_area(journal, journal->area[journal->current], ret_core);
    if (r == 0 && journal->is_foreign) {
        header_sign(journal->header, journal->build);
        journal->is_foreign = false;
    }
    return r;
}

/* ---- writing ---- */

static off_t area_offset(int area)
{
    return HEADER_SIZE + (off_t) area * (off_t) JOURNAL_AREA_MAX;
}

static size_t in_chunks(size_t size)
{
    return (size + RESERVE_CHUNK - 1) / RESERVE_CHUNK * RESERVE_CHUNK;
}

/* Memory for the first `size` bytes of an area: from then on a store cannot fail for lack of it (no
 * SIGBUS). Where it can be, it is mapped, too, which costs less than a fault for each page. 0 or -errno. */
static int area_reserve(struct journal *journal, int area, size_t size)
{
    size_t from = journal->header->allocated[area], to = in_chunks(size);

    if (size > JOURNAL_AREA_MAX)
        return -ENOSPC;
    if (size <= from)
        return 0;
    if (fallocate(journal->fd, 0, area_offset(area) + (off_t) from, (off_t) (to - from)) < 0)
        return -errno;
    journal->header->allocated[area] = to;
    (void) madvise(journal->area[area] + from, to - from, MADV_POPULATE_WRITE);
    return 0;
}

/* The kernel gets back what is beyond. Said first: a kill in between leaves memory that nobody counts on. */
static void area_trim(struct journal *journal, int area, size_t size)
{
    size_t to = in_chunks(size);

    if (journal->header->allocated[area] <= to)
        return;
    journal->header->allocated[area] = to;
    atomic_signal_fence(memory_order_release);
    punch(journal->fd, area_offset(area) + (off_t) to, JOURNAL_AREA_MAX - to);
}

/* A snapshot under way. */
struct writing {
    struct journal *journal;
    int area, error; /* sticks */
    size_t size;
    struct sum sum;
};

/* What was written is summed up before it has left the fastest cache. */
#define SUMMED_AT_ONCE (8u << 10)

static void append(void *context, const void *data, size_t size)
{
    struct writing *to = context;

    if (to->error == 0)
        to->error = area_reserve(to->journal, to->area, to->size + size);
    if (to->error < 0)
        return;
    memcpy(to->journal->area[to->area] + to->size, data, size);
    to->size += size;
    if (to->size - to->sum.size >= SUMMED_AT_ONCE)
        sum_up(&to->sum, to->journal->area[to->area], to->size);
}

static int write_snapshot(struct journal *journal, const struct core *core, int area)
{
    struct writing to = {.journal = journal, .area = area, .sum = SUM_BEGIN};
    struct header *header = journal->header;
    size_t end;

    core_save(core, append, &to);
    end = padded(to.size);
    if (to.error == 0)
        to.error = area_reserve(journal, area, end + RESERVE_CHUNK);
    if (to.error < 0) {
        area_trim(journal, area, 0);
        return to.error;
    }
    memset(journal->area[area] + to.size, 0, end - to.size);
    header->snapshot[area] = to.size;
    header->checksum[area] = sum_end(&to.sum, journal->area[area], end);
    atomic_store(&header->committed[area], end);
    return 0;
}

int journal_snapshot(struct journal *journal, const struct core *core)
{
    int next = journal->current == 0 ? 1 : 0, before = journal->current;
    int r = write_snapshot(journal, core, next);

    if (r < 0)
        return r;
    atomic_store(&journal->header->active, (uint64_t) next + 1);
    journal->current = next;
    journal->used = atomic_load(&journal->header->committed[next]);
    if (before >= 0)
        area_trim(journal, before, JOURNAL_KEPT);
    return 0;
}

int journal_settle(struct journal *journal, const struct core *core)
{
    bool is_settled =
        journal->current >= 0 && journal->used == padded(journal->header->snapshot[journal->current]);

    return is_settled ? 0 : journal_snapshot(journal, core);
}

/* What an input is written to has not been touched for megabytes: it comes while the core decides. */
static void fetch_soon(const char *at)
{
    for (size_t i = 0; i < FETCHED; i += CACHE_LINE)
        __builtin_prefetch(at + i, 1);
}

/* Also the next broker may find that there is no more memory, and must tell at once of its own start: what is
 * spared is spared across its predecessor's death. */
int journal_reserve(struct journal *journal, const struct core *core, const struct core_input *input,
                    bool has_happened)
{
    size_t snapshot = journal->current < 0 ? 0 : journal->header->snapshot[journal->current];
    size_t end = journal->used + sizeof(uint64_t) + input_encoded_most(input), allocated;
    int r;

    if (journal->current < 0 ||
        (journal->used - snapshot > JOURNAL_LOG_MIN && journal->used - snapshot > snapshot)) {
        r = journal_snapshot(journal, core);
        if (r < 0 && journal->current < 0)
            return r;
        end = journal->used + sizeof(uint64_t) + input_encoded_most(input);
    }
    fetch_soon(journal->area[journal->current] + journal->used);
    allocated = journal->header->allocated[journal->current];
    if (end + JOURNAL_SPARE <= allocated)
        return 0;
    r = area_reserve(journal, journal->current, end + JOURNAL_SPARE);
    return r < 0 && has_happened && end <= allocated ? 0 : r;
}

void journal_abandon(struct journal *journal)
{
    atomic_store(&journal->header->active, 0);
    journal->current = -1;
    journal->is_foreign = false;
    header_sign(journal->header, journal->build);
}

void journal_commit(struct journal *journal, const struct core_input *input)
{
    char *at = journal->area[journal->current] + journal->used;
    uint64_t sum;
    size_t size = input_encode(input, at + sizeof sum);

    sum = checksum(at + sizeof sum, size);
    memcpy(at, &sum, sizeof sum);
    journal->used += sizeof sum + size;
    atomic_store_explicit(&journal->header->committed[journal->current], journal->used, memory_order_release);
}
