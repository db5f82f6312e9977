/* The link: numbers, acknowledgements, brokers that die, hostile messages, clients. */
#include "tests/unit/keeper/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct harness harness;
static struct spec_builder spec;
static unsigned clients_seen, children_seen;
static struct link_child last_child;

static void count_table(const union message *message)
{
    clients_seen += message->head.kind == LINK_CLIENT;
    children_seen += message->head.kind == LINK_CHILD;
    if (message->head.kind == LINK_CHILD)
        last_child = message->child;
}

START_TEST(reports_come_again_until_acknowledged)
{
    union message message;
    uint64_t first, second, number;

    harness_start(&harness);
    first = harness_shell(&harness, "exit 7", NULL);
    harness_expect(&harness, LINK_EXITED, &message);
    harness_acknowledge(&harness, message.head.number - 1); /* the start, not the end */
    second = harness_shell(&harness, "sleep 100", NULL);
    harness_kill_broker(&harness);
    harness_next_broker(&harness, count_table);
    ck_assert_uint_eq(harness.hello.hello.restarts, 1);
    ck_assert_uint_eq(harness.hello.head.number, harness.order);
    ck_assert_uint_eq(harness.hello.hello.last_report, 3);
    ck_assert_uint_eq(clients_seen, 1);
    ck_assert_uint_eq(children_seen, 2);
    ck_assert_uint_eq(last_child.process, second);
    ck_assert_int_gt(last_child.pid, 0);
    ck_assert_str_eq(last_child.name, "test");
    harness_expect(&harness, LINK_EXITED, &message);
    ck_assert_uint_eq(message.exited.process, first);
    ck_assert_int_eq(message.exited.exitcode, 7);
    harness_expect(&harness, LINK_SPAWNED, &message);
    number = message.head.number;
    harness_acknowledge(&harness, UINT64_MAX);
    harness_ready(&harness);
    harness_about(&harness, LINK_FORGET_PROCESS, first);
    harness_signal(&harness, second, SIGKILL, true);
    harness_expect(&harness, LINK_EXITED, &message);
    ck_assert_uint_eq(message.head.number, number + 1);
    harness_stop(&harness);
}
END_TEST

/* What a broker had sent when it died is executed, what was sent twice is executed once. */
START_TEST(orders_are_executed_once)
{
    union message message;
    uint64_t process;

    harness_start(&harness);
    kill(harness.keeper, SIGSTOP);
    spec_shell(&spec, "exit 5");
    process = harness_spawn(&harness, harness.connection, &spec, NULL, 0);
    harness_kill_broker(&harness);
    kill(harness.keeper, SIGCONT);
    harness_next_broker(&harness, NULL);
    ck_assert_uint_eq(harness.hello.head.number, harness.order);
    ck_assert_int_eq(harness_exit(&harness, process), 5);
    harness_ready(&harness);
    harness.order--;
    harness.process = 100;
    harness_spawn(&harness, 1, &spec, NULL, 0); /* the same number again */
    ck_assert(harness_silent(&harness, 100));
    harness.order += 2000000; /* and one from nowhere */
    harness_spawn(&harness, 1, &spec, NULL, 0);
    ck_assert(harness_silent(&harness, 100));
    harness.order -= 2000000;
    harness_spawn(&harness, 1, &spec, NULL, 0); /* its connection went with the broker */
    harness_expect(&harness, LINK_SPAWN_FAILED, &message);
    ck_assert_int_eq(message.failed.error, ESRCH);
    ck_assert_uint_eq(message.failed.stage, LINK_STAGE_CREDENTIALS);
    harness_stop(&harness);
}
END_TEST

START_TEST(hostile_messages_do_nothing)
{
    static unsigned char noise[LINK_MESSAGE_MAX];
    struct link_head *head = (void *) noise;
    unsigned seed = 7;
    uint64_t process;
    size_t before;

    harness_start(&harness);
    ck_assert_int_eq(harness_exit(&harness, harness_shell(&harness, "exit 6", NULL)), 6);
    ck_assert(harness_silent(&harness, 300)); /* the pool of cgroups is full, the closer has a thread */
    before = harness_keeper_fds(&harness);
    for (int round = 0; round < 20000; round++) {
        size_t size = (size_t) rand_r(&seed) % (round % 50 ? 400 : sizeof noise);
        int fds[3] = {0, 1, 2};

        for (size_t i = 0; i < size && i < 400; i++)
            noise[i] = (unsigned char) rand_r(&seed);
        if (size == 0)
            continue;
        if (size >= sizeof *head) {
            static const uint32_t kinds[] = {LINK_SPAWN, LINK_SIGNAL, LINK_WATCH_TREE, LINK_FORGET_PROCESS,
                                             LINK_FORGET_CLIENT, LINK_ACK_REPORTS, LINK_CLOSE_CONNECTION,
                                             LINK_GET_PIDFD, LINK_PONG, 999};

            head->kind = kinds[(unsigned) rand_r(&seed) % 10];
            head->size = (uint32_t) size - (rand_r(&seed) % 8 == 0);
            /* no number that would be taken: what is well-formed by chance must not count */
            head->number = head->kind == LINK_ACK_REPORTS ? (uint64_t) rand_r(&seed) : harness.order + 5000000;
        }
        if (head->kind == LINK_GET_PIDFD && size == sizeof(struct link_get_pidfd))
            continue;
        harness_send(&harness, noise, size, fds, (size_t) rand_r(&seed) % 3);
    }
    process = harness_shell(&harness, "exit 6", NULL);
    ck_assert_int_eq(harness_exit(&harness, process), 6);
    harness_until(harness_keeper_fds(&harness) <= before + 1);
    harness_stop(&harness);
}
END_TEST

START_TEST(well_formed_nonsense)
{
    union message message;
    uint64_t process;

    harness_start(&harness);
    harness_signal(&harness, 77, SIGKILL, true);
    harness_about(&harness, LINK_WATCH_TREE, 77);
    harness_about(&harness, LINK_FORGET_PROCESS, 77);
    harness_about(&harness, LINK_FORGET_CLIENT, 77);
    process = harness_shell(&harness, "sleep 100", NULL);
    harness_about(&harness, LINK_FORGET_PROCESS, process); /* it lives: refused */
    harness_signal(&harness, process, 0, false);
    harness_signal(&harness, process, 65, true);
    harness_signal(&harness, process, -9, true);
    ck_assert(harness_silent(&harness, 100));
    harness.process = process - 1; /* an id that is taken */
    spec_shell(&spec, "true");
    harness_spawn(&harness, harness.connection, &spec, NULL, 0);
    ck_assert(harness_silent(&harness, 100));
    harness_signal(&harness, process, SIGKILL, false);
    harness_expect(&harness, LINK_EXITED, &message);
    harness_stop(&harness);
}
END_TEST

static uint64_t ask_pidfd(uint64_t process, union message *answer, struct fdpass *fds)
{
    struct link_get_pidfd ask = {
        .head = {.kind = LINK_GET_PIDFD, .size = sizeof ask}, .process = process, .tag = 5};

    harness_send(&harness, &ask, sizeof ask, NULL, 0);
    harness_receive(&harness, answer, fds);
    ck_assert_uint_eq(answer->head.kind, LINK_PIDFD);
    return answer->pidfd.tag;
}

START_TEST(pidfds_of_children)
{
    union message message;
    struct fdpass fds;
    struct pollfd wait_for = {.events = POLLIN};
    uint64_t process;

    harness_start(&harness);
    process = harness_shell(&harness, "sleep 100", NULL);
    ck_assert_uint_eq(ask_pidfd(process, &message, &fds), 5);
    ck_assert_uint_eq(fds.count, 1);
    wait_for.fd = fds.fd[0];
    ck_assert_int_eq(poll(&wait_for, 1, 0), 0);
    harness_signal(&harness, process, SIGKILL, false);
    ck_assert_int_eq(poll(&wait_for, 1, 5000), 1);
    fdpass_close(&fds);
    harness_expect(&harness, LINK_EXITED, &message);
    harness_acknowledge(&harness, message.head.number);
    ask_pidfd(process, &message, &fds);
    ck_assert_uint_eq(fds.count, 1);
    wait_for.fd = fds.fd[0];
    ck_assert_int_eq(poll(&wait_for, 1, 0), 1); /* of a dead one */
    fdpass_close(&fds);
    ask_pidfd(12345, &message, &fds);
    ck_assert_int_eq(message.pidfd.error, ESRCH);
    harness_stop(&harness);
}
END_TEST

static void identify(pid_t pid, uint64_t connection, union message *answer)
{
    struct link_identify ask = {
        .head = {.kind = LINK_IDENTIFY, .size = sizeof ask}, .connection = connection, .tag = 9, .pid = pid};

    harness_send(&harness, &ask, sizeof ask, NULL, 0);
    harness_expect(&harness, LINK_IDENTITY, answer);
    ck_assert_uint_eq(answer->identity.tag, 9);
}

START_TEST(clients_are_processes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    union message message;
    uint64_t connection, first, process;
    pid_t client, child;
    int fd = -1;

    if (geteuid() != 0)
        return;
    harness_start(&harness);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", harness.path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    harness_expect(&harness, LINK_CONNECTION, &message);
    first = message.connection.client;
    ck_assert_uint_eq(message.connection.client_is_new, 0); /* we were connected already */
    close(fd);
    connection = harness_connect_as(&harness, 1234, &client);
    identify(getpid(), harness.connection, &message);
    ck_assert_int_eq(message.identity.error, 0);
    ck_assert_uint_eq(message.identity.client, first);
    identify(client, harness.connection, &message);
    ck_assert_int_eq(message.identity.error, 0);
    ck_assert_uint_eq(message.identity.uid, 1234);
    identify(client, connection, &message);
    ck_assert_int_eq(message.identity.error, 0);
    identify(getpid(), connection, &message);
    ck_assert_int_eq(message.identity.error, EPERM);
    identify(0x7fffffff, harness.connection, &message);
    ck_assert_int_eq(message.identity.error, ESRCH);
    process = harness_shell(&harness, "sleep 100", &child);
    identify(child, harness.connection, &message);
    ck_assert_uint_eq(message.identity.process, process);
    ck_assert_uint_eq(message.identity.client_is_new, 1);
    kill(client, SIGKILL);
    waitpid(client, NULL, 0);
    harness_stop(&harness);
}
END_TEST

START_TEST(leaving_when_idle_sees_who_comes)
{
    struct link_leave leave = {.head = {.kind = LINK_LEAVE, .size = sizeof leave}, .if_idle = 1};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    union message message;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    close(fd);
    harness_start(&harness);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", harness.path);
    kill(harness.keeper, SIGSTOP);
    harness_send(&harness, &leave, sizeof leave, NULL, 0);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    kill(harness.keeper, SIGCONT);
    harness_receive(&harness, &message, NULL);
    if (message.head.kind == LINK_CONNECTION)
        harness_expect(&harness, LINK_STAYS, &message);
    else
        harness_expect(&harness, LINK_CONNECTION, &message);
    close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    harness_expect(&harness, LINK_CONNECTION, &message);
    close(fd);
    harness_send(&harness, &leave, sizeof leave, NULL, 0);
    harness_gone(&harness);
}
END_TEST

START_TEST(a_broker_that_never_serves)
{
    harness_start(&harness);
    harness_kill_broker(&harness);
    for (int i = 0; i < 3; i++) {
        harness_next_broker(&harness, NULL);
        ck_assert_uint_eq(harness.hello.hello.fresh_state, 0);
        harness_kill_broker(&harness);
    }
    harness_next_broker(&harness, NULL);
    ck_assert_uint_eq(harness.hello.hello.fresh_state, 1);
    harness_ready(&harness);
    harness_stop(&harness);
}
END_TEST

/* A broker that does not read: nothing is lost, nothing is sent twice. */
START_TEST(a_full_link)
{
    enum { COUNT = 3000 };
    union message message;
    uint64_t next = 0;

    harness_start(&harness);
    for (int i = 0; i < COUNT; i++) {
        char *const argv[] = {(char *) "/no/such/program", NULL};

        spec_begin(&spec, argv);
        harness_spawn(&harness, i % 2 ? harness.connection : 4711, &spec, NULL, 0);
    }
    for (int i = 0; i < COUNT; i++) {
        harness_expect(&harness, LINK_SPAWN_FAILED, &message);
        ck_assert(next == 0 || message.head.number == next + 1);
        next = message.head.number;
    }
    harness_stop(&harness);
}
END_TEST

static void add(TCase *test)
{
    tcase_add_test(test, reports_come_again_until_acknowledged);
    tcase_add_test(test, orders_are_executed_once);
    tcase_add_test(test, hostile_messages_do_nothing);
    tcase_add_test(test, well_formed_nonsense);
    tcase_add_test(test, pidfds_of_children);
    tcase_add_test(test, clients_are_processes);
    tcase_add_test(test, leaving_when_idle_sees_who_comes);
    tcase_add_test(test, a_broker_that_never_serves);
    tcase_add_test(test, a_full_link);
}

int main(void)
{
    return harness_main("orders", add);
}
