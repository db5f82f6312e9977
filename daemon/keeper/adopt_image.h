/* SPDX-License-Identifier: MIT */
/*
 * A dead keeper's ledger in the form in which a keeper's exec hands its knowledge on, so that one place reads
 * both (daemon/keeper/handover.h).
 */
#ifndef PROCD_KEEPER_ADOPT_IMAGE_H
#define PROCD_KEEPER_ADOPT_IMAGE_H

#include "daemon/keeper/state.h"

struct handover_head;

/* Finds who is alive: by what is in the shelf, whose descriptors go into the image, or by number. The image
 * is the caller's to free; on an error it owns no descriptor. 0; -EBADMSG: the ledger is damaged; -errno. */
int adopt_image(struct keeper *keeper, struct shelf *shelf, struct handover_head **ret_head);

#endif
