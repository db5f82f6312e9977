/* SPDX-License-Identifier: MIT */
#include "daemon/sandbox.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* ---- system calls ---- */

#if defined __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#elif defined __riscv && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

/* A sanitizer looks for leaks with a process that traces us, and reads /proc. */
#if defined ARCH && !defined HAVE_SANITIZERS

/* Whatever starts a program, looks into other processes, changes files or what is mounted, reaches for the
 * network or for parts of the kernel that are known for holes. Connections come to us as descriptors. */
static const unsigned refused[] = {
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
    SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp,
    SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4,
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_setns, SYS_unshare, SYS_open_by_handle_at,
#ifdef SYS_creat
    SYS_creat, SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename, SYS_link, SYS_symlink, SYS_mknod, SYS_chmod,
    SYS_chown, SYS_lchown,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
    SYS_mkdirat, SYS_unlinkat, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_mknodat, SYS_fchmodat,
    SYS_fchownat, SYS_truncate,
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_keyctl, SYS_add_key, SYS_request_key,
    SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_reboot, SYS_swapon, SYS_swapoff,
#ifdef SYS_pidfd_getfd
    SYS_pidfd_getfd,
#endif
#ifdef SYS_io_uring_setup
    SYS_io_uring_setup,
#endif
#ifdef SYS_fsopen
    SYS_fsopen, SYS_fsmount, SYS_open_tree, SYS_move_mount,
#endif
};
#define REFUSED_COUNT (sizeof refused / sizeof *refused)

#define LOAD(member)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define ANSWER(what)  BPF_STMT(BPF_RET | BPF_K, what)
#define FAIL(error)   ANSWER(SECCOMP_RET_ERRNO | (error))
/* The next instruction for this value only; the second one after for others. */
#define IF(value)     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1)
#define UNLESS(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0)

/* Files are opened to be read. */
#define READ_ONLY(call, flags)                                                          \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4), LOAD(args[flags]),                 \
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_ACCMODE | O_CREAT | O_TRUNC, 0, 1), FAIL(EPERM), \
    ANSWER(SECCOMP_RET_ALLOW)

/* Threads are made by clone, which shows its flags; clone3 hides them in memory: the C library falls back. So
 * does openat2 hide its own, which nobody uses. */
static int filter_calls(void)
{
    static const struct sock_filter head[] = {
        LOAD(arch), UNLESS(ARCH), FAIL(EPERM),
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), FAIL(EPERM), /* x32 */
        IF(SYS_clone3), FAIL(ENOSYS),
#ifdef SYS_openat2
        IF(SYS_openat2), FAIL(ENOSYS),
#endif
#ifdef SYS_open
        READ_ONLY(SYS_open, 1),
#endif
        READ_ONLY(SYS_openat, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
        LOAD(args[0]),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0), FAIL(EPERM),
        ANSWER(SECCOMP_RET_ALLOW),
    };
    enum { HEAD = sizeof head / sizeof *head };
    struct sock_filter filter[HEAD + 2 * REFUSED_COUNT + 1];
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};

    memcpy(filter, head, sizeof head);
    for (size_t i = 0; i < REFUSED_COUNT; i++) {
        filter[HEAD + 2 * i] = (struct sock_filter) IF(refused[i]);
        filter[HEAD + 2 * i + 1] = (struct sock_filter) FAIL(EPERM);
    }
    filter[HEAD + 2 * REFUSED_COUNT] = (struct sock_filter) ANSWER(SECCOMP_RET_ALLOW);
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

#else

static int filter_calls(void)
{
    return 0;
}

#endif

/* ---- root's means, given up ---- */

/* Only numbers of descriptors are to be seen there, and those are our own. */
static int leave_files(void)
{
#ifdef HAVE_SANITIZERS
    return 0;
#endif
    return chroot("/proc/self/fdinfo") < 0 || chdir("/") < 0 ? -errno : 0;
}

static int give_up_root(uid_t uid, gid_t gid)
{
    /* no network, and no System V objects: not there for a broker that is taken over */
    if (unshare(CLONE_NEWNET | CLONE_NEWIPC) < 0)
        log_debug("no namespaces of its own: %s", strerror(errno));
    if (leave_files() < 0)
        log_debug("the file system stays in sight: %s", strerror(errno));
    for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++)
        ;
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return -errno;
    return geteuid() == uid && setuid(0) < 0 ? 0 : -EPERM;
}

int sandbox_enter(uid_t uid, gid_t gid)
{
    int r;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return -errno;
    if (uid != 0 && geteuid() == 0 && (r = give_up_root(uid, gid)) < 0)
        return r;
    r = filter_calls();
    if (r < 0)
        log_debug("every system call stays open: %s", strerror(-r));
    return 0;
}
