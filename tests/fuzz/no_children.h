/* SPDX-License-Identifier: MIT */
/*
 * From now on this process makes no child by clone3, and signals nobody by pidfd: the kernel refuses both.
 * A keeper that is told by a fuzzer what to spawn goes as far as the clone, and no further.
 */
#ifndef PROCD_TESTS_FUZZ_NO_CHILDREN_H
#define PROCD_TESTS_FUZZ_NO_CHILDREN_H

/* Ends the program as a skipped test where the kernel has no seccomp for us. */
void no_children(void);

#endif
