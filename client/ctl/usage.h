/* SPDX-License-Identifier: MIT */
/*
 * Usage and help, from the table of commands.
 */
#ifndef PROCD_CTL_USAGE_H
#define PROCD_CTL_USAGE_H

#include "client/ctl/commands.h"

#include <stdio.h>

/* The help for one command, or for procctl (NULL). */
void print_help(FILE *stream, const struct command *command);

#endif
