#include "tests/bench/bench.h"

#include "tests/bench/statistics.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 1000
#define HEAD       "%-34s %-26s %-26s %5s %5s  %s\n"

static unsigned rounds = 15;
static FILE *json;
static cpu_set_t allowed;

/* ---- begin ---- */

_Noreturn static void usage(const char *program, int status)
{
    fprintf(status ? stderr : stdout,
            "usage: %s [--rounds N] [--json FILE]\n"
            "  --rounds N   measure floor and subject N times in turn (default 15, $BENCH_ROUNDS)\n"
            "  --json FILE  append each figure as a line of JSON ($BENCH_JSON)\n"
            "The daemon is $PROCD.\n",
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

static void open_json(const char *path)
{
    json = fopen(path, "ae");
    if (!json)
        bench_die("%s", path);
    setlinebuf(json);
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"rounds", required_argument, NULL, 'r'},
        {"json", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = getenv("BENCH_JSON"), *number = getenv("BENCH_ROUNDS");
    int option;

    if (number && *number)
        set_rounds(argv[0], number);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'r')
            set_rounds(argv[0], optarg);
        else if (option == 'j')
            path = optarg;
        else
            usage(argv[0], option == 'h' ? 0 : 2);
    }
    if (optind < argc)
        usage(argv[0], 2);
    if (path && *path)
        open_json(path);
}

void bench_begin(int argc, char **argv, const char *what)
{
    struct utsname name;

    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0 || uname(&name) < 0)
        bench_die("this machine");
    read_options(argc, argv);
    setlinebuf(stdout);
    printf("%s (%s %s, %d processors, %u rounds)\n", what, name.sysname, name.release, CPU_COUNT(&allowed),
           rounds);
    printf(HEAD, "", "floor: median [min-max]", "subject", "ratio", "pairs", "aim");
}

/* ---- figures ---- */

static bool is_met(enum bench_aim aim, double limit, double value)
{
    return aim == AIM_AT_MOST ? value <= limit : value >= limit;
}

static void print_aim(enum bench_aim aim, double limit, double value)
{
    if (aim == AIM_NONE)
        printf("\n");
    else
        printf("%s %.4g %s\n", aim == AIM_AT_MOST ? "<=" : ">=", limit,
               is_met(aim, limit, value) ? "met" : "missed");
}

static void json_aim(enum bench_aim aim, double limit, double value)
{
    if (aim != AIM_NONE)
        fprintf(json, ",\"aim\":{\"%s\":%.4g},\"met\":%s", aim == AIM_AT_MOST ? "at_most" : "at_least", limit,
                is_met(aim, limit, value) ? "true" : "false");
    fprintf(json, "}\n");
}

static void json_spread(const char *name, const struct spread *spread)
{
    fprintf(json, ",\"%s\":{\"median\":%.6g,\"min\":%.6g,\"max\":%.6g}", name, spread->median, spread->min,
            spread->max);
}

static void print_spread(const char *unit, const struct spread *spread)
{
    int digits = spread->max < 10 ? 2 : spread->max < 1000 ? 1 : 0;
    char text[64];

    snprintf(text, sizeof text, "%.*f [%.*f-%.*f] %s", digits, spread->median, digits, spread->min, digits,
             spread->max, unit);
    printf(" %-26s", text);
}

void bench_compare(const struct bench_case *of)
{
    double floor[ROUNDS_MAX], subject[ROUNDS_MAX], pairs[ROUNDS_MAX], ratio;
    struct spread floors, subjects, ratios;

    (void) of->floor(of->context);
    (void) of->subject(of->context);
    for (unsigned i = 0; i < rounds; i++) {
        floor[i] = of->floor(of->context);
        subject[i] = of->subject(of->context);
        pairs[i] = subject[i] / floor[i];
    }
    floors = spread_of(floor, rounds);
    subjects = spread_of(subject, rounds);
    ratios = spread_of(pairs, rounds);
    ratio = subjects.median / floors.median;

    printf("%-34s", of->name);
    print_spread(of->unit, &floors);
    print_spread(of->unit, &subjects);
    printf(" %5.2f %5.2f  ", ratio, ratios.median);
    print_aim(of->aim, of->limit, ratio);
    if (!json)
        return;
    fprintf(json, "{\"name\":\"%s\",\"unit\":\"%s\",\"rounds\":%u", of->name, of->unit, rounds);
    json_spread("floor", &floors);
    json_spread("subject", &subjects);
    fprintf(json, ",\"ratio\":%.4f", ratio);
    json_spread("pairs", &ratios);
    json_aim(of->aim, of->limit, ratio);
}

void bench_figure(const char *name, const char *unit, double value, enum bench_aim aim, double limit)
{
    char text[64];

    snprintf(text, sizeof text, "%.4g %s", value, unit);
    printf("%-34s %-26s %-26s %5s %5s  ", name, "", text, "", "");
    print_aim(aim, limit, value);
    if (!json)
        return;
    fprintf(json, "{\"name\":\"%s\",\"unit\":\"%s\",\"value\":%.6g", name, unit, value);
    json_aim(aim, limit, value);
}

void bench_skip(const char *name, const char *why)
{
    printf("%-34s skipped: %s\n", name, why);
    if (json)
        fprintf(json, "{\"name\":\"%s\",\"skipped\":\"%s\"}\n", name, why);
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

const char *bench_beside(const char *name)
{
    static char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    path[length < 0 ? 0 : length] = '\0';
    slash = strrchr(path, '/');
    if (!slash || (size_t) (slash + 1 - path) + strlen(name) >= sizeof path)
        bench_die("the path of this program");
    strcpy(slash + 1, name);
    return path;
}
