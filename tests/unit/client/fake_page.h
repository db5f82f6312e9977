/* SPDX-License-Identifier: MIT */
/*
 * A played daemon that hands out a page which no keeper knows, for tests of client/lib/shared.c. There is
 * one at a time.
 */
#ifndef PROCD_TESTS_UNIT_CLIENT_FAKE_PAGE_H
#define PROCD_TESTS_UNIT_CLIENT_FAKE_PAGE_H

#include "proto/page.h"
#include "tests/unit/client/fake_daemon.h"

#include <stdatomic.h>

extern struct fake fake;
extern struct fake_peer peer; /* the connection that serve() has greeted */
extern int memory;            /* the page's descriptor, */
extern struct page *page;     /* and it */

/* Fixtures. */
void fake_page_begin(void);
void fake_page_end(void);

/* Another one; the caller's. */
int fake_page_make(struct page **ret_page);

/* The part that the daemon plays beside the test, on one connection, which ends after it. */
void serve(void (*part)(void));

/* Expects a request for method, and answers it. result is stolen. */
void answer(const char *method, json_t *result);
/* The same for object.map, with a descriptor. */
void answer_map(json_t *result, int fd);
json_t *mapped(int word, int slot);
json_t *mapped_many(int word, int words, int slot);

uint64_t fake_word(unsigned index);

#define ORDER (UINT64_C(5) << WORD_ORDER_SHIFT)

#endif
