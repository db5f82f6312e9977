/* SPDX-License-Identifier: MIT */
/*
 * The words of the command line, sorted into options and words, by the table of commands.
 */
#ifndef PROCD_CTL_ARGUMENTS_H
#define PROCD_CTL_ARGUMENTS_H

#include "client/ctl/commands.h"

#include <stdbool.h>
#include <stddef.h>

struct given_option {
    enum option_id id;
    const char *value; /* NULL: it takes none */
};

struct arguments {
    struct given_option *options; /* in the order given */
    size_t option_count;
    char **words; /* without the command's name; NULL behind the last */
    size_t word_count;
};

/* What is wrong with a command line: a message with up to one word of it. */
struct arguments_error {
    const char *format; /* with one %s; NULL: nothing is wrong */
    char word[256];
    char hint[128]; /* what may have been meant, or is possible there; empty: nobody knows */
};

/* Sorts argv[1..]. Sets ret_command (NULL: none was named) also with an error, as far as it got.
 * ret_arguments is always set and must go to arguments_done; its strings are those of argv. 0, -EINVAL with
 * ret_error, or -ENOMEM. */
int arguments_parse(int argc, char **argv, const struct command **ret_command,
                    struct arguments *ret_arguments, struct arguments_error *ret_error);
void arguments_done(struct arguments *arguments);

bool argument_given(const struct arguments *arguments, enum option_id id);

/* The value given last, or NULL. */
const char *argument_value(const struct arguments *arguments, enum option_id id);

/* The next value of an option that may be given several times, from *position (begin with 0) on; NULL: no
 * more. */
const char *argument_next(const struct arguments *arguments, enum option_id id, size_t *position);

#endif
