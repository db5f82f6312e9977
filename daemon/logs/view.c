/* SPDX-License-Identifier: MIT */
#include "daemon/logs/view.h"

#include "daemon/base/cleanup.h"
#include "daemon/logs/piece.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the memory ---- */

int logs_view_open(struct logs_view *view, int index_fd, int data_fd)
{
    CLEANUP_FD int index = index_fd;
    CLEANUP_FD int data = data_fd;
    struct stat st;
    void *memory;

    logs_view_close(view);
    if (index < 0 || data < 0 || fstat(index, &st) < 0 || st.st_size != sizeof *view->index)
        return -EBADMSG;
    memory = mmap(NULL, sizeof *view->index, PROT_READ, MAP_SHARED, index, 0);
    if (memory == MAP_FAILED)
        return -errno;
    view->index = memory;
    view->data_fd = take_fd(&data);
    view->chunk = 0;
    return view->index->format == LOGS_FORMAT ? 0 : -EBADMSG;
}

void logs_view_close(struct logs_view *view)
{
    if (!view->index)
        return;
    munmap((void *) view->index, sizeof *view->index);
    view->index = NULL;
    view->data_fd = close_fd(view->data_fd);
}

#define LOAD(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)

static uint32_t find_log(const struct logs_index *index, uint64_t process)
{
    uint32_t log = LOAD(index->buckets[logs_bucket(process)]);

    /* the chain may change meanwhile, and lead into another: it has an end all the same */
    for (int steps = 0; log != 0 && log < LOGS_MAX && steps < LOGS_MAX; steps++) {
        if (LOAD(index->logs[log].process) == process)
            return log;
        log = LOAD(index->logs[log].next);
    }
    return 0;
}

/* The writer publishes a start by a turn; one that it does not change while we copy is whole. */
static struct logs_start start_of(const struct logs_log *log)
{
    struct logs_start start;
    uint32_t turn, again;

    do {
        turn = LOAD(log->turn);
        memcpy(&start, (const void *) &log->start[turn & 1], sizeof start);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        again = LOAD(log->turn);
    } while (turn != again);
    return start;
}

static bool log_is(const struct logs_view *view, const struct logs_cursor *cursor)
{
    return view->index && cursor->log != 0 && LOAD(view->index->logs[cursor->log].process) == cursor->process;
}

static bool chunk_is(const struct logs_view *view, uint32_t chunk, uint64_t process, uint64_t number)
{
    const struct logs_chunk *entry = &view->index->chunks[chunk];

    return chunk != 0 && chunk < LOGS_CHUNKS_MAX && LOAD(entry->process) == process &&
           LOAD(entry->number) == number;
}

/* ---- the cursor ---- */

void logs_cursor_open(const struct logs_view *view, struct logs_cursor *cursor, uint64_t process)
{
    *cursor = (struct logs_cursor){.process = process};
    if (view->index)
        cursor->log = find_log(view->index, process);
}

void logs_cursor_close(struct logs_cursor *cursor)
{
    for (int i = 0; i < LOGS_STREAMS; i++) {
        free(cursor->partial[i].bytes);
        cursor->partial[i].bytes = NULL;
        cursor->partial[i].size = 0;
    }
}

/* To where the log begins now. What the cursor had of lines that go on is not theirs any more. */
static bool rewind_cursor(const struct logs_view *view, struct logs_cursor *cursor)
{
    struct logs_start start = start_of(&view->index->logs[cursor->log]);

    if (start.chunk == 0 || !chunk_is(view, start.chunk, cursor->process, start.number))
        return false;
    cursor->chunk = start.chunk;
    cursor->number = start.number;
    cursor->at = cursor->done = 0;
    if (memcmp(&cursor->point, &start.point, sizeof start.point) == 0) /* that was all of the one before */
        return true;
    logs_cursor_close(cursor);
    cursor->point = start.point;
    for (int i = 0; i < LOGS_STREAMS; i++)
        cursor->is_cut[i] = start.point.partial[i] > 0;
    return true;
}

/* Has the copy what the chunk has? Copies it, if not: 1. 0: it was dropped. -errno: it cannot be read. */
static int copy_chunk(struct logs_view *view, const struct logs_cursor *cursor, uint32_t used)
{
    ssize_t size;
    int r;

    if (used > LOGS_CHUNK)
        return 0;
    if (view->chunk != cursor->chunk || view->process != cursor->process || view->number != cursor->number)
        view->used = 0;
    if (view->used >= used)
        return 1;
    view->chunk = 0;
    size = TEMP_FAILURE_RETRY(pread(view->data_fd, view->copy + view->used, used - view->used,
                                    logs_offset(cursor->chunk) + view->used));
    r = size < 0 ? -errno : 0;
    if (size != (ssize_t) (used - view->used) ||
        !chunk_is(view, cursor->chunk, cursor->process, cursor->number)) {
        view->used = 0;
        return r;
    }
    view->chunk = cursor->chunk;
    view->process = cursor->process;
    view->number = cursor->number;
    view->used = used;
    return 1;
}

/* The record that the cursor is at is in the copy: 1. 0: there is none yet. -errno: it cannot be read. */
static int find_record(struct logs_view *view, struct logs_cursor *cursor)
{
    /* as often as the writer may drop what we have just found */
    for (int tries = 0; tries < 64; tries++) {
        const struct logs_chunk *entry = &view->index->chunks[cursor->chunk];
        uint32_t next, used;
        int r = 0;

        if (!chunk_is(view, cursor->chunk, cursor->process, cursor->number)) {
            if (!rewind_cursor(view, cursor))
                return 0;
            continue;
        }
        next = LOAD(entry->next); /* first: what has a successor does not grow any more */
        used = LOAD(entry->used);
        if (cursor->at < used && (r = copy_chunk(view, cursor, used)) > 0)
            return 1;
        if (!chunk_is(view, cursor->chunk, cursor->process, cursor->number))
            continue;
        if (cursor->at < used || !chunk_is(view, next, cursor->process, cursor->number + 1))
            return r;
        cursor->chunk = next;
        cursor->number++;
        cursor->at = cursor->done = 0;
    }
    return 0;
}

struct logs_mark logs_now(const struct logs_view *view, const struct logs_cursor *cursor)
{
    uint32_t last = log_is(view, cursor) ? LOAD(view->index->logs[cursor->log].last) : 0;
    struct logs_mark mark = {.number = 0};

    if (last == 0 || last >= LOGS_CHUNKS_MAX)
        return mark;
    mark.number = LOAD(view->index->chunks[last].number);
    mark.at = LOAD(view->index->chunks[last].used);
    return LOAD(view->index->chunks[last].process) == cursor->process ? mark
                                                                      : (struct logs_mark){.number = 0};
}

bool logs_is_before(const struct logs_cursor *cursor, const struct logs_mark *mark)
{
    return cursor->number < mark->number || (cursor->number == mark->number && cursor->at < mark->at);
}

bool logs_has_more(const struct logs_view *view, const struct logs_cursor *cursor)
{
    const struct logs_chunk *entry = &view->index->chunks[cursor->chunk];

    if (!log_is(view, cursor))
        return false;
    if (!chunk_is(view, cursor->chunk, cursor->process, cursor->number))
        return start_of(&view->index->logs[cursor->log]).chunk != 0;
    return cursor->at < LOAD(entry->used) || LOAD(entry->next) != 0;
}

/* ---- lines ---- */

static int keep_partial(struct logs_cursor *cursor, unsigned stream, const char *bytes, size_t size)
{
    char *room;

    if (cursor->is_cut[stream] || size == 0)
        return 0;
    room = realloc(cursor->partial[stream].bytes, cursor->partial[stream].size + size);
    if (!room)
        return -ENOMEM;
    memcpy(room + cursor->partial[stream].size, bytes, size);
    cursor->partial[stream].bytes = room;
    cursor->partial[stream].size += size;
    return 0;
}

/* A line has ended. 1: it is to be told. Of one whose beginning is gone only the number is. */
static int end_line(struct logs_cursor *cursor, const struct logs_record *record, const char *bytes,
                    size_t size, bool is_split, char *kept, struct logs_line *ret_line)
{
    unsigned stream = record->stream;
    bool is_cut = cursor->is_cut[stream];
    size_t before = cursor->partial[stream].size;

    cursor->is_cut[stream] = false;
    if (is_cut)
        return 0;
    *ret_line = (struct logs_line){.seq = cursor->point.seq,
                                   .wall = record->wall,
                                   .stream = (enum logs_stream) stream,
                                   .is_split = is_split,
                                   .bytes = bytes,
                                   .size = size};
    if (before == 0)
        return 1;
    if (size > 0)
        memcpy(kept + before, bytes, size);
    memcpy(kept, cursor->partial[stream].bytes, before);
    ret_line->bytes = kept;
    ret_line->size = before + size;
    free(cursor->partial[stream].bytes);
    cursor->partial[stream].bytes = NULL;
    cursor->partial[stream].size = 0;
    return 1;
}

/* Goes on in the record. 1 and a line, 0: none ended, or -ENOMEM. */
static int take_piece(struct logs_view *view, struct logs_cursor *cursor, const struct logs_record *record,
                      struct logs_line *ret_line)
{
    static char kept[LOGS_LINE_MAX];
    const char *from = view->copy + cursor->at + sizeof *record + cursor->done;
    struct logs_point point = cursor->point;
    enum logs_end end;
    size_t size, consumed;
    int r;

    consumed = logs_piece(&point, record->stream, from, record->size - cursor->done, &size, &end);
    if (end == LOGS_END_NONE && (r = keep_partial(cursor, record->stream, from, size)) < 0)
        return r;
    cursor->point = point;
    cursor->done += (uint32_t) consumed;
    if (end == LOGS_END_NONE)
        return 0;
    return end_line(cursor, record, from, size, end == LOGS_END_SPLIT, kept, ret_line);
}

static int take_mark(struct logs_cursor *cursor, const struct logs_record *record, struct logs_line *ret_line)
{
    static char kept[LOGS_LINE_MAX];
    uint64_t seq = cursor->point.seq;
    int r = 0;

    cursor->at += sizeof *record;
    if (logs_mark(&cursor->point, record))
        r = end_line(cursor, record, NULL, 0, false, kept, ret_line);
    ret_line->seq = seq + 1;
    return r;
}

int logs_next(struct logs_view *view, struct logs_cursor *cursor, struct logs_line *ret_line)
{
    struct logs_record record;
    int r = 0;

    while (r == 0 && log_is(view, cursor)) {
        r = find_record(view, cursor);
        if (r <= 0)
            return r;
        r = 0;
        memcpy(&record, view->copy + cursor->at, sizeof record);
        if (record.stream >= LOGS_STREAMS)
            return 0; /* not the writer's: nobody else can write there */
        if (record.kind != LOGS_DATA) {
            r = take_mark(cursor, &record, ret_line);
            continue;
        }
        if (record.size > LOGS_CHUNK - sizeof record - cursor->at)
            return 0;
        r = take_piece(view, cursor, &record, ret_line);
        if (cursor->done == record.size) {
            cursor->at += (uint32_t) sizeof record + record.size;
            cursor->done = 0;
        }
    }
    return r;
}
