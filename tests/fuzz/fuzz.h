/* SPDX-License-Identifier: MIT */
/*
 * What the targets share. A target is one function over bytes, which libFuzzer calls with what it makes up
 * (`make fuzz`), and replay.c with the files of the target's corpus (`make check`). What must not be ends the
 * program.
 */
#ifndef PROCD_TESTS_FUZZ_FUZZ_H
#define PROCD_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The folder below corpus/. */
extern const char fuzz_target[];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes as a source of decisions. At its end it gives zeros. */
struct source {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t source_byte(struct source *source)
{
    if (source->left == 0)
        return 0;
    source->left--;
    return *source->at++;
}

static inline uint16_t source_short(struct source *source)
{
    unsigned low = source_byte(source);

    return (uint16_t) (low | (unsigned) source_byte(source) << 8);
}

/* Up to size bytes, in place; how many in *ret_size. */
static inline const uint8_t *source_take(struct source *source, size_t size, size_t *ret_size)
{
    const uint8_t *taken = source->at;

    *ret_size = size < source->left ? size : source->left;
    source->at += *ret_size;
    source->left -= *ret_size;
    return taken;
}

#endif
