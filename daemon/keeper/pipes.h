/* SPDX-License-Identifier: MIT */
/* One of the pipes that children write into, or a terminal: its life, and what is taken out of it. */
#ifndef PROCD_KEEPER_PIPES_H
#define PROCD_KEEPER_PIPES_H

#include "daemon/keeper/state.h"

#define PIPES_MAX (1 << 18)
#define PIPE_TAKE_MOST (64 << 10) /* of one pipe, then it is another one's turn */

/* One that is not in use, or NULL. */
struct capture_pipe *pipe_new(struct capture *capture);
/* It is in use from now on, and has fd. */
void pipe_begin(struct keeper *keeper, struct capture_pipe *pipe, struct slot *slot, int fd,
                enum logs_stream stream);
/* Nothing more is to come: closes it. */
void pipe_end(struct keeper *keeper, struct capture_pipe *pipe);

/* 0, also where it is watched already, or -errno. */
int pipe_watch(struct capture *capture, struct capture_pipe *pipe);
void pipe_unwatch(struct capture *capture, const struct capture_pipe *pipe);

/* Takes what is there, once. False: it has come to its end, and is gone, or, a terminal, not watched. */
bool pipe_take(struct keeper *keeper, struct capture_pipe *pipe, size_t most, ssize_t *ret_size);
/* Takes what is there. Children that go on writing are not waited for: what was there when the process had
 * ended is all of it. */
void pipe_drain(struct keeper *keeper, struct capture_pipe *pipe);
/* A line that has begun ends here. */
void pipe_end_line(struct keeper *keeper, struct capture_pipe *pipe);

#endif
