/* SPDX-License-Identifier: MIT */
/*
 * System calls without glibc, for the child of a spawn: it shares memory and thread-local storage with the
 * keeper, so neither errno nor any lock may be touched. Each returns the kernel's value: -errno on failure.
 */
#ifndef PROCD_KEEPER_RAWCALL_H
#define PROCD_KEEPER_RAWCALL_H

#include <linux/sched.h>
#include <stddef.h>
#include <sys/syscall.h>

#if defined(__x86_64__) && defined(__LP64__)

static inline __attribute__((always_inline)) long raw6(long number, long a, long b, long c, long d, long e,
                                                       long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* clone3 with a stack of the child's own, on which it enters `run`, which never returns. */
static inline long raw_clone3(struct clone_args *args, void (*run)(void *), void *argument)
{
    register void (*r8)(void *) __asm__("r8") = run;
    register void *r9 __asm__("r9") = argument;
    long result;

    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "movq %%r9, %%rdi\n\t"
                     "callq *%%r8\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(result)
                     : "0"((long) __NR_clone3), "D"(args), "S"(sizeof *args), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

#elif defined(__aarch64__)

static inline __attribute__((always_inline)) long raw6(long number, long a, long b, long c, long d, long e,
                                                       long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;

    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory", "cc");
    return x0;
}

static inline long raw_clone3(struct clone_args *args, void (*run)(void *), void *argument)
{
    register long x8 __asm__("x8") = __NR_clone3;
    register long x0 __asm__("x0") = (long) args;
    register long x1 __asm__("x1") = (long) sizeof *args;
    register void (*x9)(void *) __asm__("x9") = run;
    register void *x10 __asm__("x10") = argument;

    __asm__ volatile("svc 0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x0, x10\n\t"
                     "blr x9\n\t"
                     "brk 1\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x9), "r"(x10)
                     : "memory", "cc");
    return x0;
}

#else
#error "procd: write raw6 and raw_clone3 for this architecture"
#endif

#define raw0(n)                raw6(n, 0, 0, 0, 0, 0, 0)
#define raw1(n, a)             raw6(n, (long) (a), 0, 0, 0, 0, 0)
#define raw2(n, a, b)          raw6(n, (long) (a), (long) (b), 0, 0, 0, 0)
#define raw3(n, a, b, c)       raw6(n, (long) (a), (long) (b), (long) (c), 0, 0, 0)
#define raw4(n, a, b, c, d)    raw6(n, (long) (a), (long) (b), (long) (c), (long) (d), 0, 0)
#define raw5(n, a, b, c, d, e) raw6(n, (long) (a), (long) (b), (long) (c), (long) (d), (long) (e), 0)

#endif
