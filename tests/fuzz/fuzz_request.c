/* SPDX-License-Identifier: MIT */
/* One line: a checked request, or one error that can be answered; nothing is left behind. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/proto/verdict.h"

#include <stdlib.h>

const char fuzz_target[] = "request";

/* As the framer hands it out: a NUL in the place of the LF. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int counts;
    char *line = malloc(size + 1);

    if (!counts)
        verdict_counts_memory();
    counts = 1;
    memcpy(line, data, size);
    line[size] = '\0';
    verdict_on(line, size);
    free(line);
    return 0;
}
