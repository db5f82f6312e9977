/* SPDX-License-Identifier: MIT */
#include "tests/bench/bench.h"

#include "tests/bench/report.h"
#include "tests/bench/trees.h"
#include "tests/bench/watch.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 1000
#define ROUNDS 15
#define ROUNDS_SHORT 5
#define ROUNDS_CURVE 5 /* of each point */
#define ROUNDS_PEER 3  /* they are slow, and no aim hangs on them */
#define PEERS_MAX 8

struct peer {
    const char *name;
    bench_round *round;
    void *context;
    double values[ROUNDS_PEER];
};

static unsigned rounds;
static cpu_set_t allowed;
static struct peer peers[PEERS_MAX];
static size_t peer_count;

/* ---- begin ---- */

_Noreturn static void usage(const char *program, int status)
{
    fprintf(status ? stderr : stdout,
            "usage: %s [--rounds N] [--json FILE] [--watch SIDE:FIGURE]\n"
            "  --rounds N   measure floor and subject N times in turn (default 15, $BENCH_ROUNDS)\n"
            "  --json FILE  append each figure as a line of JSON ($BENCH_JSON)\n"
            "  --watch SIDE:FIGURE  the rounds of floor or subject alone, for who looks at it\n"
            "The daemon is $PROCD. $BENCH_SHORT: fewer rounds.\n",
            program);
    exit(status);
}

static void set_rounds(const char *program, const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (*end || number < 1 || number > ROUNDS_MAX)
        usage(program, 2);
    rounds = (unsigned) number;
}

static bool is_asked_for(const char *name)
{
    const char *value = getenv(name);

    return value && *value && strcmp(value, "0") != 0;
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"rounds", required_argument, NULL, 'r'},
        {"json", required_argument, NULL, 'j'},
        {"watch", required_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = getenv("BENCH_JSON"), *number = getenv("BENCH_ROUNDS");
    int option;

    rounds = is_asked_for("BENCH_SHORT") ? ROUNDS_SHORT : ROUNDS;
    if (number && *number)
        set_rounds(argv[0], number);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'r')
            set_rounds(argv[0], optarg);
        else if (option == 'j')
            path = optarg;
        else if (option != 'w' || !watch_choose(optarg))
            usage(argv[0], option == 'h' ? 0 : 2);
    }
    if (optind < argc)
        usage(argv[0], 2);
    report_open(path);
}

void bench_begin(int argc, char **argv, const char *what)
{
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        bench_die("this machine");
    read_options(argc, argv);
    trees_rest(); /* of whoever ran before */
    report_begin(what, (unsigned) CPU_COUNT(&allowed), rounds);
}

/* ---- rounds ---- */

bool bench_is_watched(void)
{
    return watch_is_on();
}

void bench_peer(const char *name, bench_round *round, void *context)
{
    if (peer_count == PEERS_MAX)
        bench_die("too many peers");
    peers[peer_count++] = (struct peer){.name = name, .round = round, .context = context};
}

/* Between those of floor and subject, and spread over them. */
static void peer_rounds(unsigned round, unsigned count)
{
    unsigned step = count / ROUNDS_PEER;

    if (count < ROUNDS_PEER || round % step != 0 || round / step >= ROUNDS_PEER)
        return;
    for (size_t i = 0; i < peer_count; i++)
        peers[i].values[round / step] = peers[i].round(peers[i].context);
}

static size_t peers_report(struct report_side sides[PEERS_MAX], unsigned count)
{
    for (size_t i = 0; i < peer_count; i++)
        sides[i] = (struct report_side){peers[i].name, spread_of(peers[i].values, ROUNDS_PEER)};
    return count < ROUNDS_PEER ? 0 : peer_count;
}

static double one_round(const struct bench_case *of, bool of_floor)
{
    if (of->prepare)
        of->prepare(of_floor);
    return of_floor ? of->floor(of->context) : of->subject(of->context);
}

/* Floor and subject, then the neighbours' ratios. */
static void measure(const struct bench_case *of, unsigned count, struct spread *ret_floor,
                    struct report_figure *ret_figure)
{
    double floors[ROUNDS_MAX], subjects[ROUNDS_MAX], pairs[ROUNDS_MAX];

    if (of->floor)
        (void) one_round(of, true);
    (void) one_round(of, false);
    for (unsigned i = 0; i < count; i++) {
        floors[i] = of->floor ? one_round(of, true) : 1;
        subjects[i] = one_round(of, false);
        pairs[i] = subjects[i] / floors[i];
        peer_rounds(i, count);
    }
    *ret_floor = spread_of(floors, count);
    *ret_figure = (struct report_figure){.rounds = count,
                                         .floor = of->floor ? ret_floor : NULL,
                                         .subject = spread_of(subjects, count),
                                         .pairs = spread_of(pairs, count)};
}

static unsigned rounds_of(const struct bench_case *of)
{
    unsigned count = of->rounds && of->rounds < rounds ? of->rounds : rounds;

    if (of->times && !watch_is_on()) /* who looks on has asked for so many */
        count *= of->times;
    return count < ROUNDS_MAX ? count : ROUNDS_MAX;
}

void bench_compare(enum bench_figure figure, const struct bench_case *of)
{
    unsigned count = rounds_of(of);
    struct report_side sides[PEERS_MAX];
    struct report_figure measured;
    struct spread floor;

    if (watch_is_on()) {
        watch_rounds(figure, of, count);
        return;
    }
    measure(of, count, &floor, &measured);
    measured.peers = sides;
    measured.peer_count = peers_report(sides, count);
    report_figure(figure, &measured);
    peer_count = 0;
}

void bench_value(enum bench_figure figure, double value)
{
    struct report_figure measured = {.rounds = 1, .subject = {value, value, value}};

    if (!watch_is_on())
        report_figure(figure, &measured);
}

void bench_skip(enum bench_figure figure, const char *why)
{
    if (!watch_is_on())
        report_skip(figure, why);
}

void bench_grow(enum bench_curve curve, const struct bench_case *of, bool (*grow)(unsigned count))
{
    unsigned most = report_curve_most(curve), count = rounds < ROUNDS_CURVE ? rounds : ROUNDS_CURVE;
    struct report_figure measured;
    struct spread floor;

    if (watch_is_on())
        return;
    report_curve_begin(curve);
    for (unsigned size = 1; size <= most && grow(size); size *= 10) {
        measure(of, count, &floor, &measured);
        report_point(curve, size, &measured);
    }
    report_curve_end();
}

/* ---- helpers ---- */

_Noreturn void bench_die(const char *format, ...)
{
    int error = errno;
    va_list arguments;

    fflush(stdout);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, error ? ": %s\n" : "\n", strerror(error));
    exit(1);
}

double bench_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

size_t bench_processors(int *processors, size_t max)
{
    size_t count = 0;

    for (int i = 0; i < CPU_SETSIZE && count < max; i++)
        if (CPU_ISSET(i, &allowed))
            processors[count++] = i;
    return count;
}

void bench_pin(int pid, int processor)
{
    cpu_set_t set = allowed;

    if (processor >= 0) {
        CPU_ZERO(&set);
        CPU_SET(processor, &set);
    }
    if (sched_setaffinity(pid, sizeof set, &set) < 0)
        bench_die("pinning process %d", pid);
}

char *bench_beside(const char *name)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash, *beside;

    path[length < 0 ? 0 : length] = '\0';
    slash = strrchr(path, '/');
    if (!slash || asprintf(&beside, "%.*s%s", (int) (slash + 1 - path), path, name) < 0)
        bench_die("the path of this program");
    return beside;
}
