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
        printf(" -x -a '(__procctl_processes)'");
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
    case COMPLETES_SHELL:
    case COMPLETES_WHEN:
    case COMPLETES_COUNT:
        break;
    }
    printf(" -x -a ");
    print_quoted(completes_words(kind));
}

/* command NULL: a global option. */
static void print_option(const struct command *command, enum option_id id)
{
    const struct option_spec *option = &option_specs[id];

    printf("complete -c procctl");
    if (command)
        printf(" -n '__procctl_is %s %s'", command->name, command->aliases);
    if (option->letter)
        printf(" -s %c", option->letter);
    printf(" -l %s", option->word);
    if (option->value)
        print_words(option->completes);
    printf(" -d ");
    print_quoted(option->text);
    putchar('\n');
}

static void print_command(const struct command *command)
{
    const char *second = strchr(command->name, ' ');
    int first = second ? (int) (second - command->name) : (int) strlen(command->name);

    if (second)
        printf("complete -c procctl -n '__procctl_is %.*s' -a %s -d ", first, command->name, second + 1);
    else
        printf("complete -c procctl -n __procctl_needs_command -a %s -d ", command->name);
    print_quoted(command->summary);
    putchar('\n');
    if (second)
        printf("complete -c procctl -n __procctl_needs_command -a %.*s\n", first, command->name);
    for (size_t i = 0; command->options[i] != OPT_NONE; i++)
        print_option(command, command->options[i]);
    if (command->completes != COMPLETES_NOTHING) {
        printf("complete -c procctl -n '__procctl_is %s %s'", command->name, command->aliases);
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
    "function __procctl_processes\n"
    "    procctl --no-autostart -q ps -a 2>/dev/null |\n"
    "        awk 'NR > 1 { print $1 \"\\t\" $2; print $2 \"\\t\" $4 }'\n"
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
