/* SPDX-License-Identifier: MIT */
#include "client/ctl/usage.h"

#include <ctype.h>
#include <string.h>

#define HELP_WIDTH 79

/* Prints words, broken at blanks, indented but for the first line, which begins at column `at`. */
static void print_wrapped(FILE *stream, const char *text, int at, int indent)
{
    while (*text) {
        int length = (int) strcspn(text, " ");

        if (at > indent && at + 1 + length > HELP_WIDTH) {
            fprintf(stream, "\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', stream);
            at++;
        }
        fprintf(stream, "%.*s", length, text);
        at += length;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', stream);
}

/* "[-n NAME]", "[--kind KIND]..." */
static int format_synopsis(enum option_id id, char *buffer, size_t size)
{
    const struct option_spec *option = &option_specs[id];
    const char *space = option->value ? " " : "", *value = option->value ? option->value : "";
    const char *end = option->many ? "]..." : "]";

    if (option->letter)
        return snprintf(buffer, size, "[-%c%s%s%s", option->letter, space, value, end);
    return snprintf(buffer, size, "[--%s%s%s%s", option->word, space, value, end);
}

/* The words behind the options, and where a command line begins. */
static void print_words(FILE *stream, const struct command *command, int at, int indent)
{
    bool has_name = command->completes == COMPLETES_OBJECT_COMMAND;
    int first = has_name ? (int) strcspn(command->words, " ") : 0;
    char text[128];
    int length;

    if (has_name || command->completes == COMPLETES_COMMAND)
        length = snprintf(text, sizeof text, "%.*s%s-- %s", first, command->words, has_name ? " " : "",
                          command->words + first + has_name);
    else
        length = snprintf(text, sizeof text, "%s", command->words);
    if (length > 0 && at + 1 + length > HELP_WIDTH)
        fprintf(stream, "\n%*s", indent, "");
    fprintf(stream, "%s%s\n", length > 0 ? " " : "", text);
}

static void print_synopsis(FILE *stream, const struct command *command)
{
    int at = fprintf(stream, "usage: procctl %s", command->name), indent = 15;
    char text[128];

    for (size_t i = 0; command->options[i] != OPT_NONE; i++) {
        int length = format_synopsis(command->options[i], text, sizeof text);

        if (at + 1 + length > HELP_WIDTH) {
            fprintf(stream, "\n%*s", indent, "");
            at = indent;
        }
        fprintf(stream, " %s", text);
        at += 1 + length;
    }
    print_words(stream, command, at, indent);
}

static void print_option(FILE *stream, enum option_id id)
{
    const struct option_spec *option = &option_specs[id];
    char text[128];
    int at;

    if (option->letter)
        snprintf(text, sizeof text, "  -%c, --%s%s%s", option->letter, option->word, option->value ? " " : "",
                 option->value ? option->value : "");
    else
        snprintf(text, sizeof text, "      --%s%s%s", option->word, option->value ? " " : "",
                 option->value ? option->value : "");
    at = fprintf(stream, "%-24s  ", text);
    print_wrapped(stream, option->text, at > 26 ? at : 26, 26);
}

/* A letter that the command uses for itself means the global option only before the command. */
static void print_global_options(FILE *stream)
{
    for (enum option_id id = OPT_NONE + 1; id <= OPT_GLOBAL_LAST; id++)
        print_option(stream, id);
}

static void print_command_help(FILE *stream, const struct command *command)
{
    char text[256];

    print_synopsis(stream, command);
    fputc('\n', stream);
    snprintf(text, sizeof text, "%c%s.", toupper((unsigned char) command->summary[0]), command->summary + 1);
    print_wrapped(stream, text, 0, 0);
    if (*command->more)
        print_wrapped(stream, command->more, 0, 0);
    if (*command->aliases)
        fprintf(stream, "Other names: %s\n", command->aliases);
    if (command->options[0] != OPT_NONE)
        fputs("\nOptions:\n", stream);
    for (size_t i = 0; command->options[i] != OPT_NONE; i++)
        print_option(stream, command->options[i]);
    fputs("\nOptions of every command:\n", stream);
    print_global_options(stream);
}

static void print_general_help(FILE *stream)
{
    fputs("usage: procctl [OPTION...] COMMAND [ARGUMENT...]\n\n"
          "Starts, watches and ends processes, and lets them wait for each other.\n"
          "\nCommands:\n", stream);
    for (size_t i = 0; i < command_count; i++) {
        int at = fprintf(stream, "  %-21s ", commands[i].name);
        print_wrapped(stream, commands[i].summary, at, 24);
    }
    fputs("\nOptions:\n", stream);
    print_global_options(stream);
    fputs("\nprocctl COMMAND --help tells more; so does procctl(1).\n", stream);
}

void print_help(FILE *stream, const struct command *command)
{
    if (command)
        print_command_help(stream, command);
    else
        print_general_help(stream);
}
