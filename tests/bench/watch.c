/* SPDX-License-Identifier: MIT */
#include "tests/bench/watch.h"

#include "tests/bench/report.h"
#include "tests/bench/statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_on, of_floor;
static enum bench_figure watched;

bool watch_choose(const char *side_and_figure)
{
    const char *figure = strchr(side_and_figure, ':');

    of_floor = strncmp(side_and_figure, "floor:", 6) == 0;
    is_on = figure && (of_floor || strncmp(side_and_figure, "subject:", 8) == 0) &&
            report_find(figure + 1, &watched);
    return is_on;
}

bool watch_is_on(void)
{
    return is_on;
}

/* Who looks takes as long as it needs. */
static void await_answer(void)
{
    char line[16];

    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        exit(0);
}

static void prepare(const struct bench_case *of)
{
    if (of->prepare)
        of->prepare(of_floor);
}

static void phase(const struct bench_case *of, bench_round *round, unsigned rounds)
{
    double *values = calloc(rounds, sizeof *values);

    if (!values)
        bench_die("memory");
    printf("watch begin %u\n", rounds * (of->count ? of->count : 1));
    await_answer();
    for (unsigned i = 0; i < rounds; i++)
        values[i] = round(of->context);
    printf("watch end %.6g\n", spread_of(values, rounds).median);
    await_answer();
    free(values);
}

/* What has to be prepared is not looked at: then each round is by itself. */
void watch_rounds(enum bench_figure figure, const struct bench_case *of, unsigned rounds)
{
    bench_round *round = of_floor ? of->floor : of->subject;
    unsigned at_once = of->prepare ? 1 : rounds;

    if (figure != watched)
        return;
    if (!round)
        bench_die("it has no floor");
    prepare(of);
    (void) round(of->context);
    for (unsigned done = 0; done < rounds; done += at_once) {
        prepare(of);
        phase(of, round, at_once);
    }
}
