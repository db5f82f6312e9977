/* SPDX-License-Identifier: MIT */
/* proto/signals.c: names and numbers of signals. */
#include "proto/signals.h"
#include "tests/unit/core/must.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

START_TEST(every_number_has_a_name_of_its_own)
{
    char name[SIGNAL_NAME_MAX];

    for (int number = 1; number <= 64; number++) {
        ck_assert_ptr_eq(signal_to_name(number, name), name);
        ck_assert_int_eq(strncmp(name, "SIG", 3), 0);
        ck_assert_int_eq(signal_from_name(name), number);
    }
}
END_TEST

START_TEST(known_names)
{
    static const struct {
        const char *name;
        int number;
    } known[] = {{"SIGHUP", SIGHUP},   {"SIGINT", SIGINT},   {"SIGQUIT", SIGQUIT},  {"SIGABRT", SIGABRT},
                 {"SIGKILL", SIGKILL}, {"SIGUSR1", SIGUSR1}, {"SIGUSR2", SIGUSR2},  {"SIGTERM", SIGTERM},
                 {"SIGCHLD", SIGCHLD}, {"SIGCONT", SIGCONT}, {"SIGSTOP", SIGSTOP},  {"SIGTSTP", SIGTSTP},
                 {"SIGSYS", SIGSYS},   {"SIGPWR", SIGPWR},   {"SIGWINCH", SIGWINCH}};
    char name[SIGNAL_NAME_MAX];

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        ck_assert_int_eq(signal_from_name(known[i].name), known[i].number);
        ck_assert_str_eq(signal_to_name(known[i].number, name), known[i].name);
    }
}
END_TEST

START_TEST(real_time_signals)
{
    char name[SIGNAL_NAME_MAX], wanted[SIGNAL_NAME_MAX];

    ck_assert_str_eq(signal_to_name(SIGRTMIN, name), "SIGRTMIN");
    ck_assert_str_eq(signal_to_name(SIGRTMAX, name), "SIGRTMAX");
    for (int number = SIGRTMIN + 1; number < SIGRTMAX; number++) {
        snprintf(wanted, sizeof wanted, "SIGRTMIN+%d", number - SIGRTMIN);
        ck_assert_str_eq(signal_to_name(number, name), wanted);
        ck_assert_int_eq(signal_from_name(wanted), number);
    }
}
END_TEST

START_TEST(unknown_names)
{
    static const char *const unknown[] = {
        "",          "SIG",        "TERM",        "sigterm",     "SIGTERM ",
        " SIGTERM",  "SIGTERMX",   "SIGNOTHING",  "15",          "SIG15",
        "SIG0",      "SIG65",      "SIGRTMIN+31", "SIGRTMIN+99", "SIGRTMIN+-1",
        "SIGRTMIN+", "SIGRTMAX+1", "SIGRTMAX-0",  "SIGERR",
    };

    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        ck_assert_int_eq(signal_from_name(unknown[i]), -EINVAL);
}
END_TEST

/* signal(7) knows some signals by two names; which of them a user writes is a matter of habit. */
START_TEST(synonyms)
{
    char name[SIGNAL_NAME_MAX];

    ck_assert_int_eq(signal_from_name("SIGIO"), SIGIO);
    ck_assert_int_eq(signal_from_name("SIGPOLL"), SIGPOLL);
    ck_assert_int_eq(signal_from_name("SIGIOT"), SIGABRT);
    ck_assert_int_eq(signal_from_name("SIGCLD"), SIGCHLD);
    ck_assert_int_eq(signal_from_name("SIGRTMAX-1"), SIGRTMAX - 1);
    ck_assert_int_eq(signal_from_name("SIGRTMAX-14"), SIGRTMAX - 14); /* as the shell's kill -l has it */
    ck_assert_int_eq(signal_from_name("SIGRTMIN+30"), SIGRTMAX);
    ck_assert_int_eq(signal_from_name("SIGRTMAX-30"), SIGRTMIN);
    ck_assert_int_eq(signal_from_name("SIGRTMAX-31"), -EINVAL);
    ck_assert_int_eq(signal_from_name("SIGRTMIN+01"), -EINVAL); /* one spelling of a number */
    ck_assert_int_eq(signal_from_name("SIGRTMIN+0"), -EINVAL);
    ck_assert_str_eq(signal_to_name(SIGABRT, name), "SIGABRT");
    ck_assert_str_eq(signal_to_name(SIGCHLD, name), "SIGCHLD");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("signals");
    TCase *tcase = tcase_create("signals");

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, every_number_has_a_name_of_its_own);
    tcase_add_test(tcase, known_names);
    tcase_add_test(tcase, real_time_signals);
    tcase_add_test(tcase, unknown_names);
    tcase_add_test(tcase, synonyms);
    return RUN_SUITE(suite);
}
