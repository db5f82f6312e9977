/* SPDX-License-Identifier: MIT */
/*
 * What of other people's text a terminal may be shown.
 */
#ifndef PROCD_BASE_HARMLESS_H
#define PROCD_BASE_HARMLESS_H

#include <stddef.h>

/* Bytes of the character at bytes (size > 0); 0 if it is a control character, of C1, too, or one that is not
 * seen but changes the order or look of what is, or if it is no well-formed UTF-8. */
size_t harmless_length(const char *bytes, size_t size);

#endif
