/* SPDX-License-Identifier: MIT */
#include "tests/bench/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define ROW "%-39s %-27s %-27s %6s %5s  "

enum aim { NONE, AT_MOST, AT_LEAST, RATIO_AT_MOST, RATIO_AT_LEAST };

static const struct {
    const char *identifier, *name, *floor, *unit;
    enum aim aim;
    double limit;
} figures[] = {
#define FIGURE(identifier, name, floor, unit, aim, limit) {#identifier, name, floor, unit, aim, limit},
#define CURVE(identifier, name, floor, of, most, unit)
#include "tests/bench/figures.def"
#undef FIGURE
#undef CURVE
};

static const struct {
    const char *identifier, *name, *floor, *of;
    unsigned most;
    const char *unit;
} curves[] = {
#define FIGURE(identifier, name, floor, unit, aim, limit)
#define CURVE(identifier, name, floor, of, most, unit) {#identifier, name, floor, of, most, unit},
#include "tests/bench/figures.def"
#undef FIGURE
#undef CURVE
};

static FILE *json;

/* ---- the file ---- */

void report_open(const char *json_path)
{
    if (!json_path || !*json_path)
        return;
    json = fopen(json_path, "ae");
    if (!json)
        bench_die("%s", json_path);
    setlinebuf(json);
}

static void put(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void put(const char *format, ...)
{
    va_list arguments;

    if (!json)
        return;
    va_start(arguments, format);
    vfprintf(json, format, arguments);
    va_end(arguments);
}

/* As a member; our own texts need no escapes. */
static void put_spread(const char *name, const struct spread *spread)
{
    put(",\"%s\":{\"median\":%.6g,\"min\":%.6g,\"max\":%.6g}", name, spread->median, spread->min,
        spread->max);
}

bool report_find(const char *identifier, enum bench_figure *ret_figure)
{
    for (size_t i = 0; i < FIGURE_COUNT; i++)
        if (strcmp(figures[i].identifier, identifier) == 0) {
            *ret_figure = (enum bench_figure) i;
            return true;
        }
    return false;
}

/* ---- the aim ---- */

static bool is_at_most(enum aim aim)
{
    return aim == AT_MOST || aim == RATIO_AT_MOST;
}

static bool is_of_ratio(enum aim aim)
{
    return aim == RATIO_AT_MOST || aim == RATIO_AT_LEAST;
}

static bool is_met(enum bench_figure figure, double ratio, double value)
{
    double held = is_of_ratio(figures[figure].aim) ? ratio : value, limit = figures[figure].limit;

    return is_at_most(figures[figure].aim) ? held <= limit : held >= limit;
}

static void print_aim(enum bench_figure figure, bool met)
{
    if (figures[figure].aim == NONE)
        printf("\n");
    else
        printf("%s %.7g%s %s\n", is_at_most(figures[figure].aim) ? "<=" : ">=", figures[figure].limit,
               is_of_ratio(figures[figure].aim) ? "" : " of the figure", met ? "met" : "missed");
}

static void put_aim(enum bench_figure figure, bool met)
{
    if (figures[figure].aim != NONE)
        put(",\"aim\":{\"of\":\"%s\",\"%s\":%.7g},\"met\":%s",
            is_of_ratio(figures[figure].aim) ? "ratio" : "value",
            is_at_most(figures[figure].aim) ? "at_most" : "at_least", figures[figure].limit,
            met ? "true" : "false");
}

/* ---- figures ---- */

static const char *spread_text(const struct spread *spread, const char *unit, char text[64])
{
    int digits = spread->max < 10 ? 2 : spread->max < 1000 ? 1 : 0;

    if (spread->min == spread->max)
        snprintf(text, 64, "%.4g %s", spread->median, unit);
    else
        snprintf(text, 64, "%.*f [%.*f-%.*f] %s", digits, spread->median, digits, spread->min, digits,
                 spread->max, unit);
    return text;
}

static void print_row(const char *name, const char *unit, const struct spread *floor,
                      const struct spread *subject, const struct spread *pairs)
{
    char floor_text[64] = "", subject_text[64], ratio[16] = "", pair[16] = "";

    if (floor) {
        spread_text(floor, unit, floor_text);
        snprintf(ratio, sizeof ratio, "%.2f", subject->median / floor->median);
    }
    if (pairs)
        snprintf(pair, sizeof pair, "%.2f", pairs->median);
    printf(ROW, name, floor_text, spread_text(subject, unit, subject_text), ratio, pair);
}

static void put_peers(const struct report_figure *of)
{
    put(",\"peers\":[");
    for (size_t i = 0; i < of->peer_count; i++) {
        put("%s{\"name\":\"%s\"", i ? "," : "", of->peers[i].name);
        put_spread("spread", &of->peers[i].spread);
        put(",\"ratio\":%.4f}", of->peers[i].spread.median / of->floor->median);
    }
    put("]");
}

static void print_peers(const char *unit, const struct report_figure *of)
{
    for (size_t i = 0; i < of->peer_count; i++) {
        char name[64], text[64];

        snprintf(name, sizeof name, "  by %s", of->peers[i].name);
        printf("%-39s %-27s %-27s %6.2f\n", name, "", spread_text(&of->peers[i].spread, unit, text),
               of->peers[i].spread.median / of->floor->median);
    }
}

void report_figure(enum bench_figure figure, const struct report_figure *of)
{
    double ratio = of->floor ? of->subject.median / of->floor->median : 0;
    bool met = is_met(figure, ratio, of->subject.median);

    print_row(figures[figure].name, figures[figure].unit, of->floor, &of->subject,
              of->floor ? &of->pairs : NULL);
    print_aim(figure, met);
    print_peers(figures[figure].unit, of);

    put("{\"figure\":\"%s\",\"place\":%u,\"name\":\"%s\",\"unit\":\"%s\",\"floor_is\":\"%s\",\"rounds\":%u",
        figures[figure].identifier, (unsigned) figure, figures[figure].name, figures[figure].unit,
        figures[figure].floor, of->rounds);
    put_spread("subject", &of->subject);
    if (of->floor) {
        put_spread("floor", of->floor);
        put_spread("pairs", &of->pairs);
        put(",\"ratio\":%.4f", ratio);
        put_peers(of);
    }
    put_aim(figure, met);
    put("}\n");
}

void report_skip(enum bench_figure figure, const char *why)
{
    printf("%-39s skipped: %s\n", figures[figure].name, why);
    put("{\"figure\":\"%s\",\"place\":%u,\"name\":\"%s\",\"skipped\":\"%s\"}\n", figures[figure].identifier,
        (unsigned) figure, figures[figure].name, why);
}

/* ---- curves ---- */

void report_curve_begin(enum bench_curve curve)
{
    printf("%s; floor: %s\n", curves[curve].name, curves[curve].floor);
    put("{\"curve\":\"%s\",\"name\":\"%s\",\"of\":\"%s\",\"unit\":\"%s\",\"floor_is\":\"%s\",\"points\":[",
        curves[curve].identifier, curves[curve].name, curves[curve].of, curves[curve].unit,
        curves[curve].floor);
}

void report_point(enum bench_curve curve, unsigned count, const struct report_figure *of)
{
    char name[64];

    snprintf(name, sizeof name, "  %u %s", count, curves[curve].of);
    print_row(name, curves[curve].unit, of->floor, &of->subject, &of->pairs);
    printf("\n");
    put("%s{\"count\":%u,\"ratio\":%.4f", count > 1 ? "," : "", count,
        of->subject.median / of->floor->median);
    put_spread("floor", of->floor);
    put_spread("subject", &of->subject);
    put("}");
}

void report_curve_end(void)
{
    put("]}\n");
}

unsigned report_curve_most(enum bench_curve curve)
{
    return curves[curve].most;
}

void report_begin(const char *what, unsigned processors, unsigned rounds)
{
    struct utsname name;

    if (uname(&name) < 0)
        bench_die("uname");
    setlinebuf(stdout);
    printf("%s (%s %s, %u processors, %u rounds)\n", what, name.sysname, name.release, processors, rounds);
    printf(ROW "%s\n", "", "floor: median [min-max]", "subject", "ratio", "pairs", "aim");
}
