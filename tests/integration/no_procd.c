/* SPDX-License-Identifier: MIT */
/* What a program may be that has procd's name: the file beside it, NAME.does, says what it does. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINK_FD 3

/* The first letter of that file; 0: there is none. */
static char what_to_do(void)
{
    char path[PATH_MAX], what = 0;
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof ".does");
    int fd;

    if (length < 0)
        return 0;
    memcpy(path + length, ".does", sizeof ".does");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, &what, 1) != 1)
        return 0;
    return what;
}

int main(void)
{
    char nonsense[4096];

    switch (what_to_do()) {
    case 'h': /* hang */
        for (;;)
            pause();
    case 'c': /* crash */
        signal(SIGSEGV, SIG_DFL);
        return raise(SIGSEGV);
    case 'n': /* nonsense */
        memset(nonsense, 0xff, sizeof nonsense);
        return write(LINK_FD, nonsense, sizeof nonsense) < 0;
    default: /* say nothing, and be pleased */
        return 0;
    }
}
