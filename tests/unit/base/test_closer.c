/* SPDX-License-Identifier: MIT */
/* daemon/base/closer.c: a close that gets stuck holds up nobody else, and neither does the caller wait. */
#include "daemon/base/clock.h"
#include "daemon/base/closer.h"
#include "tests/unit/base/descriptors.h"
#include "tests/unit/core/must.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static atomic_int admitted, refused; /* so many threads, then so many others: there is no room for them */

typedef void *thread_main(void *context);

int __real_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, thread_main *run, void *context);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, thread_main *run, void *context);

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, thread_main *run, void *context)
{
    if (atomic_load(&admitted) > 0) {
        atomic_fetch_sub(&admitted, 1);
    } else if (atomic_load(&refused) > 0) {
        atomic_fetch_sub(&refused, 1);
        return EAGAIN;
    }
    return __real_pthread_create(ret, attributes, run, context);
}

/* The count falls just after the close that the other end saw: no descriptor tells when. */
static void await_pending(size_t count)
{
    int64_t end = clock_monotonic() + PATIENCE_MS * NSEC_PER_MSEC;

    while (closer_pending() > count && clock_monotonic() < end)
        sched_yield();
    ck_assert_uint_eq(closer_pending(), count);
}

/* Its number is free as soon as its close has begun. */
static void await_begun(int fd)
{
    int64_t end = clock_monotonic() + PATIENCE_MS * NSEC_PER_MSEC;

    while (descriptor_open(fd) && clock_monotonic() < end)
        sched_yield();
    ck_assert(!descriptor_open(fd));
}

/* A socket, whose close may block for all that the closer knows: it goes to a thread. */
static void make_pair(int ends[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void await_closed(int other_end)
{
    struct pollfd poller = {.fd = other_end};

    ck_assert_int_eq(poll(&poller, 1, PATIENCE_MS), 1);
    ck_assert_int_ne(poller.revents & POLLHUP, 0);
    close(other_end);
}

/* One that is not stuck. */
static void close_another(void)
{
    int ends[2];

    make_pair(ends);
    closer_close(&ends[1], 1);
    await_closed(ends[0]);
}

/* A connection whose close waits until its peer has read everything, but not longer than that: SO_LINGER, and
 * bytes that do not fit. */
static int lingering_for(int seconds, int *ret_peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct linger linger = {.l_onoff = 1, .l_linger = seconds};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof address;
    static const char bytes[65536];
    static const int little = 65536;

    ck_assert_int_eq(bind(listener, (struct sockaddr *) &address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *) &address, &size), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    *ret_peer = accept(listener, NULL, NULL);
    ck_assert_int_ge(*ret_peer, 0);
    close(listener);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little), 0);
    while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    ck_assert_int_eq(errno, EAGAIN);
    return fd;
}

static int lingering(int *ret_peer)
{
    return lingering_for(PATIENCE_MS / 1000, ret_peer);
}

static void read_all(int fd)
{
    char bytes[65536];
    ssize_t size;

    do
        size = read(fd, bytes, sizeof bytes);
    while (size > 0);
    ck_assert_int_eq(size, 0);
    close(fd);
}

START_TEST(closes_all_but_negative_ones)
{
    int reads[4], fds[6];

    for (size_t i = 0; i < 4; i++) {
        int ends[2];

        make_pair(ends);
        reads[i] = ends[0];
        fds[i] = ends[1];
    }
    fds[4] = fds[1];
    fds[1] = fds[5] = -1;
    closer_close(fds, 6);
    for (size_t i = 0; i < 4; i++)
        await_closed(reads[i]);
    await_pending(0);
    closer_close(NULL, 0);
    ck_assert_uint_eq(closer_pending(), 0);
}
END_TEST

START_TEST(a_stuck_one_holds_up_nobody)
{
    int peer, stuck = lingering(&peer);
    int64_t began = clock_monotonic();

    closer_close(&stuck, 1);
    ck_assert_int_lt(clock_monotonic() - began, PATIENCE_MS / 2 * NSEC_PER_MSEC); /* nor the caller */
    await_begun(stuck); /* its thread is not there for the next */
    for (int round = 0; round < 10; round++)
        close_another();
    await_pending(1);
    read_all(peer);
    await_pending(0);
}
END_TEST

/* Whichever of them is begun with. */
START_TEST(nor_what_was_queued_with_it)
{
    int peers[2], first[2], last[2], fds[4];

    make_pair(first);
    make_pair(last);
    fds[0] = first[1];
    fds[1] = lingering(&peers[0]);
    fds[2] = lingering(&peers[1]);
    fds[3] = last[1];
    closer_close(fds, 4);
    await_closed(first[0]);
    await_closed(last[0]);
    await_pending(2);
    read_all(peers[0]);
    read_all(peers[1]);
    await_pending(0);
}
END_TEST

/* There are threads enough that have nothing to do. */
START_TEST(nor_what_comes_to_idle_threads)
{
    int peers[3], stuck[3], ends[2], fds[2];

    for (size_t i = 0; i < 3; i++)
        stuck[i] = lingering(&peers[i]);
    closer_close(stuck, 3);
    for (size_t i = 0; i < 3; i++)
        read_all(peers[i]);
    await_pending(0);
    make_pair(ends);
    fds[0] = lingering(&peers[0]);
    fds[1] = ends[1];
    closer_close(fds, 2);
    await_closed(ends[0]);
    await_pending(1);
    read_all(peers[0]);
    await_pending(0);
}
END_TEST

/* However many of them: who sends them cannot keep all threads, nor keep who waits for the last one. */
START_TEST(nor_more_than_there_are_threads)
{
    enum { COUNT = 2 * CLOSER_THREADS_MAX + 8 };
    size_t before = descriptors_count();
    int peers[COUNT], fds[COUNT], ends[2];
    int64_t end = clock_monotonic() + PATIENCE_MS * NSEC_PER_MSEC;

    for (size_t i = 0; i < COUNT; i++)
        fds[i] = lingering_for(1000, &peers[i]);
    make_pair(ends);
    closer_close(fds, COUNT);
    closer_close(&ends[1], 1);
    await_closed(ends[0]);
    ck_assert_uint_gt(closer_pending(), 0); /* they do linger */
    while (closer_pending() > 0 && clock_monotonic() < end) {
        closer_hurry();
        sched_yield();
    }
    await_pending(0);
    for (size_t i = 0; i < COUNT; i++)
        close(peers[i]);
    ck_assert_uint_eq(descriptors_count(), before);
}
END_TEST

/* One is stuck, and there was no room for another one when more came. */
START_TEST(threads_that_could_not_be_made_are_made_later)
{
    int peer, stuck = lingering_for(1000, &peer);

    closer_close(&stuck, 1);
    await_begun(stuck);
    atomic_store(&refused, 3);
    close_another();
    read_all(peer);
    await_pending(0);
}
END_TEST

/* A file server's close, which no signal ends, keeps its thread: more of them are needed. */
START_TEST(and_not_only_where_signals_help)
{
    int peer, stuck = lingering_for(1000, &peer);

    closer_close(&stuck, 1);
    await_begun(stuck);
    signal(CLOSER_SIGNAL, SIG_IGN);
    atomic_store(&refused, 3);
    close_another();
    await_pending(1);
    read_all(peer);
    await_pending(0);
}
END_TEST

START_TEST(without_threads_it_closes_by_itself)
{
    int ends[2];

    make_pair(ends);
    atomic_store(&admitted, _i);
    atomic_store(&refused, 1000);
    closer_close(&ends[1], 1);
    ck_assert(!descriptor_open(ends[1]));
    ck_assert_uint_eq(closer_pending(), 0);
    close(ends[0]);
    atomic_store(&refused, 0);
    close_another();
    await_pending(0);
}
END_TEST

/* What cannot block is closed when the call returns, and no thread is begun for it. */
START_TEST(at_once)
{
    char name[32];
    int fds[9], ends[2], pair[2], large, master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    fds[0] = ends[0];
    fds[1] = ends[1];
    fds[2] = memfd_create("closer", MFD_CLOEXEC);
    fds[3] = open("/dev/null", O_RDWR | O_CLOEXEC);
    fds[4] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    fds[5] = open("/", O_PATH | O_CLOEXEC);
    fds[6] = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    ck_assert_int_eq(unlockpt(master), 0);
    ck_assert_int_eq(ptsname_r(master, name, sizeof name), 0);
    fds[7] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    fds[8] = -1;
    closer_close(fds, 9);
    for (size_t i = 0; i < 8; i++)
        ck_assert(!descriptor_open(fds[i]));
    ck_assert_uint_eq(closer_pending(), 0);
    close(master);
    make_pair(pair);
    ck_assert_int_ge(large = memfd_create("large", MFD_CLOEXEC), 0);
    ck_assert_int_eq(posix_fallocate(large, 0, 32 << 20), 0);
    ck_assert(!closer_close_now(large));
    close(large);
    ck_assert(!closer_close_now(pair[0]) && !closer_close_now(-1) && !closer_close_now(fds[0]));
    ck_assert(descriptor_open(pair[0]));
    close(pair[0]);
    close(pair[1]);
}
END_TEST

START_TEST(many_in_one_go)
{
    size_t before = descriptors_count();
    int fds[200], ends[2];

    make_pair(ends);
    for (size_t i = 0; i < 200; i++)
        ck_assert_int_ge(fds[i] = dup(ends[1]), 0);
    close(ends[1]);
    closer_close(fds, 200);
    await_closed(ends[0]);
    await_pending(0);
    ck_assert_uint_eq(descriptors_count(), before);
}
END_TEST

/* A signal is the loop's to take: in a thread of the closer it would be lost. */
START_TEST(its_threads_take_no_signals)
{
    char line[256], path[280];
    int seen = 0, threads = 0;
    struct dirent *entry;
    DIR *tasks;

    close_another();
    ck_assert_ptr_nonnull(tasks = opendir("/proc/self/task"));
    while ((entry = readdir(tasks))) {
        FILE *status;

        if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid())
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        ck_assert_ptr_nonnull(status = fopen(path, "re"));
        while (fgets(line, sizeof line, status))
            if (strncmp(line, "SigBlk:", 7) == 0)
                seen += strtoull(line + 7, NULL, 16) >> (SIGTERM - 1) & 1;
        fclose(status);
        threads++;
    }
    closedir(tasks);
    ck_assert_int_eq(seen, threads);
    ck_assert_int_ge(threads, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("closer");
    TCase *tcase = tcase_create("closer");

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, closes_all_but_negative_ones);
    tcase_add_test(tcase, a_stuck_one_holds_up_nobody);
    tcase_add_test(tcase, nor_what_was_queued_with_it);
    tcase_add_test(tcase, nor_what_comes_to_idle_threads);
    tcase_add_test(tcase, nor_more_than_there_are_threads);
    tcase_add_test(tcase, threads_that_could_not_be_made_are_made_later);
    tcase_add_test(tcase, and_not_only_where_signals_help);
    tcase_add_loop_test(tcase, without_threads_it_closes_by_itself, 0, 2);
    tcase_add_test(tcase, at_once);
    tcase_add_test(tcase, many_in_one_go);
    tcase_add_test(tcase, its_threads_take_no_signals);
    return RUN_SUITE(suite);
}
