/* SPDX-License-Identifier: MIT */
#include "daemon/load.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXIT_FAILED 125

/* The one beside us: it knows the files of this version. */
static void find_procctl(char *ret_path, size_t size)
{
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    char *slash;

    own[length > 0 ? length : 0] = '\0';
    slash = strrchr(own, '/');
    if (slash) {
        *slash = '\0';
        snprintf(ret_path, size, "%s/procctl", own);
        if (access(ret_path, X_OK) == 0)
            return;
    }
    snprintf(ret_path, size, "%s/procctl", PROCD_BINDIR);
}

int load_main(const struct config *config)
{
    char socket[PATH_MAX], program[PATH_MAX + sizeof "/procctl"];

    if (config_socket(config, config_is_system(config), socket, sizeof socket) < 0)
        return EXIT_FAILED;
    find_procctl(program, sizeof program);
    execl(program, "procctl", "--no-autostart", "--socket", socket, "daemon", "reload", (char *) NULL);
    fprintf(stderr, "procd: %s: %s\n", program, strerror(errno));
    return EXIT_FAILED;
}
