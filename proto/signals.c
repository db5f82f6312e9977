#include "proto/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SIGNAL_MAX 64

const char *signal_to_name(int signal, char buffer[SIGNAL_NAME_MAX])
{
    const char *name = sigabbrev_np(signal);

    if (name)
        snprintf(buffer, SIGNAL_NAME_MAX, "SIG%s", name);
    else if (signal == SIGRTMIN)
        snprintf(buffer, SIGNAL_NAME_MAX, "SIGRTMIN");
    else if (signal == SIGRTMAX)
        snprintf(buffer, SIGNAL_NAME_MAX, "SIGRTMAX");
    else if (signal > SIGRTMIN && signal < SIGRTMAX)
        snprintf(buffer, SIGNAL_NAME_MAX, "SIGRTMIN+%d", signal - SIGRTMIN);
    else /* the two that the C library keeps for itself */
        snprintf(buffer, SIGNAL_NAME_MAX, "SIG%d", signal);
    return buffer;
}

int signal_from_name(const char *name)
{
    char buffer[SIGNAL_NAME_MAX];

    for (int signal = 1; signal <= SIGNAL_MAX; signal++)
        if (strcmp(name, signal_to_name(signal, buffer)) == 0)
            return signal;
    return -EINVAL;
}
