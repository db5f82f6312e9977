/* SPDX-License-Identifier: MIT */
/* The role that parses, decides and answers. */
#ifndef PROCD_BROKER_H
#define PROCD_BROKER_H

/* Serves until the keeper closes the link, whose end link_fd is. The process's exit status. */
int broker_run(int link_fd);

#endif
