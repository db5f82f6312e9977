/* SPDX-License-Identifier: MIT */
#include "client/ctl/calls.h"
#include "client/ctl/each.h"
#include "client/ctl/join.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <stdio.h>
#include <string.h>

/* A daemon that does not answer must not keep us longer than was asked: it gets a second more. */
#define ANSWER_SECONDS 1.0

int64_t deadline_in(double seconds)
{
    return seconds < 0 ? CONNECTION_FOREVER
                       : clock_monotonic() + (int64_t) ((seconds + ANSWER_SECONDS) * NSEC_PER_SEC);
}

int status_of_exit(const struct ctl *ctl, const json_t *result)
{
    const json_t *exitcode = json_object_get(result, "exitcode");

    if (!json_is_integer(exitcode)) {
        complain(ctl, "how the process ended is not known");
        return CTL_FAILED;
    }
    if (json_integer_value(exitcode) < 0)
        return CTL_SIGNALLED - (int) json_integer_value(exitcode);
    return (int) json_integer_value(exitcode);
}

static int joined_one(const struct ctl *ctl, const char *word, const json_t *result)
{
    (void) word;
    return json_is_true(json_object_get(result, "exited")) ? status_of_exit(ctl, result) : CTL_TIMEOUT;
}

/* "ID EXITCODE", at once: somebody may be waiting for the line. */
static int joined_of_several(const struct ctl *ctl, const char *word, const json_t *result)
{
    const json_t *exitcode = json_object_get(result, "exitcode");
    json_int_t number = json_integer_value(exitcode);
    CLEANUP_MEMORY char *name = text_escaped(word, strlen(word));

    if (!json_is_true(json_object_get(result, "exited")))
        return CTL_TIMEOUT;
    if (ctl->is_json)
        return json_is_integer(exitcode) && number == 0 ? CTL_OK : CTL_NEGATIVE;
    if (json_is_integer(exitcode))
        printf("%s %" JSON_INTEGER_FORMAT "\n", name, number);
    else
        printf("%s unknown\n", name);
    fflush(stdout);
    return json_is_integer(exitcode) && number == 0 ? CTL_OK : CTL_NEGATIVE;
}

int command_join(struct ctl *ctl)
{
    bool is_one = ctl->arguments.word_count == 1;
    struct each each = {.method = "process.join", .answered = is_one ? joined_one : joined_of_several};
    double seconds = -1;
    int status = value_seconds(ctl, OPT_TIMEOUT, &seconds);

    if (status != 0)
        return status;
    ctl->exits_as_child = is_one;
    if (seconds >= 0)
        each.params = json_pack("{s:f}", "timeout", seconds);
    each.deadline = deadline_in(seconds);
    return each_word(ctl, &each);
}
