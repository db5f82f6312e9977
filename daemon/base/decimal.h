/* SPDX-License-Identifier: MIT */
/* Integers as text, where printf would be most of the work. */
#ifndef PROCD_BASE_DECIMAL_H
#define PROCD_BASE_DECIMAL_H

#include <stdint.h>

#define DECIMAL_MAX 20 /* characters of an int64_t or uint64_t, sign included */

/* Writes the digits of number so that they end before `end`, at least `least` of them. Returns the first. */
static inline char *decimal_put(char *end, uint64_t number, int least)
{
    for (; number > 0 || least > 0; number /= 10, least--)
        *--end = (char) ('0' + number % 10);
    return end;
}

/* The same for a number with a sign. */
static inline char *decimal_put_signed(char *end, int64_t number)
{
    char *at = decimal_put(end, number < 0 ? -(uint64_t) number : (uint64_t) number, 1);

    if (number < 0)
        *--at = '-';
    return at;
}

#endif
