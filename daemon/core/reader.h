/* SPDX-License-Identifier: MIT */
/* Reading a snapshot: an error sticks, so that whoever reads need look only where it matters. */
#ifndef PROCD_CORE_READER_H
#define PROCD_CORE_READER_H

#include "daemon/core/objects.h"

struct in {
    const char *data;
    size_t left;
    int error; /* sticks; everything that is taken from then on is 0 or empty */
    struct record **records; /* those read so far: whoever shares one names it by its place */
    uint64_t record_count, record_room;
    uint64_t last_order; /* the number of the one that was read last */
    struct core_counters counters; /* as they stand in the snapshot: the core's own move while it is read */
};

bool in_take(struct in *in, void *to, size_t size);
uint64_t in_number(struct in *in);
/* Its bytes stay where they are. */
struct blob in_blob(struct in *in);
/* Notes the error where something is bad. True: there is an error, this one or an earlier one. */
bool in_failed(struct in *in, bool bad, int error);

/* A title, or NULL where there was none (or an error). */
struct title *in_title(struct in *in);
/* A record with a reference of the caller's, or NULL where there was none (or an error). */
struct record *in_record(struct core *core, struct in *in);
/* A text with a reference of the caller's, or NULL where there was none (or an error). */
struct text *in_text(struct in *in);
/* What put_sync has written. */
void in_sync(struct core *core, struct in *in);
/* Is it in the queue of an object, and has it all that its turn will need? */
bool wait_is_whole(const struct core *core, const struct waiter *waiter);

/* ---- sound.c ---- */

/* Are there so many strings, each with its NUL? */
bool strings_hold(const struct blob *strings, uint32_t count);
bool process_is_sound(const struct process_data *data);
bool restart_is_sound(const struct restart_data *restart);
bool reply_is_sound(const struct reply_data *reply, const struct record *record, struct text *const text[2]);
/* Of a deadlock; NULL is none. */
bool cycle_is_sound(const struct text *cycle);
bool event_is_sound(const struct event_entry *entry);

#endif
