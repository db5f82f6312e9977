/* SPDX-License-Identifier: MIT */
#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/base/notify.h"
#include "daemon/broker.h"
#include "daemon/check.h"
#include "daemon/config.h"
#include "daemon/front.h"
#include "daemon/keeper/handover.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/link.h"
#include "daemon/keeper/role.h"
#include "daemon/load.h"
#include "daemon/lookup.h"
#include "daemon/version.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define EXIT_USAGE  2
#define EXIT_FAILED 125
#define DESCRIPTORS_MIN 64
#define LISTEN_FIRST 3 /* sd_listen_fds(3) */

/* Numbers 0 to 2 are never to be given to anything else. */
static void fill_stdio(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    close_fd(fd);
}

/* With 1, a child that still shares our memory would make it readable to its user. */
static int check_dumpable(void)
{
    CLEANUP_FD int fd = open("/proc/sys/fs/suid_dumpable", O_RDONLY | O_CLOEXEC);
    char value = '0';

    if (fd < 0 || read(fd, &value, 1) != 1 || value != '1')
        return 0;
    fprintf(stderr,
            "procd: fs.suid_dumpable is 1, which would expose the daemon's memory: set it to 0 or 2\n");
    return -EPERM;
}

/* The keeper raises its soft limit to the hard one. With fewer it would start, and serve nobody. */
static int check_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max >= DESCRIPTORS_MIN)
        return 0;
    fprintf(stderr, "procd: the limit of %llu open files is too low: at least %d are needed\n",
            (unsigned long long) limit.rlim_max, DESCRIPTORS_MIN);
    return -EMFILE;
}

static bool is_listening(int fd)
{
    int family = 0, listening = 0;
    socklen_t size = sizeof family;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

/* One of the service manager's descriptors: its listening socket, or what an earlier front has had it
 * keep. */
static void sort_activated(int fd, int *listen_fd, struct front *front)
{
    struct stat st;

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (is_listening(fd))
        *listen_fd = *listen_fd < 0 ? fd : *listen_fd;
    else if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
        front->link = front->link < 0 ? fd : front->link;
    else
        front->keeper = front->keeper < 0 ? fd : front->keeper;
}

static void take_activated(int *ret_listen_fd, struct front *ret_front)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

    *ret_listen_fd = -1;
    *ret_front = (struct front){.link = -1, .keeper = -1};
    if (pid && count && atoi(pid) == getpid())
        for (int fd = LISTEN_FIRST; fd < LISTEN_FIRST + atoi(count); fd++)
            sort_activated(fd, ret_listen_fd, ret_front);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (*ret_listen_fd >= 0)
        fcntl(*ret_listen_fd, F_SETFL, fcntl(*ret_listen_fd, F_GETFL) | O_NONBLOCK);
}

static const char *bind_error(int error)
{
    return error == -EADDRINUSE ? "a daemon is already serving there"
           : error == -ENOTSOCK ? "there is a file of that name that is no socket"
                                : strerror(-error);
}

static int own_socket(const struct config *config, struct keeper_config *keeper, char *path, size_t size)
{
    CLEANUP_FD int lock = -1;
    int r = config_socket(config, keeper->system, path, size);

    if (r < 0)
        return r; /* it has said why */
    keeper->socket.path = path;
    keeper->socket.for_all = keeper->system;
    lock = socket_lock(path, true);
    r = lock < 0 ? lock : socket_bind(&keeper->socket);
    if (r < 0)
        fprintf(stderr, "procd: %s: %s\n", path, bind_error(r));
    keeper->listen_fd = r;
    return r < 0 ? r : 0;
}

static void give_back_socket(struct keeper_config *keeper)
{
    CLEANUP_FD int lock = -1;

    if (!keeper->socket.path)
        return;
    lock = socket_lock(keeper->socket.path, true);
    socket_unlink(&keeper->socket);
}

static int keeper_main(const struct config *config)
{
    char path[PATH_MAX];
    struct keeper_config keeper = {
        .system = config_is_system(config),
        .idle_exit = config->idle_exit,
        .log_level = config->log_level,
        .log_to_journal = config->log_to_journal,
        .log_size = config->log_size,
        .log_quota = config->log_quota,
        .log_age = config->log_age,
        .broker_user = "",
        .start = role_start,
    };
    struct front front;
    int r;

    fill_stdio();
    if (check_dumpable() < 0 || check_descriptors() < 0)
        return EXIT_FAILED;
    if (keeper.system && geteuid() == 0 &&
        config_broker_user(config, &keeper.broker_user, &keeper.broker_uid, &keeper.broker_gid) < 0)
        return EXIT_FAILED;
    take_activated(&keeper.listen_fd, &front);
    keeper.watchdog = notify_watchdog();
    log_open("front", config->log_level);
    if (notify_wanted() && front_attach(&front, keeper.listen_fd, keeper.watchdog)) {
        close_fd(keeper.listen_fd);
        return front_serve(&front);
    }
    if (keeper.listen_fd < 0 && own_socket(config, &keeper, path, sizeof path) < 0)
        return EXIT_FAILED;
    if (notify_wanted() && (r = front_fork(&front, &keeper.front_fd)) != 0) {
        close_fd(keeper.listen_fd);
        return r < 0 ? EXIT_FAILED : front_serve(&front);
    }
    log_open("keeper", config->log_level);
    if ((r = chdir("/") < 0 ? -errno : role_open()) == 0)
        r = keeper_run(&keeper);
    if (r < 0) {
        give_back_socket(&keeper);
        fprintf(stderr, "procd: %s\n", strerror(-r));
    }
    return r < 0 ? EXIT_FAILED : 0;
}

/* The role that a keeper takes on by an exec of itself. */
static int resumed_main(const struct config *config)
{
    static struct keeper_config keeper;
    const struct handover_head *head;
    int r;

    prctl(PR_SET_NAME, "procd");
    log_open("keeper", config->log_level);
    head = handover_open(config->memory);
    r = head ? role_open() : -EBADMSG;
    if (r == 0) {
        handover_configure(head, &keeper);
        keeper.start = role_start;
        log_open("keeper", keeper.log_level);
        log_info("goes on as version %s", PROCD_VERSION);
        r = keeper_resume(&keeper, head, config->memory);
    }
    if (r < 0) {
        log_error("cannot go on as another program: %s", strerror(-r));
        give_back_socket(&keeper);
    }
    return r < 0 ? EXIT_FAILED : 0;
}

static int role_main(const struct config *config)
{
    if (strcmp(config->role, "keeper") == 0)
        return resumed_main(config);
    if (strcmp(config->role, "broker") == 0) {
        prctl(PR_SET_NAME, "procd-broker");
        log_open("broker", config->log_level);
        return broker_run(LINK_FD);
    }
    if (strcmp(config->role, "check") == 0) {
        prctl(PR_SET_NAME, "procd-check");
        log_open("check", config->log_level);
        return check_run(LINK_FD, config->as_uid, config->as_gid);
    }
    if (strcmp(config->role, "lookup") == 0) {
        prctl(PR_SET_NAME, "procd-lookup");
        log_open("lookup", config->log_level);
        return lookup_run(LINK_FD, config->as_uid, config->as_gid);
    }
    fprintf(stderr, "procd: there is no role %s\n", config->role);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct config config;

    if (config_parse(argc, argv, &config) < 0)
        return EXIT_USAGE;
    if (config.help) {
        config_usage();
        return 0;
    }
    if (config.version) {
        printf("procd %s\n", PROCD_VERSION);
        return 0;
    }
    if (config.load)
        return load_main(&config);
    return config.role ? role_main(&config) : keeper_main(&config);
}
