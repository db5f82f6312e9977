/* SPDX-License-Identifier: MIT */
#include "client/ctl/commands.h"
#include "client/ctl/completion.h"

#include <stdio.h>
#include <string.h>

static void print_options(const struct command *command)
{
    for (size_t i = 0; command && command->options[i] != OPT_NONE; i++)
        printf(" --%s", option_specs[command->options[i]].word);
    for (enum option_id id = OPT_NONE + 1; id <= OPT_GLOBAL_LAST; id++)
        printf(" --%s", option_specs[id].word);
}

static const char *kind_name(enum completes kind)
{
    static const char *const names[COMPLETES_COUNT] = {
        [COMPLETES_NOTHING] = "nothing", [COMPLETES_FILE] = "file",       [COMPLETES_DIRECTORY] = "directory",
        [COMPLETES_COMMAND] = "command", [COMPLETES_PROCESS] = "process", [COMPLETES_METHOD] = "method",
        [COMPLETES_KIND] = "kind",       [COMPLETES_SIGNAL] = "signal",   [COMPLETES_LIMIT] = "limit",
        [COMPLETES_SHELL] = "shell",     [COMPLETES_WHEN] = "when",       [COMPLETES_OBJECT] = "object",
        [COMPLETES_OBJECT_COMMAND] = "object_command", [COMPLETES_POLICY] = "policy",
        [COMPLETES_STREAM] = "stream",
    };

    return names[kind];
}

/* The options that take a value: "kill:-s) kind=signal;;" */
static void print_values(const struct command *command)
{
    const char *name = command ? command->name : "*";

    for (size_t i = 0; i < COMMAND_OPTIONS_MAX + OPT_GLOBAL_LAST; i++) {
        enum option_id id = command ? command->options[i] : (enum option_id) (OPT_NONE + 1 + i);
        const struct option_spec *option = &option_specs[id];

        if (id == OPT_NONE || (!command && id > OPT_GLOBAL_LAST))
            return;
        if (!option->value)
            continue;
        printf("        %s%s%s:--%s", command ? "\"" : "", name, command ? "\"" : "", option->word);
        if (option->letter)
            printf(" | %s%s%s:-%c", command ? "\"" : "", name, command ? "\"" : "", option->letter);
        printf(") kind=%s ;;\n", kind_name(option->completes));
    }
}

static void print_value_function(void)
{
    printf("# What value does an option of a command take? Empty: none.\n_procctl_value() {\n    kind=\n"
           "    case $1:$2 in\n");
    for (size_t i = 0; i < command_count; i++)
        print_values(&commands[i]);
    print_values(NULL);
    printf("    esac\n}\n\n");
}

static void print_command_function(void)
{
    printf("# What stands in the command line of a command?\n_procctl_command() {\n    case $1 in\n");
    for (size_t i = 0; i < command_count; i++) {
        printf("        \"%s\") words=%s options=\"", commands[i].name, kind_name(commands[i].completes));
        print_options(&commands[i]);
        printf("\" ;;\n");
    }
    printf("        *) words=subcommand options=\"");
    print_options(NULL);
    printf("\" ;;\n    esac\n}\n\n");
}

static void print_names(void)
{
    printf("# The names of the commands; an alias stands for its command.\n_procctl_names=\"");
    for (size_t i = 0; i < command_count; i++)
        if (!strchr(commands[i].name, ' ') || i == 0 ||
            strncmp(commands[i].name, commands[i - 1].name, strcspn(commands[i].name, " ")) != 0)
            printf("%s%.*s", i > 0 ? " " : "", (int) strcspn(commands[i].name, " "), commands[i].name);
    printf("\"\n_procctl_canonical() {\n    case $1 in\n");
    for (size_t i = 0; i < command_count; i++) {
        const char *alias = commands[i].aliases;

        for (size_t length; (length = strcspn(alias, " ")) > 0; alias += length + strspn(alias + length, " "))
            printf("        %.*s) name=%s ;;\n", (int) length, alias, commands[i].name);
    }
    printf("        *) name=$1 ;;\n    esac\n}\n\n");
}

/* The names are anybody's: compgen -W would expand what looks like a substitution. Quoted, they stay what
 * they are when the line is executed. */
static const char asking[] =
    "# Words of the daemon's that begin so, quoted.\n"
    "_procctl_live() {\n"
    "    local word what begin=${2//\\\\/}\n"
    "    while IFS=$'\\t' read -r word what; do\n"
    "        [[ $word == \"$begin\"* ]] && printf '%q\\n' \"$word\"\n"
    "    done < <(procctl \"${ask[@]}\" --no-autostart -q completion \"$1\" 2>/dev/null)\n"
    "}\n\n";

static void print_generator(void)
{
    fputs(asking, stdout);
    printf("_procctl_generate() {\n    case $1 in\n"
           "        file) compgen -f -- \"$2\" ;;\n"
           "        directory) compgen -d -- \"$2\" ;;\n"
           "        process) _procctl_live processes \"$2\" ;;\n"
           "        object | object_command) _procctl_live objects \"$2\" ;;\n"
           "        subcommand) compgen -W \"$_procctl_names\" -- \"$2\" ;;\n");
    for (enum completes kind = COMPLETES_NOTHING; kind < COMPLETES_COUNT; kind++)
        if (completes_words(kind))
            printf("        %s) compgen -W \"%s\" -- \"$2\" ;;\n", kind_name(kind), completes_words(kind));
    printf("    esac\n}\n\n");
}

/* Second words of names of two words: "daemon) compgen -W 'info stop restart'". */
static void print_second_words(void)
{
    printf("_procctl_second() {\n    case $1 in\n");
    for (size_t i = 0; i < command_count; i++) {
        const char *blank = strchr(commands[i].name, ' ');

        if (blank)
            printf("        %.*s) echo %s ;;&\n", (int) (blank - commands[i].name), commands[i].name,
                   blank + 1);
    }
    printf("    esac\n}\n\n");
}

/* What stands before the word that is to be completed: command, options and their values, words. */
static const char walk[] =
    "# The words up to the cursor as procctl would get them: bash breaks them also at : = and @.\n"
    "# start: where each begins in COMP_WORDS.\n"
    "_procctl_split() {\n"
    "    local rest=$COMP_LINE i piece\n"
    "    for ((i = 0; i <= COMP_CWORD; i++)); do\n"
    "        piece=${COMP_WORDS[i]}\n"
    "        if ((i == 0)) || [[ $rest == [[:space:]]* ]]; then\n"
    "            line+=(\"$piece\")\n"
    "            start+=(\"$i\")\n"
    "        else\n"
    "            line[-1]+=$piece\n"
    "        fi\n"
    "        rest=${rest#\"${rest%%[![:space:]]*}\"}\n"
    "        rest=${rest#\"$piece\"}\n"
    "    done\n"
    "}\n\n"
    "# A word behind the command: it may be the second of its name, or begin a command line; then 1.\n"
    "_procctl_word() {\n"
    "    second=$(_procctl_second \"$name\")\n"
    "    if [[ $seen == 0 && $'\\n'$second$'\\n' == *$'\\n'\"$1\"$'\\n'* ]]; then\n"
    "        name=\"$name $1\"\n"
    "        return 0\n"
    "    fi\n"
    "    _procctl_command \"$name\"\n"
    "    [[ $words == command || ($words == object_command && $seen == 1) ]] && return 1\n"
    "    [[ $1 == -- ]] || ((++seen))\n"
    "    return 0\n"
    "}\n\n"
    "# An option before the cursor. wanted: its value comes next.\n"
    "_procctl_option() {\n"
    "    _procctl_value \"$name\" \"${1%%=*}\"\n"
    "    [[ $1 == --*=* ]] || wanted=$kind\n"
    "    is_socket=\n"
    "    [[ $1 == --socket* || ($1 == -s && $kind == file) ]] && is_socket=1\n"
    "    [[ $1 == --socket=* ]] && ask=(-s \"${1#*=}\")\n"
    "}\n\n"
    "# Candidates for the last word, whole.\n"
    "_procctl_candidates() {\n"
    "    if [[ -n $wanted ]]; then\n"
    "        [[ $wanted == file || $wanted == directory ]] && compopt -o filenames 2>/dev/null\n"
    "        mapfile -t COMPREPLY < <(_procctl_generate \"$wanted\" \"$cur\")\n"
    "    elif [[ $cur == -* ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
    "    elif [[ -n $second && $words == subcommand ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$second\" -- \"$cur\")\n"
    "    elif [[ $words == command ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -c -- \"$cur\")\n"
    "    else\n"
    "        mapfile -t COMPREPLY < <(\n"
    "            [[ -z $second ]] || compgen -W \"$second\" -- \"$cur\"\n"
    "            _procctl_generate \"$words\" \"$cur\"\n"
    "        )\n"
    "    fi\n"
    "}\n\n"
    "# What readline puts in place of the last word: only what stands behind the last character at which it\n"
    "# breaks.\n"
    "_procctl_trim() {\n"
    "    local breaks=${COMP_WORDBREAKS//[^:=@]/} head=$1 typed=$2 i\n"
    "    [[ -z $head && (-z $breaks || $typed != *[$breaks]*) ]] && return\n"
    "    [[ -n $breaks && $typed == *[$breaks]* ]] && typed=${typed%\"${typed##*[$breaks]}\"} || typed=\n"
    "    for i in \"${!COMPREPLY[@]}\"; do\n"
    "        COMPREPLY[i]=$head${COMPREPLY[i]}\n"
    "        COMPREPLY[i]=${COMPREPLY[i]#\"$typed\"}\n"
    "    done\n"
    "}\n\n"
    "_procctl() {\n"
    "    local cur name= words= options= kind= wanted= i word second= seen=0 head= typed is_socket=\n"
    "    local -a line=() start=() ask=()\n"
    "    COMPREPLY=()\n"
    "    _procctl_split\n"
    "    typed=${line[-1]} cur=${line[-1]}\n"
    "    for ((i = 1; i < ${#line[@]} - 1; i++)); do\n"
    "        word=${line[i]}\n"
    "        if [[ -n $wanted ]]; then\n"
    "            [[ -n $is_socket ]] && ask=(-s \"${word//\\\\/}\")\n"
    "            wanted=\n"
    "        elif [[ $word == -?* && $word != -- ]]; then\n"
    "            _procctl_option \"$word\"\n"
    "        elif [[ -z $name ]]; then\n"
    "            _procctl_canonical \"$word\"\n"
    "        elif ! _procctl_word \"$word\"; then\n"
    "            [[ $word == -- ]] && ((i++))\n"
    "            _procctl_command_line \"${start[i]}\"\n"
    "            return\n"
    "        fi\n"
    "    done\n"
    "    if [[ -z $wanted && $cur == --*=* ]]; then\n"
    "        _procctl_value \"$name\" \"${cur%%=*}\"\n"
    "        wanted=${kind:-nothing} head=${cur%%=*}= cur=${cur#*=}\n"
    "    fi\n"
    "    _procctl_command \"$name\"\n"
    "    [[ $words == object_command && $seen == 1 ]] && words=command\n"
    "    second=$(_procctl_second \"$name\")\n"
    "    [[ $seen == 0 ]] || second=\n"
    "    _procctl_candidates\n"
    "    _procctl_trim \"$head\" \"$typed\"\n"
    "}\n\n"
    "# Behind spawn, run and lock stands another command line, with completions of its own.\n"
    "_procctl_command_line() {\n"
    "    if declare -F _command_offset >/dev/null; then\n"
    "        _command_offset \"$1\"\n"
    "    elif ((COMP_CWORD == $1)); then\n"
    "        mapfile -t COMPREPLY < <(compgen -c -- \"$cur\")\n"
    "    else\n"
    "        compopt -o filenames 2>/dev/null\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "    fi\n"
    "}\n\n"
    "complete -F _procctl procctl\n";

void print_bash_completion(void)
{
    printf("# procctl(1) for bash. Made by: procctl completion bash\n\n");
    print_names();
    print_second_words();
    print_value_function();
    print_command_function();
    print_generator();
    fputs(walk, stdout);
}
