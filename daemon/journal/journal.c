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

static const char magic[16] = "procd journal 1";

/* The first page. An area is valid when `active` names it; `committed` counts its bytes, snapshot included. */
struct header {
    char magic[16];
    char epoch[64], build[64];
    _Atomic uint64_t active; /* 0: none, else 1 or 2 */
    uint64_t snapshot[2];    /* bytes */
    _Atomic uint64_t committed[2];
};

struct journal {
    int fd; /* a copy of our own */
    struct header *header;
    char *area[2];
    int current;      /* the active area, -1: none */
    size_t used;      /* of it, committed */
    size_t allocated; /* of it: bytes that the kernel has promised, so that no store can fail */
};

/* ---- opening ---- */

static bool header_is_ours(const struct header *header, const char *epoch, const char *build)
{
    return memcmp(header->magic, magic, sizeof magic) == 0 && strncmp(header->epoch, epoch, sizeof header->epoch) == 0 &&
           strncmp(header->build, build, sizeof header->build) == 0;
}

static void header_begin(struct header *header, const char *epoch, const char *build)
{
    memset(header, 0, sizeof *header);
    strncpy(header->epoch, epoch, sizeof header->epoch - 1);
    strncpy(header->build, build, sizeof header->build - 1);
    memcpy(header->magic, magic, sizeof magic);
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
    if (!header_is_ours(journal->header, epoch, build))
        header_begin(journal->header, epoch, build);
    journal->current = (int) atomic_load(&journal->header->active) - 1;
    journal->used = journal->current < 0 ? 0 : atomic_load(&journal->header->committed[journal->current]);
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

static int replay_inputs(struct core *core, const char *data, size_t size)
{
    while (size > 0) {
        struct core_input input;
        int64_t used = input_decode(data, size, &input);

        if (used < 0)
            return (int) used;
        if (core_step(core, &input) < 0)
            return -ENOMEM;
        core_delivered(core);
        data += used;
        size -= (size_t) used;
    }
    return 0;
}

int journal_replay(struct journal *journal, struct core **ret_core)
{
    struct core *core;
    uint64_t snapshot;
    int r;

    if (journal->current < 0)
        return 1;
    snapshot = journal->header->snapshot[journal->current];
    if (snapshot > journal->used || journal->used > JOURNAL_AREA_MAX)
        return -EBADMSG;
    r = core_load(journal->area[journal->current], snapshot, &core);
    if (r < 0)
        return r;
    snapshot = (snapshot + 7) & ~(uint64_t) 7;
    if (journal->used > snapshot)
        r = replay_inputs(core, journal->area[journal->current] + snapshot, journal->used - snapshot);
    if (r < 0) {
        core_free(core);
        return r;
    }
    *ret_core = core;
    return 0;
}

/* ---- writing ---- */

static off_t area_offset(int area)
{
    return HEADER_SIZE + (off_t) area * (off_t) JOURNAL_AREA_MAX;
}

/* Memory for the first `size` bytes of an area: from then on a store cannot fail for lack of it (no SIGBUS). */
static int area_reserve(struct journal *journal, int area, size_t from, size_t size, size_t *ret_allocated)
{
    size_t to = (size + RESERVE_CHUNK - 1) / RESERVE_CHUNK * RESERVE_CHUNK;

    if (size > JOURNAL_AREA_MAX)
        return -ENOSPC;
    if (fallocate(journal->fd, 0, area_offset(area) + (off_t) from, (off_t) (to - from)) < 0)
        return -errno;
    *ret_allocated = to;
    return 0;
}

static void append(void *context, const void *data, size_t size)
{
    char **at = context;

    memcpy(*at, data, size);
    *at += size;
}

int journal_snapshot(struct journal *journal, const struct core *core)
{
    int next = journal->current == 0 ? 1 : 0, before = journal->current, r;
    size_t size = core_save_size(core), padded = (size + 7) & ~(size_t) 7, allocated = 0;
    char *at = journal->area[next];

    r = area_reserve(journal, next, 0, padded + RESERVE_CHUNK, &allocated);
    if (r < 0)
        return r;
    core_save(core, append, &at);
    memset(at, 0, padded - size);
    journal->header->snapshot[next] = size;
    atomic_store(&journal->header->committed[next], padded);
    atomic_store(&journal->header->active, (uint64_t) next + 1);
    journal->current = next;
    journal->used = padded;
    journal->allocated = allocated;
    if (before >= 0) /* the old area's memory goes back */
        (void) fallocate(journal->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, area_offset(before),
                         (off_t) JOURNAL_AREA_MAX);
    return 0;
}

int journal_reserve(struct journal *journal, const struct core *core, const struct core_input *input)
{
    size_t snapshot = journal->current < 0 ? 0 : journal->header->snapshot[journal->current];
    size_t size = input_encoded_size(input);

    if (journal->current < 0 || (journal->used - snapshot > JOURNAL_LOG_MIN && journal->used - snapshot > snapshot)) {
        int r = journal_snapshot(journal, core);

        if (r < 0 && journal->current < 0)
            return r;
    }
    if (journal->used + size <= journal->allocated)
        return 0;
    return area_reserve(journal, journal->current, journal->allocated, journal->used + size, &journal->allocated);
}

void journal_abandon(struct journal *journal)
{
    atomic_store(&journal->header->active, 0);
    journal->current = -1;
}

void journal_commit(struct journal *journal, const struct core_input *input)
{
    input_encode(input, journal->area[journal->current] + journal->used);
    journal->used += input_encoded_size(input);
    atomic_store_explicit(&journal->header->committed[journal->current], journal->used, memory_order_release);
}
