/* SPDX-License-Identifier: MIT */
/* Memory that clients share with the broker (proto/page.h): it outlives brokers because we have it, too. */
#ifndef PROCD_KEEPER_PAGES_H
#define PROCD_KEEPER_PAGES_H

#include "daemon/keeper/state.h"

/* LINK_KEEP_PAGE: keeps a copy of fd, in the place of an earlier one of that uid, and has it kept for the
 * keeper that may follow. 0, or an errno. */
int page_keep(struct keeper *keeper, uint32_t uid, int fd);

/* LINK_DROP_PAGE: it is kept no longer, and says that its keeper has died. */
void page_drop(struct keeper *keeper, uint32_t uid);

/* As page_keep from another program's table, until pages_live without a word in it; fd is taken over. 0,
 * -EBADMSG, -ENOMEM. */
int page_restore(struct keeper *keeper, uint32_t uid, int fd, bool stored);

/* Takes out of the shelf what an earlier keeper has had kept, whether its state could be taken over or not:
 * the broker tells those who have it mapped. */
void pages_adopt(struct keeper *keeper, struct shelf *shelf);

/* What was restored is this keeper's, and says so: not where the state is another's, as nobody may believe
 * what is in it before the broker has closed it. */
void pages_live(struct keeper *keeper);

unsigned pages_count(const struct keeper *keeper);
void pages_close(struct keeper *keeper);

#endif
