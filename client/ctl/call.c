/* SPDX-License-Identifier: MIT */
/*
 * call, schema: the protocol as it is.
 */
#include "client/ctl/calls.h"
#include "client/ctl/output.h"

#include <stdio.h>
#include <string.h>

/* The parameters: of the command line, or of standard input. NULL: they are no JSON object, which has been
 * said. */
static json_t *read_params(const struct ctl *ctl, const char *text)
{
    json_error_t error;
    json_t *params;

    if (strcmp(text, "-") == 0)
        params = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
    else
        params = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (params && json_is_object(params))
        return params;
    if (params)
        usage_error(ctl, "the parameters are no JSON object");
    else
        usage_error(ctl, "the parameters are no JSON: line %d, column %d: %s", error.line, error.column,
                    error.text);
    json_decref(params);
    return NULL;
}

static int call_and_print(struct ctl *ctl, const char *method, json_t *params)
{
    json_t *result = NULL;
    int status = call(ctl, method, params, &result);

    if (status != 0)
        return status;
    if (ctl->is_json)
        print_document(result);
    else
        print_pretty(result);
    return CTL_OK;
}

int command_call(struct ctl *ctl)
{
    const struct arguments *arguments = &ctl->arguments;
    json_t *params = arguments->word_count > 1 ? read_params(ctl, arguments->words[1]) : json_object();

    return params ? call_and_print(ctl, arguments->words[0], params) : CTL_USAGE;
}

int command_schema(struct ctl *ctl)
{
    return call_and_print(ctl, "rpc.discover", NULL);
}
