/* SPDX-License-Identifier: MIT */
/* Handles against a daemon that is played; and the child's side, run for real by it. */
#include "client/lib/process.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/fdpass.h"
#include "tests/unit/client/fake_daemon.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct fake fake;
static struct fake_peer peer;

/* What the target sees goes into a file of its working directory. */
PROCD_TARGET(tell)
{
    FILE *file = fopen("told", "w");
    json_t *seen = json_pack("{s:O,s:O,s:s,s:i,s:b,s:b}", "args", args, "kwargs", kwargs, "name",
                             procd_process_name(self), "parent", (int) procd_parent_pid(), "marked",
                             getenv("PROCD_CHILD") != NULL, "self", self == procd_current_process());

    json_dumpf(seen, file, JSON_COMPACT);
    json_decref(seen);
    return 0x107; /* stdio is flushed at exit; only 8 bits count */
}

PROCD_TARGET(other)
{
    return 0;
}

static void begin(void)
{
    fake_begin(&fake);
}

static void end(void)
{
    fake_end(&fake);
}

static void *greet(void *part)
{
    fake_greet(&fake, &peer, "e");
    ((void (*)(void)) part)();
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

/* One connection, on which part plays the daemon. */
static void serve(void (*part)(void))
{
    ck_assert_int_eq(pthread_create(&fake.thread, NULL, greet, (void *) part), 0);
}

static void close_pool(void)
{
    struct library *here = library();

    while (here->idle_count > 0)
        connection_free(here->idle[--here->idle_count]);
}

static json_t *info(int id, const char *name, int daemon)
{
    return json_pack("{s:i,s:s,s:i,s:b,s:i}", "id", id, "name", name, "pid", 4711, "daemon", daemon, "pidfd",
                     0);
}

/* Answers a spawn with a pidfd of our own. */
static void answer_spawn(json_t *request, json_t *record, int pidfd)
{
    json_t *message = json_pack("{s:s,s:O,s:o,s:i}", "jsonrpc", "2.0", "id", json_object_get(request, "id"),
                                "result", record, "fds", 1);
    char *text = json_dumps(message, JSON_COMPACT);
    struct iovec iov[2] = {{text, strlen(text)}, {(char[]) {'\n'}, 1}};

    ck_assert_int_gt(fdpass_send(peer.fd, iov, 2, &pidfd, 1), 0);
    free(text);
    json_decref(message);
    json_decref(request);
    close_fd(pidfd);
}

static int own_pidfd(void)
{
    return (int) syscall(SYS_pidfd_open, getpid(), 0);
}

static int dead_pidfd(void)
{
    pid_t pid = fork();
    int pidfd;

    if (pid == 0)
        _exit(0);
    pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
    waitpid(pid, NULL, 0);
    return pidfd;
}

static json_t *param(json_t *request, const char *name)
{
    return json_object_get(json_object_get(request, "params"), name);
}

static procd_process *make(const char *target)
{
    struct procd_options options = {.target = target};

    return procd_process_new(&options);
}

/* ---- options ---- */

static void refuse(struct procd_options options, int error)
{
    ck_assert_ptr_null(procd_process_new(&options));
    ck_assert_int_eq(procd_last_error()->code, error);
}

START_TEST(options_that_make_no_sense)
{
    static const char *const argv[] = {"true", NULL}, *const nothing[] = {NULL};
    char long_name[300];

    memset(long_name, 'x', sizeof long_name);
    long_name[256] = '\0';
    refuse((struct procd_options) {.target = NULL}, -EINVAL);
    refuse((struct procd_options) {.target = "tell", .argv = argv}, -EINVAL);
    refuse((struct procd_options) {.argv = nothing}, -EINVAL);
    refuse((struct procd_options) {.argv = argv, .args = json_array()}, -EINVAL);
    refuse((struct procd_options) {.target = "tell", .args = json_object()}, -EINVAL);
    refuse((struct procd_options) {.target = "tell", .kwargs = json_array()}, -EINVAL);
    refuse((struct procd_options) {.target = "tell", .extra = json_array()}, -EINVAL);
    refuse((struct procd_options) {.target = "tell", .name = ""}, -EINVAL);
    refuse((struct procd_options) {.target = "tell", .name = long_name}, -EINVAL);
    refuse((struct procd_options) {.target = "tell", .name = "\xff"}, -EINVAL);
    refuse((struct procd_options) {.target = "tell", .daemon = (enum procd_daemon_flag) 3}, -EINVAL);
    refuse((struct procd_options) {.target = "unheard-of"}, -ENOENT);
    ck_assert_ptr_null(procd_process_new(NULL));
}
END_TEST

START_TEST(before_the_start)
{
    procd_process *process = make("other");
    int exitcode = 77;

    fake_close(&fake); /* nobody needs to be asked */
    ck_assert_ptr_null(procd_process_name(process));
    ck_assert_int_eq(procd_process_set_name(process, "alvin"), 0);
    ck_assert_str_eq(procd_process_name(process), "alvin");
    ck_assert_int_eq(procd_process_set_name(process, NULL), 0);
    ck_assert_int_eq(procd_process_daemon(process), 0);
    ck_assert_int_eq(procd_process_set_daemon(process, 5), 0);
    ck_assert_int_eq(procd_process_daemon(process), 1);
    ck_assert_int_eq(procd_process_pid(process), 0);
    ck_assert_int_eq(procd_process_id(process), 0);
    ck_assert_int_eq(procd_process_is_alive(process), 0);
    ck_assert_int_eq(procd_process_exitcode(process, &exitcode), 0);
    ck_assert_int_eq(exitcode, 77);
    ck_assert_int_eq(procd_process_join(process, 0), -EINVAL);
    ck_assert_int_eq(procd_process_terminate(process), -EINVAL);
    ck_assert_int_eq(procd_process_kill(process), -EINVAL);
    ck_assert_int_eq(procd_process_signal(process, SIGUSR1), -EINVAL);
    ck_assert_int_eq(procd_process_sentinel(process), -EINVAL);
    ck_assert_int_eq(procd_active_children(NULL), 0);
    ck_assert_int_eq(procd_process_close(process), 0);
    ck_assert_int_eq(procd_process_close(process), 0);
    ck_assert_int_eq(procd_process_start(process), -EINVAL);
    ck_assert_int_eq(procd_process_exitcode(process, &exitcode), -EINVAL);
    procd_process_free(process);
    procd_process_free(NULL);
    ck_assert_int_eq(procd_process_join(NULL, 0), -EINVAL);
}
END_TEST

/* ---- what is sent ---- */

static mode_t mask_sent = 027;
static const char env_sent[] = "KEPT=first\0KEPT=second\0BYTES=\xff\0\xff=x\0";

/* The descriptor that it means is a memfd that nobody can change, with these bytes. */
static void check_memory(const json_t *index, const char *bytes, size_t size)
{
    char buffer[4096];
    int fd;

    ck_assert(json_is_integer(index) && (size_t) json_integer_value(index) < peer.fd_count);
    fd = peer.fds[json_integer_value(index)];
    ck_assert_int_eq(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    ck_assert_int_eq(pread(fd, buffer, sizeof buffer, 0), (ssize_t) size);
    ck_assert_mem_eq(buffer, bytes, size);
}

static void check_told(const char *text)
{
    json_t *told = json_loads(text, 0, NULL);

    ck_assert_str_eq(json_string_value(json_object_get(told, "target")), "tell");
    ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(told, "args"), 0)), 1);
    json_decref(told);
}

static void check_target_spawn(void)
{
    json_t *request = fake_read(&peer, "process.spawn"), *argv = param(request, "argv");
    char cwd[4096];

    ck_assert_ptr_nonnull(getcwd(cwd, sizeof cwd));
    ck_assert_str_eq(json_string_value(param(request, "cwd")), cwd);
    ck_assert_int_eq(json_integer_value(param(request, "umask")), mask_sent);
    check_memory(param(request, "env_fd"), env_sent, sizeof env_sent - 1);
    ck_assert_ptr_null(param(request, "env"));
    ck_assert_int_eq(json_integer_value(json_object_get(param(request, "stdin"), "fd")), 1);
    ck_assert_str_eq(json_string_value(param(request, "stdout")), "null");
    ck_assert_str_eq(json_string_value(param(request, "stderr")), "log");
    ck_assert(json_is_true(param(request, "pidfd")) && json_is_true(param(request, "daemon")));
    ck_assert_str_eq(json_string_value(param(request, "name")), "alvin");
    ck_assert_uint_eq(json_array_size(argv), 3);
    ck_assert_str_eq(json_string_value(json_array_get(argv, 1)), "procd:tell");
    ck_assert_str_eq(json_string_value(json_array_get(argv, 2)), "alvin");
    /* the environment, stdin, the caller's own two (as 3, and as 5), the program */
    ck_assert_uint_eq(peer.fd_count, 4);
    ck_assert_uint_eq(json_array_size(param(request, "fds")), 2);
    ck_assert_int_eq(json_integer_value(json_array_get(json_array_get(param(request, "fds"), 0), 0)), 2);
    ck_assert_int_eq(json_integer_value(json_array_get(json_array_get(param(request, "fds"), 1), 0)), 1);
    ck_assert_int_eq(json_integer_value(param(request, "exe_fd")), 3);
    check_told(json_string_value(json_object_get(param(request, "env_add"), "PROCD_CHILD")));
    ck_assert_str_eq(json_string_value(json_object_get(param(request, "labels"), "a")), "b");
    answer_spawn(request, info(12, "alvin", 1), own_pidfd());
}

START_TEST(start_sends_the_callers_surroundings)
{
    const char *const env[] = {"KEPT=first", "KEPT=second", "NOTHING", "=x", "BYTES=\xff", "\xff=x", NULL};
    struct procd_options options = {.target = "tell", .name = "alvin", .daemon = PROCD_DAEMON, .env = env};
    procd_process *process;
    int spare = open("/dev/null", O_RDONLY | O_CLOEXEC), seen;

    options.args = json_pack("[i]", 1);
    options.extra = json_pack("{s:[[i,i],[i,i]],s:{s:s}}", "fds", spare, 3, 0, 5, "labels", "a", "b");
    options.stdio[1] = PROCD_NULL;
    options.stdio[2] = PROCD_LOG;
    umask(mask_sent);
    serve(check_target_spawn);
    process = procd_process_new(&options);
    ck_assert_ptr_nonnull(process);
    ck_assert_int_eq(procd_process_start(process), 0);
    seen = (int) umask(022);
    ck_assert_int_eq(seen, mask_sent);
    ck_assert_int_eq(procd_process_start(process), -EINVAL);
    ck_assert_int_eq(procd_process_set_name(process, "x"), -EINVAL);
    ck_assert_int_eq(procd_process_set_daemon(process, 1), -EINVAL);
    ck_assert_int_eq(procd_process_id(process), 12);
    ck_assert_int_eq(procd_process_pid(process), 4711);
    ck_assert_str_eq(procd_process_name(process), "alvin");
    ck_assert_int_eq(procd_process_daemon(process), 1);
    ck_assert_int_ge(procd_process_sentinel(process), 3);
    ck_assert_int_eq(procd_process_is_alive(process), 1); /* the pidfd tells: nobody is asked */
    procd_process_free(process);
    close_fd(spare);
    close_pool();
}
END_TEST

static void check_program_spawn(void)
{
    json_t *request = fake_read(&peer, "process.spawn"), *argv = param(request, "argv");

    ck_assert_uint_eq(json_array_size(argv), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(argv, 1), "b64")), "/w==");
    ck_assert_str_eq(json_string_value(param(request, "cwd")), "/tmp");
    ck_assert_str_eq(json_string_value(param(request, "stdin")), "null"); /* ours is closed */
    ck_assert_str_eq(json_string_value(json_object_get(param(request, "stdout"), "file")), "/x");
    ck_assert_ptr_null(param(request, "daemon"));
    ck_assert_ptr_null(param(request, "exe_fd"));
    fake_fail(&peer, request, -32004, "cannot");
    request = fake_read(&peer, "process.spawn");
    answer_spawn(request, info(13, "Process-1", 0), own_pidfd());
}

START_TEST(failed_start_may_be_tried_again)
{
    const char *const argv[] = {"true", "\xff", NULL};
    struct procd_options options = {.argv = argv, .cwd = "/tmp"};
    procd_process *process;

    options.extra = json_pack("{s:{s:s}}", "stdout", "file", "/x");
    serve(check_program_spawn);
    process = procd_process_new(&options);
    close_fd(0);
    ck_assert_int_eq(procd_process_start(process), PROCD_E_SPAWN_FAILED);
    ck_assert_str_eq(procd_last_error()->message, "cannot");
    ck_assert_ptr_nonnull(procd_last_error()->data);
    ck_assert_int_eq(procd_process_start(process), 0);
    ck_assert_str_eq(procd_process_name(process), "Process-1");
    procd_process_free(process);
    close_pool();
}
END_TEST

START_TEST(descriptors_and_directories_that_are_not_there)
{
    const char *const argv[] = {"true", NULL};
    struct procd_options options = {.argv = argv};
    procd_process *process;

    options.stdio[1] = 901;
    process = procd_process_new(&options);
    ck_assert_int_eq(procd_process_start(process), -EBADF);
    procd_process_free(process);
    options.stdio[1] = 0;
    options.cwd = "relative";
    process = procd_process_new(&options);
    ck_assert_int_eq(procd_process_start(process), -EINVAL);
    procd_process_free(process);
    options.cwd = NULL;
    options.stdio[0] = PROCD_LOG;
    process = procd_process_new(&options);
    ck_assert_int_eq(procd_process_start(process), -EINVAL);
    procd_process_free(process);
}
END_TEST

/* ---- after the start ---- */

static json_t *exited(int code)
{
    return json_pack("{s:b,s:i}", "exited", 1, "exitcode", code);
}

static void end_by_and_by(void)
{
    json_t *request;

    answer_spawn(fake_read(&peer, "process.spawn"), info(5, "Process-1", 0), dead_pidfd());
    request = fake_read(&peer, "process.signal");
    ck_assert_int_eq(json_integer_value(param(request, "signal")), SIGUSR1);
    ck_assert_int_eq(json_integer_value(param(request, "process")), 5);
    fake_answer(&peer, request, json_object());
    fake_answer(&peer, fake_read(&peer, "process.terminate"), json_object());
    request = fake_read(&peer, "process.close");
    fake_fail(&peer, request, -32012, "still running");
    request = fake_read(&peer, "process.join");
    ck_assert_double_eq(json_number_value(param(request, "timeout")), 0);
    ck_assert_int_gt(json_string_length(param(request, "holder")), 0);
    fake_answer(&peer, request, json_pack("{s:b}", "exited", 0));
    request = fake_read(&peer, "process.join");
    ck_assert(json_is_null(param(request, "timeout")));
    fake_fail(&peer, request, -32007, "deadlock");
    fake_answer(&peer, fake_read(&peer, "process.join"), exited(-9));
    fake_answer(&peer, fake_read(&peer, "process.close"), json_object());
}

START_TEST(from_start_to_close)
{
    procd_process *process = make("other");
    int exitcode = 0;

    serve(end_by_and_by);
    ck_assert_int_eq(procd_process_start(process), 0);
    ck_assert_int_eq(procd_process_signal(process, 0), -EINVAL);
    ck_assert_int_eq(procd_process_signal(process, 65), -EINVAL);
    ck_assert_int_eq(procd_process_signal(process, SIGUSR1), 0);
    ck_assert_int_eq(procd_process_terminate(process), 0);
    ck_assert_int_eq(procd_process_close(process), PROCD_E_STILL_RUNNING);
    ck_assert_int_eq(procd_process_join(process, NAN), -EINVAL);
    ck_assert_int_eq(procd_process_join(process, -1), 0);
    ck_assert_int_eq(procd_process_join(process, PROCD_FOREVER), PROCD_E_DEADLOCK);
    ck_assert_uint_eq(library()->child_count, 1);
    ck_assert_int_eq(procd_process_exitcode(process, &exitcode), 1);
    ck_assert_int_eq(exitcode, -9);
    ck_assert_uint_eq(library()->child_count, 0);
    /* From here on nobody needs to be asked. */
    ck_assert_int_eq(procd_process_join(process, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_process_is_alive(process), 0);
    ck_assert_int_eq(procd_process_kill(process), 0);
    ck_assert_int_eq(procd_process_close(process), 0);
    ck_assert_int_eq(procd_process_join(process, 0), -EINVAL);
    procd_process_free(process);
    close_pool();
}
END_TEST

static void end_unknown(void)
{
    answer_spawn(fake_read(&peer, "process.spawn"), info(5, "Process-1", 0), dead_pidfd());
    fake_answer(&peer, fake_read(&peer, "process.join"), json_pack("{s:b,s:n}", "exited", 1, "exitcode"));
}

START_TEST(status_that_cannot_be_known)
{
    procd_process *process = make("other");
    int exitcode = 77;

    serve(end_unknown);
    ck_assert_int_eq(procd_process_start(process), 0);
    ck_assert_int_eq(procd_process_join(process, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_process_exitcode(process, &exitcode), -ENODATA);
    ck_assert_int_eq(exitcode, 77);
    ck_assert_int_eq(procd_process_is_alive(process), 0);
    procd_process_free(process);
    close_pool();
}
END_TEST

static void spawn_three(void)
{
    answer_spawn(fake_read(&peer, "process.spawn"), info(1, "a", 0), own_pidfd());
    answer_spawn(fake_read(&peer, "process.spawn"), info(2, "b", 0), dead_pidfd());
    answer_spawn(fake_read(&peer, "process.spawn"), info(3, "c", 0), own_pidfd());
    fake_answer(&peer, fake_read(&peer, "process.join"), exited(0));
}

START_TEST(active_children_join_the_others)
{
    procd_process *process[3], **list;

    serve(spawn_three);
    for (int i = 0; i < 3; i++) {
        process[i] = make("other");
        ck_assert_int_eq(procd_process_start(process[i]), 0);
    }
    procd_process_free(process[2]); /* a child without a handle is a child */
    ck_assert_int_eq(procd_active_children(&list), 2);
    ck_assert_ptr_eq(list[0], process[0]);
    ck_assert_str_eq(procd_process_name(list[1]), "c");
    ck_assert_ptr_null(list[2]);
    procd_process_free(list[0]);
    procd_process_free(list[1]);
    free(list);
    ck_assert_int_eq(procd_active_children(NULL), 2);
    procd_process_free(process[0]);
    procd_process_free(process[1]);
    close_pool();
}
END_TEST

static void spawn_one(void)
{
    answer_spawn(fake_read(&peer, "process.spawn"), info(1, "a", 0), own_pidfd());
}

START_TEST(forked_children_have_none_of_it)
{
    procd_process *process = make("other"), *unstarted = make("other");
    int status;
    pid_t pid;

    serve(spawn_one);
    ck_assert_int_eq(procd_process_start(process), 0);
    ck_assert_int_eq(procd_process_pid(procd_current_process()), getpid());
    pid = fork();
    if (pid == 0) {
        int ok = procd_process_join(process, 0) == -EINVAL && procd_process_is_alive(process) == -EINVAL &&
                 procd_process_start(unstarted) == -EINVAL && procd_active_children(NULL) == 0 &&
                 procd_process_pid(procd_current_process()) == getpid();

        _exit(!ok);
    }
    waitpid(pid, &status, 0);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(procd_process_is_alive(process), 1);
    procd_process_free(process);
    procd_process_free(unstarted);
    close_pool();
}
END_TEST

START_TEST(nobody_started_this_program)
{
    procd_process *self = procd_current_process();

    fake_close(&fake);
    ck_assert_str_eq(procd_process_name(self), "MainProcess");
    ck_assert_int_eq(procd_process_pid(self), getpid());
    ck_assert_int_eq(procd_process_id(self), 0);
    ck_assert_int_eq(procd_process_daemon(self), 0);
    ck_assert_int_eq(procd_process_is_alive(self), 1);
    ck_assert_int_eq(procd_parent_pid(), getppid());
    ck_assert_int_eq(procd_process_join(self, 0), -EINVAL);
    ck_assert_int_eq(procd_process_start(self), -EINVAL);
    ck_assert_int_eq(procd_process_close(self), -EINVAL);
    procd_process_free(self);
    ck_assert_ptr_eq(procd_current_process(), self);
}
END_TEST

/* ---- the child's side ---- */

/* Does what the keeper would: places the descriptors, and executes. Returns the status. */
static int execute(json_t *request)
{
    json_t *placed = json_array_get(param(request, "fds"), 0);
    char *argv[] = {"test_process", NULL}, marker[4096], *envp[] = {marker, NULL};
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        int memory = fcntl(peer.fds[json_integer_value(json_array_get(placed, 0))], F_DUPFD, 50);
        int program = fcntl(peer.fds[json_integer_value(param(request, "exe_fd"))], F_DUPFD_CLOEXEC, 50);

        snprintf(marker, sizeof marker, "PROCD_CHILD=%s",
                 json_string_value(json_object_get(param(request, "env_add"), "PROCD_CHILD")));
        if (placed)
            dup2(memory, (int) json_integer_value(json_array_get(placed, 1)));
        if (chdir(fake.folder) == 0)
            execveat(program, "", argv, envp, AT_EMPTY_PATH);
        _exit(99);
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static int target_status;
static size_t told_size;

static void run_target(void)
{
    json_t *request = fake_read(&peer, "process.spawn");

    ck_assert_uint_eq(json_array_size(param(request, "fds")), told_size > 2048);
    target_status = execute(request);
    answer_spawn(request, info(1, "alvin", 0), own_pidfd());
}

START_TEST(child_runs_its_target)
{
    struct procd_options options = {.target = "tell", .name = "alvin"};
    procd_process *process;
    char path[100], text[3000];
    json_t *told;

    told_size = _i == 0 ? 3 : 3000; /* more than a variable is to hold */
    memset(text, 'x', sizeof text);
    options.kwargs = json_pack("{s:i,s:s%}", "n", 5, "text", text, told_size);
    serve(run_target);
    process = procd_process_new(&options);
    ck_assert_int_eq(procd_process_start(process), 0);
    ck_assert_int_eq(target_status, 7);
    snprintf(path, sizeof path, "%s/told", fake.folder);
    told = json_load_file(path, 0, NULL);
    unlink(path);
    ck_assert_ptr_nonnull(told);
    ck_assert(json_is_array(json_object_get(told, "args")) &&
              json_array_size(json_object_get(told, "args")) == 0);
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(told, "kwargs"), "n")), 5);
    ck_assert_uint_eq(strlen(json_string_value(json_object_get(json_object_get(told, "kwargs"), "text"))),
                      told_size);
    ck_assert_str_eq(json_string_value(json_object_get(told, "name")), "alvin");
    ck_assert_int_eq(json_integer_value(json_object_get(told, "parent")), getpid());
    ck_assert(json_is_false(json_object_get(told, "marked")) && json_is_true(json_object_get(told, "self")));
    json_decref(told);
    procd_process_free(process);
    close_pool();
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("process");
    TCase *tcase = tcase_create("process");
    SRunner *runner;
    int failed;

    procd_init(argc, argv);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, options_that_make_no_sense);
    tcase_add_test(tcase, before_the_start);
    tcase_add_test(tcase, start_sends_the_callers_surroundings);
    tcase_add_test(tcase, failed_start_may_be_tried_again);
    tcase_add_test(tcase, descriptors_and_directories_that_are_not_there);
    tcase_add_test(tcase, from_start_to_close);
    tcase_add_test(tcase, status_that_cannot_be_known);
    tcase_add_test(tcase, active_children_join_the_others);
    tcase_add_test(tcase, forked_children_have_none_of_it);
    tcase_add_test(tcase, nobody_started_this_program);
    tcase_add_loop_test(tcase, child_runs_its_target, 0, 2);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
