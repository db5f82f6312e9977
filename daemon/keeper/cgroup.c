/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/cgroup.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/cgroup_find.h"
#include "daemon/keeper/cgroup_left.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/share.h"
#include "daemon/keeper/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define POOL_LOW 16
#define POOL_MAX 128
#define REFILLS_MOST 4 /* that a spawn waits for: some numbers are in use by cgroups that stay */
/* Those in use that keep their descriptors: they are read and used again without being opened. A child that
 * does not share the table (share.h) makes a copy of each and closes it, so only as few as begin and end
 * often. */
#define HOT_MAX  8
#define SPARE_MAX 128 /* more of them are removed, */
#define LATER (500 * NSEC_PER_MSEC) /* after the first of them: a removal costs as much as a kill, and more */
#define NEEDLESS_MAX 16384          /* where there is never any time for it */

static unsigned index_of(const struct keeper *keeper, const struct cgroup *cgroup)
{
    return (unsigned) (cgroup - keeper->cgroups.all);
}

static int open_file(const struct keeper *keeper, const struct cgroup *cgroup, const char *file, int flags)
{
    char path[64];

    snprintf(path, sizeof path, "%u/%s", index_of(keeper, cgroup), file);
    return openat(keeper->cgroups.base, path, flags | O_CLOEXEC);
}

/* The text of a small file, NUL-terminated. False where it cannot be read. */
static bool read_file(const struct keeper *keeper, const struct cgroup *cgroup, const char *file, char *text,
                      size_t size)
{
    CLEANUP_FD int fd = open_file(keeper, cgroup, file, O_RDONLY);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);

    if (got < 0)
        return false;
    text[got] = '\0';
    return true;
}

/* ---- the pool ---- */

static void cool(struct cgroups *cgroups, struct cgroup *cgroup)
{
    cgroups->hot -= cgroup->hot;
    cgroup->hot = false;
}

/* Where the next are taken: only the first of the pool keep what they are read by. */
static void pool_put(struct cgroups *cgroups, struct cgroup *cgroup)
{
    struct cgroup *last = cgroup;

    cool(cgroups, cgroup);
    cgroup->events = share_park(cgroup->events);
    cgroup->state = CGROUP_EMPTY;
    TAILQ_INSERT_HEAD(&cgroups->pool, cgroup, order);
    cgroups->pooled++;
    for (int i = 0; i < HOT_MAX && last; i++)
        last = TAILQ_NEXT(last, order);
    if (last)
        last->events = close_fd(last->events);
}

static void pool_drop(struct cgroups *cgroups, struct cgroup *cgroup)
{
    TAILQ_REMOVE(&cgroups->pool, cgroup, order);
    cgroups->pooled--;
}

static void close_descriptors(struct keeper *keeper, struct cgroup *cgroup)
{
    cool(&keeper->cgroups, cgroup);
    cgroup->dir = close_fd(cgroup->dir);
    cgroup->events = close_fd(cgroup->events);
}

static int remove_directory(struct keeper *keeper, struct cgroup *cgroup)
{
    char name[16];

    snprintf(name, sizeof name, "%u", index_of(keeper, cgroup));
    close_descriptors(keeper, cgroup);
    if (unlinkat(keeper->cgroups.base, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    cgroup_left_below(keeper->cgroups.base, name);
    return unlinkat(keeper->cgroups.base, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static void remove_one(struct keeper *keeper, struct cgroup *cgroup)
{
    /* somebody is just leaving */
    if (remove_directory(keeper, cgroup) < 0) {
        cgroup->state = CGROUP_ORPHAN;
        TAILQ_INSERT_TAIL(&keeper->cgroups.orphans, cgroup, order);
        return;
    }
    cgroup->is_spoilt = false;
    cgroup->state = CGROUP_UNUSED;
    TAILQ_INSERT_TAIL(&keeper->cgroups.unused, cgroup, order);
}

/* As the folder's links tell. */
int cgroup_has_others(const struct keeper *keeper, const struct cgroup *cgroup)
{
    struct stat stat;
    char name[16];
    int r;

    snprintf(name, sizeof name, "%u", index_of(keeper, cgroup));
    r = cgroup->dir >= 0 ? fstat(cgroup->dir, &stat) : fstatat(keeper->cgroups.base, name, &stat, 0);
    return r < 0 ? -errno : stat.st_nlink > 2;
}

static int make_one(struct keeper *keeper, struct cgroup *cgroup)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    char name[16];

    snprintf(name, sizeof name, "%u", index_of(keeper, cgroup));
    cgroup->events = cgroup->dir = -1;
    if (cgroup->state == CGROUP_SPARE)
        cgroup->dir = openat(keeper->cgroups.base, name, flags);
    if (cgroup->dir < 0) { /* also where somebody has removed it */
        if (mkdirat(keeper->cgroups.base, name, 0755) < 0 && errno != EEXIST)
            return -errno;
        cgroup->dir = openat(keeper->cgroups.base, name, flags);
    }
    cgroup->dir = share_park(cgroup->dir);
    return cgroup->dir < 0 ? -errno : 0;
}

static bool is_low(const struct keeper *keeper)
{
    const struct cgroups *cgroups = &keeper->cgroups;

    return cgroups->pooled < POOL_LOW && keeper->now >= cgroups->retry_at && keeper->state == STATE_RUNNING;
}

static bool has_needless(const struct cgroups *cgroups)
{
    return cgroups->spares > SPARE_MAX || !TAILQ_EMPTY(&cgroups->used_up);
}

bool cgroup_wanted(const struct keeper *keeper)
{
    const struct cgroups *cgroups = &keeper->cgroups;

    return cgroups->base >= 0 &&
           (is_low(keeper) || (has_needless(cgroups) && cgroups->remove_at <= keeper->now));
}

int64_t cgroup_tick(const struct keeper *keeper)
{
    return has_needless(&keeper->cgroups) ? keeper->cgroups.remove_at : INT64_MAX;
}

static struct cgroup *take_spare(struct cgroups *cgroups)
{
    struct cgroup *cgroup = TAILQ_FIRST(&cgroups->spare);

    if (cgroup) {
        TAILQ_REMOVE(&cgroups->spare, cgroup, order);
        cgroups->spares--;
    }
    return cgroup;
}

static struct cgroup *take_unused(struct cgroups *cgroups)
{
    struct cgroup *cgroup = TAILQ_FIRST(&cgroups->unused);

    if (cgroup)
        TAILQ_REMOVE(&cgroups->unused, cgroup, order);
    else if (cgroups->made < SLOTS_MAX)
        cgroup = &cgroups->all[cgroups->made++];
    return cgroup;
}

/* It is empty. Its removal can wait. */
static void put_aside(struct cgroups *cgroups, struct cgroup *cgroup, bool is_used_up, int64_t now)
{
    bool was_needless = has_needless(cgroups);

    cgroup->state = is_used_up ? CGROUP_USED_UP : CGROUP_SPARE;
    if (is_used_up)
        TAILQ_INSERT_TAIL(&cgroups->used_up, cgroup, order);
    else
        TAILQ_INSERT_HEAD(&cgroups->spare, cgroup, order);
    cgroups->used_up_count += is_used_up;
    cgroups->spares += !is_used_up;
    if (!was_needless)
        cgroups->remove_at = now + LATER;
}

/* The next that is better removed, if any. */
static struct cgroup *take_needless(struct cgroups *cgroups)
{
    struct cgroup *cgroup = TAILQ_FIRST(&cgroups->used_up);

    if (cgroup) {
        TAILQ_REMOVE(&cgroups->used_up, cgroup, order);
        cgroups->used_up_count--;
    } else if (cgroups->spares > SPARE_MAX) {
        cgroup = take_spare(cgroups);
    }
    return cgroup;
}

static void refill(struct keeper *keeper)
{
    struct cgroups *cgroups = &keeper->cgroups;
    struct cgroup *cgroup = take_spare(cgroups), *needless;
    int r;

    if (!cgroup)
        cgroup = take_unused(cgroups);
    if (!cgroup)
        return;
    r = make_one(keeper, cgroup);
    if (r < 0 && (needless = take_needless(cgroups))) { /* it may be one too many */
        remove_one(keeper, needless);
        r = make_one(keeper, cgroup);
    }
    if (r == 0)
        r = cgroup_has_others(keeper, cgroup);
    if (r > 0) { /* its number is one that could not be removed */
        close_descriptors(keeper, cgroup);
        put_aside(cgroups, cgroup, true, keeper->now);
        return;
    }
    if (r == 0) {
        pool_put(cgroups, cgroup);
        return;
    }
    /* the hierarchy's own limit, or no descriptor: children go without for a while */
    if (log_again(&cgroups->tell_none_at, keeper->now))
        log_warning("no cgroup can be made: %s", strerror(-r));
    close_descriptors(keeper, cgroup);
    cgroup->state = CGROUP_UNUSED;
    TAILQ_INSERT_TAIL(&cgroups->unused, cgroup, order);
    cgroups->retry_at = keeper->now + NSEC_PER_SEC;
}

void cgroup_tidy(struct keeper *keeper)
{
    struct cgroups *cgroups = &keeper->cgroups;
    struct cgroup *cgroup = NULL;
    bool is_in_need = is_low(keeper);

    /* rather the numbers that there are than more and more of them */
    if (!is_in_need || (TAILQ_EMPTY(&cgroups->unused) && TAILQ_EMPTY(&cgroups->spare)))
        cgroup = take_needless(cgroups);
    if (cgroup)
        remove_one(keeper, cgroup);
    else if (is_in_need)
        refill(keeper);
}

struct cgroup *cgroup_take(struct keeper *keeper)
{
    struct cgroup *cgroup;

    if (keeper->cgroups.base < 0)
        return NULL;
    /* a burst has emptied the pool: better slow than without */
    for (int i = 0; i < REFILLS_MOST && TAILQ_EMPTY(&keeper->cgroups.pool); i++)
        refill(keeper);
    cgroup = TAILQ_FIRST(&keeper->cgroups.pool);
    if (!cgroup)
        return NULL;
    pool_drop(&keeper->cgroups, cgroup);
    return cgroup;
}

/* Where its turn comes last: the next may have more luck with another. */
void cgroup_give_back(struct keeper *keeper, struct cgroup *cgroup)
{
    struct cgroups *cgroups = &keeper->cgroups;

    pool_put(cgroups, cgroup);
    TAILQ_REMOVE(&cgroups->pool, cgroup, order);
    TAILQ_INSERT_TAIL(&cgroups->pool, cgroup, order);
}

/* With its lock: who removes what the dead have left does not come between us and another keeper. */
static void keep_base(struct keeper *keeper)
{
    if (keeper->ledger.fd >= 0)
        store_memory(keeper, CGROUPS_NAME, keeper->cgroups.base);
}

void cgroups_renew(struct keeper *keeper)
{
    struct cgroups *cgroups = &keeper->cgroups;
    struct cgroup *cgroup;
    int base;

    while ((cgroup = TAILQ_FIRST(&cgroups->pool))) {
        pool_drop(cgroups, cgroup);
        remove_one(keeper, cgroup);
    }
    while ((cgroup = take_spare(cgroups)))
        remove_one(keeper, cgroup);
    base = cgroup_find_again();
    if (base < 0) {
        log_warning("%s cannot be made again: %s", cgroups->path, strerror(-base));
        return;
    }
    close_fd(cgroups->base);
    cgroups->base = base;
    keep_base(keeper);
}

void cgroup_begun(struct keeper *keeper, struct cgroup *cgroup)
{
    cgroup->hot = keeper->cgroups.hot < HOT_MAX;
    keeper->cgroups.hot += cgroup->hot;
    if (!cgroup->hot)
        close_descriptors(keeper, cgroup);
    cgroup->state = CGROUP_TAKEN;
}

/* Used again, but where its counters would tell of the one before; or where it may have been killed: kernels
 * that compare how often parent's and child's cgroup were killed (6.14 and later) take the difference for a
 * race, and kill whatever is cloned into it from then on. */
static void recycle(struct keeper *keeper, struct cgroup *cgroup)
{
    struct cgroups *cgroups = &keeper->cgroups;
    bool is_used_up = cgroup->is_spoilt || cgroups->memory_events ||
                      cgroup_has_others(keeper, cgroup) != 0;

    if (!is_used_up && cgroup->dir >= 0 && cgroups->pooled < POOL_MAX) {
        pool_put(cgroups, cgroup);
        return;
    }
    close_descriptors(keeper, cgroup);
    put_aside(cgroups, cgroup, is_used_up, keeper->now);
    if (cgroups->spares + cgroups->used_up_count > NEEDLESS_MAX)
        remove_one(keeper, take_needless(cgroups));
}

void cgroup_leave(struct keeper *keeper, struct cgroup *cgroup, bool empty)
{
    if (empty) {
        recycle(keeper, cgroup);
        return;
    }
    close_descriptors(keeper, cgroup);
    cgroup->state = CGROUP_ORPHAN;
    TAILQ_INSERT_TAIL(&keeper->cgroups.orphans, cgroup, order);
}

void cgroup_sweep(struct keeper *keeper)
{
    struct cgroup *cgroup, *next, *last = TAILQ_LAST(&keeper->cgroups.orphans, cgroup_list);

    /* one that cannot be removed yet goes to the end again: each is looked at once */
    for (cgroup = TAILQ_FIRST(&keeper->cgroups.orphans); cgroup; cgroup = next) {
        next = cgroup == last ? NULL : TAILQ_NEXT(cgroup, order);
        if (!cgroup_empty(keeper, cgroup))
            continue;
        TAILQ_REMOVE(&keeper->cgroups.orphans, cgroup, order);
        recycle(keeper, cgroup);
    }
}

/* ---- one of them ---- */

bool cgroup_empty(struct keeper *keeper, struct cgroup *cgroup)
{
    bool kept = cgroup->events >= 0;
    int fd = kept ? cgroup->events : open_file(keeper, cgroup, "cgroup.events", O_RDONLY);
    char text[256];
    ssize_t got = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
    /* removed by somebody else, which only an empty one can be */
    bool removed = got < 0 && (errno == ENOENT || errno == ENODEV);

    text[got > 0 ? got : 0] = '\0';
    if (strstr(text, "frozen 1")) /* by whoever was in it; so would be whoever comes after them */
        cgroup->is_spoilt = true;
    if (cgroup->dir >= 0 && !removed)
        cgroup->events = fd;
    else if (!kept)
        close_fd(fd);
    if (removed) /* what has its name from now on is another one */
        close_descriptors(keeper, cgroup);
    return removed || strstr(text, "populated 0");
}

int cgroup_kill(const struct keeper *keeper, struct cgroup *cgroup)
{
    CLEANUP_FD int fd = open_file(keeper, cgroup, "cgroup.kill", O_WRONLY);

    cgroup->is_spoilt = true;
    return fd < 0 || write(fd, "1", 1) < 0 ? -errno : 0;
}

void cgroup_kill_orphans(struct keeper *keeper)
{
    struct cgroup *cgroup;

    TAILQ_FOREACH(cgroup, &keeper->cgroups.orphans, order)
        cgroup_kill(keeper, cgroup);
}

int cgroup_each(const struct keeper *keeper, const struct cgroup *cgroup,
                void (*each)(pid_t pid, void *data), void *data)
{
    CLEANUP_FD int fd = open_file(keeper, cgroup, "cgroup.procs", O_RDONLY);
    char text[4096];
    long pid = 0;
    ssize_t got;

    if (fd < 0)
        return -errno;
    while ((got = read(fd, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (text[i] >= '0' && text[i] <= '9') {
                pid = pid * 10 + (text[i] - '0');
            } else if (text[i] == '\n') {
                if (pid > 0) /* 0: of another pid namespace */
                    each((pid_t) pid, data);
                pid = 0;
            }
        }
    }
    return got < 0 ? -errno : 0;
}

int cgroup_holds(const struct keeper *keeper, const struct cgroup *cgroup, pid_t pid)
{
    char own[640], path[64], text[1024];
    CLEANUP_FD int fd = -1;
    const char *line;
    ssize_t got;
    size_t length;

    snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (got < 0)
        return -errno;
    text[got] = '\0';
    line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (!line)
        return 0;
    length = (size_t) snprintf(own, sizeof own, "0::%s/%u", keeper->cgroups.path, index_of(keeper, cgroup));
    line += *line == '\n';
    return strncmp(line, own, length) == 0 && (line[length] == '\n' || line[length] == '/');
}

enum link_unknown_bool cgroup_oom(const struct keeper *keeper, const struct cgroup *cgroup)
{
    char text[512];
    const char *at;

    if (!keeper->cgroups.memory_events || !read_file(keeper, cgroup, "memory.events", text, sizeof text))
        return LINK_UNKNOWN;
    at = strstr(text, "oom_kill ");
    return !at ? LINK_UNKNOWN : at[9] != '0' ? LINK_YES : LINK_NO;
}

/* ---- begin and end ---- */

int cgroups_begin(struct cgroups *cgroups)
{
    TAILQ_INIT(&cgroups->pool);
    TAILQ_INIT(&cgroups->unused);
    TAILQ_INIT(&cgroups->orphans);
    TAILQ_INIT(&cgroups->spare);
    TAILQ_INIT(&cgroups->used_up);
    cgroups->base = -1;
    cgroups->all = memory_reserve(sizeof *cgroups->all * SLOTS_MAX);
    return cgroups->all ? 0 : -ENOMEM;
}

void cgroups_open(struct keeper *keeper)
{
    struct cgroups *cgroups = &keeper->cgroups;

    if (keeper->config->no_cgroups)
        return;
    cgroups->base = cgroup_find(cgroups->path, sizeof cgroups->path, &cgroups->memory_events);
    if (cgroups->base < 0)
        log_info("no cgroups here: the tree of a process is its session");
    else
        log_debug("children go into cgroups below %s", cgroups->path);
    if (cgroups->base < 0)
        return;
    keep_base(keeper);
    cgroup_left_remove(cgroup_folder());
}

void cgroups_close(struct keeper *keeper)
{
    struct cgroups *cgroups = &keeper->cgroups;

    if (cgroups->base < 0)
        return;
    for (unsigned i = 0; i < cgroups->made; i++)
        (void) remove_directory(keeper, &cgroups->all[i]);
    cgroups->base = close_fd(cgroups->base);
    cgroup_unfind();
}
