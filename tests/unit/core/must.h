/* SPDX-License-Identifier: MIT */
/*
 * An assertion that costs nothing while it holds: check's own ones note their place each time, which is too
 * slow for what runs a hundred million times.
 */
#ifndef PROCD_TESTS_UNIT_CORE_MUST_H
#define PROCD_TESTS_UNIT_CORE_MUST_H

#include <check.h>

/* Where no suite of check's runs (tests/fuzz) the program ends, and says where. */
#ifdef MUST_ABORTS
#include <stdio.h>
#include <stdlib.h>
#define must_fail(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), abort())
#else
#define must_fail(...) ck_abort_msg(__VA_ARGS__)
#endif

#define must(condition)                                                      \
    do {                                                                     \
        if (__builtin_expect(!(condition), 0))                               \
            must_fail("%s:%d: must hold: %s", __FILE__, __LINE__, #condition); \
    } while (0)

/* The usual end of a test program. */
#define RUN_SUITE(suite)                                     \
    __extension__({                                          \
        SRunner *runner_ = srunner_create(suite);            \
        int failed_;                                         \
        srunner_run_all(runner_, CK_ENV);                    \
        failed_ = srunner_ntests_failed(runner_);            \
        srunner_free(runner_);                               \
        failed_ != 0;                                        \
    })

#endif
