/* SPDX-License-Identifier: MIT */
/*
 * A daemon that says whatever the fuzzer wants, and has said it before anybody asks: each connection of the
 * library gets the next of the input's streams, and when there is none left, nobody listens any more.
 *
 * A stream: how it begins, then its bytes up to a NUL. Programs are linked with fuzz_hostile_flags:
 * endpoint_open and endpoint_connect lead here, and nobody sleeps.
 */
#ifndef PROCD_TESTS_FUZZ_HOSTILE_H
#define PROCD_TESTS_FUZZ_HOSTILE_H

#include "tests/fuzz/fuzz.h"

/* The streams are the rest of the source, which must live on. */
void hostile_begin(struct source *source);

/* Closes everything; the library has let go of its ends. */
void hostile_end(void);

#endif
