/* SPDX-License-Identifier: MIT */
/* The functions of this program that can run as processes, and a process that runs one. */
#include "client/lib/arguments.h"
#include "client/lib/process.h"
#include "client/lib/zygote.h"
#include "daemon/base/cleanup.h"
#include "proto/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* Set once, by procd_init, before there are threads; forks keep them. */
static const struct procd_target *const *first, *const *end;
static const char *program_name;

static const struct procd_target *find(const char *name)
{
    for (const struct procd_target *const *target = first; target != end; target++)
        if (strcmp((*target)->name, name) == 0)
            return *target;
    return NULL;
}

int target_known(const char *name)
{
    if (!program_name)
        return -EINVAL;
    return find(name) != NULL;
}

const char *target_program_name(void)
{
    return program_name ? program_name : "";
}

/* As multiprocessing does where a child cannot run what it was made for: words on stderr, status 1. */
static _Noreturn void give_up(const char *what, const char *detail)
{
    char line[512];
    int length = snprintf(line, sizeof line, "%s: procd_init: %s: %s\n", program_name, what, detail);

    if (length >= (int) sizeof line)
        length = sizeof line - 1;
    (void) !write(STDERR_FILENO, line, (size_t) length); /* where it is closed nobody can be told */
    exit(1);
}

static json_t *argument(json_t *arguments, const char *name, json_t *(*make)(void))
{
    json_t *value = json_object_get(arguments, name);

    return value ? json_incref(value) : make();
}

/* Else jansson opens a file for it, in each child. Where it has a seed already, that stays. */
static void seed_tables(void)
{
    size_t seed;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == sizeof seed)
        json_object_seed(seed);
}

static _Noreturn void run(char *marker)
{
    json_t *arguments, *args, *kwargs;
    const struct procd_target *target;
    const char *name;
    procd_process *self;
    int r;

    seed_tables();
    r = arguments_read(marker, &arguments);
    if (r < 0)
        give_up("what " ARGUMENTS_MARKER " tells cannot be read", procd_strerror(r));
    free(marker);
    name = json_string_value(json_object_get(arguments, "target"));
    target = name ? find(name) : NULL;
    if (!target)
        give_up("this program has no such target", name ? name : "(none)");
    self = current_make_target(json_string_value(json_object_get(arguments, "name")),
                               (pid_t) json_integer_value(json_object_get(arguments, "parent")));
    args = argument(arguments, "args", json_array);
    kwargs = argument(arguments, "kwargs", json_object);
    json_decref(arguments);
    r = self && args && kwargs ? target->function(self, args, kwargs) : 1;
    json_decref(args);
    json_decref(kwargs);
    exit(r & 0xff);
}

/* The marker, taken out of the environment: what the target starts must not take it for its own. The
 * caller's; NULL: there is none, or no memory. */
static char *take_marker(void)
{
    const char *marker = secure_getenv(ARGUMENTS_MARKER);
    char *copy = marker ? strdup(marker) : NULL;

    if (marker)
        unsetenv(ARGUMENTS_MARKER);
    return copy;
}

/* From here on this is a copy, and has an environment of its own. */
static char *wait_for_copy(char *marker, int argc, char **argv)
{
    free(marker);
    copies_serve(argc, argv);
    marker = take_marker();
    if (!marker)
        give_up("there is no " ARGUMENTS_MARKER, "a copy of this program that has no target");
    return marker;
}

void procd_init_program(int argc, char **argv, const struct procd_target *const *begin,
                        const struct procd_target *const *stop)
{
    char *marker;

    if (program_name)
        return;
    program_name = argc > 0 && argv[0] ? argv[0] : program_invocation_name;
    first = begin;
    end = stop;
    marker = take_marker();
    if (marker && strcmp(marker, ZYGOTE_MARKER) == 0)
        marker = wait_for_copy(marker, argc, argv);
    exit_prepare();
    if (marker)
        run(marker);
}
