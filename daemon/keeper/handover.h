/* SPDX-License-Identifier: MIT */
/*
 * What the keeper knows, through an exec of itself: written into memory that the next program finds under the
 * same number as its descriptors. Nothing of it refers to the old program's memory; no broker runs, no
 * connection waits, and no spawn is under way.
 */
#ifndef PROCD_KEEPER_HANDOVER_H
#define PROCD_KEEPER_HANDOVER_H

#include "daemon/keeper/keeper.h"

#define HANDOVER_WHY 160

struct keeper;
struct handover_head;

struct slot;
struct handover_facts;

/* What is to be known of a process. */
void handover_facts(const struct keeper *keeper, const struct slot *slot, struct handover_facts *to);

/* A descriptor of memory with all of it, or -errno. */
int handover_write(const struct keeper *keeper);

/* Shall the descriptors that are named in it stay open through an exec? 0, or -errno: not all of them do. */
int handover_inherit(const struct keeper *keeper, int memory, bool inherit);

/* Can this program go on from it? Descriptors are not looked at. The memory of the rehearsal stays until the
 * process's end or exec, which is near. 0; or -errno, and why. */
int handover_check(int memory, char why[HANDOVER_WHY]);

/* The same without what only the machine has: the table is read into a keeper that is none. */
int handover_rehearse(const struct handover_head *head);

/* What is in it, mapped until handover_close; NULL where it is none. */
const struct handover_head *handover_open(int memory);
void handover_close(const struct handover_head *head);
/* Into a config, whose strings last; and the program's name. */
void handover_configure(const struct handover_head *head, struct keeper_config *config);
/* Into a keeper whose rooms are open and empty. 0, or -errno. */
int handover_restore(struct keeper *keeper, const struct handover_head *head);

#endif
