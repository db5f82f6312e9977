/* SPDX-License-Identifier: MIT */
/* daemon/keeper/adopt.c, adopted.c, begin.c: a keeper is killed, and another takes over what it has left. The
 * test inherits the children of the dead one, and waits for them when it pleases. */
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/keeper/ledger_layout.h"
#include "daemon/keeper/proc.h"
#include "tests/unit/keeper/harness.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct harness harness = {.is_kept = true};
static struct spec_builder spec;
static char fifo[96];

/* ---- the table that the next broker is told ---- */

static struct link_child children[8];
static unsigned child_count;

static void see(const union message *message)
{
    if (message->head.kind == LINK_CHILD && child_count < 8)
        children[child_count++] = message->child;
}

static void take_over(void)
{
    union message hello = harness.hello;

    child_count = 0;
    harness_take_over(&harness, see);
    ck_assert_str_eq(harness.hello.hello.epoch, hello.hello.epoch);
    ck_assert(harness.hello.hello.started == hello.hello.started);
    ck_assert_uint_eq(harness.hello.hello.restarts, hello.hello.restarts + 1);
    ck_assert_int_eq(harness.hello.hello.pid, harness.keeper);
    ck_assert_uint_eq(harness.hello.head.number, harness.order); /* every order was executed */
}

static bool kernel_tells(void)
{
    pid_t pid = fork();
    int status, r, pidfd;

    if (pid == 0)
        _exit(0);
    pidfd = pidfd_open_process(pid);
    waitpid(pid, NULL, 0);
    r = pidfd_status(pidfd, &status);
    close(pidfd);
    return r == 0;
}

/* Who has ended among those that are ours now; how it ended is for nobody else then. */
static int wait_for(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

/* Of a process that cannot be waited for yet. */
static void zombie(pid_t pid)
{
    siginfo_t info;

    ck_assert_int_eq(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), 0);
}

static struct link_exited exited(uint64_t process)
{
    union message message;

    do
        harness_receive(&harness, &message, NULL);
    while (message.head.kind != LINK_EXITED || message.exited.process != process);
    return message.exited;
}

/* Is it in a cgroup that a keeper has made? */
static bool cgroup_of_keeper(pid_t pid)
{
    char path[64], text[1024];
    ssize_t size;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    size = read(fd, text, sizeof text - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    return strstr(text, "/procd-");
}

/* The stand-ins of dead keepers' roles are ours, too, and end by themselves. */
static void finish(void)
{
    siginfo_t info;

    harness.no_cgroups = false;
    harness_end_keeper(&harness);
    while (waitid(P_ALL, 0, &info, WEXITED) == 0)
        ;
    harness_left_nothing(&harness);
}

/* ---- the living ---- */

START_TEST(a_child_lives_on)
{
    pid_t pid, other;
    uint64_t process, second;
    struct link_exited end;

    harness_start(&harness);
    process = harness_shell(&harness, "sleep 1000 & sleep 1000", &pid);
    second = harness_shell(&harness, "exec sleep 1000", &other);
    harness_kill_keeper(&harness);
    take_over();
    ck_assert_uint_eq(child_count, 2);
    ck_assert(children[0].process == process && children[0].pid == pid && !children[0].ended);
    ck_assert(children[1].process == second && children[1].pid == other);
    ck_assert_str_eq(children[0].name, "test");
    harness_signal(&harness, process, SIGKILL, true); /* with all it has begun */
    ck_assert_int_eq(wait_for(pid), SIGKILL);
    end = exited(process);
    ck_assert_int_eq(end.known, kernel_tells());
    ck_assert_int_eq(end.exitcode, kernel_tells() ? -SIGKILL : 0);
    harness_signal(&harness, second, SIGTERM, false);
    ck_assert_int_eq(wait_for(other), SIGTERM);
    ck_assert_int_eq(exited(second).exitcode, kernel_tells() ? -SIGTERM : 0);
    finish();
}
END_TEST

/* What it did before is told again under the same numbers, and new numbers are above them. */
START_TEST(numbers_go_on)
{
    union message first, again;
    uint64_t process;
    pid_t pid;

    harness_start(&harness);
    process = harness_shell(&harness, "exit 6", NULL);
    do
        harness_receive(&harness, &first, NULL);
    while (first.head.kind != LINK_EXITED);
    ck_assert_int_eq(first.exited.exitcode, 6);
    harness_acknowledge(&harness, first.head.number - 1);
    harness_barrier(&harness);
    harness_kill_keeper(&harness);
    take_over();
    ck_assert(child_count == 1 && children[0].ended && children[0].end.exitcode == 6);
    do
        harness_receive(&harness, &again, NULL);
    while (again.head.kind != LINK_EXITED);
    ck_assert_uint_eq(again.head.number, first.head.number);
    ck_assert(again.exited.process == process && again.exited.exitcode == 6 && again.exited.known);
    ck_assert_int_gt(again.exited.rusage.maxrss, 0);
    harness_acknowledge(&harness, again.head.number);
    harness_about(&harness, LINK_FORGET_PROCESS, process);
    harness.order--; /* an order that was executed is not executed again */
    harness_about(&harness, LINK_FORGET_PROCESS, process);
    harness_connect_again(&harness);
    process = harness_shell(&harness, "exec sleep 1000", &pid);
    harness_kill_keeper(&harness);
    take_over();
    ck_assert(child_count == 1 && children[0].process == process);
    harness_signal(&harness, process, SIGKILL, false);
    ck_assert_int_eq(wait_for(pid), SIGKILL);
    (void) exited(process);
    finish();
}
END_TEST

/* ---- ends ---- */

START_TEST(it_ended_while_there_was_no_keeper)
{
    struct link_exited end;
    uint64_t process;
    pid_t pid;

    harness_start(&harness);
    process = harness_shell(&harness, "exec sleep 1000", &pid);
    harness_kill_keeper(&harness);
    kill(pid, SIGKILL);
    wait_for(pid);
    take_over();
    end = exited(process);
    ck_assert(!end.known && end.exitcode == 0 && end.oom == LINK_UNKNOWN);
    finish();
}
END_TEST

/* Its zombie waits for us: nothing is told before, and then what the kernel says. */
START_TEST(nobody_has_waited_for_it)
{
    union message message;
    struct link_exited end;
    uint64_t process;
    pid_t pid;

    harness_start(&harness);
    process = harness_shell(&harness, "exec sleep 1000", &pid);
    harness_kill_keeper(&harness);
    kill(pid, SIGINT);
    zombie(pid);
    take_over();
    harness_expect(&harness, LINK_SPAWNED, &message); /* which was not acknowledged */
    ck_assert(harness_silent(&harness, 100));
    wait_for(pid);
    end = exited(process);
    ck_assert_int_eq(end.known, kernel_tells());
    ck_assert_int_eq(end.exitcode, kernel_tells() ? -SIGINT : 0);
    finish();
}
END_TEST

/* The kernel has put the end into the ledger, and the keeper came no further. */
START_TEST(it_was_waited_for_at_the_last_moment)
{
    struct ledger_head *head;
    struct link_exited end;
    uint64_t process;
    pid_t pid;

    harness_start(&harness);
    process = harness_shell(&harness, "exec sleep 1000", &pid);
    harness_kill_keeper(&harness);
    kill(pid, SIGTERM);
    head = mmap(NULL, LEDGER_HEAD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, harness.ledger, 0);
    ck_assert_ptr_ne(head, MAP_FAILED);
    head->wait = (struct ledger_wait){.process = process};
    ck_assert_int_eq(waitid(P_PID, (id_t) pid, &head->wait.info, WEXITED), 0);
    head->wait.usage.ru_maxrss = 17;
    munmap(head, LEDGER_HEAD_SIZE);
    take_over();
    end = exited(process);
    ck_assert(end.known && end.exitcode == -SIGTERM && end.rusage.maxrss == 17 * 1024);
    finish();
}
END_TEST

static pid_t read_pid(const char *path)
{
    FILE *file = fopen(path, "r");
    int pid = 0;

    ck_assert(file && fscanf(file, "%d", &pid) == 1);
    fclose(file);
    unlink(path);
    return pid;
}

/* With a cgroup it is known still, and can be ended; a session's number may be anybody's, so it is given up.
 */
START_TEST(what_an_ended_one_has_left)
{
    char command[200], path[96];
    union message message;
    uint64_t process;
    bool has_cgroup;
    pid_t left;

    harness.no_cgroups = _i;
    harness_start(&harness);
    snprintf(path, sizeof path, "%s/left", harness.folder);
    snprintf(command, sizeof command, "sleep 1000 & echo $! >%s", path);
    process = harness_shell(&harness, command, NULL);
    ck_assert_int_eq(harness_exit(&harness, process), 0);
    left = read_pid(path);
    has_cgroup = cgroup_of_keeper(left);
    harness_kill_keeper(&harness);
    take_over();
    harness_signal(&harness, process, SIGKILL, true);
    harness_about(&harness, LINK_WATCH_TREE, process);
    do
        harness_receive(&harness, &message, NULL);
    while (message.head.kind != LINK_TREE_GONE);
    if (!has_cgroup)
        kill(left, SIGKILL);
    ck_assert_int_eq(wait_for(left), SIGKILL);
    finish();
}
END_TEST

/* ---- spawns under way ---- */

/* Its child waits for somebody to open the other end of a FIFO. */
static uint64_t begin_spawn(const char *command)
{
    uint64_t process;

    snprintf(fifo, sizeof fifo, "%s/fifo", harness.folder);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    spec_shell(&spec, command);
    spec_head(&spec)->stdio[0] =
        (struct link_stdio){.kind = LINK_STDIO_READ, .path = spec_text(&spec, fifo)};
    process = harness_spawn(&harness, harness.connection, &spec, NULL, 0);
    harness_barrier(&harness);
    return process;
}

static void let_go(void)
{
    int fd = open(fifo, O_WRONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    close(fd);
    unlink(fifo);
}

START_TEST(a_spawn_goes_on)
{
    union message message;
    uint64_t process;

    harness_start(&harness);
    process = begin_spawn("exit 8");
    harness_kill_keeper(&harness);
    take_over();
    ck_assert(child_count == 1 && children[0].process == process && children[0].pid == 0);
    ck_assert(harness_silent(&harness, 100));
    let_go();
    harness_expect(&harness, LINK_SPAWNED, &message);
    ck_assert_uint_eq(message.spawned.process, process);
    ck_assert_int_eq(WEXITSTATUS(wait_for(message.spawned.pid)), 8);
    ck_assert_int_eq(exited(process).exitcode, kernel_tells() ? 8 : 0);
    finish();
}
END_TEST

START_TEST(a_spawn_fails_after_all)
{
    union message message;
    uint64_t process;

    harness_start(&harness);
    process = begin_spawn("exit 8");
    harness_kill_keeper(&harness);
    take_over();
    harness_signal(&harness, process, SIGKILL, false);
    harness_expect(&harness, LINK_SPAWN_FAILED, &message);
    ck_assert_uint_eq(message.failed.process, process);
    ck_assert_int_eq(message.failed.error, ECANCELED);
    ck_assert_uint_eq(message.failed.stage, LINK_STAGE_STDIO);
    harness_acknowledge(&harness, message.head.number);
    unlink(fifo);
    finish();
}
END_TEST

/* ---- what a process begins again from ---- */

static uint64_t begin_with_ticket(const char *command, pid_t *ret_pid)
{
    uint64_t process;

    harness.flags = LINK_SPAWN_TICKET;
    process = harness_shell(&harness, command, ret_pid);
    harness.flags = 0;
    return process;
}

static void cannot_begin(uint64_t process)
{
    union message message;

    do
        harness_receive(&harness, &message, NULL);
    while (message.head.kind == LINK_EXITED); /* which was not acknowledged */
    ck_assert_uint_eq(message.head.kind, LINK_SPAWN_FAILED);
    ck_assert_uint_eq(message.failed.process, process);
    ck_assert_int_eq(message.failed.error, ENOENT);
    ck_assert_uint_eq(message.failed.stage, LINK_STAGE_TICKET);
    harness_acknowledge(&harness, message.head.number);
}

/* Nobody had it kept: whoever asks for another run is told, and the process lives on until its end. */
START_TEST(a_ticket_is_lost)
{
    uint64_t process;
    pid_t pid;

    harness_start(&harness);
    process = begin_with_ticket("exec sleep 1000", &pid);
    harness_kill_keeper(&harness);
    take_over();
    ck_assert(child_count == 1 && children[0].pid == pid && !children[0].ended);
    kill(pid, SIGKILL);
    wait_for(pid);
    exited(process);
    harness_about(&harness, LINK_RESPAWN, process);
    cannot_begin(process);
    harness_about(&harness, LINK_DROP, process); /* then it is nobody's any more */
    harness_about(&harness, LINK_RESPAWN, process);
    harness_barrier(&harness);
    ck_assert(harness_silent(&harness, 50));
    finish();
}
END_TEST

/* The order was executed, and the next run waits for what the last one has left. */
START_TEST(a_ticket_is_lost_between_two_runs)
{
    const size_t size = LEDGER_SLOTS_AT + sizeof(struct ledger_slot);
    struct handover_facts *facts;
    char *memory;
    uint64_t process;

    harness_start(&harness);
    process = begin_with_ticket("exit 4", NULL);
    ck_assert_int_eq(harness_exit(&harness, process), 4);
    harness_kill_keeper(&harness);
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, harness.ledger, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    facts = (void *) ledger_facts((void *) (memory + LEDGER_SLOTS_AT));
    ck_assert_uint_eq(facts->process, process);
    facts->respawns = 1;
    munmap(memory, size);
    take_over();
    cannot_begin(process);
    harness_about(&harness, LINK_DROP, process);
    finish();
}
END_TEST

/* ---- who cannot ---- */

/* Too often without a broker that served: it begins with nothing, under another epoch. */
START_TEST(what_kills_whoever_takes_over)
{
    union message hello;
    pid_t pid;

    harness_start(&harness);
    (void) harness_shell(&harness, "exec sleep 1000", &pid);
    hello = harness.hello;
    for (int i = 0; i < 10; i++) {
        harness_kill_keeper(&harness);
        harness.serves_not = true;
        harness_take_over(&harness, NULL);
        ck_assert_str_eq(harness.hello.hello.epoch, hello.hello.epoch);
    }
    harness_kill_keeper(&harness);
    harness.serves_not = false;
    child_count = 0;
    harness_take_over(&harness, see);
    ck_assert_str_ne(harness.hello.hello.epoch, hello.hello.epoch);
    ck_assert_uint_eq(child_count, 0);
    kill(pid, SIGKILL);
    wait_for(pid);
    finish();
}
END_TEST

static void add(TCase *tcase)
{
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_child_lives_on);
    tcase_add_test(tcase, numbers_go_on);
    tcase_add_test(tcase, it_ended_while_there_was_no_keeper);
    tcase_add_test(tcase, nobody_has_waited_for_it);
    tcase_add_test(tcase, it_was_waited_for_at_the_last_moment);
    tcase_add_loop_test(tcase, what_an_ended_one_has_left, 0, 2);
    tcase_add_test(tcase, a_spawn_goes_on);
    tcase_add_test(tcase, a_spawn_fails_after_all);
    tcase_add_test(tcase, a_ticket_is_lost);
    tcase_add_test(tcase, a_ticket_is_lost_between_two_runs);
    tcase_add_test(tcase, what_kills_whoever_takes_over);
}

int main(void)
{
    return harness_main("adopt", add);
}
