/* SPDX-License-Identifier: MIT */
/*
 * The command line of procd, and what follows from it and from the machine before the keeper begins.
 */
#ifndef PROCD_CONFIG_H
#define PROCD_CONFIG_H

#include "daemon/base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum config_mode { MODE_DEFAULT, MODE_USER, MODE_SYSTEM };

struct config {
    const char *socket; /* NULL: the mode's own */
    enum config_mode mode;
    const char *broker_user; /* NULL: the default */
    uint32_t idle_exit;
    enum log_level log_level;
    bool log_to_journal;          /* processes' output goes to the system's journal */
    uint64_t log_size, log_quota; /* of processes' output: bytes; 0: the default */
    uint32_t log_age;             /* seconds; 0: the default */
    bool help, version, load;
    /* of the other roles; not for people */
    const char *role; /* NULL: keeper; "keeper": one that was another program before */
    int memory;       /* what that has left */
    unsigned attempts; /* how often it has tried to go on with it */
    uid_t as_uid;
    gid_t as_gid;
};

/* 0, or -EINVAL after a message on stderr. */
int config_parse(int argc, char **argv, struct config *ret_config);
void config_usage(void);

/* Is the daemon meant that serves every user? */
bool config_is_system(const struct config *config);

/* The socket's absolute path, its folder made where it is ours to make. 0, or -errno after a message. */
int config_socket(const struct config *config, bool system, char *ret_path, size_t size);

/* The user that the broker of a system daemon becomes. 0, or -ENOENT after a message. */
int config_broker_user(const struct config *config, const char **ret_name, uid_t *ret_uid, gid_t *ret_gid);

#endif
