/* SPDX-License-Identifier: MIT */
/*
 * The log of both roles: one line per message to stderr, or to the journal (with its priority prefix) when
 * stderr is connected to it. Never blocks, never fails, never allocates; keeps errno. Lines for which a
 * reader leaves no room are lost, and counted in the next one that is written.
 */
#ifndef PROCD_BASE_LOG_H
#define PROCD_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Begins logging. role is put before each line ("keeper", "broker"); it must live as long as the process. */
void log_open(const char *role, enum log_level level);

/* 0 and the level for "error", "warning", "info" or "debug"; -EINVAL otherwise. */
int log_level_parse(const char *text, enum log_level *ret_level);
const char *log_level_name(enum log_level level);
enum log_level log_level_now(void);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For what may happen over and over: true at most once a minute. *next is the message's own, 0 at first; now
 * is of CLOCK_MONOTONIC. */
bool log_again(int64_t *next, int64_t now);

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
