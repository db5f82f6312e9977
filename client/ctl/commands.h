/* SPDX-License-Identifier: MIT */
/*
 * The table of commands and options, made from commands.def.
 */
#ifndef PROCD_CTL_COMMANDS_H
#define PROCD_CTL_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#define WORDS_MANY          (-1)
#define COMMAND_OPTIONS_MAX 16 /* with the OPT_NONE behind them */

enum option_id {
    OPT_NONE, /* ends a list */
#define OPTION(id, letter, word, value, many, completes, text) OPT_##id,
#include "client/ctl/commands.def"
#undef OPTION
    OPTION_COUNT
};

#define OPT_GLOBAL_LAST OPT_HELP /* options up to this one belong to every command */

/* What may stand in a place, for the completions. */
enum completes {
    COMPLETES_NOTHING,
    COMPLETES_FILE,
    COMPLETES_DIRECTORY,
    COMPLETES_COMMAND, /* a command line of its own */
    COMPLETES_OBJECT_COMMAND, /* the name of an object, then a command line */
    COMPLETES_PROCESS, /* an id or a name; the daemon knows them */
    COMPLETES_OBJECT,  /* a name, likewise */
    COMPLETES_METHOD,
    COMPLETES_KIND,
    COMPLETES_SIGNAL,
    COMPLETES_LIMIT,
    COMPLETES_STREAM,
    COMPLETES_SHELL,
    COMPLETES_WHEN,
    COMPLETES_POLICY,
    COMPLETES_COUNT
};

struct option_spec {
    char letter;       /* 0: none */
    const char *word;
    const char *value; /* NULL: it takes none */
    bool many;
    enum completes completes;
    const char *text;
};

struct ctl;

struct command {
    const char *name;    /* one word, or two */
    const char *aliases; /* separated by blanks */
    const char *words;
    int least, most;
    enum completes completes;
    enum option_id options[COMMAND_OPTIONS_MAX];
    const char *summary;
    const char *more;
    int (*run)(struct ctl *ctl); /* the exit status */
};

extern const struct option_spec option_specs[OPTION_COUNT];
extern const struct command commands[];
extern const size_t command_count;

/* The command that argv (count words) begins with, by name or alias, and how many words the name has. NULL:
 * none. */
const struct command *command_find(char *const *argv, size_t count, size_t *ret_words);

/* A command's option (its own before the global ones), by letter or by word. OPT_NONE: none. command NULL:
 * only the global ones. */
enum option_id option_by_letter(const struct command *command, char letter);
enum option_id option_by_word(const struct command *command, const char *word, size_t length);

/* The fixed words of a kind, separated by blanks (made on the first call), or NULL where they are not
 * fixed. */
const char *completes_words(enum completes completes);

#define COMMAND(id, name, aliases, words, least, most, completes, options, summary, more) \
    int command_##id(struct ctl *ctl);
#include "client/ctl/commands.def"
#undef COMMAND

#endif
