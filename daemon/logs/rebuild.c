/* SPDX-License-Identifier: MIT */
#include "daemon/logs/rebuild.h"

#include "daemon/base/cleanup.h"
#include "daemon/logs/tables.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- logs and accounts ---- */

static void rebuild_accounts(struct logs_index *index)
{
    if (index->accounts_made >= LOGS_ACCOUNTS_MAX)
        index->accounts_made = LOGS_ACCOUNTS_MAX - 1;
    index->free_account = 0;
    memset(index->uid_buckets, 0, sizeof index->uid_buckets);
    for (uint32_t account = 1; account <= index->accounts_made; account++)
        index->accounts[account] = (struct logs_account){.uid = index->accounts[account].uid};
}

/* An account is in use if a log says so; the numbers of accounts stay. */
static void count_log(struct logs_index *index, struct logs_log *log)
{
    struct logs_account *account = &index->accounts[log->account];

    if (account->logs++ == 0) {
        account->next = index->uid_buckets[logs_bucket(account->uid)];
        index->uid_buckets[logs_bucket(account->uid)] = log->account;
    }
}

static void rebuild_logs(struct logs_index *index)
{
    if (index->logs_made >= LOGS_MAX)
        index->logs_made = LOGS_MAX - 1;
    index->free_log = 0;
    memset(index->buckets, 0, sizeof index->buckets);
    for (uint32_t i = 1; i <= index->logs_made; i++) {
        struct logs_log *log = &index->logs[i];
        uint32_t *list = &index->free_log;

        if (log->account == 0 || log->account > index->accounts_made)
            log->process = 0;
        if (log->process) {
            list = &index->buckets[logs_bucket(log->process)];
            count_log(index, log);
        }
        log->next = *list;
        *list = i;
        log->bytes = log->last = 0;
        /* a number may have been given to a chunk that did not come to be */
        log->chunks_made = log_start(log)->number > 0 ? log_start(log)->number - 1 : 0;
        log_start(log)->chunk = 0;
    }
    for (uint32_t i = 1; i <= index->accounts_made; i++) {
        if (index->accounts[i].logs > 0)
            continue;
        index->accounts[i].next = index->free_account;
        index->free_account = i;
    }
}

/* ---- chunks ---- */

static const struct logs_chunk *sorted_chunks; /* of the one index that is being sorted */

static int compare_numbers(const void *a, const void *b)
{
    const struct logs_chunk *one = &sorted_chunks[*(const uint32_t *) a];
    const struct logs_chunk *other = &sorted_chunks[*(const uint32_t *) b];

    return one->number < other->number ? -1 : one->number > other->number;
}

static int compare_times(const void *a, const void *b)
{
    const struct logs_chunk *one = &sorted_chunks[*(const uint32_t *) a];
    const struct logs_chunk *other = &sorted_chunks[*(const uint32_t *) b];

    if (one->written != other->written)
        return one->written < other->written ? -1 : 1;
    return compare_numbers(a, b);
}

static bool is_of_its_log(const struct logs_index *index, const struct logs_chunk *chunk)
{
    const struct logs_log *log = &index->logs[chunk->log < LOGS_MAX ? chunk->log : 0];

    return chunk->process != 0 && log->process == chunk->process && chunk->used <= LOGS_CHUNK &&
           chunk->number >= log->start[log->turn & 1].number;
}

static void add_chunk(struct logs_index *index, uint32_t chunk)
{
    struct logs_chunk *entry = &index->chunks[chunk];
    struct logs_log *log = &index->logs[entry->log];
    uint64_t pages = logs_pages(entry->used);

    entry->next = 0;
    log->chunks_made = entry->number;
    log_append(index, entry->log, chunk);
    log->bytes += entry->used;
    index->accounts[log->account].bytes += pages;
    index->bytes += pages;
}

static int rebuild_chunks(struct logs *logs)
{
    struct logs_index *index = logs->index;
    CLEANUP_MEMORY uint32_t *order = malloc(sizeof *order * LOGS_CHUNKS_MAX);
    size_t count = 0;

    if (!order)
        return -ENOMEM;
    if (index->chunks_made >= LOGS_CHUNKS_MAX)
        index->chunks_made = LOGS_CHUNKS_MAX - 1;
    index->free_chunk = index->touched = 0;
    index->bytes = 0;
    for (uint32_t chunk = 1; chunk <= index->chunks_made; chunk++) {
        if (is_of_its_log(index, &index->chunks[chunk]))
            order[count++] = chunk;
        else
            chunk_free(logs, chunk);
    }
    sorted_chunks = index->chunks;
    qsort(order, count, sizeof *order, compare_numbers);
    for (size_t i = 0; i < count; i++)
        add_chunk(index, order[i]);
    qsort(order, count, sizeof *order, compare_times);
    for (size_t i = 0; i < count; i++)
        chunk_put(index, index->logs[index->chunks[order[i]].log].account, order[i]);
    return 0;
}

int logs_rebuild(struct logs *logs)
{
    rebuild_accounts(logs->index);
    rebuild_logs(logs->index);
    return rebuild_chunks(logs);
}

/* Something was being taken, and its chunk is still there. */
static bool was_filling(const struct logs_index *index)
{
    const struct logs_filling *filling = &index->filling;

    return filling->log != 0 && filling->chunk != 0 && filling->chunk <= index->chunks_made &&
           filling->stream < LOGS_STREAMS && index->chunks[filling->chunk].process != 0 &&
           index->chunks[filling->chunk].log == filling->log;
}

int logs_resume(struct logs *logs, const struct logs_limits *limits, int index_fd, int data_fd)
{
    struct stat st;
    int r;

    *logs = (struct logs){.index_fd = index_fd, .data_fd = data_fd, .limits = *limits};
    if (data_fd < 0 || fstat(index_fd, &st) < 0 || st.st_size != sizeof *logs->index)
        return -EBADMSG;
    logs->index = mmap(NULL, sizeof *logs->index, PROT_READ | PROT_WRITE, MAP_SHARED, index_fd, 0);
    if (logs->index == MAP_FAILED) {
        logs->index = NULL;
        return -errno;
    }
    if (logs->index->format != LOGS_FORMAT)
        return -EBADMSG;
    r = logs_rebuild(logs);
    if (r == 0 && was_filling(logs->index))
        logs_fill_end(logs);
    return r;
}
