/* SPDX-License-Identifier: MIT */
#include "daemon/base/log.h"

#include "daemon/base/clock.h"
#include "daemon/base/harmless.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_SILENCE (60 * NSEC_PER_SEC)

static const char *const level_names[] = {"error", "warning", "info", "debug"};
/* sd-daemon(3): the priorities of syslog in angle brackets, read by the journal from a service's stderr */
static const char level_prefix[][4] = {"<3>", "<4>", "<6>", "<7>"};

static const char *log_role = "procd";
static enum log_level log_level = LOG_LEVEL_INFO;
static bool log_to_journal;
static unsigned lost; /* lines, since one was written */

/* systemd.exec(5), $JOURNAL_STREAM: device and inode of the stream that is connected to the journal */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(STDERR_FILENO, &st) < 0)
        return false;
    return st.st_dev == device && st.st_ino == inode;
}

void log_open(const char *role, enum log_level level)
{
    log_role = role;
    log_level = level;
    log_to_journal = stderr_is_journal();
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret_level = (enum log_level) i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

enum log_level log_level_now(void)
{
    return log_level;
}

bool log_again(int64_t *next, int64_t now)
{
    if (now < *next)
        return false;
    *next = now + LOG_SILENCE;
    return true;
}

/* A path or a name of somebody else in the message begins no line of its own, moves no cursor, and does not
 * turn round what is written behind it. */
static void blank_harmful(char *text)
{
    size_t rest = strlen(text), length;

    for (; rest > 0; text += length, rest -= length) {
        length = harmless_length(text, rest);
        if (length > 0)
            continue;
        *text = '?';
        length = 1;
    }
}

/* A reader that stands still, of a pipe or behind a socket, must not hold us up. The descriptor is not ours
 * alone: it stays as it is. */
static bool has_room(void)
{
    struct pollfd entry = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&entry, 1, 0) > 0;
}

static int begin_line(char *line, size_t size, enum log_level level)
{
    return snprintf(line, size, "%sprocd: %s: ", log_to_journal ? level_prefix[level] : "", log_role);
}

static void write_line(const char *line, int length)
{
    if (write(STDERR_FILENO, line, (size_t) length) < 0)
        errno = 0; /* there is nobody left to tell */
}

static void tell_lost(void)
{
    char line[128];
    int used = begin_line(line, sizeof line, LOG_LEVEL_WARNING);

    used += snprintf(line + used, sizeof line - (size_t) used, "%u lines are lost: nobody has read them\n",
                     lost);
    lost = 0;
    write_line(line, used);
}

void log_write(enum log_level level, const char *format, ...)
{
    char line[1024];
    int saved = errno, used, more;
    va_list arguments;

    if (level > log_level)
        return;
    if (!has_room()) {
        lost++;
        errno = saved;
        return;
    }
    if (lost > 0)
        tell_lost();
    used = begin_line(line, sizeof line, level);
    va_start(arguments, format);
    more = vsnprintf(line + used, sizeof line - (size_t) used - 1, format, arguments);
    va_end(arguments);
    if (more < 0)
        more = 0;
    blank_harmful(line + used);
    used = used + more < (int) sizeof line - 1 ? used + more : (int) sizeof line - 2;
    line[used++] = '\n';
    write_line(line, used);
    errno = saved;
}
