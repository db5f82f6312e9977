/* SPDX-License-Identifier: MIT */
#include "client/ctl/commands.h"
#include "client/ctl/completion.h"

#include <stdio.h>
#include <string.h>

/* Inside '...' of zsh, and inside a specification of _arguments, where : [ ] have a meaning. */
static void print_escaped(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            printf("%s%c", strchr(":[]\\", *text) ? "\\" : "", *text);
    }
}

/* An action of _arguments. */
static void print_action(enum completes kind)
{
    switch (kind) {
    case COMPLETES_FILE:
        fputs("_files", stdout);
        return;
    case COMPLETES_DIRECTORY:
        fputs("_files -/", stdout);
        return;
    case COMPLETES_PROCESS:
        fputs("_procctl_processes", stdout);
        return;
    case COMPLETES_OBJECT:
        fputs("_procctl_objects", stdout);
        return;
    case COMPLETES_COMMAND:
    case COMPLETES_OBJECT_COMMAND:
        fputs("_normal", stdout);
        return;
    case COMPLETES_NOTHING:
        putchar(' ');
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
    printf("(%s)", completes_words(kind));
}

/* '(-n --name)'{-n+,--name=}'[text]:NAME:action': the value in the next word, or in the same one */
static void print_option(enum option_id id, bool has_letter)
{
    const struct option_spec *option = &option_specs[id];
    const char *plus = option->value ? "+" : "", *equals = option->value ? "=" : "";

    printf(" \\\n            ");
    if (has_letter && option->letter && option->many)
        printf("'*'{-%c%s,--%s%s}'", option->letter, plus, option->word, equals);
    else if (has_letter && option->letter)
        printf("'(-%c --%s)'{-%c%s,--%s%s}'", option->letter, option->word, option->letter, plus,
               option->word, equals);
    else
        printf("'%s--%s%s", option->many ? "*" : "", option->word, equals);
    putchar('[');
    print_escaped(option->text);
    putchar(']');
    if (option->value) {
        putchar(':');
        print_escaped(option->value);
        putchar(':');
        print_action(option->completes);
    }
    putchar('\'');
}

/* A command's own letter hides the global one. */
static void print_globals(const struct command *command)
{
    for (enum option_id id = OPT_NONE + 1; id <= OPT_GLOBAL_LAST; id++)
        print_option(id, option_by_letter(command, option_specs[id].letter) == id);
}

static void print_command(const struct command *command)
{
    const char *alias = command->aliases;

    printf("        ");
    if (strchr(command->name, ' '))
        printf("'%s'", command->name);
    else
        fputs(command->name, stdout);
    for (size_t length; (length = strcspn(alias, " ")) > 0; alias += length + strspn(alias + length, " "))
        printf("|%.*s", (int) length, alias);
    printf(")\n");
    /* Behind a word _arguments would count it as one. */
    if (command->completes == COMPLETES_OBJECT_COMMAND)
        printf("            at=${words[(i)--]}\n"
               "            (( at < CURRENT )) && { words[at]=(); (( CURRENT-- )) }\n");
    printf("            _arguments -s -S");
    print_globals(command);
    for (size_t i = 0; command->options[i] != OPT_NONE; i++)
        print_option(command->options[i], true);
    if (command->completes == COMPLETES_COMMAND)
        printf(" \\\n            '(-)1:command:_command_names -e' '*::argument:_normal'");
    else if (command->completes == COMPLETES_OBJECT_COMMAND)
        printf(" \\\n            '1:NAME:_procctl_objects' '(-)2:command:_command_names -e'"
               " '*::argument:_normal'");
    else if (command->most != 0) {
        printf(" \\\n            '%s:", command->most == WORDS_MANY ? "*" : "1");
        print_escaped(command->words);
        putchar(':');
        print_action(command->completes);
        putchar('\'');
    }
    printf(" ;;\n");
}

/* "'name:summary'" of all names of one word, or of the second words behind a first one. */
static void print_descriptions(const char *first)
{
    for (size_t i = 0; i < command_count; i++) {
        const char *name = commands[i].name, *blank = strchr(name, ' ');
        size_t length = blank ? (size_t) (blank - name) : 0;

        if (first ? length == 0 || strlen(first) != length || strncmp(first, name, length) != 0 : length > 0)
            continue;
        printf(" \\\n            '%s:", first ? blank + 1 : name);
        print_escaped(commands[i].summary);
        putchar('\'');
    }
}

/* Is it the first command of its first word? */
static bool opens_group(size_t i)
{
    size_t length = strcspn(commands[i].name, " ");

    return strchr(commands[i].name, ' ') &&
           (i == 0 || strncmp(commands[i].name, commands[i - 1].name, length + 1) != 0);
}

/* Is its first word a command of its own? */
static bool is_led(size_t i)
{
    return i > 0 && strcspn(commands[i].name, " ") == strlen(commands[i - 1].name) &&
           strncmp(commands[i].name, commands[i - 1].name, strlen(commands[i - 1].name)) == 0;
}

static void print_groups(void)
{
    printf("_procctl_second() {\n    case $1 in\n");
    for (size_t i = 0; i < command_count; i++) {
        char first[64];

        if (!opens_group(i))
            continue;
        snprintf(first, sizeof first, "%.*s", (int) strcspn(commands[i].name, " "), commands[i].name);
        printf("        %s) reply=(", first);
        print_descriptions(first);
        printf(") ;;\n");
    }
    printf("        *) reply=() ;;\n    esac\n}\n\n");
}

static const char asking[] =
    "# The daemon that the command line names, as options of procctl. Of kill, -s is another option.\n"
    "_procctl_daemon() {\n"
    "    local i\n"
    "    ask=()\n"
    "    for (( i = 2; i < CURRENT; i++ )); do\n"
    "        case $words[i] in\n"
    "            --socket) ask=(-s ${(Q)words[i + 1]}) ;;\n"
    "            --socket=*) ask=(-s ${(Q)words[i]#*=}) ;;\n"
    "            -s) (( $words[(I)kill] )) || ask=(-s ${(Q)words[i + 1]}) ;;\n"
    "            --) return ;;\n"
    "        esac\n"
    "    done\n"
    "}\n\n"
    "# Words of the daemon's, and what they are. Nothing runs beside this shell meanwhile: a child that\n"
    "# ends while it allocates memory is too much for it (zsh 5.9: malloc assertion failure).\n"
    "_procctl_words() {\n"
    "    local -a known\n"
    "    local line word\n"
    "    for line in ${(f)\"$(procctl $ask --no-autostart -q completion $2 2>/dev/null)\"}; do\n"
    "        word=${line%%$'\\t'*}\n"
    "        known+=(\"${word//:/\\\\:}:${line#*$'\\t'}\")\n"
    "    done\n"
    "    _describe -V -t $2 $1 known\n"
    "}\n\n"
    "_procctl_processes() { _procctl_words process processes }\n\n"
    "_procctl_objects() { _procctl_words object objects }\n\n";

void print_zsh_completion(void)
{
    printf("#compdef procctl\n# procctl(1) for zsh. Made by: procctl completion zsh\n\n");
    fputs(asking, stdout);
    print_groups();
    printf("_procctl_rest() {\n    local at\n    case $1 in\n");
    for (size_t i = 0; i < command_count; i++)
        print_command(&commands[i]);
    printf("    esac\n}\n\n");
    printf("_procctl() {\n    local curcontext=$curcontext state line\n    local -a names reply ask\n"
           "    _procctl_daemon\n    _arguments -C -s -S -A '-*'");
    print_globals(NULL);
    printf(" \\\n            '1: :->name' '*:: :->rest'\n"
           "    case $state in\n        name)\n            names=(");
    print_descriptions(NULL);
    for (size_t i = 0; i < command_count; i++)
        if (opens_group(i) && !is_led(i))
            printf(" \\\n            %.*s", (int) strcspn(commands[i].name, " "), commands[i].name);
    printf(")\n            _describe -t commands command names ;;\n"
           "        rest)\n            _procctl_second $words[1]\n"
           "            if (( $#reply && CURRENT == 2 )); then\n"
           "                _describe -t commands command reply\n"
           "                _procctl_rest $words[1]\n"
           "            elif [[ -n ${(M)reply:#${words[2]}:*} ]]; then\n"
           "                words=(\"$words[1] $words[2]\" $words[3,-1]); (( CURRENT-- ))\n"
           "                _procctl_rest $words[1]\n"
           "            else\n                _procctl_rest $words[1]\n            fi ;;\n    esac\n}\n\n"
           "_procctl \"$@\"\n");
}
