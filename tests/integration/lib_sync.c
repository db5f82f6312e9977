/* SPDX-License-Identifier: MIT */
#include "tests/integration/lib_sync.h"

struct daemon_fixture lib_sync_daemon;

void lib_sync_begin(void)
{
    daemon_fixture_begin(&lib_sync_daemon);
}

void lib_sync_end(void)
{
    if (lib_sync_daemon.pid)
        ck_assert_uint_eq(lib_sync_count(), 0);
    daemon_fixture_end(&lib_sync_daemon);
}

size_t lib_sync_count(void)
{
    json_t *result;
    size_t count;

    ck_assert_int_eq(procd_call("object.list", NULL, &result), 0);
    count = json_array_size(json_object_get(result, "objects"));
    json_decref(result);
    return count;
}

size_t lib_sync_info(const char *name, const char *list)
{
    json_t *params = json_pack("{s:s}", "name", name), *result;
    size_t size;

    ck_assert_int_eq(procd_call("object.info", params, &result), 0);
    size = json_array_size(json_object_get(result, list));
    json_decref(params);
    json_decref(result);
    return size;
}

struct awaited {
    const char *name;
    size_t waiters;
};

static bool has_waiters(void *data)
{
    const struct awaited *awaited = data;

    return lib_sync_info(awaited->name, "waiters") == awaited->waiters;
}

void lib_sync_wait_for(const char *name, size_t waiters)
{
    daemon_fixture_wait(has_waiters, &(struct awaited){name, waiters});
}

procd_process *lib_sync_start(const char *target, json_t *args)
{
    struct procd_options options = {.target = target, .args = args};
    procd_process *process = procd_process_new(&options);

    ck_assert_msg(process != NULL, "%s", procd_last_error()->message);
    ck_assert_msg(procd_process_start(process) == 0, "%s", procd_last_error()->message);
    return process;
}

int lib_sync_finish(procd_process *process)
{
    int exitcode;

    ck_assert_msg(procd_process_join(process, PROCD_FOREVER) == 1, "%s", procd_last_error()->message);
    ck_assert_int_eq(procd_process_exitcode(process, &exitcode), 1);
    procd_process_free(process);
    return exitcode;
}

void lib_sync_kill(procd_process *process)
{
    ck_assert_int_eq(procd_process_kill(process), 0);
    ck_assert_int_eq(lib_sync_finish(process), -9);
}

struct part {
    int (*function)(void *);
    void *data;
    int result;
};

static void *run_part(void *data)
{
    struct part *part = data;

    part->result = part->function(part->data);
    return NULL;
}

int lib_sync_in_thread(int (*function)(void *), void *data)
{
    struct part part = {.function = function, .data = data};
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, run_part, &part), 0);
    pthread_join(thread, NULL);
    return part.result;
}

int lib_sync_main(int argc, char **argv, SRunner *(*make_runner)(void))
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
