/* SPDX-License-Identifier: MIT */
#include "daemon/logs/store.h"

#include "daemon/base/cleanup.h"
#include "daemon/logs/piece.h"
#include "daemon/logs/rebuild.h"
#include "daemon/logs/tables.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM_MIN 512 /* less is not worth a record of its own */
#define AGE_PARTS 8

static char scratch[LOGS_CHUNK]; /* of what is dropped, or cannot be kept */

/* ---- open ---- */

static int map_index(struct logs *logs, int index_fd)
{
    logs->index = mmap(NULL, sizeof *logs->index, PROT_READ | PROT_WRITE, MAP_SHARED, index_fd, 0);
    if (logs->index == MAP_FAILED) {
        logs->index = NULL;
        return -errno;
    }
    return 0;
}

int logs_open(struct logs *logs, const struct logs_limits *limits)
{
    CLEANUP_FD int index_fd = memfd_create("procd-logs-index", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CLEANUP_FD int data_fd = memfd_create("procd-logs", MFD_CLOEXEC);
    int r;

    *logs = (struct logs){.index_fd = -1, .data_fd = -1, .limits = *limits};
    if (index_fd < 0 || data_fd < 0 || ftruncate(index_fd, sizeof *logs->index) < 0 ||
        fcntl(index_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    r = map_index(logs, index_fd);
    if (r < 0)
        return r;
    logs->index->format = LOGS_FORMAT;
    logs->index_fd = take_fd(&index_fd);
    logs->data_fd = take_fd(&data_fd);
    return 0;
}

void logs_close(struct logs *logs)
{
    if (logs->index)
        munmap(logs->index, sizeof *logs->index);
    logs->index = NULL;
    logs->index_fd = close_fd(logs->index_fd);
    logs->data_fd = close_fd(logs->data_fd);
}

/* ---- dropping ---- */

/* The first chunk of a log goes. Its lines are counted, so that the next ones keep their numbers. */
static void drop_first(struct logs *logs, uint32_t log)
{
    struct logs_index *index = logs->index;
    struct logs_log *of = &index->logs[log];
    struct logs_start start = *log_start(of);
    uint32_t chunk = start.chunk;
    const struct logs_chunk *entry = &index->chunks[chunk];
    ssize_t size = pread(logs->data_fd, scratch, entry->used, logs_offset(chunk));

    logs_count(&start.point, scratch, size > 0 ? (size_t) size : 0);
    start.chunk = entry->next;
    start.number = entry->number + 1;
    if (of->last == chunk)
        of->last = 0;
    log_publish(of, &start);
    chunk_take(index, of->account, chunk);
    of->bytes -= entry->used;
    index->accounts[of->account].bytes -= logs_pages(entry->used);
    index->bytes -= logs_pages(entry->used);
    chunk_free(logs, chunk);
}

/* The chunk of the account that was not written to for longest, which is the first of its log. False where
 * there is none but `kept`. */
static bool drop_oldest(struct logs *logs, uint32_t account, uint32_t kept)
{
    struct logs_index *index = logs->index;
    uint32_t chunk = index->accounts[account].oldest;

    if (chunk == kept && chunk)
        chunk = index->chunks[chunk].newer;
    if (!chunk || log_start(&index->logs[index->chunks[chunk].log])->chunk != chunk)
        return false;
    drop_first(logs, index->chunks[chunk].log);
    return true;
}

static uint32_t richest(const struct logs_index *index)
{
    uint32_t most = 0;

    for (uint32_t account = 1; account <= index->accounts_made; account++)
        if (index->accounts[account].logs > 0 &&
            (!most || index->accounts[account].bytes > index->accounts[most].bytes))
            most = account;
    return most;
}

/* Room for size more bytes in the account, and in all. */
static void make_room(struct logs *logs, uint32_t account, uint32_t kept, size_t size)
{
    struct logs_index *index = logs->index;

    while (index->accounts[account].bytes + size > logs->limits.uid && drop_oldest(logs, account, kept))
        ;
    while (index->bytes + size > logs->limits.total && drop_oldest(logs, richest(index), kept))
        ;
}

/* ---- logs ---- */

uint32_t logs_begin(struct logs *logs, uint64_t process, uint32_t uid)
{
    uint32_t account = logs->index ? account_take(logs->index, uid) : 0, log;

    if (!account)
        return 0;
    log = log_new(logs->index, process);
    if (log)
        logs->index->logs[log].account = account;
    else
        account_release(logs->index, account);
    return log;
}

bool logs_is(const struct logs *logs, uint32_t log, uint64_t process)
{
    return logs->index && log > 0 && log <= logs->index->logs_made && process != 0 &&
           logs->index->logs[log].process == process;
}

/* Nobody asks for the numbers of its lines any more: they are not counted. */
static void drop_all(struct logs *logs, uint32_t log)
{
    struct logs_index *index = logs->index;
    struct logs_log *of = &index->logs[log];
    struct logs_start start = *log_start(of);
    uint32_t chunk = start.chunk, next;

    start.chunk = 0;
    start.number = of->chunks_made + 1;
    of->last = 0;
    log_publish(of, &start);
    for (; chunk; chunk = next) {
        const struct logs_chunk *entry = &index->chunks[chunk];

        next = entry->next;
        chunk_take(index, of->account, chunk);
        index->accounts[of->account].bytes -= logs_pages(entry->used);
        index->bytes -= logs_pages(entry->used);
        chunk_free(logs, chunk);
    }
    of->bytes = 0;
}

void logs_forget(struct logs *logs, uint32_t log)
{
    uint32_t account;

    if (!log)
        return;
    drop_all(logs, log);
    account = logs->index->logs[log].account;
    log_free(logs->index, log);
    account_release(logs->index, account);
}

/* ---- writing ---- */

static uint32_t begin_chunk(struct logs *logs, uint32_t log, int64_t mono)
{
    struct logs_index *index = logs->index;
    struct logs_log *of = &index->logs[log];
    uint32_t chunk;

    while (log_start(of)->chunk && of->bytes + LOGS_CHUNK > logs->limits.log)
        drop_first(logs, log);
    make_room(logs, of->account, 0, LOGS_CHUNK);
    chunk = chunk_new(index);
    if (!chunk && drop_oldest(logs, richest(index), 0))
        chunk = chunk_new(index);
    if (!chunk)
        return 0;
    index->chunks[chunk].log = log;
    index->chunks[chunk].first = index->chunks[chunk].written = mono;
    index->chunks[chunk].number = ++of->chunks_made;
    chunk_put(index, of->account, chunk);
    __atomic_store_n(&index->chunks[chunk].process, of->process, __ATOMIC_RELEASE);
    log_append(index, log, chunk);
    return chunk;
}

/* A chunk with room for another record; 0: there is none to be had. */
static uint32_t chunk_for(struct logs *logs, uint32_t log, int64_t mono)
{
    struct logs_log *of = &logs->index->logs[log];
    const struct logs_chunk *last = &logs->index->chunks[of->last];

    if (of->last && LOGS_CHUNK - last->used >= sizeof(struct logs_record) + ROOM_MIN &&
        mono - last->first < logs->limits.age / AGE_PARTS) {
        make_room(logs, of->account, of->last, LOGS_CHUNK - last->used);
        return of->last;
    }
    return begin_chunk(logs, log, mono);
}

bool logs_record_put(struct logs *logs, uint32_t chunk, const struct logs_record *record, size_t size,
                     int64_t mono)
{
    struct logs_index *index = logs->index;
    struct logs_chunk *entry = &index->chunks[chunk];
    struct logs_log *of = &index->logs[entry->log];
    uint32_t used = entry->used + (uint32_t) (sizeof *record + size);
    uint64_t more = logs_pages(used) - logs_pages(entry->used);

    if (pwrite(logs->data_fd, record, sizeof *record, logs_offset(chunk) + entry->used) !=
        (ssize_t) sizeof *record) {
        of->lost += of->lost < UINT32_MAX / 2;
        return false;
    }
    of->bytes += sizeof *record + size;
    index->accounts[of->account].bytes += more;
    index->bytes += more;
    entry->written = mono;
    __atomic_store_n(&entry->used, used, __ATOMIC_RELEASE);
    if (index->accounts[of->account].newest != chunk) {
        chunk_take(index, of->account, chunk);
        chunk_put(index, of->account, chunk);
    }
    return true;
}

/* Is it recorded? */
static bool mark(struct logs *logs, uint32_t log, enum logs_stream stream, enum logs_kind kind, uint32_t size,
                 const struct logs_clock *now)
{
    struct logs_record record = {
        .wall = now->wall, .size = size, .stream = (uint8_t) stream, .kind = (uint8_t) kind};
    uint32_t chunk = chunk_for(logs, log, now->mono);

    return chunk && logs_record_put(logs, chunk, &record, 0, now->mono);
}

void logs_mark_end(struct logs *logs, uint32_t log, enum logs_stream stream, const struct logs_clock *now)
{
    (void) mark(logs, log, stream, LOGS_END, 0, now);
}

static void tell_lost(struct logs *logs, uint32_t log, enum logs_stream stream, const struct logs_clock *now)
{
    uint32_t lost = logs->index->logs[log].lost;

    logs->index->logs[log].lost = 0;
    if (!mark(logs, log, stream, LOGS_LOST, lost, now))
        logs->index->logs[log].lost = lost;
}

static void count_lost(struct logs_log *of, const char *bytes, size_t size)
{
    if (of->lost > UINT32_MAX / 2)
        return;
    of->lost += 1;
    for (size_t i = 0; i < size; i++)
        of->lost += bytes[i] == '\n';
}

/* What was moved, and is not in a record. */
static void count_unrecorded(struct logs *logs, struct logs_log *of, off_t from, size_t size)
{
    while (size > 0) {
        ssize_t part = pread(logs->data_fd, scratch, size < sizeof scratch ? size : sizeof scratch, from);

        if (part <= 0)
            return;
        count_lost(of, scratch, (size_t) part);
        from += part;
        size -= (size_t) part;
    }
}

/* What the kernel has moved until now is in the record. */
void logs_fill_end(struct logs *logs)
{
    struct logs_index *index = logs->index;
    struct logs_filling *filling = &index->filling;
    uint32_t chunk = filling->chunk;
    off_t from = logs_offset(chunk) + filling->at + (off_t) sizeof(struct logs_record);
    struct logs_record record = {
        .wall = filling->wall, .stream = (uint8_t) filling->stream, .kind = LOGS_DATA};

    if (index->cursor > from && index->chunks[chunk].used == filling->at) {
        record.size = (uint32_t) (index->cursor - from);
        if (!logs_record_put(logs, chunk, &record, record.size, filling->mono))
            count_unrecorded(logs, &index->logs[index->chunks[chunk].log], from, record.size);
    }
    __atomic_store_n(&filling->log, 0, __ATOMIC_RELEASE);
}

static ssize_t fill(struct logs *logs, uint32_t log, enum logs_stream stream, int pipe, size_t most,
                    const struct logs_clock *now)
{
    struct logs_index *index = logs->index;
    uint32_t chunk = chunk_for(logs, log, now->mono), at;
    size_t room;
    ssize_t size;

    if (!chunk)
        return -ENOSPC;
    at = index->chunks[chunk].used;
    room = LOGS_CHUNK - at - sizeof(struct logs_record);
    index->filling = (struct logs_filling){
        .chunk = chunk, .at = at, .stream = stream, .wall = now->wall, .mono = now->mono};
    index->cursor = logs_offset(chunk) + at + (off_t) sizeof(struct logs_record);
    __atomic_store_n(&index->filling.log, log, __ATOMIC_SEQ_CST);
    size = TEMP_FAILURE_RETRY(splice(pipe, NULL, logs->data_fd, &index->cursor, most < room ? most : room,
                                     SPLICE_F_NONBLOCK));
    size = size < 0 ? -errno : size;
    logs_fill_end(logs);
    return size;
}

/* Rather lines that are lost than a process that waits for room. */
static ssize_t discard(struct logs *logs, uint32_t log, int pipe, size_t most)
{
    ssize_t size = TEMP_FAILURE_RETRY(read(pipe, scratch, most < sizeof scratch ? most : sizeof scratch));

    if (size <= 0)
        return size < 0 ? -errno : 0;
    count_lost(&logs->index->logs[log], scratch, (size_t) size);
    return size;
}

ssize_t logs_take(struct logs *logs, uint32_t log, enum logs_stream stream, int pipe, size_t most,
                  const struct logs_clock *now)
{
    ssize_t size;

    if (logs->index->logs[log].lost > 0)
        tell_lost(logs, log, stream, now);
    size = fill(logs, log, stream, pipe, most, now);
    if (size >= 0 || size == -EAGAIN || size == -EBADF)
        return size;
    return discard(logs, log, pipe, most);
}

struct logs_extent logs_extent(const struct logs *logs, uint32_t log)
{
    const struct logs_log *of = &logs->index->logs[log];

    return (struct logs_extent){.chunks = of->chunks_made,
                                .used = of->last ? logs->index->chunks[of->last].used : 0};
}

bool logs_is_extent(const struct logs *logs, uint32_t log, const struct logs_extent *extent)
{
    struct logs_extent now = logs_extent(logs, log);

    return now.chunks == extent->chunks && now.used == extent->used;
}

size_t logs_room(struct logs *logs, uint32_t log, enum logs_stream stream, const struct logs_clock *now)
{
    uint32_t chunk;

    if (logs->index->logs[log].lost > 0)
        tell_lost(logs, log, stream, now);
    chunk = chunk_for(logs, log, now->mono);
    return chunk ? LOGS_CHUNK - logs->index->chunks[chunk].used - sizeof(struct logs_record) : 0;
}

/* Of as many bytes as there is room for in a chunk. Returns how many; 0: there is none. */
static size_t put_part(struct logs *logs, uint32_t log, enum logs_stream stream, const char *bytes,
                       size_t size, const struct logs_clock *now)
{
    struct logs_record record = {.wall = now->wall, .stream = (uint8_t) stream, .kind = LOGS_DATA};
    uint32_t chunk = chunk_for(logs, log, now->mono), at;
    size_t room;

    if (!chunk)
        return 0;
    at = logs->index->chunks[chunk].used;
    room = LOGS_CHUNK - at - sizeof record;
    record.size = (uint32_t) (size < room ? size : room);
    if (pwrite(logs->data_fd, bytes, record.size, logs_offset(chunk) + at + (off_t) sizeof record) !=
        (ssize_t) record.size)
        return 0;
    return logs_record_put(logs, chunk, &record, record.size, now->mono) ? record.size : 0;
}

void logs_put(struct logs *logs, uint32_t log, enum logs_stream stream, const void *bytes, size_t size,
              const struct logs_clock *now)
{
    const char *at = bytes;

    if (logs->index->logs[log].lost > 0)
        tell_lost(logs, log, stream, now);
    while (size > 0) {
        size_t part = put_part(logs, log, stream, at, size, now);

        if (part == 0) {
            count_lost(&logs->index->logs[log], at, size);
            return;
        }
        at += part;
        size -= part;
    }
}

/* ---- age ---- */

int64_t logs_age(struct logs *logs, int64_t mono)
{
    struct logs_index *index = logs->index;
    int64_t next = INT64_MAX;

    for (uint32_t account = 1; account <= index->accounts_made; account++) {
        const struct logs_account *of = &index->accounts[account];

        while (of->logs > 0 && of->oldest && index->chunks[of->oldest].written + logs->limits.age <= mono &&
               drop_oldest(logs, account, 0))
            ;
        if (of->logs > 0 && of->oldest && index->chunks[of->oldest].written + logs->limits.age < next)
            next = index->chunks[of->oldest].written + logs->limits.age;
    }
    return next;
}
