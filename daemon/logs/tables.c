/* SPDX-License-Identifier: MIT */
#include "daemon/logs/tables.h"

#include <fcntl.h>
#include <string.h>

#define TOUCHED_KEPT 64 /* free chunks, 4 MiB: a log that is full takes one as it gives one up */

/* ---- logs ---- */

uint32_t log_new(struct logs_index *index, uint64_t process)
{
    uint32_t log = index->free_log, *bucket = &index->buckets[logs_bucket(process)];

    if (log)
        index->free_log = index->logs[log].next;
    else if (index->logs_made + 1 < LOGS_MAX)
        log = ++index->logs_made;
    else
        return 0;
    index->logs[log] = (struct logs_log){.next = *bucket};
    /* a reader that finds the entry finds a log */
    __atomic_store_n(&index->logs[log].process, process, __ATOMIC_RELEASE);
    __atomic_store_n(bucket, log, __ATOMIC_RELEASE);
    return log;
}

void log_free(struct logs_index *index, uint32_t log)
{
    uint32_t *at = &index->buckets[logs_bucket(index->logs[log].process)];

    while (*at && *at != log)
        at = &index->logs[*at].next;
    if (*at)
        __atomic_store_n(at, index->logs[log].next, __ATOMIC_RELEASE);
    __atomic_store_n(&index->logs[log].process, 0, __ATOMIC_RELEASE);
    index->logs[log].next = index->free_log;
    index->free_log = log;
}

void log_publish(struct logs_log *log, const struct logs_start *start)
{
    log->start[(log->turn + 1) & 1] = *start;
    __atomic_store_n(&log->turn, log->turn + 1, __ATOMIC_RELEASE);
}

void log_append(struct logs_index *index, uint32_t log, uint32_t chunk)
{
    struct logs_log *to = &index->logs[log];
    struct logs_start start = *log_start(to);

    if (to->last) {
        __atomic_store_n(&index->chunks[to->last].next, chunk, __ATOMIC_RELEASE);
    } else {
        start.chunk = chunk;
        start.number = index->chunks[chunk].number;
        log_publish(to, &start);
    }
    to->last = chunk;
}

/* ---- chunks ---- */

uint32_t chunk_new(struct logs_index *index)
{
    uint32_t chunk = index->free_chunk, touched;

    if (chunk)
        index->free_chunk = index->chunks[chunk].next;
    else if (index->chunks_made + 1 < LOGS_CHUNKS_MAX)
        chunk = ++index->chunks_made;
    else
        return 0;
    touched = index->chunks[chunk].touched;
    index->touched -= touched;
    index->chunks[chunk] = (struct logs_chunk){.process = 0};
    return chunk;
}

void chunk_free(struct logs *logs, uint32_t chunk)
{
    struct logs_index *index = logs->index;
    struct logs_chunk *entry = &index->chunks[chunk];

    __atomic_store_n(&entry->process, 0, __ATOMIC_RELEASE);
    if (index->touched < TOUCHED_KEPT) {
        entry->touched = 1;
        index->touched++;
    } else {
        entry->touched = 0;
        (void) fallocate(logs->data_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, logs_offset(chunk),
                         LOGS_CHUNK);
    }
    entry->next = index->free_chunk;
    index->free_chunk = chunk;
}

/* ---- accounts ---- */

uint32_t account_take(struct logs_index *index, uint32_t uid)
{
    uint32_t *bucket = &index->uid_buckets[logs_bucket(uid)], account = *bucket;

    while (account && index->accounts[account].uid != uid)
        account = index->accounts[account].next;
    if (!account) {
        if ((account = index->free_account))
            index->free_account = index->accounts[account].next;
        else if (index->accounts_made + 1 < LOGS_ACCOUNTS_MAX)
            account = ++index->accounts_made;
        else
            return 0;
        index->accounts[account] = (struct logs_account){.uid = uid, .next = *bucket};
        *bucket = account;
    }
    index->accounts[account].logs++;
    return account;
}

void account_release(struct logs_index *index, uint32_t account)
{
    struct logs_account *entry = &index->accounts[account];
    uint32_t *at = &index->uid_buckets[logs_bucket(entry->uid)];

    if (--entry->logs > 0)
        return;
    while (*at && *at != account)
        at = &index->accounts[*at].next;
    if (*at)
        *at = entry->next;
    entry->next = index->free_account;
    index->free_account = account;
}

void chunk_put(struct logs_index *index, uint32_t account, uint32_t chunk)
{
    struct logs_account *to = &index->accounts[account];

    index->chunks[chunk].older = to->newest;
    index->chunks[chunk].newer = 0;
    if (to->newest)
        index->chunks[to->newest].newer = chunk;
    else
        to->oldest = chunk;
    to->newest = chunk;
}

void chunk_take(struct logs_index *index, uint32_t account, uint32_t chunk)
{
    struct logs_account *from = &index->accounts[account];
    const struct logs_chunk *entry = &index->chunks[chunk];

    if (entry->older)
        index->chunks[entry->older].newer = entry->newer;
    else
        from->oldest = entry->newer;
    if (entry->newer)
        index->chunks[entry->newer].older = entry->older;
    else
        from->newest = entry->older;
}
