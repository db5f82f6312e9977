/* SPDX-License-Identifier: MIT */
#include "tests/unit/logs/world.h"

#include "daemon/base/cleanup.h"
#include "daemon/logs/tables.h"
#include "tests/unit/core/must.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct logs logs;
struct logs_view view;
struct logs_clock now;
const struct logs_limits plenty = {.log = 1 << 20, .uid = 16 << 20, .total = 64 << 20, .age = INT64_MAX / 2};

static char text[4 << 20];

static void open_view(void)
{
    must(logs_view_open(&view, dup(logs.index_fd), dup(logs.data_fd)) == 0);
}

void world_open(const struct logs_limits *limits)
{
    now = (struct logs_clock){.wall = 1000, .mono = 1000};
    view.data_fd = -1;
    must(logs_open(&logs, limits) == 0);
    open_view();
}

void world_close(void)
{
    logs_view_close(&view);
    logs_close(&logs);
}

void world_resume(void)
{
    struct logs_limits limits = logs.limits;
    int index_fd = dup(logs.index_fd), data_fd = dup(logs.data_fd);

    logs_close(&logs);
    must(logs_resume(&logs, &limits, index_fd, data_fd) == 0);
    open_view();
}

/* Not with the close() of its writer if somebody reads that link in /proc meanwhile and so holds the file. */
static void must_have_ended(int pipe)
{
    struct pollfd end = {.fd = pipe, .events = 0};

    must(poll(&end, 1, 10000) == 1 && end.revents == POLLHUP);
}

void say_bytes(uint32_t log, enum logs_stream stream, const char *bytes, size_t size)
{
    int ends[2];

    must(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    while (size > 0) {
        ssize_t written = write(ends[1], bytes, size);

        must(written > 0);
        bytes += written;
        size -= (size_t) written;
        while (logs_take(&logs, log, stream, ends[0], 1 << 20, &now) > 0)
            ;
    }
    close(ends[1]);
    must_have_ended(ends[0]);
    must(logs_take(&logs, log, stream, ends[0], 1, &now) == 0);
    close(ends[0]);
    must_add_up();
}

void say(uint32_t log, enum logs_stream stream, const char *words)
{
    say_bytes(log, stream, words, strlen(words));
}

const char *read_lines(struct logs_cursor *cursor)
{
    struct logs_line line;
    size_t used = 0;
    int r;

    text[0] = '\0';
    while ((r = logs_next(&view, cursor, &line)) > 0)
        used += (size_t) snprintf(text + used, sizeof text - used, "%llu%c%.*s%s|",
                                  (unsigned long long) line.seq, line.stream == LOGS_STDOUT ? '>' : '!',
                                  (int) line.size, line.bytes ? line.bytes : "", line.is_split ? "+" : "");
    must(r == 0);
    must(used < sizeof text);
    return text;
}

const char *lines_of(uint64_t process)
{
    struct logs_cursor cursor;
    const char *lines;

    logs_cursor_open(&view, &cursor, process);
    lines = read_lines(&cursor);
    logs_cursor_close(&cursor);
    return lines;
}

void must_add_up(void)
{
    struct logs_index *index = logs.index;
    uint64_t all = 0;

    for (uint32_t account = 1; account <= index->accounts_made; account++) {
        uint64_t bytes = 0;

        if (index->accounts[account].logs == 0)
            continue;
        for (uint32_t chunk = index->accounts[account].oldest; chunk; chunk = index->chunks[chunk].newer) {
            const struct logs_chunk *entry = &index->chunks[chunk];

            must(entry->process != 0 && index->logs[entry->log].process == entry->process);
            must(entry->newer ? index->chunks[entry->newer].older == chunk
                              : index->accounts[account].newest == chunk);
            bytes += logs_pages(entry->used);
        }
        must(bytes == index->accounts[account].bytes);
        all += bytes;
    }
    must(all == index->bytes);
    for (uint32_t log = 1; log <= index->logs_made; log++) {
        uint64_t bytes = 0, number = log_start(&index->logs[log])->number;
        uint32_t last = 0;

        if (index->logs[log].process == 0)
            continue;
        for (uint32_t chunk = log_start(&index->logs[log])->chunk; chunk; chunk = index->chunks[chunk].next) {
            must(index->chunks[chunk].number == number++);
            bytes += index->chunks[chunk].used;
            last = chunk;
        }
        must(bytes == index->logs[log].bytes && last == index->logs[log].last);
    }
}
