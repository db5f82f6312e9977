/* SPDX-License-Identifier: MIT */
/* One event wakes a thousand processes. */
#include "client/lib/procd.h"
#include "tests/bench/bench.h"
#include "tests/bench/raw.h"
#include "tests/bench/subject.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLEEPERS 1000
#define TIMES 2 /* the rounds of others: single ones differ by a factor */

struct shared {
    _Atomic int round;  /* the futex sleepers wait for it to change */
    _Atomic int asleep; /* are about to sleep */
    _Atomic int awake;
    _Atomic int last; /* a futex: all are awake */
};

enum side { FUTEX, LIBRARY, SOCKET, WRITER, TWO, UNRECORDED, ANOTHER, SIDES };

static struct shared *shared; /* of the side whose turn it is */
static struct shared *sides;
static int number; /* of the sleeper, from 0 */
static procd_event *event;
static const struct subject *subject, *without, *again;
static struct wire wire, unrecorded, another; /* those behind it: of daemons that keep no journal */

#define NAMED(name) "\"name\":\"" name "\""

static const char wait_request[] = WIRE_REQUEST("event.wait", NAMED("gun"));
static const char set_request[] = WIRE_REQUEST("event.set", NAMED("gun"));
static const char clear_request[] = WIRE_REQUEST("event.clear", NAMED("gun"));
static const char set_shot[] = WIRE_REQUEST("event.set", NAMED("shot"));
static const char clear_shot[] = WIRE_REQUEST("event.clear", NAMED("shot"));

static long futex(_Atomic int *word, int operation, int value)
{
    return syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

static void awake(void)
{
    if (atomic_fetch_add(&shared->awake, 1) + 1 < SLEEPERS)
        return;
    atomic_store(&shared->last, 1);
    futex(&shared->last, FUTEX_WAKE, 1);
}

_Noreturn static void sleep_on_futex(void)
{
    for (;;) {
        int round = atomic_load(&shared->round);

        atomic_fetch_add(&shared->asleep, 1);
        while (atomic_load(&shared->round) == round)
            futex(&shared->round, FUTEX_WAIT, round);
        awake();
    }
}

static struct line {
    _Alignas(64) _Atomic uint32_t word; /* nobody changes it */
} *own_words;

/* As libprocd's does, on the event's word and on one that is the process's own, and for so long at most. */
#define SLEEP_SECONDS 10

_Noreturn static void sleep_on_two(void)
{
    for (;;) {
        int round = atomic_load(&shared->round);
        const struct futex_waitv both[2] = {
            {.uaddr = (uintptr_t) &own_words[number].word, .val = 0, .flags = FUTEX_32},
            {.uaddr = (uintptr_t) &shared->round, .val = (uint64_t) round, .flags = FUTEX_32},
        };

        atomic_fetch_add(&shared->asleep, 1);
        while (atomic_load(&shared->round) == round) {
            struct timespec end;

            clock_gettime(CLOCK_MONOTONIC, &end);
            end.tv_sec += SLEEP_SECONDS;
            if (syscall(SYS_futex_waitv, both, 2, 0, &end, CLOCK_MONOTONIC) < 0 && errno != EAGAIN &&
                errno != EINTR && errno != ETIMEDOUT)
                _exit(1); /* there is no such call: they are not measured */
        }
        awake();
    }
}

static bool can_sleep_on_two(void)
{
    bool can = syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) < 0 && errno == EINVAL; /* of none */

    errno = 0;
    return can;
}

static void until_next_round(int round)
{
    while (atomic_load(&shared->round) == round)
        futex(&shared->round, FUTEX_WAIT, round);
}

/* The next round begins when the event was cleared. */
_Noreturn static void sleep_in_library(void)
{
    event = procd_event_new("shot");
    if (!event || procd_event_wait(event, 0) != 0)
        bench_die("event: %s", procd_last_error()->message);
    for (;;) {
        int round = atomic_load(&shared->round);

        atomic_fetch_add(&shared->asleep, 1);
        if (procd_event_wait(event, PROCD_FOREVER) != 1)
            bench_die("wait: %s", procd_last_error()->message);
        awake();
        until_next_round(round);
    }
}

/* The same; the answer has come. */
_Noreturn static void sleep_on_event(void)
{
    struct wire mine;

    subject_connect(subject, &mine);
    for (;;) {
        int round = atomic_load(&shared->round);

        wire_send(&mine, wait_request, sizeof wait_request - 1);
        atomic_fetch_add(&shared->asleep, 1);
        wire_expect(wire_line(&mine), "true");
        awake();
        until_next_round(round);
    }
}

/* ---- beside them: a process that does no more than to write to the socket of each ---- */

static int pairs[SLEEPERS][2], starter[2];

_Noreturn static void sleep_on_socket(void)
{
    for (;;) {
        int round = atomic_load(&shared->round);
        char buffer[128];

        atomic_fetch_add(&shared->asleep, 1);
        if (recv(pairs[number][0], buffer, sizeof buffer, 0) <= 0)
            _exit(1);
        awake();
        until_next_round(round);
    }
}

_Noreturn static void write_to_each(void)
{
    static const char answer[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"set\":true}}\n";
    char byte;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (recv(starter[1], &byte, 1, 0) == 1)
        for (int i = 0; i < SLEEPERS; i++)
            if (send(pairs[i][1], answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
                _exit(1);
    _exit(0);
}

static void begin_writer(void)
{
    pid_t pid;

    if (!raw_descriptors(2 * SLEEPERS + 100))
        bench_die("descriptors");
    for (int i = 0; i < SLEEPERS; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]) < 0)
            bench_die("socketpair");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, starter) < 0 || (pid = fork()) < 0)
        bench_die("a process that writes");
    if (pid == 0)
        write_to_each();
}

/* ---- rounds ---- */

static void begin_sleepers(void (*sleeper)(void))
{
    for (number = 0; number < SLEEPERS; number++) {
        pid_t pid = fork();

        if (pid < 0)
            bench_die("fork");
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            sleeper();
        }
    }
}

static void until(_Atomic int *word, int value)
{
    while (atomic_load(word) < value)
        poll(NULL, 0, 1);
}

static double wake(void (*shoot)(void))
{
    double begin;

    atomic_store(&shared->awake, 0);
    atomic_store(&shared->last, 0);
    begin = bench_seconds();
    shoot();
    while (!atomic_load(&shared->last))
        futex(&shared->last, FUTEX_WAIT, 0);
    return (bench_seconds() - begin) * 1e3;
}

static void next_round(void)
{
    atomic_fetch_add(&shared->round, 1);
    futex(&shared->round, FUTEX_WAKE, INT_MAX);
}

static void shoot_by_library(void)
{
    if (procd_event_set(event) != 0)
        bench_die("set: %s", procd_last_error()->message);
}

static void shoot_by_socket(void)
{
    wire_send(&wire, set_request, sizeof set_request - 1);
}

/* Every one of them has told that it sleeps; a little later it does. */
static void wait_for_sleepers(void)
{
    until(&shared->asleep, SLEEPERS);
    atomic_store(&shared->asleep, 0);
    poll(NULL, 0, 50);
}

static void shoot_writer(void)
{
    (void) send(starter[0], "", 1, MSG_NOSIGNAL);
}

static double writer_round(void *context)
{
    double span = wake(shoot_writer);

    (void) context;
    next_round();
    return span;
}

/* ---- before each: all lie down again ---- */

static void clear_by_library(void)
{
    if (procd_event_clear(event) != 0)
        bench_die("clear: %s", procd_last_error()->message);
}

static void clear_by_socket(void)
{
    wire_call(&wire, clear_request, sizeof clear_request - 1);
}

static void lay_down(enum side side, void (*clear)(void))
{
    static bool is_shot[SIDES];

    shared = &sides[side];
    if (is_shot[side] && clear) {
        clear();
        next_round();
    }
    is_shot[side] = true;
    wait_for_sleepers();
}

static void prepare_library(bool of_floor)
{
    lay_down(of_floor ? FUTEX : LIBRARY, of_floor ? NULL : clear_by_library);
}

static void prepare_socket(bool of_floor)
{
    lay_down(of_floor ? FUTEX : SOCKET, of_floor ? NULL : clear_by_socket);
}

static void prepare_two(bool of_floor)
{
    lay_down(of_floor ? FUTEX : TWO, NULL);
}

static void prepare_writer(bool of_floor)
{
    lay_down(of_floor ? FUTEX : WRITER, NULL);
}

/* ---- what the journal costs: all by libprocd, shot and cleared by the socket ---- */

static void clear_unrecorded(void)
{
    wire_call(&unrecorded, clear_shot, sizeof clear_shot - 1);
}

static void clear_another(void)
{
    wire_call(&another, clear_shot, sizeof clear_shot - 1);
}

static void clear_recorded(void)
{
    wire_call(&wire, clear_shot, sizeof clear_shot - 1);
}

static void prepare_journal(bool of_floor)
{
    if (of_floor)
        lay_down(UNRECORDED, clear_unrecorded);
    else
        lay_down(LIBRARY, clear_recorded);
}

/* How much two daemons differ that do not. */
static void prepare_twice(bool of_floor)
{
    if (of_floor)
        lay_down(UNRECORDED, clear_unrecorded);
    else
        lay_down(ANOTHER, clear_another);
}

static void shoot_unrecorded(void)
{
    wire_send(&unrecorded, set_shot, sizeof set_shot - 1);
}

static void shoot_another(void)
{
    wire_send(&another, set_shot, sizeof set_shot - 1);
}

static void shoot_recorded(void)
{
    wire_send(&wire, set_shot, sizeof set_shot - 1);
}

/* Once it has taken what a thousand have sent. */
static long long work_at_rest(const struct subject *of)
{
    long long before, now = subject_work(of).cpu;

    do {
        before = now;
        poll(NULL, 0, 5);
        now = subject_work(of).cpu;
    } while (now != before);
    return now;
}

/* The daemon's own: when the last of a thousand runs differs more by where they run, also between two daemons
 * of one kind. What it takes is on record once it sleeps. */
static double work_of_wake(const struct subject *of, struct wire *asker, void (*shoot)(void))
{
    long long before = work_at_rest(of);

    (void) wake(shoot);
    wire_expect(wire_line(asker), "");
    poll(NULL, 0, 2);
    return (double) (subject_work(of).cpu - before) / 1e6;
}

static double unrecorded_round(void *context)
{
    (void) context;
    return work_of_wake(without, &unrecorded, shoot_unrecorded);
}

static double another_round(void *context)
{
    (void) context;
    return work_of_wake(again, &another, shoot_another);
}

static double recorded_round(void *context)
{
    (void) context;
    return work_of_wake(subject, &wire, shoot_recorded);
}

static const struct subject *begin_unrecorded(enum side side, struct wire *ret_wire)
{
    const struct subject *other = subject_start_program(bench_beside("procd_unrecorded"));

    subject_connect(other, ret_wire);
    if (setenv("PROCD_SOCKET", other->socket, 1) < 0)
        bench_die("setenv");
    shared = &sides[side];
    begin_sleepers(sleep_in_library);
    return other;
}

static void compare_journal(void)
{
    const struct bench_case journal = {
        .floor = unrecorded_round, .subject = recorded_round, .times = TIMES, .prepare = prepare_journal};
    const struct bench_case twice = {
        .floor = unrecorded_round, .subject = another_round, .times = TIMES, .prepare = prepare_twice};

    bench_compare(FIGURE_JOURNAL_WAKE_ALL, &journal);
    bench_compare(FIGURE_JOURNAL_WAKE_ALL_NONE, &twice);
}

/* ---- the event ---- */

static double floor_round(void *context)
{
    (void) context;
    return wake(next_round);
}

static double library_round(void *context)
{
    (void) context;
    return wake(shoot_by_library);
}

static double socket_round(void *context)
{
    double span = wake(shoot_by_socket);

    (void) context;
    wire_expect(wire_line(&wire), "");
    return span;
}

static void begin_all(void)
{
    sides = mmap(NULL, SIDES * sizeof *sides, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    own_words = mmap(NULL, SLEEPERS * sizeof *own_words, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                     -1, 0);
    if (sides == MAP_FAILED || own_words == MAP_FAILED)
        bench_die("mmap");
    (void) setpgid(0, 0); /* what is of this group ends with us, and nobody else */
    if (!bench_is_watched()) {
        without = begin_unrecorded(UNRECORDED, &unrecorded);
        again = begin_unrecorded(ANOTHER, &another);
    }
    subject = subject_start();
    subject_connect(subject, &wire);
    if (setenv("PROCD_SOCKET", subject->socket, 1) < 0)
        bench_die("setenv");
    shared = &sides[FUTEX];
    begin_sleepers(sleep_on_futex);
    shared = &sides[LIBRARY];
    begin_sleepers(sleep_in_library);
    event = procd_event_new("shot");
    if (!event)
        bench_die("event: %s", procd_last_error()->message);
    shared = &sides[SOCKET];
    wire_call(&wire, clear_request, sizeof clear_request - 1);
    begin_sleepers(sleep_on_event);
    shared = &sides[WRITER];
    begin_writer();
    begin_sleepers(sleep_on_socket);
    if (can_sleep_on_two()) {
        shared = &sides[TWO];
        begin_sleepers(sleep_on_two);
    }
}

int main(int argc, char **argv)
{
    struct bench_case library = {
        .floor = floor_round, .subject = library_round, .times = TIMES, .prepare = prepare_library};
    struct bench_case two = {
        .floor = floor_round, .subject = floor_round, .times = TIMES, .prepare = prepare_two};
    struct bench_case by_socket = {
        .floor = floor_round, .subject = socket_round, .times = TIMES, .prepare = prepare_socket};
    struct bench_case writer = {
        .floor = floor_round, .subject = writer_round, .times = TIMES, .prepare = prepare_writer};

    bench_begin(argc, argv, "event.set until the last of 1,000 processes runs");
    begin_all();
    bench_compare(FIGURE_WAKE, &library);
    if (can_sleep_on_two())
        bench_compare(FIGURE_WAKE_TWO, &two);
    else
        bench_skip(FIGURE_WAKE_TWO, "it needs futex_waitv");
    bench_compare(FIGURE_WAKE_SOCKET, &by_socket);
    bench_compare(FIGURE_WAKE_WRITER, &writer);
    if (!bench_is_watched()) {
        compare_journal();
        wire_close(&unrecorded);
        wire_close(&another);
    }
    wire_close(&wire);
    signal(SIGTERM, SIG_IGN); /* the sleepers are of our group, and end here; the daemon at our exit */
    kill(0, SIGTERM);
    while (wait(NULL) > 0)
        ;
    return 0;
}
