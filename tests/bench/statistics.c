/* SPDX-License-Identifier: MIT */
#include "tests/bench/statistics.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double left = *(const double *) a, right = *(const double *) b;

    return (left > right) - (left < right);
}

struct spread spread_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return (struct spread){.median = (values[(count - 1) / 2] + values[count / 2]) / 2,
                           .min = values[0],
                           .max = values[count - 1]};
}
