/* SPDX-License-Identifier: MIT */
/*
 * Memory for JSON. jansson's lexer (2.14) ignores that an append has failed and goes on to write behind a
 * buffer that did not grow. So before a line is parsed it is looked whether there is room for it, for which a
 * reserve is kept; and what fails nevertheless ends the broker: better an end than a heap that is not what it
 * seems. The keeper starts another one, which begins from the state of the last step, so that nothing is lost
 * but the connections.
 */
#ifndef PROCD_RPC_MEMORY_H
#define PROCD_RPC_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Is there memory for the tree of a line of so many bytes, and for what its call needs? */
bool memory_for(size_t length);

/* malloc for jansson: never NULL. */
void *memory_or_end(size_t size);

#endif
