/* SPDX-License-Identifier: MIT */
#include "daemon/orphans.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/keeper/manager.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define TELL_AGAIN_MS 100 /* the keeper may have been busy, or its word was lost */
#define STOPS_MOST    1000

void orphans_open(struct orphans *orphans)
{
    *orphans = (struct orphans){.told = 0};
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* The system call: glibc's waitid has no rusage. False: nothing. */
static bool wait_for_any(int options, siginfo_t *ret_info, struct rusage *ret_usage)
{
    memset(ret_info, 0, sizeof *ret_info);
    return syscall(SYS_waitid, P_ALL, 0, ret_info, options | WNOHANG, ret_usage) == 0 &&
           ret_info->si_pid != 0;
}

static bool say(int link, const char *text)
{
    return link >= 0 && send(link, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void tell_stops(int link)
{
    char text[MANAGER_TEXT_MAX];
    struct rusage usage;
    siginfo_t info;

    for (int i = 0; i < STOPS_MOST && wait_for_any(WSTOPPED | WCONTINUED, &info, &usage); i++) {
        snprintf(text, sizeof text, MANAGER_STOPPED, info.si_pid, info.si_code);
        (void) say(link, text);
    }
}

static int64_t usec(struct timeval value)
{
    return (int64_t) value.tv_sec * 1000000 + value.tv_usec;
}

static void tell_end(struct orphans *orphans, int link, const siginfo_t *info, const struct rusage *usage)
{
    char text[MANAGER_TEXT_MAX];

    snprintf(text, sizeof text, MANAGER_ENDED, info->si_pid, info->si_code, info->si_status,
             (long long) usec(usage->ru_utime), (long long) usec(usage->ru_stime), usage->ru_maxrss,
             usage->ru_minflt, usage->ru_majflt, usage->ru_inblock, usage->ru_oublock, usage->ru_nvcsw,
             usage->ru_nivcsw);
    (void) say(link, text);
    orphans->told = info->si_pid;
    orphans->told_at = clock_monotonic();
}

void orphans_look(struct orphans *orphans, int link, pid_t keeper)
{
    bool is_waiting = orphans->told != 0 &&
                      clock_monotonic() - orphans->told_at < TELL_AGAIN_MS * NSEC_PER_MSEC;
    struct rusage usage;
    siginfo_t info;

    tell_stops(link);
    if (!is_waiting && wait_for_any(WEXITED | WNOWAIT, &info, &usage) && info.si_pid != keeper)
        tell_end(orphans, link, &info, &usage);
}

bool orphans_hear(struct orphans *orphans, const char *text)
{
    siginfo_t info;
    int pid;

    if (sscanf(text, MANAGER_RECORDED, &pid) != 1)
        return false;
    if (pid > 0 && pid == orphans->told) {
        waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG);
        orphans->told = 0;
    }
    return true;
}

int orphans_patience(const struct orphans *orphans)
{
    return orphans->told == 0 ? -1 : TELL_AGAIN_MS;
}
