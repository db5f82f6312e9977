/* SPDX-License-Identifier: MIT */
/*
 * The table of processes, and the reports about them that no broker has acknowledged yet.
 */
#ifndef PROCD_KEEPER_TABLE_H
#define PROCD_KEEPER_TABLE_H

#include "daemon/keeper/state.h"

int table_open(struct table *table);

/* A slot for a new process, or NULL when there is none. The last SLOTS_RESERVE are handed out, too: see
 * table_full. */
struct slot *slot_new(struct keeper *keeper, uint64_t process);
/* The same at this place (from 0), which nobody has; NULL otherwise. */
struct slot *slot_new_at(struct keeper *keeper, uint64_t process, uint64_t place);
/* No room for a child: the slot may only report that. */
bool table_full(struct keeper *keeper);
struct slot *slot_find(const struct keeper *keeper, uint64_t process);
/* The managed process whose number this is and which was not waited for. */
struct slot *slot_by_pid(const struct keeper *keeper, pid_t pid);
void slot_set_pid(struct keeper *keeper, struct slot *slot, pid_t pid);
/* Its number is free from now on. */
void slot_reaped(struct keeper *keeper, struct slot *slot);
/* Takes the slot and what is left of its reports out of the table. It owns no descriptor and no job any
 * more. */
void slot_free(struct keeper *keeper, struct slot *slot);

/* Frees the slot of a failed spawn once its child is reaped and its report acknowledged. */
void slot_finish(struct keeper *keeper, struct slot *slot);

/* Puts a report of this kind at the end of the list, under a new number. */
void report_put(struct keeper *keeper, struct slot *slot, uint32_t kind);
/* Another run begins, of whose process nothing was reported yet. */
void reports_forget(struct keeper *keeper, struct slot *slot);
/* For a broker that begins with an empty state: what was acknowledged and still counts is put again. */
void reports_again(struct keeper *keeper);
/* The broker has committed what was sent up to `number`. */
void reports_acknowledge(struct keeper *keeper, uint64_t number);
/* Writes the message of a report. ret_fd: the descriptor it carries (still the slot's), or -1. Returns its
 * size. */
size_t report_write(struct keeper *keeper, const struct report *report, void *message, int *ret_fd);

/* As an earlier program or keeper had it: the kind of the last report of a place (0: none), and its number
 * where it is not acknowledged (else 0). In any order, and then reports_order. 0, or -EBADMSG. */
int report_restore(struct keeper *keeper, struct slot *slot, enum report_place place, uint32_t kind,
                   uint64_t number);
/* Puts all of them in their order; last is the newest that there may be. 0; -EBADMSG: two have the same
 * number; or -ENOMEM. */
int reports_order(struct keeper *keeper, uint64_t last);

#endif
