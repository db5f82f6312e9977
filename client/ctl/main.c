/* SPDX-License-Identifier: MIT */
/*
 * procctl: from the command line to a command and its exit status.
 */
#include "client/ctl/ctl.h"
#include "client/ctl/output.h"
#include "client/ctl/usage.h"
#include "client/lib/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A closed standard descriptor would be taken by our socket, and results written into it. Opened the wrong
 * way round the number is taken and every use fails, as it should. */
static void fill_standard_descriptors(void)
{
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};

    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", modes[fd]) != fd)
            _exit(CTL_FAILED);
}

static int set_color(struct ctl *ctl)
{
    const char *when = argument_value(&ctl->arguments, OPT_COLOR), *no_color = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");

    if (!when || strcmp(when, "auto") == 0)
        ctl->has_color =
            isatty(STDOUT_FILENO) && !(no_color && *no_color) && !(terminal && strcmp(terminal, "dumb") == 0);
    else if (strcmp(when, "always") == 0)
        ctl->has_color = true;
    else if (strcmp(when, "never") != 0)
        return usage_error(ctl, "--color %s: auto, always or never is wanted", when);
    return 0;
}

static int set_globals(struct ctl *ctl)
{
    const struct arguments *arguments = &ctl->arguments;

    ctl->host = argument_value(arguments, OPT_HOST);
    ctl->socket = argument_value(arguments, OPT_SOCKET);
    ctl->no_autostart = argument_given(arguments, OPT_NO_AUTOSTART);
    ctl->is_json = argument_given(arguments, OPT_JSON);
    ctl->is_quiet = argument_given(arguments, OPT_QUIET);
    if (ctl->socket && ctl->socket[0] == '\0')
        return usage_error(ctl, "the path of the socket is empty");
    return set_color(ctl);
}

/* Also a wrong command line may ask for JSON, even behind the mistake. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

static int run_command(struct ctl *ctl)
{
    int status = set_globals(ctl);

    if (status != 0)
        return status;
    if (argument_given(&ctl->arguments, OPT_HELP)) {
        print_help(stdout, ctl->command);
        return CTL_OK;
    }
    if (argument_given(&ctl->arguments, OPT_VERSION)) {
        puts("procctl " PACKAGE_VERSION);
        return CTL_OK;
    }
    if (!ctl->command)
        return usage_error(ctl, "a command is missing");
    catch_interrupt(ctl->is_json && ctl->command->run != command_events &&
                    ctl->command->run != command_logs);
    return ctl->command->run(ctl);
}

static int wrong_arguments(const struct ctl *ctl, const struct arguments_error *wrong)
{
    char text[512];

    snprintf(text, sizeof text, wrong->format, wrong->word);
    if (wrong->hint[0])
        return usage_error(ctl, "%s (%s)", text, wrong->hint);
    return usage_error(ctl, "%s", text);
}

int main(int argc, char **argv)
{
    struct ctl ctl = {0};
    struct arguments_error wrong;
    int status, error;

    fill_standard_descriptors();
    setlocale(LC_CTYPE, "");
    error = arguments_parse(argc, argv, &ctl.command, &ctl.arguments, &wrong);
    if (error == -EINVAL) {
        ctl.is_json = wants_json(argc, argv);
        status = wrong_arguments(&ctl, &wrong);
    } else if (error < 0) {
        complain(&ctl, "%s", strerror(-error));
        status = CTL_FAILED;
    } else {
        status = run_command(&ctl);
    }
    status = finish_output(&ctl, status);
    connection_free(ctl.connection);
    arguments_done(&ctl.arguments);
    return status;
}
