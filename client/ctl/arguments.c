/* SPDX-License-Identifier: MIT */
#include "client/ctl/arguments.h"
#include "client/ctl/guess.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the parser stands. */
struct parser {
    char **argv;
    int argc, at;
    const struct command *command;
    struct arguments *arguments;
    struct arguments_error *error;
};

static int fail(struct parser *parser, const char *format, const char *word, size_t length)
{
    parser->error->format = format;
    snprintf(parser->error->word, sizeof parser->error->word, "%.*s", (int) length, word);
    return -EINVAL;
}

static void add_option(struct parser *parser, enum option_id id, const char *value)
{
    struct arguments *arguments = parser->arguments;

    arguments->options[arguments->option_count++] = (struct given_option) {id, value};
}

/* A value that stands in the next word. */
static int add_with_next(struct parser *parser, enum option_id id, const char *option)
{
    if (parser->at >= parser->argc)
        return fail(parser, "option %s needs a value", option, strlen(option));
    add_option(parser, id, parser->argv[parser->at++]);
    return 0;
}

static int fail_option(struct parser *parser, const char *word, size_t length)
{
    char meant[GUESS_MAX];

    if (guess_option(parser->command, word + 2, length - 2, meant))
        snprintf(parser->error->hint, sizeof parser->error->hint, "perhaps --%s?", meant);
    return fail(parser, "unknown option %s", word, length);
}

/* --word, --word=value, --word value. No abbreviations: they would break when an option is added. */
static int parse_long(struct parser *parser, const char *word)
{
    size_t length = strcspn(word, "=");
    enum option_id id = option_by_word(parser->command, word + 2, length - 2);

    if (id == OPT_NONE)
        return fail_option(parser, word, length);
    if (word[length] == '=' && !option_specs[id].value)
        return fail(parser, "option %s takes no value", word, length);
    if (word[length] == '=')
        add_option(parser, id, word + length + 1);
    else if (option_specs[id].value)
        return add_with_next(parser, id, word);
    else
        add_option(parser, id, NULL);
    return 0;
}

/* -a, -ab, -nVALUE, -n VALUE */
static int parse_letters(struct parser *parser, const char *word)
{
    for (const char *letter = word + 1; *letter; letter++) {
        enum option_id id = option_by_letter(parser->command, *letter);
        char option[] = {'-', *letter, '\0'};

        if (id == OPT_NONE)
            return fail(parser, "unknown option %s", option, 2);
        if (option_specs[id].value && letter[1]) {
            add_option(parser, id, letter + 1);
            return 0;
        }
        if (option_specs[id].value)
            return add_with_next(parser, id, option);
        add_option(parser, id, NULL);
    }
    return 0;
}

static int parse_option(struct parser *parser)
{
    const char *word = parser->argv[parser->at++];

    return word[1] == '-' ? parse_long(parser, word) : parse_letters(parser, word);
}

/* "-" alone is a word. */
static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

/* "daemon" alone: not unknown, but half of a name. */
static bool begins_command(const char *word)
{
    size_t length = strlen(word);

    for (size_t i = 0; i < command_count; i++)
        if (strncmp(commands[i].name, word, length) == 0 && commands[i].name[length] == ' ')
            return true;
    return false;
}

static int fail_command(struct parser *parser, const char *word)
{
    char meant[GUESS_MAX];

    if (guess_command(word, meant))
        snprintf(parser->error->hint, sizeof parser->error->hint, "perhaps %s?", meant);
    return fail(parser, "unknown command %s", word, strlen(word));
}

/* "daemon is only the first word of several commands", "info, stop, restart" */
static int fail_half(struct parser *parser, const char *word)
{
    char *hint = parser->error->hint;
    size_t length = strlen(word), used = 0, room = sizeof parser->error->hint;

    for (size_t i = 0; i < command_count && used < room; i++)
        if (strncmp(commands[i].name, word, length) == 0 && commands[i].name[length] == ' ')
            used += (size_t) snprintf(hint + used, room - used, "%s%s", used > 0 ? ", " : "",
                                      commands[i].name + length + 1);
    return fail(parser, "%s is only the first word of several commands", word, length);
}

/* The global options and the command's name. */
static int parse_command(struct parser *parser)
{
    char **name;
    size_t words;

    while (parser->at < parser->argc && is_option(parser->argv[parser->at])) {
        int error = parse_option(parser);
        if (error < 0)
            return error;
    }
    if (parser->at >= parser->argc)
        return 0;
    name = &parser->argv[parser->at];
    parser->command = command_find(name, (size_t) (parser->argc - parser->at), &words);
    if (!parser->command && begins_command(*name))
        return fail_half(parser, *name);
    if (!parser->command)
        return fail_command(parser, *name);
    parser->at += (int) words;
    return 0;
}

/* How many words stand before the command line that ends the options; -1: none follows. */
static int words_before(const struct command *command)
{
    if (command->completes == COMPLETES_OBJECT_COMMAND)
        return 1;
    return command->completes == COMPLETES_COMMAND ? 0 : -1;
}

/* "lock -n acquire": nobody wants to run a command under a lock of that name. */
static int check_object(struct parser *parser, const char *word)
{
    const char *name = parser->command->name;
    size_t length = strlen(name);

    for (size_t i = 0; i < command_count; i++)
        if (strncmp(commands[i].name, name, length) == 0 && commands[i].name[length] == ' ' &&
            strcmp(commands[i].name + length + 1, word) == 0)
            return fail(parser, "%s belongs right behind the command; an object called so, behind --", word,
                        strlen(word));
    return 0;
}

/* The command's options and words. Only a command line of its own ends the options. */
static int parse_rest(struct parser *parser)
{
    struct arguments *arguments = parser->arguments;
    int before = words_before(parser->command), error = 0;
    bool are_options_over = false, has_begun = false;

    while (error == 0 && parser->at < parser->argc) {
        char *word = parser->argv[parser->at];
        bool is_due = before == (int) arguments->word_count; /* the command line */

        if (!has_begun && strcmp(word, "--") == 0 && (is_due || !are_options_over)) {
            parser->at++;
            are_options_over = true;
            has_begun = is_due;
        } else if (!are_options_over && is_option(word)) {
            error = parse_option(parser);
        } else {
            if (before > 0 && arguments->word_count == 0 && !are_options_over)
                error = check_object(parser, word);
            parser->at++;
            arguments->words[arguments->word_count++] = word;
            if (is_due)
                are_options_over = has_begun = true;
        }
    }
    return error;
}

/* "NAME CMD [ARG...]", 1: "CMD" */
static int fail_missing(struct parser *parser, size_t index)
{
    const char *word = parser->command->words;

    while (index-- > 0)
        word += strcspn(word, " ") + 1;
    return fail(parser, "%s is missing", word, strcspn(word, " ."));
}

static int check_words(struct parser *parser)
{
    const struct command *command = parser->command;
    const struct arguments *arguments = parser->arguments;
    const char *last;

    if (argument_given(arguments, OPT_HELP) || argument_given(arguments, OPT_VERSION))
        return 0;
    if (arguments->word_count < (size_t) command->least)
        return fail_missing(parser, arguments->word_count);
    if (command->most == WORDS_MANY || arguments->word_count <= (size_t) command->most)
        return 0;
    last = arguments->words[command->most];
    return fail(parser, "%s is one word too many", last, strlen(last));
}

int arguments_parse(int argc, char **argv, const struct command **ret_command,
                    struct arguments *ret_arguments, struct arguments_error *ret_error)
{
    struct parser parser = {argv, argc, 1, NULL, ret_arguments, ret_error};
    size_t room = 1;
    int error;

    *ret_command = NULL;
    *ret_arguments = (struct arguments) {0};
    *ret_error = (struct arguments_error) {0};
    for (int i = 1; i < argc; i++)
        room += strlen(argv[i]); /* a word of letters holds that many options */
    ret_arguments->options = calloc(room, sizeof *ret_arguments->options);
    ret_arguments->words = calloc((size_t) argc + 1, sizeof *ret_arguments->words);
    if (!ret_arguments->options || !ret_arguments->words)
        return -ENOMEM;
    error = parse_command(&parser);
    *ret_command = parser.command;
    if (error == 0 && parser.command)
        error = parse_rest(&parser);
    if (error == 0 && parser.command)
        error = check_words(&parser);
    return error;
}

void arguments_done(struct arguments *arguments)
{
    free(arguments->options);
    free(arguments->words);
    *arguments = (struct arguments) {0};
}

bool argument_given(const struct arguments *arguments, enum option_id id)
{
    for (size_t i = 0; i < arguments->option_count; i++)
        if (arguments->options[i].id == id)
            return true;
    return false;
}

const char *argument_value(const struct arguments *arguments, enum option_id id)
{
    for (size_t i = arguments->option_count; i > 0; i--)
        if (arguments->options[i - 1].id == id)
            return arguments->options[i - 1].value;
    return NULL;
}

const char *argument_next(const struct arguments *arguments, enum option_id id, size_t *position)
{
    while (*position < arguments->option_count) {
        const struct given_option *option = &arguments->options[(*position)++];
        if (option->id == id)
            return option->value;
    }
    return NULL;
}
