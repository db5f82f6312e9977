/* SPDX-License-Identifier: MIT */
#include "client/ctl/commands.h"
#include "proto/signals.h"

#include <stdio.h>
#include <string.h>

const struct option_spec option_specs[OPTION_COUNT] = {
#define OPTION(id, letter, word, value, many, completes, text) \
    [OPT_##id] = {letter, word, value, many, COMPLETES_##completes, text},
#include "client/ctl/commands.def"
#undef OPTION
};

const struct command commands[] = {
#define MANY WORDS_MANY
#define OPTIONS(...) {__VA_ARGS__ __VA_OPT__(,) OPT_NONE} /* one too many does not compile */
#define COMMAND(id, name, aliases, words, least, most, completes, options, summary, more) \
    {name, aliases, words, least, most, COMPLETES_##completes, options, summary, more, command_##id},
#include "client/ctl/commands.def"
#undef COMMAND
#undef OPTIONS
#undef MANY
};

const size_t command_count = sizeof(commands) / sizeof(commands[0]);

/* Is word one of the words of list, which blanks separate? */
static bool is_listed(const char *list, const char *word)
{
    size_t length = strlen(word);

    while (*list) {
        size_t here = strcspn(list, " ");
        if (here == length && strncmp(list, word, length) == 0)
            return true;
        list += here;
        list += strspn(list, " ");
    }
    return false;
}

/* How many of the words at argv are the command's name: 0 (it is another), 1 or 2. */
static size_t name_matches(const struct command *command, char *const *argv, size_t count)
{
    const char *second = strchr(command->name, ' ');

    if (!second)
        return strcmp(argv[0], command->name) == 0 || is_listed(command->aliases, argv[0]);
    size_t first = (size_t)(second - command->name);
    if (count < 2 || strlen(argv[0]) != first || strncmp(argv[0], command->name, first) != 0)
        return 0;
    return strcmp(argv[1], second + 1) == 0 ? 2 : 0;
}

const struct command *command_find(char *const *argv, size_t count, size_t *ret_words)
{
    const struct command *found = NULL;
    size_t best = 0;

    /* The longer name wins: "lock acquire" before "lock". */
    for (size_t i = 0; count > 0 && i < command_count; i++) {
        size_t words = name_matches(&commands[i], argv, count);
        if (words > best) {
            best = words;
            found = &commands[i];
        }
    }
    *ret_words = best;
    return found;
}

enum option_id option_by_letter(const struct command *command, char letter)
{
    for (size_t i = 0; command && command->options[i] != OPT_NONE; i++)
        if (option_specs[command->options[i]].letter == letter)
            return command->options[i];
    for (enum option_id id = OPT_NONE + 1; id <= OPT_GLOBAL_LAST; id++)
        if (option_specs[id].letter == letter)
            return id;
    return OPT_NONE;
}

static bool has_word(enum option_id id, const char *word, size_t length)
{
    const char *own = option_specs[id].word;

    return strlen(own) == length && strncmp(own, word, length) == 0;
}

enum option_id option_by_word(const struct command *command, const char *word, size_t length)
{
    for (size_t i = 0; command && command->options[i] != OPT_NONE; i++)
        if (has_word(command->options[i], word, length))
            return command->options[i];
    for (enum option_id id = OPT_NONE + 1; id <= OPT_GLOBAL_LAST; id++)
        if (has_word(id, word, length))
            return id;
    return OPT_NONE;
}

#define METHOD(id, name, flags, summary) name " "
#define PARAM(method, id, type, flags, low, high, text)
#define RESULT(method, name, schema, text)
#define END(id)
static const char method_words[] =
#include "proto/methods.def"
    ;
#undef METHOD
#undef PARAM
#undef RESULT
#undef END

#define EVENT(id, name, members, text) name " "
static const char kind_words[] =
#include "proto/events.def"
    "process.* object.* lock.* client.*";
#undef EVENT

/* "HUP INT ...": without SIG, as people type them. */
static const char *signal_words(void)
{
    static char words[32 * SIGNAL_NAME_MAX];
    char name[SIGNAL_NAME_MAX];
    size_t used = 0;

    for (int signal = 1; words[0] == '\0' || (used > 0 && signal < 32); signal++)
        used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%s", used > 0 ? " " : "",
                                 signal_to_name(signal, name) + strlen("SIG"));
    return words;
}

const char *completes_words(enum completes completes)
{
    switch (completes) {
    case COMPLETES_METHOD:
        return method_words;
    case COMPLETES_KIND:
        return kind_words;
    case COMPLETES_SIGNAL:
        return signal_words();
    case COMPLETES_LIMIT:
        return "nofile= nproc= core= as= cpu= fsize= stack= memlock=";
    case COMPLETES_STREAM:
        return "stdout stderr";
    case COMPLETES_SHELL:
        return "bash zsh fish";
    case COMPLETES_WHEN:
        return "auto always never";
    case COMPLETES_POLICY:
        return "no on-failure always";
    case COMPLETES_NOTHING:
    case COMPLETES_FILE:
    case COMPLETES_DIRECTORY:
    case COMPLETES_COMMAND:
    case COMPLETES_OBJECT_COMMAND:
    case COMPLETES_PROCESS:
    case COMPLETES_OBJECT:
    case COMPLETES_COUNT:
        break;
    }
    return NULL;
}
