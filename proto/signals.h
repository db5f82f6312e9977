/* SPDX-License-Identifier: MIT */
/* Names and numbers of signals (signal(7)): "SIGTERM", "SIGRTMIN+3", and the synonyms there. */
#ifndef PROCD_PROTO_SIGNALS_H
#define PROCD_PROTO_SIGNALS_H

#include <stddef.h>

#define SIGNAL_NAME_MAX 24

/* 1..64, or -EINVAL. */
int signal_from_name(const char *name);

/* Writes the name of signal (1..64) into buffer, and returns it. */
const char *signal_to_name(int signal, char buffer[SIGNAL_NAME_MAX]);

#endif
