/* SPDX-License-Identifier: MIT */
/* What a test of frames sends: bytes with descriptors, and files to tell descriptors by. */
#ifndef PROCD_TESTS_UNIT_PROTO_PIECES_H
#define PROCD_TESTS_UNIT_PROTO_PIECES_H

#include <stddef.h>
#include <sys/types.h>

/* One sendmsg, which must go through whole. At most 253 descriptors, as the kernel has it. */
void pieces_send(int socket, const char *bytes, size_t size, const int *fds, size_t count);

/* The same with one descriptor, many times. */
void pieces_send_copies(int socket, const char *text, int fd, size_t count);

/* The file behind a descriptor, for comparing. */
ino_t pieces_file(int fd);

/* Opens count files, each another one; closes them. */
void pieces_files(int *fds, size_t count);
void pieces_close(const int *fds, size_t count);

#endif
