/* SPDX-License-Identifier: MIT */
/*
 * A journal that something has written over, and cut short: it is refused, or it is the core as it was when
 * one of its inputs was committed.
 *
 * The input: which of a few journals, which were made by chance, and then what is put where in its memory.
 */
#include "daemon/base/cleanup.h"
#include "daemon/core/save.h"
#include "daemon/journal/journal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/core/chance.h"
#include "tests/unit/core/must.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

const char fuzz_target[] = "journal";

#define EPOCH    "the epoch"
#define BUILD    "the build"
#define JOURNALS 8
#define INPUTS   4 /* more of them before and behind the snapshot, from one journal to the next */
#define HEADER   4096
#define KEPT     (32 << 10) /* of an area: more than is used of it */

/* The memory as it was, but for what nobody has written to: made once. */
struct past {
    char header[HEADER], area[2][KEPT];
    uint64_t hashes[INPUTS * JOURNALS + 1]; /* of the core, after the snapshot and each input behind it */
    size_t count;
};

struct run {
    int memory;
    struct journal *journal;
    struct core *core;
    struct chance chance;
};

static off_t area_offset(int area)
{
    return HEADER + area * (off_t) JOURNAL_AREA_MAX;
}

static void open_memory(struct run *run)
{
    run->memory = memfd_create("journal", MFD_CLOEXEC);
    must(run->memory >= 0);
}

/* ---- journals ---- */

static void apply(struct run *run)
{
    struct core_input input;

    chance_input(&run->chance, run->core, &input);
    must(journal_reserve(run->journal, run->core, &input, false) == 0);
    must(core_step(run->core, &input) == 0);
    journal_commit(run->journal, &input);
    core_delivered(run->core);
}

static void keep(struct past *past, int memory)
{
    must(pread(memory, past->header, HEADER, 0) == HEADER);
    for (int i = 0; i < 2; i++)
        must(pread(memory, past->area[i], KEPT, area_offset(i)) == KEPT);
    for (size_t i = 0; i < 64; i++)
        must(past->area[0][KEPT - 1 - i] == 0 && past->area[1][KEPT - 1 - i] == 0);
}

/* The first one is empty but for its snapshot. */
static struct past *make_past(unsigned which)
{
    struct past *past = calloc(1, sizeof *past);
    struct run run = {.core = core_new()};

    must(past && run.core);
    open_memory(&run);
    must(journal_open(run.memory, EPOCH, BUILD, &run.journal) == 0);
    chance_begin(&run.chance, which);
    for (unsigned i = 0; i < INPUTS * which; i++)
        apply(&run);
    must(journal_snapshot(run.journal, run.core) == 0);
    past->hashes[past->count++] = core_hash(run.core);
    while (past->count <= INPUTS * which) {
        apply(&run);
        past->hashes[past->count++] = core_hash(run.core);
    }
    keep(past, run.memory);
    core_free(run.core);
    journal_close(run.journal);
    close_fd(run.memory);
    return past;
}

static const struct past *past_of(unsigned which)
{
    static struct past *pasts[JOURNALS];

    if (!pasts[which])
        pasts[which] = make_past(which);
    return pasts[which];
}

/* ---- what becomes of one ---- */

static void restore(struct run *run, const struct past *past)
{
    open_memory(run);
    must(ftruncate(run->memory, area_offset(2)) == 0);
    must(pwrite(run->memory, past->header, HEADER, 0) == HEADER);
    for (int i = 0; i < 2; i++)
        must(pwrite(run->memory, past->area[i], KEPT, area_offset(i)) == KEPT);
}

/* Up to 7 bytes, in the header or in what follows an area's begin. */
static void write_over(const struct run *run, struct source *source)
{
    uint8_t how = source_byte(source);
    off_t at = how & 8 ? source_byte(source) : area_offset(how >> 4 & 1) + source_short(source);
    size_t size;
    const void *bytes = source_take(source, how & 7, &size);

    must(pwrite(run->memory, bytes, size, at) == (ssize_t) size);
}

static void must_be_one_of(const struct past *past, const struct core *core)
{
    uint64_t hash = core_hash(core);
    size_t i = 0;

    while (i < past->count && past->hashes[i] != hash)
        i++;
    must(i < past->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    const struct past *past = past_of(source_byte(&source) % JOURNALS);
    bool is_whole = source.left == 0;
    struct run run = {.core = NULL};
    int r;

    restore(&run, past);
    while (source.left > 0)
        write_over(&run, &source);
    must(journal_open(run.memory, EPOCH, BUILD, &run.journal) == 0);
    r = journal_replay(run.journal, &run.core);
    must(r == 0 || (!is_whole && (r == -EBADMSG || r == -EPROTONOSUPPORT || r == -ESTALE || r == 1)));
    if (r == 0) {
        must_be_one_of(past, run.core);
        core_free(run.core);
    }
    journal_close(run.journal);
    close_fd(run.memory);
    return 0;
}
