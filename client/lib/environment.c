/* SPDX-License-Identifier: MIT */
#include "client/lib/environment.h"

#include "client/lib/memory.h"
#include "proto/bytes.h"
#include "proto/frame.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* 0: it is not to be passed on. */
static size_t size_of(const char *variable)
{
    const char *equals = strchr(variable, '=');

    return equals && equals != variable ? strlen(variable) + 1 : 0;
}

int environment_write(char *const *variables)
{
    size_t room = 0, size = 0;
    char *block;
    int fd;

    for (char *const *variable = variables; variable && *variable; variable++)
        room += size_of(*variable);
    if (room > FRAME_LINE_MAX)
        return -EMSGSIZE;
    block = malloc(room + 1);
    if (!block)
        return -ENOMEM;
    for (; variables && *variables; variables++) {
        size_t length = size_of(*variables);

        if (size + length > room)
            break; /* somebody changes it at this moment */
        memcpy(block + size, *variables, length);
        size += length;
    }
    fd = memory_share("procd-environment", block, size);
    free(block);
    return fd;
}

/* False: no memory. */
static bool pack(json_t *env, const char *variable)
{
    const char *value = strchr(variable, '=') + 1;
    char *name = strndup(variable, (size_t) (value - variable) - 1);

    if (name && !json_object_get(env, name)) /* refuses a name that is not UTF-8 */
        json_object_set_new(env, name, bytes_to_json(value, strlen(value)));
    free(name);
    return name != NULL;
}

json_t *environment_pack(char *const *variables)
{
    json_t *env = json_object();

    for (; env && variables && *variables; variables++)
        if (size_of(*variables) > 0 && !pack(env, *variables)) {
            json_decref(env);
            return NULL;
        }
    return env;
}
