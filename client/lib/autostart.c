/* SPDX-License-Identifier: MIT */
#include "client/lib/autostart.h"

#include "client/lib/detached.h"
#include "daemon/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define IDLE_EXIT "60" /* seconds without anything after which the daemon leaves */

/* Root's, or the caller's own. In a folder like /tmp anybody could have put it, or a link, where it is. */
static bool is_trusted(const char *program)
{
    struct stat link, file;

    if (lstat(program, &link) < 0 || stat(program, &file) < 0 || !S_ISREG(file.st_mode))
        return false;
    return (link.st_uid == 0 || link.st_uid == geteuid()) && (file.st_uid == 0 || file.st_uid == geteuid()) &&
           access(program, X_OK) == 0;
}

/* The one that came, or was built, with the running program. */
static int find_beside(const char *name, char *ret_path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", ret_path, size);
    char *end;

    if (length <= 0 || (size_t) length >= size)
        return -ENOENT;
    ret_path[length] = '\0';
    end = strrchr(ret_path, '/');
    if (!end || (size_t) (end + 1 - ret_path) + strlen(name) >= size)
        return -ENOENT;
    strcpy(end + 1, name);
    return is_trusted(ret_path) ? 0 : -ENOENT;
}

static int find_program(const char *program, char *ret_path, size_t size)
{
    int length;

    if (!program)
        program = secure_getenv("PROCD_DAEMON");
    if (!program && find_beside("procd", ret_path, size) == 0)
        return 0;
    if (!program && access(PROCD_BINDIR "/procd", X_OK) == 0)
        program = PROCD_BINDIR "/procd";
    if (!program)
        return detached_find("procd", ret_path, size);
    length = snprintf(ret_path, size, "%s", program);
    return length > 0 && (size_t) length < size ? 0 : -ENAMETOOLONG;
}

/* What systemd said to the caller is not meant for a daemon of another life. */
static bool is_meant_for_caller(const char *variable)
{
    return strncmp(variable, "LISTEN_", 7) == 0 || strncmp(variable, "WATCHDOG_", 9) == 0 ||
           strncmp(variable, "NOTIFY_SOCKET=", 14) == 0;
}

static char **make_environment(void)
{
    size_t count = 0;
    char **copy;

    while (environ && environ[count])
        count++;
    copy = calloc(count + 1, sizeof *copy);
    if (!copy)
        return NULL;
    count = 0;
    for (char **variable = environ; variable && *variable; variable++) {
        if (!is_meant_for_caller(*variable))
            copy[count++] = *variable;
    }
    return copy;
}

/* The daemon lives for longer than its starter was meant to. The other limits are what its children get. */
static void reset_time_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CPU, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_CPU, &limit);
}

static int put_stdio_on_null(void)
{
    int null = open("/dev/null", O_RDWR);

    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        return -errno;
    return 0;
}

/* The daemon to be, until its exec. */
static int prepare(const struct detached *plan)
{
    int error;

    (void) plan;
    if (chdir("/") < 0)
        return errno;
    error = -put_stdio_on_null();
    if (error == 0)
        reset_time_limit();
    return error;
}

int autostart_daemon(const char *program, const char *socket)
{
    const char *argv[] = {"procd", "--user", "--idle-exit", IDLE_EXIT, "--socket", socket, NULL};
    char path[4096];
    struct detached plan = {.program = path, .argv = argv, .prepare = prepare, .in_session = true};
    CLEANUP_MEMORY char **environment = NULL;
    int error;

    /* Such a program's environment and arguments belong to somebody with fewer rights than the daemon
     * would have. */
    if (getauxval(AT_SECURE))
        return -EPERM;
    if (socket[0] != '/')
        return -ENAMETOOLONG; /* the daemon's directory is another */
    error = find_program(program, path, sizeof path);
    if (error < 0)
        return error;
    environment = make_environment();
    if (!environment)
        return -ENOMEM;
    plan.environment = environment;
    return detached_start(&plan);
}
