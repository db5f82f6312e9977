/* SPDX-License-Identifier: MIT */
/*
 * Says in each page that this keeper lives (proto/page.h), so that the kernel says when it does not: a robust
 * futex each, see set_robust_list(2) and get_robust_list(2).
 */
#ifndef PROCD_KEEPER_LIFE_H
#define PROCD_KEEPER_LIFE_H

#include "daemon/keeper/state.h"

/* Is that memory of a page, and stays it? */
bool life_is_page(int fd);
/* In the page of that memory, which must be one. Returns its number, -EINVAL, -ENOSPC, -ENOMEM. */
int life_begin(struct lives *lives, int fd);
/* Says it once more, where somebody has written something else there. */
void life_renew(const struct lives *lives, int number);
/* No more: the page says that we have died. A number below 0 is none. */
void life_end(struct lives *lives, int number);

#endif
