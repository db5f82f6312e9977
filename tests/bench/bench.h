/* SPDX-License-Identifier: MIT */
/*
 * What the measurements share: options, rounds in turn, the table and the JSON lines.
 *
 * Most figures are ratios. Floor (the least that the kernel asks for the same work) and subject (procd) run
 * in turn within one run, so that both see the same machine; a round of each gives one value, in the unit of
 * the figure. What is measured, held against what, and how good it is to be: figures.def.
 */
#ifndef PROCD_TESTS_BENCH_BENCH_H
#define PROCD_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>

enum bench_figure {
#define FIGURE(identifier, name, floor, unit, aim, limit) FIGURE_##identifier,
#define CURVE(identifier, name, floor, of, most, unit)
#include "tests/bench/figures.def"
#undef FIGURE
#undef CURVE
    FIGURE_COUNT
};

enum bench_curve {
#define FIGURE(identifier, name, floor, unit, aim, limit)
#define CURVE(identifier, name, floor, of, most, unit) CURVE_##identifier,
#include "tests/bench/figures.def"
#undef FIGURE
#undef CURVE
    CURVE_COUNT
};

/* One round: its value. */
typedef double bench_round(void *context);

struct bench_case {
    bench_round *floor; /* NULL: the figure has none */
    bench_round *subject;
    void *context;
    unsigned rounds; /* at most so many; 0: as many as were asked for */
    unsigned times;  /* that so often, where they differ much; 0: once */
    unsigned count;  /* how often one does what is measured; 0: once */
    /* Before each round: what it needs, and is no part of it. NULL: nothing. */
    void (*prepare)(bool of_floor);
};

/* Reads --rounds, --json, --watch, --help, and prints what is measured on what. Ends the program where it
 * must. */
void bench_begin(int argc, char **argv, const char *what);

/* One side of one figure is looked at by itself: watch.h. Nobody else takes part, and no other figure is
 * measured: what would be prepared for others may be left out. */
bool bench_is_watched(void);

/* Somebody else who does the same: measured in turn with the next figure that is compared. */
void bench_peer(const char *name, bench_round *round, void *context);

/* A round of each to warm up, then the rounds: prints a line of the table, and one for each peer. */
void bench_compare(enum bench_figure figure, const struct bench_case *of);

/* A figure that is one number. */
void bench_value(enum bench_figure figure, double value);

/* One that cannot be measured here, and why. */
void bench_skip(enum bench_figure figure, const char *why);

/* Before each point `grow` makes the others as many as it is told. Its false: so many cannot be had here, and
 * the curve ends. */
void bench_grow(enum bench_curve curve, const struct bench_case *of, bool (*grow)(unsigned count));

/* Prints why and ends the program with status 1. With errno's text where it is not 0. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

double bench_seconds(void);

/* The processors that this program may use, at most `max` of them. */
size_t bench_processors(int *processors, size_t max);
/* pid 0: the caller. processor -1: wherever this program could run at its start. */
void bench_pin(int pid, int processor);

/* The path of a program that was built beside this one: memory of the caller's. */
char *bench_beside(const char *name);

#endif
