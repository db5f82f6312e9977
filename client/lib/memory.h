/* SPDX-License-Identifier: MIT */
/* Bytes that are handed to somebody as a descriptor. Private to libprocd. */
#ifndef PROCD_CLIENT_LIB_MEMORY_H
#define PROCD_CLIENT_LIB_MEMORY_H

#include <stddef.h>

/* A sealed memfd: whoever else gets hold of it, what is read is what was meant. CLOEXEC, and not stdin's
 * number or another of those; or -errno. */
int memory_share(const char *name, const void *bytes, size_t size);

#endif
