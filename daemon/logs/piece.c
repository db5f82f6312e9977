/* SPDX-License-Identifier: MIT */
#include "daemon/logs/piece.h"

#include <string.h>

size_t logs_piece(struct logs_point *point, unsigned stream, const char *bytes, size_t size, size_t *ret_size,
                  enum logs_end *ret_end)
{
    size_t room = LOGS_LINE_MAX - point->partial[stream];
    /* an LF right behind a line of the greatest length ends it, and nothing is cut */
    const char *end = memchr(bytes, '\n', size <= room ? size : room + 1);

    if (!end && size <= room) {
        point->partial[stream] += (uint32_t) size;
        *ret_size = size;
        *ret_end = LOGS_END_NONE;
        return size;
    }
    point->partial[stream] = 0;
    point->seq++;
    *ret_size = end ? (size_t) (end - bytes) : room;
    *ret_end = end ? LOGS_END_LINE : LOGS_END_SPLIT;
    return *ret_size + (end != NULL);
}

int logs_mark(struct logs_point *point, const struct logs_record *record)
{
    int ended = point->partial[record->stream] > 0;

    point->partial[record->stream] = 0;
    point->seq += (uint64_t) ended + (record->kind == LOGS_LOST ? record->size : 0);
    return ended;
}

void logs_count(struct logs_point *point, const char *data, size_t size)
{
    struct logs_record record;
    enum logs_end end;
    size_t length;

    for (size_t at = 0; size - at >= sizeof record;) {
        memcpy(&record, data + at, sizeof record);
        at += sizeof record;
        if (record.stream >= LOGS_STREAMS)
            return;
        if (record.kind != LOGS_DATA) {
            logs_mark(point, &record);
            continue;
        }
        if (record.size > size - at)
            return;
        for (size_t done = 0; done < record.size;)
            done += logs_piece(point, record.stream, data + at + done, record.size - done, &length, &end);
        at += record.size;
    }
}
