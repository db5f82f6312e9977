/* SPDX-License-Identifier: MIT */
/*
 * Starts the user's own daemon, detached from the caller in every respect (procd(1), on-demand start).
 */
#ifndef PROCD_CLIENT_LIB_AUTOSTART_H
#define PROCD_CLIENT_LIB_AUTOSTART_H

/*
 * Runs program --user --idle-exit 60 --socket PATH. program NULL: $PROCD_DAEMON, else procd in the folder of
 * the running program, if it is root's or the caller's, else where this package installs its programs, else
 * in $PATH. The caller gets no child, no SIGCHLD and no zombie. A pidfd of the daemon, readable once it has
 * ended, or -errno: -ENOENT: no procd was found; -EPERM: a set-user-id program starts none.
 */
int autostart_daemon(const char *program, const char *socket);

#endif
