/* SPDX-License-Identifier: MIT */
/*
 * From an order to what its child will do: the checked copy of the spec, identity, limits, descriptors.
 */
#ifndef PROCD_KEEPER_PLAN_H
#define PROCD_KEEPER_PLAN_H

#include "daemon/keeper/job.h"
#include "daemon/keeper/state.h"

#include <stddef.h>

/* A job with a checked copy of the spec: that at inline_spec, or, with memfd >= 0, what the sealed memfd
 * holds. fd_count: how many descriptors the spec may speak of. 0 or -errno. */
int plan_begin(struct keeper *keeper, const struct connection *connection, const void *inline_spec,
               size_t size, int memfd, size_t fd_count, struct job **ret_job);

/* Everything but the descriptors. 0, or -errno with the stage that it belongs to; -ESRCH: the client has
 * ended. */
int plan_fill(struct keeper *keeper, const struct connection *connection, struct job *job,
              uint32_t *ret_stage);

/* argv and envp of the spec that it has. 0 or -ENOMEM. */
int plan_arguments(struct job *job);
/* One more variable of the environment, before all others. 0 or -ENOMEM. Once. */
int plan_variable(struct job *job, const char *name, const char *value);
/* Room in a job's arena for that, beside the spec and groups. */
size_t plan_arguments_room(const struct link_spec *spec);

/* The descriptors that the spec speaks of, and the one on which the child reports. */
void plan_descriptors(struct spawn_plan *plan, const int *fds, size_t count, int status);

#endif
