/*
 * An assertion that costs nothing while it holds: check's own ones note their place each time, which is too
 * slow for what runs a hundred million times.
 */
#ifndef PROCD_TESTS_UNIT_CORE_MUST_H
#define PROCD_TESTS_UNIT_CORE_MUST_H

#include <check.h>

#define must(condition)                                                      \
    do {                                                                     \
        if (__builtin_expect(!(condition), 0))                               \
            ck_abort_msg("%s:%d: must hold: %s", __FILE__, __LINE__, #condition); \
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
