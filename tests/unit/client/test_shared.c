/* SPDX-License-Identifier: MIT */
/* client/lib/shared.c against a daemon that is played: when it is asked, and what is made of its answers. */
#include "client/lib/shared.h"
#include "daemon/base/clock.h"
#include "tests/unit/client/fake_page.h"

#include <check.h>
#include <errno.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int next_memory;

#define TAKEN(slot) (ORDER | (slot) | WORD_DEPTH_ONE)
#define OTHERS      TAKEN(7)

static void create(void)
{
    answer("object.create", json_pack("{s:s,s:b}", "name", "l", "created", 1));
}

static json_t *acquired(void)
{
    return json_pack("{s:b,s:b,s:i}", "acquired", 1, "abandoned", 0, "token", 7);
}

/* ---- what is asked ---- */

static void map_once(void)
{
    create();
    answer_map(mapped(3, 9), memory);
    answer_map(mapped(3, 10), memory); /* another thread */
    answer("lock.acquire", acquired()); /* it is closed */
    answer("lock.release", json_object());
    answer("object.close", json_object());
}

static void *other_thread(void *lock)
{
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_uint_eq(fake_word(3), ORDER | 10 | WORD_DEPTH_ONE);
    return NULL;
}

START_TEST(it_is_asked_once_a_thread)
{
    procd_lock *lock;
    pthread_t thread;

    atomic_store(&page->words[3].value, ORDER | WORD_ABANDONED);
    serve(map_once);
    lock = procd_lock_new("l");
    ck_assert_int_eq(procd_lock_acquire(lock, PROCD_FOREVER), 2);
    ck_assert_uint_eq(fake_word(3), ORDER | WORD_ABANDONED | 9 | WORD_DEPTH_ONE);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    ck_assert_uint_eq(fake_word(3), ORDER);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(procd_lock_acquire(lock, i), 1);
        ck_assert_int_eq(procd_lock_release(lock), 0);
    }
    ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, lock), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(procd_lock_release(lock), 0); /* anybody may */
    ck_assert_uint_eq(fake_word(3), ORDER);
    atomic_store(&page->words[3].value, ORDER | WORD_CLOSED);
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_uint_eq(procd_lock_token(lock), 7);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    ck_assert_uint_eq(fake_word(3), ORDER | WORD_CLOSED); /* untouched */
    procd_lock_free(lock);
}
END_TEST

static void refuse(void)
{
    create();
    answer("object.map", json_pack("{s:b}", "mapped", 0));
    for (int i = 0; i < 3; i++)
        answer("lock.acquire", acquired());
    answer("object.close", json_object());
}

START_TEST(who_is_refused_does_not_ask_again)
{
    procd_lock *lock;

    serve(refuse);
    lock = procd_lock_new("l");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    procd_lock_free(lock);
}
END_TEST

static void refuse_for_long(void)
{
    create();
    for (int i = 0; i < 1002; i++) {
        if (i == 0)
            answer("object.map", json_pack("{s:b}", "mapped", 0));
        if (i == 1001)
            answer_map(mapped(3, 9), memory);
        else
            answer("lock.acquire", acquired());
    }
    answer("object.close", json_object());
}

START_TEST(who_is_refused_asks_again_later)
{
    procd_lock *lock;

    serve(refuse_for_long);
    lock = procd_lock_new("l");
    for (int i = 0; i < 1002; i++)
        ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_uint_eq(fake_word(3), 9 | WORD_DEPTH_ONE);
    procd_lock_free(lock);
}
END_TEST

/* Who is not the holder could be told late: the holder may have it for another time by then. */
static void tell_tokens(void)
{
    create();
    answer_map(mapped(3, 9), memory);
    for (int i = 1; i <= 2; i++)
        answer("object.info", json_pack("{s:[{s:i}]}", "holders", "token", i));
    answer("object.close", json_object());
}

static void *ask_for_token(void *lock)
{
    ck_assert_uint_eq(procd_lock_token(lock), 1);
    return NULL;
}

START_TEST(only_its_holder_notes_a_token)
{
    procd_lock *lock;
    pthread_t thread;

    serve(tell_tokens);
    lock = procd_lock_new("l");
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_for_token, lock), 0);
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++)
        ck_assert_uint_eq(procd_lock_token(lock), 2);
    procd_lock_free(lock);
}
END_TEST

/* Its word is gone: the name may be another lock's by now. */
static void map_again(void)
{
    create();
    answer_map(mapped(3, 9), memory);
    answer_map(mapped(4, 9), memory);
    answer("object.close", json_object());
}

START_TEST(what_is_gone_is_asked_for_anew)
{
    procd_lock *lock;

    serve(map_again);
    lock = procd_lock_new("l");
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    atomic_store(&page->words[3].value, ORDER | WORD_GONE);
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_uint_eq(fake_word(4), 9 | WORD_DEPTH_ONE);
    ck_assert_uint_eq(fake_word(3), ORDER | WORD_GONE);
    procd_lock_free(lock);
}
END_TEST

/* Whose daemon has died; and the next one's. */
static void map_of_the_next(void)
{
    create();
    answer_map(mapped(3, 9), memory);
    answer_map(mapped(3, 8), next_memory);
    answer("object.close", json_object());
}

START_TEST(what_has_died_is_asked_for_anew)
{
    struct page *next;
    procd_lock *lock;

    next_memory = fake_page_make(&next);
    serve(map_of_the_next);
    lock = procd_lock_new("l");
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    atomic_store(&page->life.keeper, PAGE_DIED);
    shared_self.has_given_up = shared_self.is_in_doubt = true;
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert(!shared_self.has_given_up && !shared_self.is_in_doubt); /* that was of the daemon before */
    ck_assert_uint_eq(atomic_load(&next->words[3].value), 8 | WORD_DEPTH_ONE);
    ck_assert_uint_eq(fake_word(3), 0);
    procd_lock_free(lock);
    munmap(next, sizeof *next);
    close(next_memory);
}
END_TEST

/* ---- answers that make no sense ---- */

static json_t *(*bad_answer)(void);
static int bad_fd;

static void answer_badly(void)
{
    create();
    answer_map(bad_answer(), bad_fd);
    for (int i = 0; i < 2; i++)
        answer("lock.acquire", acquired());
    answer("object.close", json_object());
}

static json_t *no_word(void)
{
    return mapped(0, 1);
}

static json_t *far_word(void)
{
    return mapped(PAGE_WORDS, 1);
}

static json_t *no_slot(void)
{
    return mapped(1, 0);
}

static json_t *far_slot(void)
{
    return mapped(1, (int) WORD_OWNER_MAX);
}

static json_t *no_words(void)
{
    return mapped_many(1, 0, 1);
}

static json_t *many_words(void)
{
    return mapped_many(1, PAGE_PERMITS + 1, 1);
}

static json_t *words_too_far(void)
{
    return mapped_many(PAGE_WORDS - 2, 3, 1);
}

static json_t *good(void)
{
    return mapped(1, 1);
}

START_TEST(nonsense_is_no_memory)
{
    static json_t *(*const bad[])(void) = {no_word,    far_word,      no_slot, far_slot, no_words,
                                            many_words, words_too_far, good};
    int small = memfd_create("small", MFD_CLOEXEC);
    procd_lock *lock;

    bad_answer = bad[_i];
    bad_fd = bad[_i] == good ? small : memory;
    ck_assert_int_eq(ftruncate(small, sizeof *page - 1), 0);
    serve(answer_badly);
    lock = procd_lock_new("l");
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_uint_eq(fake_word(1), 0);
    procd_lock_free(lock);
    close(small);
}
END_TEST

/* ---- semaphores ---- */

static void map_semaphore(void)
{
    create();
    answer_map(mapped_many(4, 3, 9), memory);
    answer("semaphore.acquire", acquired());   /* no word is free */
    answer("semaphore.release", json_object()); /* another thread, which has none */
    answer("semaphore.release", json_object()); /* all are closed */
    answer("object.close", json_object());
}

static void *release_in_thread(void *semaphore)
{
    ck_assert_int_eq(procd_semaphore_release(semaphore), 0);
    return NULL;
}


/* Slot 9 of three words: it looks at the second one first. */
START_TEST(permits_are_words)
{
    procd_semaphore *semaphore;
    pthread_t thread;

    for (int i = 3; i < 8; i++)
        atomic_store(&page->words[i].value, ORDER);
    serve(map_semaphore);
    semaphore = procd_semaphore_new("l", 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(procd_semaphore_acquire(semaphore, PROCD_FOREVER), 1);
        ck_assert_uint_eq(fake_word(5), TAKEN(9));
        ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 1);
        ck_assert_uint_eq(fake_word(6), TAKEN(9));
        ck_assert_int_eq(procd_semaphore_release(semaphore), 0);
        ck_assert_int_eq(procd_semaphore_release(semaphore), 0);
        ck_assert_uint_eq(fake_word(5), ORDER);
        ck_assert_uint_eq(fake_word(6), ORDER);
    }
    atomic_store(&page->words[5].value, TAKEN(7));
    atomic_store(&page->words[6].value, ORDER | WORD_CLOSED);
    ck_assert_int_eq(procd_semaphore_acquire(semaphore, 1), 1);
    ck_assert_uint_eq(fake_word(4), TAKEN(9));
    ck_assert_int_eq(procd_semaphore_acquire(semaphore, 1), 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, release_in_thread, semaphore), 0);
    pthread_join(thread, NULL);
    atomic_store(&page->words[4].value, TAKEN(9) | WORD_KNOWN); /* the daemon has seen it */
    ck_assert_int_eq(procd_semaphore_release(semaphore), 0);
    ck_assert_uint_eq(fake_word(4), ORDER);
    for (int i = 4; i < 7; i++)
        atomic_store(&page->words[i].value, TAKEN(9) | WORD_CLOSED);
    ck_assert_int_eq(procd_semaphore_release(semaphore), 0);
    ck_assert_uint_eq(fake_word(3), ORDER); /* nobody's business */
    ck_assert_uint_eq(fake_word(7), ORDER);
    procd_semaphore_free(semaphore);
}
END_TEST

static sem_t has_vanished;

static void *play_and_vanish(void *unused)
{
    (void) unused;
    fake_greet(&fake, &peer, "e");
    create();
    answer_map(mapped_many(4, 1, 9), memory);
    json_decref(fake_read(&peer, "semaphore.acquire"));
    fake_close(&fake);
    fake_hang_up(&peer);
    sem_post(&has_vanished);
    return NULL;
}

static void *acquire_and_doubt(void *semaphore)
{
    ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 1);
    ck_assert_int_lt(procd_semaphore_acquire(semaphore, 0.01), 0);
    ck_assert_int_lt(procd_semaphore_release(semaphore), 0);
    ck_assert_uint_eq(fake_word(4), TAKEN(9));
    return NULL;
}

/* What it may be granted yet it could not tell from what it has. */
START_TEST(who_is_in_doubt_asks)
{
    procd_semaphore *semaphore;
    pthread_t thread;

    atomic_store(&page->words[4].value, ORDER);
    sem_init(&has_vanished, 0, 0);
    ck_assert_int_eq(pthread_create(&fake.thread, NULL, play_and_vanish, NULL), 0);
    semaphore = procd_semaphore_new("l", 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, acquire_and_doubt, semaphore), 0);
    pthread_join(thread, NULL);
    procd_semaphore_free(semaphore);
    sem_wait(&has_vanished);
    fake_listen(&fake);
}
END_TEST

/* The name is another semaphore's by now: with more words, of which as many are used, and with fewer. */
static void map_others(void)
{
    create();
    answer_map(mapped_many(4, 2, 2), memory);
    answer_map(mapped_many(8, 4, 2), memory);
    answer("semaphore.acquire", acquired());
    answer_map(mapped_many(20, 1, 2), memory);
    for (int i = 0; i < 2; i++)
        answer("semaphore.acquire", acquired());
    answer("object.close", json_object());
}

START_TEST(a_handle_has_as_many_words_as_at_first)
{
    procd_semaphore *semaphore;

    serve(map_others);
    semaphore = procd_semaphore_new("l", 2);
    ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 1);
    ck_assert_uint_eq(fake_word(4), 2 | WORD_DEPTH_ONE);
    for (int i = 4; i < 6; i++)
        atomic_store(&page->words[i].value, WORD_GONE);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 1);
    ck_assert_uint_eq(fake_word(8), 2 | WORD_DEPTH_ONE);
    ck_assert_uint_eq(fake_word(9), 2 | WORD_DEPTH_ONE);
    ck_assert_uint_eq(fake_word(10), 0);
    for (int i = 8; i < 12; i++)
        atomic_store(&page->words[i].value, WORD_GONE);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 1);
    ck_assert_uint_eq(fake_word(20), 0);
    procd_semaphore_free(semaphore);
}
END_TEST

/* ---- forks ---- */

static void map_for_parent(void)
{
    create();
    answer_map(mapped(3, 9), memory);
    answer("object.close", json_object());
}

/* The memory is not there in a child: a handle that did not know would end it. */
START_TEST(children_do_not_touch_it)
{
    procd_lock *lock;
    int status;
    pid_t pid;

    serve(map_for_parent);
    lock = procd_lock_new("l");
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    pid = fork();
    if (pid == 0)
        _exit(procd_lock_release(lock) != -EINVAL || procd_lock_acquire(lock, 0) != -EINVAL ||
              procd_lock_token(lock) != 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    procd_lock_free(lock);
}
END_TEST

/* Who is handed a lock reads no answer; the next time it has to, as there may be no room for another one. */
static sem_t is_full;

static void ring(void)
{
    atomic_store(&page->bells[9].is_set, 0);
    syscall(SYS_futex, &page->bells[9].is_set, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void fill_the_socket(void)
{
    static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":999999,\"result\":{}}\n";

    create();
    answer_map(mapped(3, 9), memory);
    json_decref(fake_read(&peer, "lock.acquire"));
    atomic_store(&page->words[3].value, ORDER | WORD_CLOSED | 9);
    ring();
    answer("lock.release", json_object());
    atomic_store(&page->words[3].value, OTHERS | WORD_CLOSED);
    while (send(peer.fd, line, sizeof line - 1, MSG_DONTWAIT) == (ssize_t) sizeof line - 1)
        ;
    sem_post(&is_full);
    answer("lock.acquire", acquired());
    ring();
    answer("object.close", json_object());
}

START_TEST(who_is_owed_answers_reads_them)
{
    procd_lock *lock;
    int64_t begun;

    sem_init(&is_full, 0, 0);
    atomic_store(&page->words[3].value, OTHERS | WORD_CLOSED);
    serve(fill_the_socket);
    lock = procd_lock_new("l");
    ck_assert_int_eq(procd_lock_acquire(lock, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    sem_wait(&is_full);
    begun = clock_monotonic();
    ck_assert_int_eq(procd_lock_acquire(lock, PROCD_FOREVER), 1);
    ck_assert_int_lt(clock_monotonic() - begun, 5 * NSEC_PER_SEC);
    procd_lock_free(lock);
}
END_TEST

static void map_semaphore_for_parent(void)
{
    create();
    answer_map(mapped_many(3, 2, 9), memory);
    answer("object.close", json_object());
}

START_TEST(children_do_not_touch_semaphores)
{
    procd_semaphore *semaphore;
    int status;
    pid_t pid;

    serve(map_semaphore_for_parent);
    semaphore = procd_semaphore_new("l", 2);
    ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 1);
    pid = fork();
    if (pid == 0)
        _exit(procd_semaphore_release(semaphore) != -EINVAL ||
              procd_semaphore_acquire(semaphore, 0) != -EINVAL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(procd_semaphore_release(semaphore), 0);
    procd_semaphore_free(semaphore);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("shared");
    TCase *tcase = tcase_create("shared");
    SRunner *runner = srunner_create(suite);
    int failed;

    procd_init(argc, argv);
    tcase_add_checked_fixture(tcase, fake_page_begin, fake_page_end);
    tcase_add_test(tcase, it_is_asked_once_a_thread);
    tcase_add_test(tcase, who_is_refused_does_not_ask_again);
    tcase_add_test(tcase, who_is_refused_asks_again_later);
    tcase_add_test(tcase, only_its_holder_notes_a_token);
    tcase_add_test(tcase, what_is_gone_is_asked_for_anew);
    tcase_add_test(tcase, what_has_died_is_asked_for_anew);
    tcase_add_loop_test(tcase, nonsense_is_no_memory, 0, 8);
    tcase_add_test(tcase, permits_are_words);
    tcase_add_test(tcase, who_is_in_doubt_asks);
    tcase_add_test(tcase, a_handle_has_as_many_words_as_at_first);
    tcase_add_test(tcase, who_is_owed_answers_reads_them);
    tcase_add_test(tcase, children_do_not_touch_it);
    tcase_add_test(tcase, children_do_not_touch_semaphores);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
