/* SPDX-License-Identifier: MIT */
#include "tests/integration/contender.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void contender_end_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
}

int contender_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof address) < 0)
        _exit(3);
    return fd;
}

void contender_call(int fd, const char *line, char *buffer, size_t size)
{
    size_t have = 0;

    if (write(fd, line, strlen(line)) < 0)
        _exit(4);
    while (have == 0 || buffer[have - 1] != '\n') {
        ssize_t got = read(fd, buffer + have, size - 1 - have);

        if (got <= 0)
            _exit(5);
        have += (size_t) got;
    }
    buffer[have] = '\0';
}

bool contender_is_alive(pid_t pid)
{
    char file[64], text[512];
    const char *end = NULL;
    FILE *stat;

    snprintf(file, sizeof file, "/proc/%d/stat", pid);
    stat = fopen(file, "re");
    if (stat && fgets(text, sizeof text, stat))
        end = strrchr(text, ')');
    if (stat)
        fclose(stat);
    return end && end[2] != 'Z' && end[2] != 'X';
}
