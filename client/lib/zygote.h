/* SPDX-License-Identifier: MIT */
/*
 * This program, begun and waiting to be copied: both sides of procd_zygote. Private to libprocd.
 */
#ifndef PROCD_CLIENT_LIB_ZYGOTE_H
#define PROCD_CLIENT_LIB_ZYGOTE_H

/* The id of the zygote of which targets are to be copies, begun again where it has ended; 0: none. */
long zygote_id(void);

/* ---- copies.c: in the zygote ---- */

/* Makes copies for the keeper at the other end of stdin, and ends with that; returns in each copy, which has
 * its own environment, directory and descriptors by then. argv: main's, whose memory is ps(1)'s title. */
void copies_serve(int argc, char **argv);

#endif
