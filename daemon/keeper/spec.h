/* SPDX-License-Identifier: MIT */
/*
 * The spawn spec (link_spec in link.h) comes from a broker that may be hostile: it is checked as a whole
 * before anything of it is used. Pure.
 */
#ifndef PROCD_KEEPER_SPEC_H
#define PROCD_KEEPER_SPEC_H

#include "daemon/keeper/link.h"

#include <stddef.h>

#define SPEC_SIZE_MAX   (8 << 20)
#define SPEC_PLACED_MAX 256
#define SPEC_LIMITS_MAX 16
#define SPEC_GROUPS_MAX 65536
#define SPEC_TARGET_MAX (1 << 20)

/* 0, or -EINVAL: every offset, count, string, descriptor index and target is in order. data: aligned to 8
 * bytes. */
int spec_check(const void *data, size_t size, size_t fd_count);

#endif
