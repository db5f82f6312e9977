/* SPDX-License-Identifier: MIT */
/*
 * Completions for shells: the scripts, from the table of commands, and what the scripts ask for when a word
 * is one of the daemon's.
 */
#ifndef PROCD_CTL_COMPLETION_H
#define PROCD_CTL_COMPLETION_H

#include "client/ctl/ctl.h"

/* Ids and names of processes, names of objects, "WORD<tab>what it is" a line. The status: reported. */
int print_processes(struct ctl *ctl);
int print_objects(struct ctl *ctl);

void print_bash_completion(void);
void print_zsh_completion(void);
void print_fish_completion(void);

#endif
