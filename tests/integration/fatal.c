/* SPDX-License-Identifier: MIT */
/*
 * What is added to procd for test_restart.py: an input that is fatal, and is so again in each replay. It is
 * the one that makes the object "/fatal": the broker dies of it when it is on record. See --wrap of the
 * linker.
 */
#include "daemon/core/core.h"

#include <signal.h>

void __real_core_delivered(struct core *core);
void __wrap_core_delivered(struct core *core);

void __wrap_core_delivered(struct core *core)
{
    static const char name[] = "/fatal";

    if (core_object(core, 0, name, sizeof name - 1))
        raise(SIGKILL);
    __real_core_delivered(core);
}
