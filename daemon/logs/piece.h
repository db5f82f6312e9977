/* SPDX-License-Identifier: MIT */
/*
 * Lines in the bytes of a stream: the one rule by which the keeper counts them and the broker reads them.
 */
#ifndef PROCD_LOGS_PIECE_H
#define PROCD_LOGS_PIECE_H

#include "daemon/logs/layout.h"

#include <stddef.h>

/* NONE: the line goes on. SPLIT: it is cut here, having reached LOGS_LINE_MAX, and goes on as another one. */
enum logs_end { LOGS_END_NONE, LOGS_END_LINE, LOGS_END_SPLIT };

/* Takes the next piece of at most one line out of size > 0 bytes. Returns how many bytes were consumed, an LF
 * behind the line included, and in ret_size those of the line. */
size_t logs_piece(struct logs_point *point, unsigned stream, const char *bytes, size_t size, size_t *ret_size,
                  enum logs_end *ret_end);

/* A record without bytes: LOGS_END or LOGS_LOST. Did it end a line that had begun? */
int logs_mark(struct logs_point *point, const struct logs_record *record);

/* Over the records in size bytes of a chunk; what is malformed ends it. */
void logs_count(struct logs_point *point, const char *data, size_t size);

#endif
