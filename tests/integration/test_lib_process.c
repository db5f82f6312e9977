/* SPDX-License-Identifier: MIT */
/* libprocd against a whole daemon: targets and programs from their start to their end, threads, events. */
#include "client/lib/procd.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "tests/integration/daemon_fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct daemon_fixture procd;

/* The same with targets that are copies of a zygote, which is the first child. */
#ifdef WITH_ZYGOTE
#define IS_COPY true
#define FIRST   "Process-2"
#define CHILD_OF_SECOND "Process-3:1"
#define begin_copies() ck_assert_int_eq(procd_zygote(), 0)
#define end_copies() daemon_fixture_end_zygotes()
#else
#define IS_COPY false
#define FIRST   "Process-1"
#define CHILD_OF_SECOND "Process-2:1"
#define begin_copies()
#define end_copies()
#endif

/* ---- targets ---- */

/* Exits with args[0]. */
PROCD_TARGET(leave)
{
    return (int) json_integer_value(json_array_get(args, 0));
}

/* Until it is signalled, or for a minute. */
PROCD_TARGET(linger)
{
    poll(NULL, 0, 60000);
    return 0;
}

/* Until the pipe args[0] is closed at its other end. */
PROCD_TARGET(wait_for_end_of_pipe)
{
    char byte;

    return read((int) json_integer_value(json_array_get(args, 0)), &byte, 1) == 0 ? 0 : 1;
}

/* 0: args[0] is args[1] times the letter x, and no marker of its own is left for its children. */
PROCD_TARGET(measure)
{
    const char *text = json_string_value(json_array_get(args, 0));
    size_t length = (size_t) json_integer_value(json_array_get(args, 1));

    return !(strlen(text) == length && strspn(text, "x") == length && !getenv("PROCD_CHILD"));
}

/* Says who it is, as JSON, into descriptor 1. */
PROCD_TARGET(introduce)
{
    char cwd[4096] = "";
    mode_t mask = umask(0);
    json_t *self_told =
        json_pack("{s:s,s:i,s:i,s:b,s:i,s:s,s:i,s:s*,s:b,s:b,s:O,s:O}", "name", procd_process_name(self),
                  "id", (int) procd_process_id(self), "pid", (int) procd_process_pid(self), "daemon",
                  procd_process_daemon(self), "parent", (int) procd_parent_pid(), "cwd",
                  getcwd(cwd, sizeof cwd), "umask", (int) mask, "kept", getenv("KEPT"), "marked",
                  getenv("PROCD_CHILD") != NULL, "copy", daemon_fixture_is_copy(), "args", args,
                  "kwargs", kwargs);

    json_dumpf(self_told, stdout, JSON_COMPACT);
    json_decref(self_told);
    return self == procd_current_process() && getpid() == procd_process_pid(self) ? 0 : 1;
}

/* Has a child of its own, and exits with its status. */
PROCD_TARGET(have_child)
{
    struct procd_options options = {.target = "introduce"};
    procd_process *child = procd_process_new(&options);
    int status = 99;

    if (procd_process_start(child) == 0 && procd_process_join(child, PROCD_FOREVER) == 1)
        procd_process_exitcode(child, &status);
    procd_process_free(child);
    return status;
}

/* ---- helpers ---- */

static void begin(void)
{
    daemon_fixture_begin(&procd);
    begin_copies();
}

static void end(void)
{
    end_copies();
    daemon_fixture_end(&procd);
}

static procd_process *start(struct procd_options options)
{
    procd_process *process = procd_process_new(&options);

    ck_assert_msg(process != NULL, "%s", procd_last_error()->message);
    ck_assert_msg(procd_process_start(process) == 0, "%s", procd_last_error()->message);
    return process;
}

static procd_process *start_target(const char *target, json_t *args)
{
    return start((struct procd_options) {.target = target, .args = args});
}

/* Joins, and gives the status and the handle back. */
static int finish(procd_process *process)
{
    int exitcode;

    ck_assert_msg(procd_process_join(process, PROCD_FOREVER) == 1, "%s", procd_last_error()->message);
    ck_assert_int_eq(procd_process_exitcode(process, &exitcode), 1);
    ck_assert_int_eq(procd_process_is_alive(process), 0);
    procd_process_free(process);
    return exitcode;
}

/* Starts it with a pipe as its stdout, and returns the JSON that it writes until its end. */
static json_t *listen_to(struct procd_options options, int *ret_exitcode)
{
    procd_process *process;
    json_t *heard;
    FILE *reader;
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    options.stdio[1] = ends[1] + 1;
    process = start(options);
    close_fd(ends[1]);
    reader = fdopen(ends[0], "r");
    heard = json_loadf(reader, 0, NULL);
    fclose(reader);
    *ret_exitcode = finish(process);
    ck_assert_ptr_nonnull(heard);
    return heard;
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static int number_of(const json_t *object, const char *name)
{
    return (int) json_integer_value(json_object_get(object, name));
}

/* ---- one process ---- */

START_TEST(target_from_start_to_end)
{
    struct procd_options options = {.target = "introduce", .args = json_pack("[s,i]", "a", 1)};
    json_t *heard;
    char cwd[4096];
    int exitcode;

    options.kwargs = json_pack("{s:n}", "k");
    setenv("KEPT", "yes", 1);
    umask(037);
    ck_assert_int_eq(chdir("/usr"), 0);
    ck_assert_ptr_nonnull(getcwd(cwd, sizeof cwd));
    heard = listen_to(options, &exitcode);
    umask(022);
    ck_assert_int_eq(exitcode, 0);
    ck_assert_str_eq(text_of(heard, "name"), FIRST);
    ck_assert_int_gt(number_of(heard, "id"), 0);
    ck_assert_int_eq(number_of(heard, "parent"), getpid());
    ck_assert(json_is_false(json_object_get(heard, "daemon")) &&
              json_is_false(json_object_get(heard, "marked")));
    ck_assert_str_eq(text_of(heard, "cwd"), cwd);
    ck_assert_str_eq(text_of(heard, "kept"), "yes");
    ck_assert_int_eq(json_is_true(json_object_get(heard, "copy")), IS_COPY);
    ck_assert_int_eq(number_of(heard, "umask"), 037);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(heard, "args"), 0)), "a");
    ck_assert(json_is_null(json_object_get(json_object_get(heard, "kwargs"), "k")));
    json_decref(heard);
}
END_TEST

START_TEST(names_and_flags)
{
    struct procd_options named = {.target = "introduce", .name = "egon", .daemon = PROCD_DAEMON};
    json_t *heard;
    int exitcode;

    heard = listen_to(named, &exitcode);
    ck_assert_str_eq(text_of(heard, "name"), "egon");
    ck_assert(json_is_true(json_object_get(heard, "daemon")));
    json_decref(heard);

    /* A child's child: its name goes on from its creator's; the daemon flag is its creator's. */
    heard = listen_to((struct procd_options) {.target = "have_child", .daemon = PROCD_DAEMON}, &exitcode);
    ck_assert_int_eq(exitcode, 0);
    ck_assert_str_eq(text_of(heard, "name"), CHILD_OF_SECOND);
    ck_assert(json_is_true(json_object_get(heard, "daemon")));
    ck_assert_int_ne(number_of(heard, "parent"), getpid());
    json_decref(heard);
}
END_TEST

START_TEST(statuses)
{
    procd_process *process;

    ck_assert_int_eq(finish(start_target("leave", json_pack("[i]", 0))), 0);
    ck_assert_int_eq(finish(start_target("leave", json_pack("[i]", 7))), 7);
    ck_assert_int_eq(finish(start_target("leave", json_pack("[i]", -1))), 255);
    ck_assert_int_eq(finish(start_target("leave", json_pack("[i]", 256))), 0);
    process = start_target("linger", NULL);
    ck_assert_int_eq(procd_process_terminate(process), 0);
    ck_assert_int_eq(finish(process), -SIGTERM);
    process = start_target("linger", NULL);
    ck_assert_int_eq(procd_process_kill(process), 0);
    ck_assert_int_eq(finish(process), -SIGKILL);
    process = start_target("linger", NULL);
    ck_assert_int_eq(procd_process_signal(process, SIGUSR2), 0);
    ck_assert_int_eq(finish(process), -SIGUSR2);
}
END_TEST

START_TEST(alive_until_its_end)
{
    procd_process *process;
    struct pollfd sentinel = {.events = POLLIN};
    int ends[2], exitcode = 77, unknown;
    int64_t begun;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    process = start((struct procd_options) {.target = "wait_for_end_of_pipe",
                                            .args = json_pack("[i]", 7),
                                            .extra = json_pack("{s:[[i,i]]}", "fds", ends[0], 7)});
    close_fd(ends[0]);
    ck_assert_int_eq(procd_process_is_alive(process), 1);
    ck_assert_int_eq(procd_process_exitcode(process, &exitcode), 0);
    ck_assert_int_eq(procd_process_join(process, 0), 0);
    begun = clock_monotonic();
    ck_assert_int_eq(procd_process_join(process, 0.05), 0);
    ck_assert_int_ge(clock_monotonic() - begun, 50 * NSEC_PER_MSEC);
    ck_assert_int_eq(procd_process_close(process), PROCD_E_STILL_RUNNING);
    ck_assert_int_eq(kill(procd_process_pid(process), 0), 0);
    sentinel.fd = procd_process_sentinel(process);
    ck_assert_int_eq(poll(&sentinel, 1, 0), 0);

    close_fd(ends[1]);
    ck_assert_int_eq(poll(&sentinel, 1, 20000), 1);
    /* What the sentinel tells the handle knows. */
    ck_assert_int_eq(procd_process_exitcode(process, &exitcode), 1);
    ck_assert_int_eq(exitcode, 0);
    ck_assert_int_eq(procd_process_join(process, 0), 1);
    ck_assert_int_eq(procd_process_kill(process), 0);
    unknown = (int) procd_process_id(process);
    ck_assert_int_eq(procd_process_close(process), 0);
    procd_process_free(process);
    ck_assert_ptr_null(procd_process_open(unknown));
    ck_assert_int_eq(procd_last_error()->code, PROCD_E_NO_SUCH_PROCESS);
}
END_TEST

START_TEST(programs)
{
    static const char *const shell[] = {"sh", "-c", "printf '[\"%s\"]' \"$V\"", NULL};
    static const char *const missing[] = {"/does/not/exist", NULL}, *const env[] = {"V=\xc3\xa4", "PATH=/bin",
                                                                                    NULL};
    struct procd_options options = {.argv = missing};
    procd_process *process = procd_process_new(&options);
    json_t *heard;
    int exitcode;

    ck_assert_int_eq(procd_process_start(process), PROCD_E_SPAWN_FAILED);
    ck_assert_str_eq(text_of(procd_last_error()->data, "errno"), "ENOENT");
    ck_assert_str_eq(text_of(procd_last_error()->data, "stage"), "exec");
    ck_assert_int_eq(procd_active_children(NULL), 0);
    procd_process_free(process);

    heard = listen_to((struct procd_options) {.argv = shell, .env = env}, &exitcode);
    ck_assert_str_eq(json_string_value(json_array_get(heard, 0)), "\xc3\xa4");
    ck_assert_int_eq(exitcode, 0);
    json_decref(heard);
}
END_TEST

/* Whether they are in its environment or in a memfd, beside which it has no further descriptor. */
START_TEST(arguments_of_any_length)
{
    static const size_t lengths[] = {0, 1, 1900, 2000, 2100, 4096, 1 << 17, 1 << 22};

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char *text = malloc(lengths[i] + 1);

        memset(text, 'x', lengths[i]);
        text[lengths[i]] = '\0';
        ck_assert_int_eq(finish(start_target("measure", json_pack("[s,I]", text, (json_int_t) lengths[i]))),
                         0);
        free(text);
    }
}
END_TEST

START_TEST(too_much_for_a_line)
{
    char *text = malloc(1 << 20);
    const char *argv[] = {"true", text, NULL};
    struct procd_options options = {.argv = argv};
    procd_process *process;

    memset(text, 'x', (1 << 20) - 1);
    text[(1 << 20) - 1] = '\0';
    process = procd_process_new(&options);
    ck_assert_int_eq(procd_process_start(process), -EMSGSIZE);
    procd_process_free(process);
    text[0] = 'A';
    text[1] = '=';
    process = procd_process_new(&(struct procd_options) {.target = "leave", .env = &argv[1]});
    ck_assert_int_eq(procd_process_start(process), PROCD_E_SPAWN_FAILED); /* the kernel's own limit */
    procd_process_free(process);
    text = realloc(text, (1 << 20) + 1);
    strcat(text, "x");
    argv[1] = text;
    process = procd_process_new(&(struct procd_options) {.target = "leave", .env = &argv[1]});
    ck_assert_int_eq(procd_process_start(process), -EMSGSIZE);
    procd_process_free(process);
    free(text);
    ck_assert_int_eq(finish(start_target("leave", json_pack("[i]", 0))), 0);
}
END_TEST

/* ---- several ---- */

START_TEST(active_children)
{
    procd_process *a = start_target("linger", NULL), *b = start_target("linger", NULL), **list;

    ck_assert_int_eq(procd_active_children(&list), 2);
    ck_assert_ptr_eq(list[0], a);
    ck_assert_ptr_eq(list[1], b);
    procd_process_free(list[0]);
    procd_process_free(list[1]);
    free(list);
    procd_process_kill(a);
    ck_assert_int_eq(finish(a), -SIGKILL);
    procd_process_free(b); /* it is a child still */
    ck_assert_int_eq(procd_active_children(&list), 1);
    procd_process_kill(list[0]);
    ck_assert_int_eq(finish(list[0]), -SIGKILL);
    free(list);
    ck_assert_int_eq(procd_active_children(NULL), 0);
}
END_TEST

static void *start_and_join(void *rounds)
{
    for (int i = 0; i < *(int *) rounds; i++) {
        ck_assert_int_eq(finish(start_target("leave", json_pack("[i]", i % 200))), i % 200);
    }
    return NULL;
}

START_TEST(threads_block_only_themselves)
{
    pthread_t threads[12], waiting;
    procd_process *lasting = start_target("linger", NULL);
    int rounds = getenv("TEST_LONG") ? 100 : 8;

    ck_assert_int_eq(pthread_create(&waiting, NULL, (void *(*) (void *) ) (void *) finish, lasting), 0);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, start_and_join, &rounds), 0);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(procd_process_kill(lasting), 0);
    pthread_join(waiting, NULL);
}
END_TEST

START_TEST(others_by_id)
{
    procd_process *process = start_target("linger", NULL), *other;
    long id = procd_process_id(process);
    int status, exitcode;
    pid_t pid = fork();

    if (pid == 0) { /* another client: it knows the id, and nothing else */
        int ok;

        other = procd_process_open(id);
        ok = other && strcmp(procd_process_name(other), FIRST) == 0 &&
             procd_process_is_alive(other) == 1 && procd_process_sentinel(other) >= 0 &&
             procd_process_start(other) == -EINVAL && procd_active_children(NULL) == 0 &&
             procd_process_terminate(other) == 0 && procd_process_join(other, PROCD_FOREVER) == 1 &&
             procd_process_exitcode(other, &exitcode) == 1 && exitcode == -SIGTERM;
        procd_process_free(other);
        _exit(!ok);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(finish(process), -SIGTERM);
}
END_TEST

START_TEST(events_of_a_process)
{
    const char *const kinds[] = {"process.*", NULL};
    procd_events *events = procd_events_open(PROCD_EVENTS_NEW, kinds);
    json_t *event;
    long id;
    procd_process *process;

    ck_assert_ptr_nonnull(events);
    process = start_target("leave", json_pack("[i]", 3));
    id = procd_process_id(process);
    ck_assert_int_eq(procd_events_next(events, 20, &event), 1);
    ck_assert_str_eq(text_of(event, "kind"), "process.spawned");
    ck_assert_int_eq(number_of(event, "process"), id);
    json_decref(event);
    ck_assert_int_eq(procd_events_next(events, 20, &event), 1);
    ck_assert_str_eq(text_of(event, "kind"), "process.exited");
    ck_assert_int_eq(number_of(event, "exitcode"), 3);
    json_decref(event);
    ck_assert_int_eq(procd_events_next(events, 0, &event), 0);
    procd_events_free(events);
    ck_assert_int_eq(finish(process), 3);
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_process");
    TCase *tcase = tcase_create("lib_process");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, target_from_start_to_end);
    tcase_add_test(tcase, names_and_flags);
    tcase_add_test(tcase, statuses);
    tcase_add_test(tcase, alive_until_its_end);
    tcase_add_test(tcase, programs);
    tcase_add_test(tcase, arguments_of_any_length);
    tcase_add_test(tcase, too_much_for_a_line);
    tcase_add_test(tcase, active_children);
    tcase_add_test(tcase, threads_block_only_themselves);
    tcase_add_test(tcase, others_by_id);
    tcase_add_test(tcase, events_of_a_process);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    SRunner *runner;
    int failed;

    procd_init(argc, argv);
    runner = make_runner();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
