/* SPDX-License-Identifier: MIT */
#include "client/ctl/output.h"
#include "client/ctl/progress.h"
#include "client/ctl/text.h"
#include "daemon/base/cleanup.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One write, so that lines of several procctl do not mix. */
void complain_escaped(const struct ctl *ctl, const char *text)
{
    progress_erase();
    if (ctl->command)
        fprintf(stderr, "procctl: %s: %s\n", ctl->command->name, text);
    else
        fprintf(stderr, "procctl: %s\n", text);
    fflush(stderr);
}

static void put_line(const struct ctl *ctl, const char *format, va_list list)
{
    CLEANUP_MEMORY char *text = NULL, *escaped = NULL;

    if (vasprintf(&text, format, list) < 0) {
        text = NULL;
        return;
    }
    escaped = text_escaped(text, strlen(text));
    complain_escaped(ctl, escaped);
}

void complain(const struct ctl *ctl, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    put_line(ctl, format, list);
    va_end(list);
}

void note(const struct ctl *ctl, const char *format, ...)
{
    va_list list;

    if (ctl->is_quiet)
        return;
    va_start(list, format);
    put_line(ctl, format, list);
    va_end(list);
}

int usage_error(const struct ctl *ctl, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    put_line(ctl, format, list);
    va_end(list);
    fprintf(stderr, "Try: procctl %s%s--help\n", ctl->command ? ctl->command->name : "",
            ctl->command ? " " : "");
    print_failure(ctl, "Usage", "the command line is wrong");
    return CTL_USAGE;
}

static const char interrupted_document[] =
    "{\"error\":{\"message\":\"interrupted\",\"data\":{\"name\":\"Interrupted\"}}}\n";
static volatile sig_atomic_t is_document_owed;

static void interrupted(int number)
{
    progress_erase();
    if (is_document_owed && write(STDOUT_FILENO, interrupted_document, sizeof interrupted_document - 1) < 0)
        _exit(CTL_FAILED);
    _exit(CTL_SIGNALLED + number);
}

void catch_interrupt(bool owes_document)
{
    struct sigaction action = {.sa_handler = interrupted}, before;

    is_document_owed = owes_document;
    /* Shells without job control ignore it for background jobs. */
    if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(SIGINT, &action, NULL);
}

static void print_json(json_t *document, size_t flags)
{
    text_put_json(stdout, document, JSON_REAL_PRECISION(16) | flags);
    fputc('\n', stdout);
    json_decref(document);
}

void print_line(json_t *document)
{
    print_json(document, JSON_COMPACT);
}

/* The document is the last thing that a command does: too late for ^C, which would leave none, or two. */
void print_document(json_t *document)
{
    signal(SIGINT, SIG_IGN);
    print_line(document);
}

void print_pretty(json_t *document)
{
    print_json(document, JSON_INDENT(2));
}

void print_failure(const struct ctl *ctl, const char *name, const char *message)
{
    if (ctl->is_json)
        print_document(json_pack("{s:{s:s, s:{s:s}}}", "error", "message", message, "data", "name", name));
}

/* Points in time; every other number is plain. */
static bool is_time(const char *member, const json_t *value)
{
    return json_is_number(value) && (strcmp(member, "started") == 0 || strcmp(member, "ended") == 0);
}

/* "utime=0.01 stime=0.02": an object inside a record. */
static void print_nested(const json_t *object)
{
    const char *member, *space = "";
    json_t *value;

    json_object_foreach((json_t *) object, member, value) {
        CLEANUP_MEMORY char *name = text_escaped(member, strlen(member)), *text = text_of_json(value);
        printf("%s%s=%s", space, name, text);
        space = " ";
    }
    if (!*space)
        putchar('-');
}

static void print_value(const char *member, const json_t *value)
{
    CLEANUP_MEMORY char *text = NULL;

    if (json_is_object(value) && !json_object_get(value, "b64")) {
        print_nested(value);
        return;
    }
    if (strcmp(member, "argv") == 0)
        text = text_of_argv(value);
    else if (is_time(member, value))
        text = text_of_time(json_number_value(value));
    else
        text = text_of_json(value);
    fputs(text, stdout);
}

void print_record(const json_t *record)
{
    const char *member;
    json_t *value;

    json_object_foreach((json_t *) record, member, value) {
        CLEANUP_MEMORY char *name = text_escaped(member, strlen(member));
        printf("%-13s ", name);
        print_value(member, value);
        putchar('\n');
    }
}

int finish_output(const struct ctl *ctl, int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    /* Nobody reads any more: they know, and SIGPIPE would have been as silent. */
    if (errno != EPIPE)
        complain(ctl, "cannot write to standard output: %s", strerror(errno));
    return status == CTL_OK ? CTL_FAILED : status;
}
