/* SPDX-License-Identifier: MIT */
#include "proto/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
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

static const struct {
    const char *name;
    int signal;
} synonyms[] = {{"SIGIO", SIGIO}, {"SIGPOLL", SIGPOLL}, {"SIGIOT", SIGIOT}, {"SIGCLD", SIGCLD}};

static bool is_called(int signal, const char *name)
{
    char buffer[SIGNAL_NAME_MAX];

    if (strcmp(name, signal_to_name(signal, buffer)) == 0)
        return true;
    for (size_t i = 0; i < sizeof synonyms / sizeof *synonyms; i++)
        if (signal == synonyms[i].signal && strcmp(name, synonyms[i].name) == 0)
            return true;
    if (signal < SIGRTMIN || signal > SIGRTMAX) /* the others count from both ends */
        return false;
    snprintf(buffer, sizeof buffer, "SIGRTMIN+%d", signal - SIGRTMIN);
    if (signal > SIGRTMIN && strcmp(name, buffer) == 0)
        return true;
    snprintf(buffer, sizeof buffer, "SIGRTMAX-%d", SIGRTMAX - signal);
    return signal < SIGRTMAX && strcmp(name, buffer) == 0;
}

int signal_from_name(const char *name)
{
    for (int signal = 1; signal <= SIGNAL_MAX; signal++)
        if (is_called(signal, name))
            return signal;
    return -EINVAL;
}
