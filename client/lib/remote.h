/* SPDX-License-Identifier: MIT */
/*
 * A daemon on another machine, reached as `ssh HOST procctl dial-stdio`: the bytes of the protocol go through
 * ssh's standard input and output. Descriptors cannot.
 */
#ifndef PROCD_CLIENT_LIB_REMOTE_H
#define PROCD_CLIENT_LIB_REMOTE_H

#include <stddef.h>

#define REMOTE_HOST_MAX 256

/* ssh://[user@]host[:port], or [user@]host. 0 and what is behind ssh:// in ret_host; -EINVAL: another scheme,
 * a path, or words that ssh or a shell could take for something else; -ENAMETOOLONG. */
int remote_parse(const char *url, char ret_host[REMOTE_HOST_MAX]);

/* Runs $PROCD_SSH (the words of a command; default ssh) with the host, the user and the port. socket: of the
 * daemon there, or "": by rule. A CLOEXEC socket, whose end ends the link, or -errno: -ENOENT: there is no
 * ssh; -EPERM: a set-user-id program starts none. That the host does not answer shows as the end of the
 * stream. */
int remote_connect(const char *host, const char *socket);

#endif
