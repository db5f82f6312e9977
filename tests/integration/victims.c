/* SPDX-License-Identifier: MIT */
/*
 * Processes that take a lock, an rlock and a permit in turn, and are killed at any moment: while they wait,
 * when they are granted, while they hold, when they release.
 *
 *     victims SOCKET COUNT       COUNT of them are killed
 *
 * The objects are made by the caller: the lock "lock", the rlock "rlock" and the bounded semaphore
 * "semaphore" of PERMITS permits. Shared memory says who holds what. A holder that finds another one alive
 * there is a double; one that finds a dead one must have been told `abandoned`. One line of JSON says what
 * was seen.
 */
#include "tests/integration/contender.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VICTIMS   24
#define PERMITS   3
#define PAUSE_MAX 300000 /* ns, between two kills, and of a hold */
#define STUCK     20     /* seconds without a turn */

enum kind { LOCK, RLOCK, SEMAPHORE, KINDS };

static const char *const kinds[] = {"lock", "rlock", "semaphore"};

struct victim {
    _Atomic unsigned life; /* how many have had this place; odd: one is being killed */
    _Atomic unsigned long long turns;
};

struct shared {
    _Atomic int holder[SEMAPHORE];     /* of lock and rlock: a pid, or 0 */
    _Atomic uint64_t permits;          /* a bit for each victim that has one */
    _Atomic unsigned doubles, missed;
    _Atomic bool stop;
    struct victim victims[VICTIMS];
};

static struct shared *shared;
static const char *path;
static pid_t parent, pids[VICTIMS];

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "victims: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- one ---- */

static unsigned chance; /* of this process */

static unsigned below(unsigned most)
{
    chance = chance * 1103515245 + 12345;
    return (chance >> 8) % most;
}

static void pause_a_little(void)
{
    const struct timespec span = {.tv_nsec = below(PAUSE_MAX)};

    nanosleep(&span, NULL);
}

/* True: abandoned. */
static bool ask(int fd, enum kind kind, const char *verb)
{
    char line[256], answer[512];
    const char *holder = verb[0] == 'a' || kind == RLOCK ? ",\"holder\":\"v\"" : "";

    snprintf(line, sizeof line,
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s.%s\",\"params\":{\"name\":\"%s\"%s}}\n",
             kinds[kind], verb, kinds[kind], holder);
    contender_call(fd, line, answer, sizeof answer);
    if (!strstr(answer, verb[0] == 'a' ? "\"acquired\":true" : "\"result\":{}"))
        _exit(6);
    return strstr(answer, "\"abandoned\":true");
}

static void take_word(enum kind kind, bool abandoned)
{
    int before = atomic_exchange(&shared->holder[kind], getpid());

    if (before != 0 && contender_is_alive(before))
        atomic_fetch_add(&shared->doubles, 1);
    else if (before != 0 && !abandoned)
        atomic_fetch_add(&shared->missed, 1);
}

static void give_word(enum kind kind)
{
    int own = getpid();

    if (!atomic_compare_exchange_strong(&shared->holder[kind], &own, 0))
        atomic_fetch_add(&shared->doubles, 1);
}

/* Of those that had one in the same moment, who were not killed before or since. */
static void take_permit(unsigned number)
{
    unsigned lives[VICTIMS], count = 1;
    uint64_t others;

    for (unsigned i = 0; i < VICTIMS; i++)
        lives[i] = atomic_load(&shared->victims[i].life);
    others = atomic_fetch_or(&shared->permits, UINT64_C(1) << number);
    for (unsigned i = 0; i < VICTIMS; i++)
        count += i != number && others >> i & 1 && lives[i] % 2 == 0 &&
                 atomic_load(&shared->victims[i].life) == lives[i];
    if (count > PERMITS)
        atomic_fetch_add(&shared->doubles, 1);
}

static void give_permit(unsigned number)
{
    atomic_fetch_and(&shared->permits, ~(UINT64_C(1) << number));
}

static void take_turn(int fd, unsigned number)
{
    enum kind kind = (enum kind) below(KINDS);
    bool abandoned = ask(fd, kind, "acquire");

    if (kind == SEMAPHORE)
        take_permit(number);
    else
        take_word(kind, abandoned);
    if (kind == RLOCK)
        ask(fd, kind, "acquire");
    pause_a_little();
    if (kind == RLOCK)
        ask(fd, kind, "release");
    if (kind == SEMAPHORE)
        give_permit(number);
    else
        give_word(kind);
    ask(fd, kind, "release");
    atomic_fetch_add(&shared->victims[number].turns, 1);
}

static void begin(unsigned number)
{
    int fd;

    pids[number] = fork();
    if (pids[number] < 0)
        fail("fork");
    if (pids[number] > 0)
        return;
    contender_end_with(parent);
    chance = (unsigned) getpid();
    fd = contender_connect(path);
    while (!atomic_load(&shared->stop))
        take_turn(fd, number);
    _exit(0);
}

/* ---- all of them ---- */

static unsigned long long all_turns(void)
{
    unsigned long long turns = 0;

    for (unsigned i = 0; i < VICTIMS; i++)
        turns += atomic_load(&shared->victims[i].turns);
    return turns;
}

/* Nobody who lives may wait for somebody dead. */
static void must_go_on(void)
{
    static unsigned long long turns;
    static time_t since;
    unsigned long long now = all_turns();

    if (now != turns || since == 0)
        since = time(NULL);
    else if (time(NULL) > since + STUCK)
        fail("nobody is granted anything");
    turns = now;
}

static void kill_one(unsigned number)
{
    atomic_fetch_add(&shared->victims[number].life, 1);
    kill(pids[number], SIGKILL);
    if (waitpid(pids[number], NULL, 0) != pids[number])
        fail("waitpid");
    give_permit(number);
    atomic_fetch_add(&shared->victims[number].life, 1);
    begin(number);
}

/* Each has its turn, and ends. */
static void end_all(void)
{
    int status;

    atomic_store(&shared->stop, true);
    alarm(STUCK);
    for (unsigned i = 0; i < VICTIMS; i++) {
        if (waitpid(pids[i], &status, 0) != pids[i] || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fprintf(stderr, "victims: %d ended with status %x\n", pids[i], (unsigned) status);
            exit(1);
        }
    }
    alarm(0);
}

int main(int argc, char **argv)
{
    unsigned long count;

    if (argc != 3)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    parent = getpid();
    chance = 1;
    path = argv[1];
    count = strtoul(argv[2], NULL, 10);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        fail("mmap");
    for (unsigned i = 0; i < VICTIMS; i++)
        begin(i);
    for (unsigned long i = 0; i < count; i++) {
        pause_a_little();
        kill_one(below(VICTIMS));
        must_go_on();
    }
    end_all();
    printf("{\"killed\": %lu, \"turns\": %llu, \"doubles\": %u, \"missed\": %u}\n", count, all_turns(),
           shared->doubles, shared->missed);
    return 0;
}
