/* SPDX-License-Identifier: MIT */
/*
 * What a process is to be, in bytes: the broker writes it, the keeper checks and executes it, and a zygote
 * (proto/zygote.h) is handed it by the keeper.
 */
#ifndef PROCD_PROTO_SPEC_H
#define PROCD_PROTO_SPEC_H

#include <stdint.h>

/* LOG: stdout and stderr only; what is written is kept by the keeper. PTY: one terminal for all three. */
enum link_stdio_kind {
    LINK_STDIO_NULL,
    LINK_STDIO_FD,
    LINK_STDIO_READ,
    LINK_STDIO_WRITE,
    LINK_STDIO_APPEND,
    LINK_STDIO_LOG,
    LINK_STDIO_PTY,
};

struct link_stdio {
    uint32_t kind;
    uint32_t fd;   /* LINK_STDIO_FD: which descriptor of the message (that of a spec memfd not counted) */
    uint32_t path; /* else the offset of a file name */
};

struct link_placed_fd {
    uint32_t fd;     /* which descriptor of the message */
    uint32_t target; /* 3.. in the child; each once */
};

struct link_limit {
    int32_t resource; /* RLIMIT_... */
    uint32_t unused;
    uint64_t soft, hard;
};

enum link_spec_flags {
    LINK_SPEC_NICE = 1 << 0,    /* nice is to be set */
    LINK_SPEC_EXE_FD = 1 << 1,  /* exe_fd is executed (execveat, AT_EMPTY_PATH), argv[0] is only a name */
    /* as_uid, as_gid and the groups are to be taken: honoured for connections of root only */
    LINK_SPEC_AS = 1 << 2,
};

/*
 * The spec: this head, then tables and strings at offsets counted from its start. Strings end with NUL; argv
 * and envp are `count` strings, one behind the other. Nothing may reach beyond `size`.
 */
struct link_spec {
    uint32_t size;
    uint32_t flags; /* link_spec_flags */
    uint32_t argc, argv;
    uint32_t envc, envp;
    /* the PATH in which an argv[0] without slash is looked for, "" or absolute folders with ':' */
    uint32_t search;
    uint32_t cwd;
    uint32_t umask;
    int32_t nice; /* -20..19, absolute */
    uint32_t exe_fd;
    uint32_t as_uid, as_gid;
    uint32_t group_count, groups; /* uint32_t[] */
    uint32_t limit_count, limits; /* struct link_limit[], 8-byte aligned */
    uint32_t placed_count, placed; /* struct link_placed_fd[] */
    struct link_stdio stdio[3];
    uint16_t rows, columns; /* of the terminal; 0: not said */
};

/* Where a spawn failed, in the order of the steps in the child. The names go out in SpawnFailed's
 * data.stage. */
#define LINK_STAGES(X)                                                                                   \
    X(CLONE, "clone") X(CGROUP, "cgroup") X(SIGNALS, "signals") X(SESSION, "session") X(UMASK, "umask")  \
    X(GROUPS, "setgroups") X(GID, "setgid") X(UID, "setuid") X(LIMITS, "limits") X(NICE, "nice")         \
    X(OOM, "oom") X(PRIVILEGES, "no_new_privs") X(CHDIR, "chdir") X(STDIO, "stdio") X(FDS, "fds")        \
    X(EXEC, "exec") X(CREDENTIALS, "credentials") X(SPEC, "spec") X(NOTIFY, "notify") \
    X(TICKET, "ticket") X(PTY, "pty")

enum link_stage {
#define X(id, text) LINK_STAGE_##id,
    LINK_STAGES(X)
#undef X
    LINK_STAGE_COUNT
};

#endif
