/* SPDX-License-Identifier: MIT */
#include "client/lib/environment.h"

#include "client/lib/library.h"
#include "proto/bytes.h"

#include <stdlib.h>
#include <string.h>

static json_t *pack(char *const *variables)
{
    json_t *env = json_object();

    for (; variables && *variables; variables++) {
        const char *equals = strchr(*variables, '=');
        size_t length = equals ? (size_t) (equals - *variables) : 0;

        if (length > 0 && !json_object_getn(env, *variables, length))
            json_object_setn_new(env, *variables, length, /* refuses a name that is not UTF-8 */
                                 bytes_to_json(equals + 1, strlen(equals + 1)));
    }
    return env;
}

static char *encode(char *const *variables)
{
    json_t *params = json_pack("{s:o}", "env", pack(variables));
    char *text = params ? json_dumps(params, JSON_COMPACT) : NULL;
    size_t length = text ? strlen(text) : 0;

    json_decref(params);
    if (text) { /* without the braces around it */
        memmove(text, text + 1, length - 2);
        text[length - 2] = '\0';
    }
    return text;
}

/* All the strings behind each other, each with its NUL. */
static char *join(char *const *variables, size_t *ret_size)
{
    size_t size = 0;
    char *joined, *end;

    for (char *const *variable = variables; variable && *variable; variable++)
        size += strlen(*variable) + 1;
    joined = end = malloc(size + 1);
    if (!joined)
        return NULL;
    for (; variables && *variables; variables++) {
        size_t length = strlen(*variables) + 1;

        if ((size_t) (end - joined) + length > size)
            break; /* somebody changes it at this moment */
        memcpy(end, *variables, length);
        end += length;
    }
    *ret_size = (size_t) (end - joined);
    return joined;
}

char *environment_encode(char *const *variables)
{
    struct library *here = library();
    char *text = NULL, *joined;
    size_t size = 0;

    joined = join(variables, &size);
    if (!here || !joined) {
        free(joined);
        return NULL;
    }
    pthread_mutex_lock(&here->lock);
    if (here->env_text && size == here->env_size && memcmp(joined, here->env, size) == 0)
        text = strdup(here->env_text);
    pthread_mutex_unlock(&here->lock);
    if (text) {
        free(joined);
        return text;
    }
    text = encode(variables);
    pthread_mutex_lock(&here->lock);
    free(here->env);
    free(here->env_text);
    here->env = joined;
    here->env_size = size;
    here->env_text = text ? strdup(text) : NULL;
    pthread_mutex_unlock(&here->lock);
    return text;
}
