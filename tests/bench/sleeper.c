/* SPDX-License-Identifier: MIT */
/* A child that sleeps until it is killed; otherwise as nothing.c. */
#include "daemon/keeper/rawcall.h"

_Noreturn void _start(void);

_Noreturn void _start(void)
{
    for (;;)
        raw5(__NR_ppoll, 0, 0, 0, 0, 0);
}
