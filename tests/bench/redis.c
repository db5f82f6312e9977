/* SPDX-License-Identifier: MIT */
#include "tests/bench/redis.h"

#include "tests/bench/bench.h"
#include "tests/bench/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_SECONDS 5

struct redis {
    pid_t pid;
    int fd;
    char folder[80], socket[100];
};

static struct redis the_redis;
static pid_t owner;

static void stop(void)
{
    if (getpid() != owner)
        return;
    if (the_redis.pid > 0) {
        kill(the_redis.pid, SIGKILL);
        waitpid(the_redis.pid, NULL, 0);
    }
    unlink(the_redis.socket);
    rmdir(the_redis.folder);
}

_Noreturn static void run(const char *socket)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket, "--save", "",
           "--appendonly", "no", "--client-output-buffer-limit", "pubsub 0 0 0", NULL);
    _exit(127);
}

int redis_connect(const struct redis *redis)
{
    return wire_socket(redis->socket);
}

struct redis *redis_start(void)
{
    struct redis *redis = &the_redis;
    double until = bench_seconds() + START_SECONDS;

    if (redis->pid > 0)
        return redis;
    strcpy(redis->folder, "/tmp/procd-bench-redis.XXXXXX");
    if (!mkdtemp(redis->folder))
        bench_die("%s", redis->folder);
    snprintf(redis->socket, sizeof redis->socket, "%s/socket", redis->folder);
    owner = getpid();
    atexit(stop);
    redis->pid = fork();
    if (redis->pid == 0)
        run(redis->socket);
    while (redis->pid > 0 && bench_seconds() < until) {
        redis->fd = redis_connect(redis);
        if (redis->fd >= 0)
            return redis;
        if (waitpid(redis->pid, NULL, WNOHANG) == redis->pid)
            redis->pid = 0; /* not installed */
        poll(NULL, 0, 5);   /* nobody tells when a socket appears */
    }
    return NULL;
}

void redis_call(const struct redis *redis, const char *command, const char *reply)
{
    char buffer[64];
    ssize_t size;

    if (send(redis->fd, command, strlen(command), MSG_NOSIGNAL) < 0 ||
        (size = recv(redis->fd, buffer, sizeof buffer - 1, 0)) <= 0)
        bench_die("redis");
    buffer[size] = '\0';
    errno = 0;
    if (strcmp(buffer, reply) != 0)
        bench_die("redis answers %s", buffer);
}
