/* SPDX-License-Identifier: MIT */
#include "daemon/successor.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/role.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define ARGUMENTS_MAX 64
/* Names that nothing on a shelf has. */
#define LISTEN   "=listen"
#define FRONT    "=front"
#define WATCHDOG "=watchdog"

/* ---- the exec ---- */

static bool is_ours(int program)
{
    struct stat its, ours;

    return fstat(program, &its) < 0 || stat("/proc/self/exe", &ours) < 0 ||
           (its.st_dev == ours.st_dev && its.st_ino == ours.st_ino);
}

static void set_inherit(const struct keeper_config *config, const struct shelf *shelf, int memory,
                        bool inherit)
{
    int flags = inherit ? 0 : FD_CLOEXEC;

    fcntl(memory, F_SETFD, flags);
    fcntl(config->listen_fd, F_SETFD, flags);
    fcntl(config->front_fd, F_SETFD, flags);
    for (size_t i = 0; i < shelf->count; i++)
        fcntl(shelf->items[i].fd, F_SETFD, flags);
}

static int write_memory(const struct keeper_config *config, const struct shelf *shelf)
{
    CLEANUP_FD int memory = memfd_create("procd-successor", MFD_CLOEXEC);
    int r;

    if (memory < 0)
        return -errno;
    r = dprintf(memory, LISTEN " %d\n" FRONT " %d\n" WATCHDOG " %lld\n", config->listen_fd, config->front_fd,
                (long long) config->watchdog);
    for (size_t i = 0; i < shelf->count && r >= 0; i++)
        r = dprintf(memory, "%s %d\n", shelf->items[i].name, shelf->items[i].fd);
    return r < 0 ? -errno : take_fd(&memory);
}

static int become(int program, int memory, char **argv)
{
    char memory_option[32];
    char *arguments[ARGUMENTS_MAX + 3];
    size_t count = 0;

    while (argv[count] && count < ARGUMENTS_MAX) {
        arguments[count] = argv[count];
        count++;
    }
    if (argv[count])
        return -E2BIG;
    snprintf(memory_option, sizeof memory_option, "--memory=%d", memory);
    arguments[count++] = (char *) "--role=successor";
    arguments[count++] = memory_option;
    arguments[count] = NULL;
    syscall(SYS_execveat, program, "", arguments, environ, AT_EMPTY_PATH);
    return -errno;
}

void successor_exec(const struct keeper_config *config, struct shelf *shelf, char **argv)
{
    int program = shelf_find(shelf, ROLE_PROGRAM);
    CLEANUP_FD int memory = -1;
    int r;

    if (program < 0 || is_ours(program))
        return;
    r = memory = write_memory(config, shelf);
    if (memory >= 0) {
        set_inherit(config, shelf, memory, true);
        r = become(program, memory, argv);
        set_inherit(config, shelf, memory, false);
    }
    log_error("the program of the keeper that has died cannot be executed: %s", strerror(-r));
}

/* ---- after it ---- */

static int take_line(const char *name, long long value, struct keeper_config *config, struct shelf *shelf)
{
    if (strcmp(name, WATCHDOG) == 0) {
        config->watchdog = value;
        return 0;
    }
    if (value <= STDERR_FILENO || fcntl((int) value, F_SETFD, FD_CLOEXEC) < 0)
        return -EBADF;
    if (strcmp(name, LISTEN) == 0)
        config->listen_fd = (int) value;
    else if (strcmp(name, FRONT) == 0)
        config->front_fd = (int) value;
    else
        return shelf_put(shelf, name, (int) value);
    return 0;
}

int successor_read(int memory, struct keeper_config *config, struct shelf *shelf)
{
    FILE *file = lseek(memory, 0, SEEK_SET) < 0 ? NULL : fdopen(memory, "r");
    char name[SHELF_NAME_MAX + 1];
    long long value;
    int r = file ? 0 : -EBADF;

    config->listen_fd = config->front_fd = -1;
    while (r == 0 && fscanf(file, "%47s %lld\n", name, &value) == 2)
        r = take_line(name, value, config, shelf);
    if (file)
        fclose(file);
    return r < 0 || (config->listen_fd >= 0 && config->front_fd >= 0) ? r : -EBADMSG;
}
