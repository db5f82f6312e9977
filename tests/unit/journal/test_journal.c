/* SPDX-License-Identifier: MIT */
/* daemon/journal/journal.c: what was committed is there again, and nothing else is. */
#include "daemon/base/cleanup.h"
#include "daemon/core/save.h"
#include "daemon/journal/journal.h"
#include "tests/unit/core/chance.h"
#include "tests/unit/core/must.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EPOCH "the epoch"
#define BUILD "the build"

static struct chance chance;
static struct journal *journal;
static struct core *core;
static int memory;

/* ---- the kernel gives no memory, where a test wants it ---- */

static bool no_memory;

int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    bool asks = !(mode & FALLOC_FL_PUNCH_HOLE) && offset > 0; /* the first page is there already */

    errno = ENOSPC;
    return no_memory && asks ? -1 : __real_fallocate(fd, mode, offset, size);
}

/* ---- what each test has ---- */

static void set_up(void)
{
    memory = memfd_create("journal", MFD_CLOEXEC);
    must(memory >= 0);
    must(journal_open(memory, EPOCH, BUILD, &journal) == 0);
    core = core_new();
    chance_begin(&chance, 1);
}

static void tear_down(void)
{
    core_free(core);
    journal_close(journal);
    close(memory);
}

/* As the broker does it. */
static void apply(const struct core_input *input)
{
    must(journal_reserve(journal, core, input, false) == 0);
    must(core_step(core, input) == 0);
    journal_commit(journal, input);
    core_delivered(core);
}

static void apply_by_chance(int count)
{
    struct core_input input;

    while (count-- > 0) {
        chance_input(&chance, core, &input);
        apply(&input);
    }
}

/* What a new broker finds: what journal_replay says, and the hash of the core. */
static int replayed(const char *epoch, const char *build, uint64_t *ret_hash)
{
    struct journal *other = NULL;
    struct core *found = NULL;
    int r;

    must(journal_open(memory, epoch, build, &other) == 0);
    r = journal_replay(other, &found);
    must((r == 0) == (found != NULL));
    if (found)
        *ret_hash = core_hash(found);
    core_free(found);
    journal_close(other);
    return r;
}

static void must_be_found(void)
{
    uint64_t hash;

    must(replayed(EPOCH, BUILD, &hash) == 0);
    must(hash == core_hash(core));
}

static int found_by(const char *epoch, const char *build)
{
    uint64_t hash;

    return replayed(epoch, build, &hash);
}

static size_t memory_used(void)
{
    struct stat stat;

    must(fstat(memory, &stat) == 0);
    return (size_t) stat.st_blocks * 512;
}

/* ---- replay ---- */

START_TEST(nothing_yet)
{
    ck_assert_int_eq(found_by(EPOCH, BUILD), 1);
    ck_assert_ptr_null(journal_close(NULL));
}
END_TEST

START_TEST(inputs_lead_to_the_same_state)
{
    chance_begin(&chance, (uint64_t) _i);
    for (int i = 0; i < 20; i++) {
        apply_by_chance(40);
        must_be_found();
    }
}
END_TEST

/* The new broker goes on writing where the old one stopped, and is followed by a third. */
START_TEST(one_broker_after_another)
{
    for (int i = 0; i < 20; i++) {
        apply_by_chance(30);
        journal = journal_close(journal);
        core = core_free(core);
        ck_assert_int_eq(journal_open(memory, EPOCH, BUILD, &journal), 0);
        ck_assert_int_eq(journal_replay(journal, &core), 0);
        if (i % 3 == 0)
            ck_assert_int_eq(journal_snapshot(journal, core), 0);
        must_be_found();
    }
}
END_TEST

START_TEST(what_is_not_committed_is_not_there)
{
    struct core_input input = {.kind = INPUT_CONNECT,
                               .body.connect = {.connection = 900, .client = 900, .uid = 1}};
    uint64_t before, found;

    apply_by_chance(50);
    before = core_hash(core);
    ck_assert_int_eq(journal_reserve(journal, core, &input, false), 0);
    ck_assert_int_eq(core_step(core, &input), 0);
    core_delivered(core);
    ck_assert_uint_ne(core_hash(core), before);
    ck_assert_int_eq(replayed(EPOCH, BUILD, &found), 0);
    ck_assert_uint_eq(found, before);
    journal_commit(journal, &input);
    must_be_found();
}
END_TEST

/* ---- snapshots ---- */

/* 100 kB of input, and of state. */
static void apply_much_and_keep(void)
{
    static char argv[100000];
    struct core_input spawn = {.kind = INPUT_SPAWN,
                               .body.request = {.ticket = ++chance.ticket,
                                                .connection = 800,
                                                .uid = 800,
                                                .count = sizeof argv}, /* empty strings */
                               .blob[BLOB_ARGV] = {argv, sizeof argv}};

    apply(&spawn);
}

/* What leaves little behind. */
static void apply_much(void)
{
    struct core_input failed = {.kind = INPUT_SPAWN_FAILED, .report = ++chance.report};

    apply_much_and_keep();
    failed.body.report.process = core->counters.process;
    apply(&failed);
}

START_TEST(a_snapshot_is_taken_when_it_pays)
{
    struct core_input connect = {.kind = INPUT_CONNECT,
                                 .body.connect = {.connection = 800, .client = 800, .uid = 800}};
    size_t most = 0;

    apply(&connect);
    for (int i = 0; i < 300; i++) { /* 30 MB */
        apply_much();
        most = memory_used() > most ? memory_used() : most;
        if (i % 10 == 0)
            must_be_found();
    }
    ck_assert_uint_ge(most, JOURNAL_LOG_MIN);
    ck_assert_uint_le(most, 8 << 20);
    must_be_found();
}
END_TEST

/* For whoever may read nothing else. */
START_TEST(a_settled_journal_is_a_snapshot)
{
    size_t used;

    ck_assert_int_eq(journal_settle(journal, core), 0); /* also the first one */
    ck_assert_int_eq(found_by(EPOCH, "another build"), 0);
    ck_assert_int_eq(found_by(EPOCH, BUILD), 0);
    apply_by_chance(50);
    ck_assert_int_eq(journal_settle(journal, core), 0);
    ck_assert_int_eq(found_by(EPOCH, "another build"), 0);
    used = memory_used();
    no_memory = true; /* nothing follows it: there is nothing to be done */
    ck_assert_int_eq(journal_settle(journal, core), 0);
    no_memory = false;
    ck_assert_uint_eq(memory_used(), used);
    must_be_found();
}
END_TEST

START_TEST(without_memory_nothing_is_lost)
{
    struct core_input input;
    uint64_t found;

    no_memory = true;
    chance_input(&chance, core, &input);
    ck_assert_int_eq(journal_reserve(journal, core, &input, false), -ENOSPC); /* there is no snapshot yet */
    no_memory = false;
    apply_by_chance(30);
    no_memory = true;
    ck_assert_int_eq(journal_snapshot(journal, core), -ENOSPC);
    must_be_found();
    /* what was promised lasts for a while; then no step is made */
    for (;;) {
        chance_input(&chance, core, &input);
        if (journal_reserve(journal, core, &input, false) < 0)
            break;
        must(core_step(core, &input) == 0);
        journal_commit(journal, &input);
        core_delivered(core);
    }
    ck_assert_int_eq(replayed(EPOCH, BUILD, &found), 0);
    ck_assert_uint_eq(found, core_hash(core));
    no_memory = false;
    apply(&input);
    must_be_found();
}
END_TEST

/* What the last but one took is there for the next. Where that is too little, half a snapshot was written
 * when there is no more: it is of no account, and its memory goes back. */
START_TEST(a_snapshot_takes_the_memory_of_the_last_but_one)
{
    struct core_input connect = {.kind = INPUT_CONNECT,
                                 .body.connect = {.connection = 800, .client = 800, .uid = 800}};
    size_t used;

    apply(&connect);
    for (int i = 0; i < 12; i++)
        apply_much_and_keep();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(journal_snapshot(journal, core), 0);
    no_memory = true;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(journal_snapshot(journal, core), 0);
        must_be_found();
    }
    no_memory = false;
    for (int i = 0; i < 12; i++)
        apply_much_and_keep();
    used = memory_used();
    no_memory = true;
    ck_assert_int_eq(journal_snapshot(journal, core), -ENOSPC);
    must_be_found();
    ck_assert_uint_lt(memory_used(), used);
    no_memory = false;
    ck_assert_int_eq(journal_snapshot(journal, core), 0);
    must_be_found();
}
END_TEST

/* What cannot be refused has room where everything else is refused, also in the next broker, and is found. */
START_TEST(what_has_happened_has_room_to_spare)
{
    struct core_input input;
    size_t bytes = 0;

    apply_by_chance(30);
    no_memory = true;
    for (;;) {
        chance_input(&chance, core, &input);
        if (journal_reserve(journal, core, &input, false) < 0)
            break;
        apply(&input);
    }
    for (int broker = 0; broker < 3; broker++) {
        for (size_t most = bytes + JOURNAL_SPARE / 4; bytes < most; bytes += input_encoded_size(&input) + 8) {
            chance_input(&chance, core, &input);
            ck_assert_int_eq(journal_reserve(journal, core, &input, false), -ENOSPC);
            must(journal_reserve(journal, core, &input, true) == 0);
            must(core_step(core, &input) == 0);
            journal_commit(journal, &input);
            core_delivered(core);
        }
        journal_close(journal);
        must(journal_open(memory, EPOCH, BUILD, &journal) == 0);
        must_be_found();
    }
    no_memory = false;
    apply_by_chance(30);
    must_be_found();
}
END_TEST

/* ---- a kill at any instruction ---- */

struct shared {
    _Atomic uint64_t applied;
};

static void apply_for_ever(struct shared *shared)
{
    for (;;) {
        apply_by_chance(1);
        atomic_fetch_add(&shared->applied, 1);
        if (chance_once_in(&chance, 20))
            must(journal_snapshot(journal, core) == 0);
    }
}

/* The hash after so many inputs. */
static uint64_t hash_after(uint64_t seed, uint64_t count)
{
    struct core *again = core_new();
    struct core_input input;
    uint64_t hash;

    chance_begin(&chance, seed);
    while (count-- > 0) {
        chance_input(&chance, again, &input);
        must(core_step(again, &input) == 0);
        core_delivered(again);
        (void) chance_once_in(&chance, 20);
    }
    hash = core_hash(again);
    core_free(again);
    return hash;
}

START_TEST(a_kill_at_any_instruction)
{
    int protection = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_ANONYMOUS;
    struct shared *shared = mmap(NULL, sizeof *shared, protection, flags, -1, 0);
    uint64_t seed = (uint64_t) _i, applied, found, wanted = 1 + seed * 7919 % 400;
    pid_t child;

    must(shared != MAP_FAILED);
    chance_begin(&chance, seed);
    child = fork();
    must(child >= 0);
    if (child == 0)
        apply_for_ever(shared);
    while (atomic_load(&shared->applied) < wanted)
        must(waitpid(child, NULL, WNOHANG) == 0);
    kill(child, SIGKILL);
    must(waitpid(child, NULL, 0) == child);
    applied = atomic_load(&shared->applied);
    ck_assert_int_eq(replayed(EPOCH, BUILD, &found), 0);
    ck_assert(found == hash_after(seed, applied) || found == hash_after(seed, applied + 1));
    munmap(shared, sizeof *shared);
}
END_TEST

/* ---- what is not ours, or broken ---- */

START_TEST(inputs_are_for_their_build)
{
    apply_by_chance(50);
    ck_assert_int_eq(found_by(EPOCH, "another build"), -ESTALE);
    must_be_found(); /* it was left as it is */
}
END_TEST

/* What comes after is the other's, and no longer the first one's. */
START_TEST(a_snapshot_is_for_every_build)
{
    uint64_t found;

    apply_by_chance(50);
    ck_assert_int_eq(journal_snapshot(journal, core), 0);
    ck_assert_int_eq(replayed(EPOCH, "another build", &found), 0);
    ck_assert_uint_eq(found, core_hash(core));
    must_be_found();
    journal_close(journal);
    core = core_free(core);
    ck_assert_int_eq(journal_open(memory, EPOCH, "another build", &journal), 0);
    ck_assert_int_eq(journal_replay(journal, &core), 0);
    apply_by_chance(50);
    ck_assert_int_eq(found_by(EPOCH, BUILD), -ESTALE);
    ck_assert_int_eq(replayed(EPOCH, "another build", &found), 0);
    ck_assert_uint_eq(found, core_hash(core));
}
END_TEST

START_TEST(another_epoch)
{
    apply_by_chance(50);
    ck_assert_int_eq(found_by("another epoch", BUILD), 1);
    ck_assert_uint_lt(memory_used(), 100000); /* nothing of it stays */
}
END_TEST

START_TEST(an_abandoned_journal_is_empty)
{
    apply_by_chance(50);
    journal_abandon(journal);
    ck_assert_int_eq(found_by(EPOCH, BUILD), 1);
    apply_by_chance(50); /* with a snapshot, it is one again */
    must_be_found();
}
END_TEST

START_TEST(cut_off)
{
    apply_by_chance(1500);
    for (off_t size = 64 << 10; size > 4096; size -= 777) {
        ck_assert_int_eq(ftruncate(memory, size), 0);
        ck_assert_int_eq(found_by(EPOCH, BUILD), -EBADMSG);
    }
    ck_assert_int_eq(ftruncate(memory, 0), 0);
    ck_assert_int_eq(found_by(EPOCH, BUILD), 1);
    ck_assert_int_eq(journal_open(-1, EPOCH, BUILD, &journal), -EBADF);
}
END_TEST

/* One bit is wrong: it is found out, unless nothing depends on it. */
START_TEST(one_bit)
{
    uint64_t found, hash;
    size_t used = 100 << 10;

    apply_by_chance(300);
    ck_assert_int_eq(journal_snapshot(journal, core), 0);
    apply_by_chance(300);
    hash = core_hash(core);
    for (int i = 0; i < 4000; i++) {
        off_t at = 4096 + (off_t) (JOURNAL_AREA_MAX * (size_t) (i % 2)) + (off_t) chance_below(&chance, used);
        char byte, flipped;
        int r;

        must(pread(memory, &byte, 1, at) == 1);
        flipped = (char) (byte ^ (1 << chance_below(&chance, 8)));
        must(pwrite(memory, &flipped, 1, at) == 1);
        r = replayed(EPOCH, BUILD, &found);
        must(r == -EBADMSG || (r == 0 && found == hash));
        must(pwrite(memory, &byte, 1, at) == 1);
    }
    must_be_found();
}
END_TEST

/* Its first page says nonsense. */
START_TEST(a_broken_head)
{
    unsigned char page[4096];
    uint64_t found;

    apply_by_chance(100);
    must(pread(memory, page, sizeof page, 0) == sizeof page);
    for (size_t at = 0; at < 256; at++) {
        for (int value = 0; value < 256; value += 85) {
            unsigned char broken = (unsigned char) value;
            int r;

            must(pwrite(memory, &broken, 1, (off_t) at) == 1);
            r = replayed(EPOCH, BUILD, &found);
            must(r == -EBADMSG || r == -ESTALE || r == 1 || r == 0);
            must(pwrite(memory, page, sizeof page, 0) == sizeof page);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("journal");
    TCase *tcase = tcase_create("journal");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, nothing_yet);
    tcase_add_loop_test(tcase, inputs_lead_to_the_same_state, 0, 20);
    tcase_add_test(tcase, one_broker_after_another);
    tcase_add_test(tcase, what_is_not_committed_is_not_there);
    tcase_add_test(tcase, a_snapshot_is_taken_when_it_pays);
    tcase_add_test(tcase, a_settled_journal_is_a_snapshot);
    tcase_add_test(tcase, without_memory_nothing_is_lost);
    tcase_add_test(tcase, a_snapshot_takes_the_memory_of_the_last_but_one);
    tcase_add_test(tcase, what_has_happened_has_room_to_spare);
    tcase_add_loop_test(tcase, a_kill_at_any_instruction, 0, 30);
    tcase_add_test(tcase, inputs_are_for_their_build);
    tcase_add_test(tcase, a_snapshot_is_for_every_build);
    tcase_add_test(tcase, another_epoch);
    tcase_add_test(tcase, an_abandoned_journal_is_empty);
    tcase_add_test(tcase, cut_off);
    tcase_add_test(tcase, one_bit);
    tcase_add_test(tcase, a_broken_head);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
