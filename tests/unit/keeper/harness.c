/* SPDX-License-Identifier: MIT */
#include "tests/unit/keeper/harness.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/base/shelf.h"
#include "daemon/keeper/ledger.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PATIENCE_MS 20000

/* ---- inside the keeper ---- */

static int control_in_keeper;

/* The process that stands in for a role: the look-up helper ends with its socket, the broker when it is
 * killed. */
static void stand_in(bool lookup, int link_fd, pid_t keeper)
{
    char byte;

    dup2(link_fd, 3);
    syscall(SYS_close_range, lookup ? 4 : 3, ~0U, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper) /* it was killed before */
        _exit(0);
    while (lookup && (fcntl(3, F_SETFL, 0), read(3, &byte, 1)) > 0)
        ;
    while (!lookup)
        pause();
    _exit(0);
}

static int start_role(const struct keeper_config *config, const char *role, bool fresh, int link_fd,
                      int *ret_pidfd)
{
    bool lookup = strcmp(role, "lookup") == 0;
    pid_t keeper = getpid(), pid = fork();
    struct iovec iov = {.iov_base = &pid, .iov_len = sizeof pid};

    (void) config;
    (void) fresh;
    if (pid == 0)
        stand_in(lookup, link_fd, keeper);
    *ret_pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
    if (!lookup)
        fdpass_send(control_in_keeper, &iov, 1, &link_fd, 1);
    return 0;
}

static int listen_at(const char *path, struct socket_name *name)
{
    name->path = path;
    name->for_all = true;
    return socket_bind(name);
}

static void run_keeper(const struct harness *harness, int control)
{
    static struct shelf shelf;
    struct keeper_config config = {.system = !harness->user,
                                   .no_cgroups = harness->no_cgroups,
                                   .watchdog = harness->watchdog,
                                   .log_level = LOG_LEVEL_ERROR,
                                   .start = start_role};
    int r;

    control_in_keeper = control;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves none behind */
    setpgid(0, 0);
    if (harness->is_kept) {
        shelf_put(&shelf, LEDGER_NAME, harness->ledger);
        shelf_put(&shelf, STATE_NAME, harness->state);
        config.shelf = &shelf;
    }
    log_open("keeper", getenv("TEST_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
    config.listen_fd = listen_at(harness->path, &config.socket);
    /* the stand-ins of a dead keeper may have to let go of its socket */
    for (int i = 0; harness->is_kept && config.listen_fd == -EADDRINUSE && i < PATIENCE_MS; i++) {
        poll(NULL, 0, 1);
        config.listen_fd = listen_at(harness->path, &config.socket);
    }
    r = config.listen_fd < 0 ? config.listen_fd : keeper_run(&config);
    if (r < 0)
        log_error("the keeper has failed: %s", strerror(-r));
    _exit(r == 0 ? 0 : 1);
}

/* ---- start and end ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return connect(fd, (struct sockaddr *) &address, sizeof address) == 0 ? fd : -1;
}

/* A keeper has some empty cgroups ready, more or less of them. */
static bool is_pooled_cgroup(const struct harness *harness, DIR *folder, const char *name)
{
    char target[512], ours[32];
    ssize_t length = readlinkat(dirfd(folder), name, target, sizeof target - 1);

    target[length < 0 ? 0 : length] = '\0';
    snprintf(ours, sizeof ours, "/procd-%d.", harness->keeper);
    return strstr(target, ours);
}

size_t harness_keeper_fds(const struct harness *harness)
{
    const struct dirent *entry;
    char path[64];
    size_t count = 0;
    DIR *folder;

    snprintf(path, sizeof path, "/proc/%d/fd", harness->keeper);
    folder = opendir(path);
    while (folder && (entry = readdir(folder)))
        count += !is_pooled_cgroup(harness, folder, entry->d_name);
    if (folder)
        closedir(folder);
    return count;
}

static size_t own_fds(void)
{
    struct harness self = {.keeper = getpid()};

    return harness_keeper_fds(&self);
}

static void start_keeper(struct harness *harness, void (*seen)(const union message *message))
{
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    harness->keeper = fork();
    if (harness->keeper == 0) {
        close(pair[0]);
        run_keeper(harness, pair[1]);
    }
    close(pair[1]);
    harness->control = pair[0];
    harness->keeper_pidfd = (int) syscall(SYS_pidfd_open, harness->keeper, 0);
    harness_next_broker(harness, seen);
    if (!harness->serves_not)
        harness_ready(harness);
}

static void connect_client(struct harness *harness, bool is_new)
{
    union message message;

    harness->client = connect_to(harness->path);
    ck_assert_int_ge(harness->client, 0);
    harness_expect(harness, LINK_CONNECTION, &message);
    harness->connection = message.connection.connection;
    ck_assert_int_eq(message.connection.pid, getpid());
    ck_assert_int_eq(message.connection.client_is_new, is_new);
}

void harness_start(struct harness *harness)
{
    *harness = (struct harness){.no_cgroups = harness->no_cgroups,
                                .user = harness->user,
                                .is_kept = harness->is_kept,
                                .watchdog = harness->watchdog,
                                .lookup = -1,
                                .ledger = -1,
                                .state = -1,
                                .fds_before = own_fds()};
    snprintf(harness->folder, sizeof harness->folder, "/tmp/keeper-test-%d", getpid());
    snprintf(harness->path, sizeof harness->path, "%s/s", harness->folder);
    mkdir(harness->folder, 0755);
    if (harness->is_kept) {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        harness->ledger = memfd_create("ledger", MFD_CLOEXEC);
        harness->state = memfd_create("state", MFD_CLOEXEC);
    }
    start_keeper(harness, NULL);
    connect_client(harness, true);
}

void harness_kill_keeper(struct harness *harness)
{
    kill(harness->keeper, SIGKILL);
    ck_assert_int_eq(waitpid(harness->keeper, NULL, 0), harness->keeper);
    close(harness->keeper_pidfd);
    close(harness->control);
    harness->client = close_fd(harness->client);
    harness->link = close_fd(harness->link);
    harness->lookup = close_fd(harness->lookup);
}

void harness_take_over(struct harness *harness, void (*seen)(const union message *message))
{
    start_keeper(harness, seen);
}

void harness_connect_again(struct harness *harness)
{
    connect_client(harness, false);
}

static void await_keeper(struct harness *harness)
{
    struct pollfd wait_for = {.fd = harness->keeper_pidfd, .events = POLLIN};
    int status;

    harness->link = close_fd(harness->link);
    harness->lookup = close_fd(harness->lookup);
    ck_assert_int_eq(poll(&wait_for, 1, PATIENCE_MS), 1);
    waitpid(harness->keeper, &status, 0);
    ck_assert_int_eq(status, 0);
}

void harness_left_nothing(struct harness *harness)
{
    char lock[96];
    int status;

    close(harness->keeper_pidfd);
    close(harness->control);
    close_fd(harness->client);
    close_fd(harness->ledger);
    close_fd(harness->state);
    ck_assert_int_ne(access(harness->path, F_OK), 0);
    snprintf(lock, sizeof lock, "%s.lock", harness->path);
    unlink(lock);
    ck_assert_msg(rmdir(harness->folder) == 0, "something is left in %s", harness->folder);
    ck_assert_uint_eq(own_fds(), harness->fds_before);
    ck_assert_int_eq(waitpid(-1, &status, WNOHANG), -1);
}

void harness_gone(struct harness *harness)
{
    await_keeper(harness);
    harness_left_nothing(harness);
}

void harness_end_keeper(struct harness *harness)
{
    int unread = 0; /* when it leaves, that would show as ECONNRESET in the place of what it has said */

    harness_until(harness->link < 0 || (ioctl(harness->link, SIOCOUTQ, &unread) == 0 && unread == 0));
    kill(harness->keeper, SIGTERM);
    if (harness->link >= 0) {
        union message message;

        do
            harness_receive(harness, &message, NULL);
        while (message.head.kind != LINK_STOP_REQUEST);
    }
    kill(harness->keeper, SIGTERM);
    await_keeper(harness);
}

void harness_stop(struct harness *harness)
{
    harness_end_keeper(harness);
    harness_left_nothing(harness);
}

/* ---- as its broker ---- */

static ssize_t receive(int fd, union message *message, struct fdpass *fds)
{
    struct pollfd wait_for = {.fd = fd, .events = POLLIN};

    ck_assert_msg(poll(&wait_for, 1, PATIENCE_MS) == 1, "nothing came");
    return fdpass_receive(fd, message, sizeof *message, fds);
}

/* What comes at any time, and is no answer. */
static bool is_beside_the_point(const union message *message)
{
    return message->head.kind == LINK_EXECUTED || message->head.kind == LINK_LOOKUP ||
           message->head.kind == LINK_LOGS;
}

void harness_receive(struct harness *harness, union message *message, struct fdpass *fds)
{
    struct fdpass own;
    ssize_t size;

    do {
        size = receive(harness->link, message, &own);
        ck_assert_int_ge(size, (ssize_t) sizeof message->head);
        ck_assert_int_eq((ssize_t) message->head.size, size);
        if (!fds || is_beside_the_point(message))
            fdpass_close(&own);
    } while (is_beside_the_point(message));
    if (fds)
        *fds = own;
}

void harness_expect(struct harness *harness, uint32_t kind, union message *message)
{
    harness_receive(harness, message, NULL);
    ck_assert_msg(message->head.kind == kind, "kind %u instead of %u", message->head.kind, kind);
}

bool harness_silent(struct harness *harness, int ms)
{
    struct pollfd wait_for = {.fd = harness->link, .events = POLLIN};
    union message message;
    struct fdpass fds;

    while (poll(&wait_for, 1, ms) == 1) {
        receive(harness->link, &message, &fds);
        fdpass_close(&fds);
        if (!is_beside_the_point(&message)) {
            fprintf(stderr, "heard a message of kind %u\n", message.head.kind);
            return false;
        }
    }
    return true;
}

void harness_next_broker_with(struct harness *harness,
                              void (*seen)(const union message *message, const struct fdpass *fds))
{
    union message message;
    struct fdpass fds;

    ck_assert_int_eq(receive(harness->control, &message, &fds), sizeof(pid_t));
    ck_assert_uint_eq(fds.count, 1);
    memcpy(&harness->stand_in, &message, sizeof(pid_t));
    harness->link = fds.fd[0];
    harness_receive(harness, &harness->hello, &fds);
    ck_assert_uint_eq(harness->hello.head.kind, LINK_HELLO);
    ck_assert_uint_eq(fds.count, 2);
    close_fd(fds.fd[0]);
    close_fd(harness->lookup);
    harness->lookup = fds.fd[1];
    for (;;) {
        harness_receive(harness, &message, &fds);
        if (seen && message.head.kind != LINK_TABLE_END)
            seen(&message, &fds);
        fdpass_close(&fds);
        if (message.head.kind == LINK_TABLE_END)
            return;
    }
}

static void (*seen_alone)(const union message *message);

static void see_alone(const union message *message, const struct fdpass *fds)
{
    (void) fds;
    seen_alone(message);
}

void harness_next_broker(struct harness *harness, void (*seen)(const union message *message))
{
    seen_alone = seen;
    harness_next_broker_with(harness, seen ? see_alone : NULL);
}

void harness_ready(struct harness *harness)
{
    struct link_head ready = {.kind = LINK_READY, .size = sizeof ready};

    harness_send(harness, &ready, sizeof ready, NULL, 0);
}

void harness_kill_broker(struct harness *harness)
{
    kill(harness->stand_in, SIGKILL);
    harness->link = close_fd(harness->link);
    harness->lookup = close_fd(harness->lookup);
}

void harness_send(struct harness *harness, const void *message, size_t size, const int *fds, size_t count)
{
    const struct iovec iov = {.iov_base = (void *) message, .iov_len = size};
    struct pollfd wait_for = {.fd = harness->link, .events = POLLOUT};
    ssize_t sent;

    while ((sent = fdpass_send(harness->link, &iov, 1, fds, count)) == -EAGAIN)
        ck_assert_int_eq(poll(&wait_for, 1, PATIENCE_MS), 1);
    ck_assert_int_eq(sent, (ssize_t) size);
}

void harness_acknowledge(struct harness *harness, uint64_t number)
{
    struct link_head head = {.kind = LINK_ACK_REPORTS, .size = sizeof head, .number = number};

    harness_send(harness, &head, sizeof head, NULL, 0);
}

void harness_about(struct harness *harness, uint32_t kind, uint64_t process)
{
    struct link_process order = {.head = {.kind = kind, .size = sizeof order, .number = ++harness->order},
                                 .process = process};

    harness_send(harness, &order, sizeof order, NULL, 0);
}

void harness_signal(struct harness *harness, uint64_t process, int signal, bool tree)
{
    struct link_signal order = {
        .head = {.kind = LINK_SIGNAL, .size = sizeof order, .number = ++harness->order},
        .process = process,
        .signal = signal,
        .tree = tree};

    harness_send(harness, &order, sizeof order, NULL, 0);
}

void harness_ask_pidfd(struct harness *harness, uint64_t process, uint64_t tag)
{
    struct link_get_pidfd ask = {
        .head = {.kind = LINK_GET_PIDFD, .size = sizeof ask}, .process = process, .tag = tag};

    harness_send(harness, &ask, sizeof ask, NULL, 0);
}

void harness_served(struct harness *harness)
{
    union message message;

    harness_ask_pidfd(harness, 0, UINT64_MAX);
    do
        harness_receive(harness, &message, NULL);
    while (message.head.kind != LINK_PIDFD || message.pidfd.tag != UINT64_MAX);
}

void harness_barrier(struct harness *harness)
{
    static uint64_t tag = UINT64_C(1) << 32;
    union message message;

    harness_ask_pidfd(harness, 0, ++tag);
    harness_expect(harness, LINK_PIDFD, &message);
    ck_assert_uint_eq(message.pidfd.tag, tag);
    ck_assert_int_eq(message.pidfd.error, ESRCH);
}

/* ---- spawning ---- */

uint64_t harness_spawn(struct harness *harness, uint64_t connection, const struct spec_builder *spec,
                       const int *fds, size_t count)
{
    static _Alignas(8) unsigned char message[LINK_MESSAGE_MAX];
    struct link_spawn *order = (void *) message;
    uint32_t size = ((const struct link_spec *) (const void *) spec->data)->size;

    *order = (struct link_spawn){.head = {.kind = LINK_SPAWN,
                                          .size = (uint32_t) sizeof *order + size,
                                          .number = ++harness->order},
                                 .process = ++harness->process,
                                 .connection = connection,
                                 .flags = harness->flags,
                                 .spec_size = size,
                                 .name = "test"};
    memcpy(order + 1, spec->data, size);
    harness_send(harness, message, order->head.size, fds, count);
    return order->process;
}

uint64_t harness_shell(struct harness *harness, const char *command, pid_t *ret_pid)
{
    static struct spec_builder spec;
    union message message;
    uint64_t process;

    spec_shell(&spec, command);
    process = harness_spawn(harness, harness->connection, &spec, NULL, 0);
    harness_expect(harness, LINK_SPAWNED, &message);
    ck_assert_uint_eq(message.spawned.process, process);
    if (ret_pid)
        *ret_pid = message.spawned.pid;
    return process;
}

void harness_fails(struct harness *harness, const struct spec_builder *spec, int error, uint32_t stage)
{
    uint64_t process = harness_spawn(harness, harness->connection, spec, NULL, 0);
    union message message;

    harness_expect(harness, LINK_SPAWN_FAILED, &message);
    ck_assert_uint_eq(message.failed.process, process);
    ck_assert_int_eq(message.failed.error, error);
    ck_assert_uint_eq(message.failed.stage, stage);
    harness_acknowledge(harness, message.head.number);
}

int harness_exit(struct harness *harness, uint64_t process)
{
    union message message;

    do
        harness_receive(harness, &message, NULL);
    while (message.head.kind != LINK_EXITED || message.exited.process != process);
    return message.exited.exitcode;
}

void harness_output(struct harness *harness, uint64_t connection, const struct spec_builder *spec, char *text,
                    size_t size)
{
    static struct spec_builder copy;
    union message message;
    size_t used = 0;
    int output[2];
    uint64_t process;
    ssize_t got;

    copy = *spec;
    ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
    spec_head(&copy)->stdio[1] = (struct link_stdio){.kind = LINK_STDIO_FD, .fd = 0};
    spec_head(&copy)->stdio[2] = (struct link_stdio){.kind = LINK_STDIO_FD, .fd = 0};
    process = harness_spawn(harness, connection, &copy, &output[1], 1);
    close(output[1]);
    harness_receive(harness, &message, NULL);
    ck_assert_msg(message.head.kind == LINK_SPAWNED, "spawn failed: errno %d, stage %u", message.failed.error,
                  message.failed.stage);
    while ((got = read(output[0], text + used, size - 1 - used)) > 0)
        used += (size_t) got;
    text[used] = '\0';
    close(output[0]);
    harness_exit(harness, process);
}

uint64_t harness_connect_as(struct harness *harness, uid_t uid, pid_t *ret_pid)
{
    gid_t groups[2] = {uid + 1, uid + 2};
    union message message;

    *ret_pid = fork();
    if (*ret_pid == 0) {
        syscall(SYS_setgroups, 2, groups);
        if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 || connect_to(harness->path) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    harness_expect(harness, LINK_CONNECTION, &message);
    ck_assert_int_eq(message.connection.pid, *ret_pid);
    ck_assert_uint_eq(message.connection.uid, uid);
    ck_assert_uint_eq(message.connection.gid, uid);
    return message.connection.connection;
}

int harness_main(const char *name, void (*add)(TCase *test))
{
    Suite *suite = suite_create(name);
    TCase *test = tcase_create(name);
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 120);
    add(test);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* ---- others ---- */

pid_t process_as(uid_t uid)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (setresuid(uid, uid, uid) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    return pid;
}

void process_end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
