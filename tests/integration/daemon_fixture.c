/* SPDX-License-Identifier: MIT */
#include "tests/integration/daemon_fixture.h"

#include "client/lib/procd.h"
#include "daemon/base/clock.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE (20 * NSEC_PER_SEC)

void daemon_fixture_wait(bool (*is_true)(void *), void *data)
{
    int64_t end = clock_monotonic() + PATIENCE;

    while (!is_true(data)) {
        ck_assert_msg(clock_monotonic() < end, "waited in vain");
        poll(NULL, 0, 2);
    }
}

long daemon_fixture_info(const char *member)
{
    json_t *info;
    long value;

    ck_assert_int_eq(procd_call("daemon.info", NULL, &info), 0);
    value = (long) json_integer_value(json_object_get(info, member));
    json_decref(info);
    return value;
}

/* The keeper has some empty cgroups ready, more or less of them: they do not count. Nor does what a uid's
 * clients share with the daemon: it is made with the first lock that is mapped, and stays. */
static bool counts(int folder, const char *name)
{
    char target[256];
    ssize_t length = readlinkat(folder, name, target, sizeof target - 1);

    if (length < 0)
        return false; /* "." and "..", or closed meanwhile */
    target[length] = '\0';
    return strstr(target, "cgroup") == NULL && strstr(target, "procd-page") == NULL;
}

static int count_fds(pid_t pid)
{
    char path[40];
    struct dirent *entry;
    int count = 0;
    DIR *list;

    snprintf(path, sizeof path, "/proc/%d/fd", (int) pid);
    list = opendir(path);
    if (!list)
        return -1; /* closed to all but root */
    while ((entry = readdir(list)))
        count += counts(dirfd(list), entry->d_name);
    closedir(list);
    return count;
}

/* Children of the keeper besides its broker and its helper, as the kernel lists them. */
static int count_children(pid_t pid)
{
    char path[64], text[4096] = "";
    int count = 0;
    FILE *list;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int) pid, (int) pid);
    list = fopen(path, "re");
    if (!list)
        return -1;
    if (fgets(text, sizeof text, list))
        for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
            count++;
    fclose(list);
    return count;
}

static bool answers(void *unused)
{
    (void) unused;
    return procd_call("daemon.ping", NULL, NULL) == 0;
}

static _Noreturn void become_daemon(const struct daemon_fixture *daemon)
{
    const char *program = getenv("PROCD");
    char log[64];
    int fd;

    snprintf(log, sizeof log, "%s/log", daemon->folder);
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 2);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* where a test fails nothing is left of it */
    execl(program, "procd", "--user", "--socket", daemon->socket, (char *) NULL);
    _exit(99);
}

static int children_at_rest;

void daemon_fixture_again(struct daemon_fixture *daemon)
{
    daemon->pid = fork();
    ck_assert_int_ge(daemon->pid, 0);
    if (daemon->pid == 0)
        become_daemon(daemon);
    daemon_fixture_wait(answers, NULL);
}

void daemon_fixture_begin(struct daemon_fixture *daemon)
{
    ck_assert_msg(getenv("PROCD") != NULL, "PROCD names the daemon to test");
    strcpy(daemon->folder, "/tmp/procd-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(daemon->folder));
    snprintf(daemon->socket, sizeof daemon->socket, "%s/s", daemon->folder);
    setenv("PROCD_SOCKET", daemon->socket, 1);
    setenv("PROCD_AUTOSTART", "0", 1);
    daemon_fixture_again(daemon);
    daemon->keeper_fds = count_fds(daemon->pid);
    daemon->broker_fds = count_fds((pid_t) daemon_fixture_info("broker_pid"));
    children_at_rest = count_children(daemon->pid);
}

/* Our own connections are the library's pool; everybody else must be gone. */
static bool is_at_rest(void *data)
{
    struct daemon_fixture *daemon = data;
    long ours = daemon_fixture_info("connections");

    return daemon_fixture_info("clients") == 1 && count_children(daemon->pid) == children_at_rest &&
           count_fds(daemon->pid) <= daemon->keeper_fds + ours &&
           count_fds((pid_t) daemon_fixture_info("broker_pid")) <= daemon->broker_fds + ours;
}

static void print_log(const struct daemon_fixture *daemon)
{
    char path[64], line[512];
    FILE *log;

    snprintf(path, sizeof path, "%s/log", daemon->folder);
    log = fopen(path, "re");
    while (log && fgets(line, sizeof line, log))
        fputs(line, stderr);
    if (log)
        fclose(log);
    unlink(path);
}

void daemon_fixture_end(struct daemon_fixture *daemon)
{
    static const char *const left[] = {"s.lock", "s.start", "s"};
    char path[64];
    int status;

    if (daemon->pid) {
        daemon_fixture_wait(is_at_rest, daemon);
        ck_assert_int_eq(kill(daemon->pid, SIGTERM), 0);
        ck_assert_int_eq(waitpid(daemon->pid, &status, 0), daemon->pid);
        if (status != 0)
            print_log(daemon);
        ck_assert_int_eq(status, 0);
        ck_assert_int_ne(access(daemon->socket, F_OK), 0);
    }
    snprintf(path, sizeof path, "%s/log", daemon->folder);
    unlink(path);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        snprintf(path, sizeof path, "%s/%s", daemon->folder, left[i]);
        unlink(path);
    }
    ck_assert_int_eq(rmdir(daemon->folder), 0);
}

bool daemon_fixture_is_copy(void)
{
    unsigned flags = 0;
    FILE *stat = fopen("/proc/self/stat", "re");
    int found = stat ? fscanf(stat, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %u", &flags) : 0;

    if (stat)
        fclose(stat);
    return found == 1 && flags & 0x40;
}

void daemon_fixture_end_zygotes(void)
{
    json_t *list, *process, *params = json_pack("{s:b}", "alive", 1);
    size_t index;

    ck_assert_int_eq(procd_call("process.list", params, &list), 0);
    json_array_foreach(json_object_get(list, "processes"), index, process)
    {
        json_t *stop = json_pack("{s:O,s:i}", "process", json_object_get(process, "id"), "grace", 0);

        if (strcmp(json_string_value(json_object_get(process, "name")), "zygote") == 0)
            ck_assert_int_eq(procd_call("process.stop", stop, NULL), 0);
        json_decref(stop);
    }
    json_decref(list);
    json_decref(params);
}

static bool is_stopped(void *pid)
{
    char path[64], state = 0;
    FILE *stat;

    snprintf(path, sizeof path, "/proc/%d/stat", (int) *(pid_t *) pid);
    stat = fopen(path, "re");
    if (stat) {
        if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
            state = 0;
        fclose(stat);
    }
    return state == 'T';
}

void daemon_fixture_halt(pid_t pid)
{
    kill(pid, SIGSTOP);
    daemon_fixture_wait(is_stopped, &pid);
}

void daemon_fixture_kill(struct daemon_fixture *daemon)
{
    pid_t broker = (pid_t) daemon_fixture_info("broker_pid");

    daemon_fixture_halt(broker);
    kill(daemon->pid, SIGKILL);
    ck_assert_int_eq(waitpid(daemon->pid, NULL, 0), daemon->pid);
    kill(broker, SIGKILL);
    daemon->pid = 0;
}
