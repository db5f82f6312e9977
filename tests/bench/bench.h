/*
 * What the measurements share: options, rounds in turn, the table and the JSON lines.
 *
 * A figure is a ratio. Floor (the least that the kernel asks for the same work) and subject (procd) run in
 * turn within one run, so that both see the same machine; a round of each gives one value, in the unit of
 * the case.
 */
#ifndef PROCD_TESTS_BENCH_BENCH_H
#define PROCD_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>

enum bench_aim { AIM_NONE, AIM_AT_MOST, AIM_AT_LEAST };

struct bench_case {
    const char *name;
    const char *unit;
    double (*floor)(void *context); /* one round: its value */
    double (*subject)(void *context);
    void *context;
    enum bench_aim aim; /* of subject / floor */
    double limit;
};

/* Reads --rounds, --json, --help, and prints what is measured on what. Ends the program where it must. */
void bench_begin(int argc, char **argv, const char *what);

/* A round of each to warm up, then the rounds: prints a line of the table. */
void bench_compare(const struct bench_case *of);

/* A figure that has no floor. */
void bench_figure(const char *name, const char *unit, double value, enum bench_aim aim, double limit);

/* One that cannot be measured here, and why. */
void bench_skip(const char *name, const char *why);

/* Prints why and ends the program with status 1. With errno's text where it is not 0. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

double bench_seconds(void);

/* The processors that this program may use, at most `max` of them. */
size_t bench_processors(int *processors, size_t max);
/* pid 0: the caller. processor -1: wherever this program could run at its start. */
void bench_pin(int pid, int processor);

/* The path of a program that was built beside this one. */
const char *bench_beside(const char *name);

#endif
