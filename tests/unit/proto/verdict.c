/* SPDX-License-Identifier: MIT */
#include "tests/unit/proto/verdict.h"

#include "proto/frame.h"
#include "proto/message.h"
#include "tests/unit/core/must.h"

#include <stdlib.h>
#include <string.h>

/* What the daemon relies on with a request that has passed. */
static void must_be_request(const struct request *request)
{
    const struct method_spec *method = &method_specs[request->method];

    must(request->method < METHOD_COUNT && request->fds_known && request->fd_count <= FRAME_FDS_MAX);
    must(!request->id || json_is_integer(request->id) ||
         (json_is_string(request->id) && json_string_length(request->id) <= PROTO_KEY_MAX));
    must(!request->key || (request->id && strlen(request->key) <= PROTO_KEY_MAX));
    must(!request->params || json_is_object(request->params));
    for (size_t i = 0; i < PARAM_MAX; i++)
        must(i < method->param_count ? !method->params[i].required || request->args.value[i]
                                     : !request->args.value[i]);
}

/* And what makes an answer out of an error: text that JSON takes. */
static void must_be_answerable(const struct request *request, const struct failure *failure)
{
    json_t *message = json_string(failure->message), *param = json_string(failure->param);

    must(failure->error > ERROR_NONE && failure->error <= ERROR_INVALID_PARAMS);
    must(message && param && json_string_length(message) > 0);
    must(!failure->param[0] || failure->error == ERROR_INVALID_PARAMS);
    must(failure->error != ERROR_PARSE_ERROR || !request->id);
    json_decref(message);
    json_decref(param);
}

/* JSON is all that a line allocates. */
static size_t allocated;

static void *counted_malloc(size_t size)
{
    allocated++;
    return malloc(size);
}

static void counted_free(void *memory)
{
    allocated -= memory != NULL;
    free(memory);
}

void verdict_counts_memory(void)
{
    json_set_alloc_funcs(counted_malloc, counted_free);
}

enum proto_error verdict_on(const char *line, size_t length)
{
    struct request request;
    struct failure failure;

    message_parse(line, length, &request, &failure);
    if (!failure.error)
        message_check(&request, &failure);
    if (failure.error)
        must_be_answerable(&request, &failure);
    else
        must_be_request(&request);
    request_done(&request);
    must(allocated == 0);
    return failure.error;
}
