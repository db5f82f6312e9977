/* SPDX-License-Identifier: MIT */
/*
 * Which name was meant, where a command, an option or another word has a typing error.
 */
#ifndef PROCD_CTL_GUESS_H
#define PROCD_CTL_GUESS_H

#include "client/ctl/commands.h"

#include <stdbool.h>
#include <stddef.h>

#define GUESS_MAX 32 /* longer than any name */

/* The first word, or an alias, of the command that looks most like word. False: none looks like it. */
bool guess_command(const char *word, char ret_name[GUESS_MAX]);

/* The same of an option, without --, of a command or of all. */
bool guess_option(const struct command *command, const char *word, size_t length, char ret_name[GUESS_MAX]);

/* The same of names that are given. */
bool guess_name(const char *word, const char *const *names, size_t count, char ret_name[GUESS_MAX]);

#endif
