/* SPDX-License-Identifier: MIT */
#include "client/ctl/commands.h"
#include "client/ctl/completion.h"

#include <stdio.h>
#include <string.h>

/* '...' of fish: only \ and ' are special. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text; text++)
        printf("%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
    putchar('\'');
}

/* Words for -a. */
static void print_words(enum completes kind)
{
    switch (kind) {
    case COMPLETES_FILE:
        printf(" -r -F");
        return;
    case COMPLETES_DIRECTORY:
        printf(" -x -a '(__fish_complete_directories)'");
        return;
    case COMPLETES_PROCESS:
        printf(" -x -k -a '(__procctl_processes)'");
        return;
    case COMPLETES_OBJECT:
        printf(" -x -k -a '(__procctl_objects)'");
        return;
    case COMPLETES_OBJECT_COMMAND: /* behind the object */
        printf(" -x -a '(__fish_complete_subcommand --fcs-skip=3)'");
        return;
    case COMPLETES_COMMAND:
        printf(" -x -a '(__fish_complete_subcommand --fcs-skip=2)'");
        return;
    case COMPLETES_NOTHING:
        printf(" -x");
        return;
    case COMPLETES_METHOD:
    case COMPLETES_KIND:
    case COMPLETES_SIGNAL:
    case COMPLETES_LIMIT:
    case COMPLETES_STREAM:
    case COMPLETES_SHELL:
    case COMPLETES_WHEN:
    case COMPLETES_POLICY:
    case COMPLETES_COUNT:
        break;
    }
    printf(" -x -a ");
    print_quoted(completes_words(kind));
}

/* Is it the first word of others, too? */
static bool is_leader(const struct command *command)
{
    const struct command *next = command + 1;
    size_t length = strlen(command->name);

    return next < commands + command_count && strncmp(next->name, command->name, length) == 0 &&
           next->name[length] == ' ';
}

static void print_leader_condition(const struct command *command, const char *and)
{
    size_t length = strlen(command->name);

    printf(" -n '__procctl_is_alone %s", command->name);
    for (const struct command *next = command + 1; next < commands + command_count; next++)
        if (strncmp(next->name, command->name, length) == 0 && next->name[length] == ' ')
            printf("%s", next->name + length);
    printf("%s'", and);
}

/* " -n '...'": this command was typed. and: what else must hold, or "". */
static void print_condition(const struct command *command, const char *and)
{
    const char *second = strchr(command->name, ' ');
    int first = (int) strcspn(command->name, " ");

    if (second)
        printf(" -n '__procctl_is_second %.*s %s%s'", first, command->name, second + 1, and);
    else if (is_leader(command))
        print_leader_condition(command, and);
    else
        printf(" -n '__procctl_is %s %s%s'", command->name, command->aliases, and);
}

/* command NULL: a global option. */
static void print_option(const struct command *command, enum option_id id)
{
    const struct option_spec *option = &option_specs[id];

    printf("complete -c procctl");
    if (command)
        print_condition(command, "");
    if (option->letter)
        printf(" -s %c", option->letter);
    printf(" -l %s", option->word);
    if (option->value)
        print_words(option->completes);
    printf(" -d ");
    print_quoted(option->text);
    putchar('\n');
}

static void print_name(const struct command *command)
{
    const char *second = strchr(command->name, ' ');
    int first = (int) strcspn(command->name, " ");

    if (second)
        printf("complete -c procctl -n '__procctl_needs_second %.*s' -a %s -d ", first, command->name,
               second + 1);
    else
        printf("complete -c procctl -n __procctl_needs_command -a %s -d ", command->name);
    print_quoted(command->summary);
    putchar('\n');
    if (second)
        printf("complete -c procctl -n __procctl_needs_command -a %.*s\n", first, command->name);
}

static void print_command(const struct command *command)
{
    print_name(command);
    for (size_t i = 0; command->options[i] != OPT_NONE; i++)
        print_option(command, command->options[i]);
    if (command->completes == COMPLETES_OBJECT_COMMAND) {
        printf("complete -c procctl");
        print_condition(command, "; and __procctl_counts 1");
        print_words(COMPLETES_OBJECT);
        putchar('\n');
    }
    if (command->completes != COMPLETES_NOTHING) {
        bool has_object = command->completes == COMPLETES_OBJECT_COMMAND;

        printf("complete -c procctl");
        print_condition(command, has_object ? "; and not __procctl_counts 1" : "");
        print_words(command->completes);
        putchar('\n');
    }
}

static const char head[] =
    "# procctl(1) for fish. Made by: procctl completion fish\n\n"
    "# The words behind procctl that are no options.\n"
    "function __procctl_words\n"
    "    set -l skip 0\n"
    "    for word in (commandline -opc)[2..]\n"
    "        if test $skip = 1\n"
    "            set skip 0\n"
    "        else if contains -- $word -s --socket --color\n"
    "            set skip 1\n"
    "        else if not string match -q -- '-*' $word\n"
    "            echo $word\n"
    "        end\n"
    "    end\n"
    "end\n\n"
    "function __procctl_needs_command\n"
    "    test (count (__procctl_words)) = 0\n"
    "end\n\n"
    "function __procctl_is\n"
    "    set -l words (__procctl_words)\n"
    "    contains -- \"$words[1]\" $argv\n"
    "end\n\n"
    "function __procctl_counts\n"
    "    test (count (__procctl_words)) = $argv[1]\n"
    "end\n\n"
    "# Names of two words: the first alone; and one of the second words.\n"
    "function __procctl_needs_second\n"
    "    __procctl_is $argv; and __procctl_counts 1\n"
    "end\n\n"
    "function __procctl_is_second\n"
    "    set -l words (__procctl_words)\n"
    "    test \"$words[1] $words[2]\" = \"$argv\"\n"
    "end\n\n"
    "# A command that is also the first word of others, which follow it here.\n"
    "function __procctl_is_alone\n"
    "    set -l words (__procctl_words)\n"
    "    test \"$words[1]\" = $argv[1]; and not contains -- \"$words[2]\" $argv[2..]\n"
    "end\n\n"
    "# The daemon that the command line names, as options of procctl. Of kill, -s is another option.\n"
    "function __procctl_daemon\n"
    "    set -l words (commandline -opc)[2..]\n"
    "    set -l count (count $words)\n"
    "    for i in (seq $count)\n"
    "        switch $words[$i]\n"
    "            case --socket -s\n"
    "                if test $words[$i] = --socket; or not contains kill $words\n"
    "                    test $i = $count; or printf '%s\\n' -s $words[(math $i + 1)]\n"
    "                end\n"
    "            case '--socket=*'\n"
    "                printf '%s\\n' -s (string replace -- --socket= '' $words[$i])\n"
    "            case --\n"
    "                return\n"
    "        end\n"
    "    end\n"
    "end\n\n"
    "# Words of the daemon's, a tab, and what they are.\n"
    "function __procctl_processes\n"
    "    procctl (__procctl_daemon) --no-autostart -q completion processes 2>/dev/null\n"
    "end\n\n"
    "function __procctl_objects\n"
    "    procctl (__procctl_daemon) --no-autostart -q completion objects 2>/dev/null\n"
    "end\n\n"
    "complete -c procctl -f\n";

void print_fish_completion(void)
{
    fputs(head, stdout);
    for (enum option_id id = OPT_NONE + 1; id <= OPT_GLOBAL_LAST; id++)
        print_option(NULL, id);
    for (size_t i = 0; i < command_count; i++)
        print_command(&commands[i]);
}
