/* SPDX-License-Identifier: MIT */
/*
 * Others who do the same, and speak Python: each is a process of peers.py, which is told when to do a round
 * and answers with its value. What is not installed is left out.
 */
#ifndef PROCD_TESTS_BENCH_PEERS_H
#define PROCD_TESTS_BENCH_PEERS_H

/* Those that peers.py has for this kind of work take part in the next comparison. Values are microseconds for
 * one, or how many a second, as those of the floor. */
void peers_python(const char *work);

#endif
