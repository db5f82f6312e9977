/* SPDX-License-Identifier: MIT */
#include "client/lib/process.h"

#include <errno.h>
#include <stdlib.h>

#define SWEEP_MIN 16

/* Children whose handles were freed while they ran leave the list when they have ended; looking at all of
 * them once per that many starts keeps it cheap. */
static bool sweep_is_due(struct library *here)
{
    bool is_due;

    pthread_mutex_lock(&here->lock);
    is_due = here->started_since_sweep >= SWEEP_MIN && here->started_since_sweep >= here->child_count / 2;
    if (is_due)
        here->started_since_sweep = 0;
    pthread_mutex_unlock(&here->lock);
    return is_due;
}

static void sweep(void)
{
    size_t count = 0;
    struct procd_process **children = children_copy(&count);

    for (size_t i = 0; children && i < count; i++) {
        if (atomic_load(&children[i]->references) == 2) /* the list's and ours */
            process_look(children[i]);
        process_release(children[i]);
    }
    free(children);
}

void children_add(struct procd_process *process)
{
    struct library *here = library();

    atomic_fetch_add(&process->references, 1);
    pthread_mutex_lock(&here->lock);
    process->previous = here->last_child;
    if (here->last_child)
        here->last_child->next = process;
    else
        here->children = process;
    here->last_child = process;
    here->child_count++;
    here->started_since_sweep++;
    pthread_mutex_unlock(&here->lock);
    if (sweep_is_due(here))
        sweep();
}

void children_remove(struct procd_process *process)
{
    struct library *here = library();
    bool is_in;

    pthread_mutex_lock(&here->lock);
    is_in = process->previous || here->children == process;
    if (is_in) {
        *(process->previous ? &process->previous->next : &here->children) = process->next;
        *(process->next ? &process->next->previous : &here->last_child) = process->previous;
        process->next = process->previous = NULL;
        here->child_count--;
    }
    pthread_mutex_unlock(&here->lock);
    if (is_in)
        process_release(process);
}

struct procd_process **children_copy(size_t *ret_count)
{
    struct library *here = library();
    struct procd_process **copy;
    size_t count = 0;

    if (!here)
        return NULL;
    pthread_mutex_lock(&here->lock);
    copy = calloc(here->child_count + 1, sizeof *copy);
    for (struct procd_process *child = here->children; child && copy; child = child->next) {
        atomic_fetch_add(&child->references, 1);
        copy[count++] = child;
    }
    pthread_mutex_unlock(&here->lock);
    *ret_count = count;
    return copy;
}

int procd_active_children(procd_process ***list)
{
    size_t count = 0, alive = 0;
    struct procd_process **children = children_copy(&count);

    if (!children)
        return failure_note(-ENOMEM, NULL);
    for (size_t i = 0; i < count; i++) {
        if (process_look(children[i]) == 1)
            process_release(children[i]);
        else
            children[alive++] = children[i];
    }
    children[alive] = NULL;
    if (list) {
        *list = children;
        return (int) alive;
    }
    for (size_t i = 0; i < alive; i++)
        process_release(children[i]);
    free(children);
    return (int) alive;
}
