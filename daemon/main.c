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
#include "daemon/successor.h"
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
#define DEATHS_BY_PROGRAM 4

static char **command_line;

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

/* What goes beside the shelf: the link to the keeper and its pidfd. The first one counts. */
static void take_front(int fd, struct front *front)
{
    struct stat st;
    int *place = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? &front->link : &front->keeper;

    if (*place < 0)
        *place = fd;
    else
        close_fd(fd);
}

/* One of the service manager's descriptors: its listening socket, which has any name, or what an earlier
 * front has had it keep. */
static void sort_activated(int fd, const char *name, int *listen_fd, struct front *front)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (strcmp(name, FRONT_NAME) == 0)
        take_front(fd, front);
    else if (!is_listening(fd) || strcmp(name, FRONT_LISTEN) == 0)
        (void) shelf_put(&front->shelf, name, fd);
    else if (*listen_fd < 0)
        *listen_fd = fd;
    else
        close_fd(fd);
}

static void take_activated(int *ret_listen_fd, struct front *front)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");

    *ret_listen_fd = front->link = front->keeper = -1;
    for (int i = 0; pid && count && atoi(pid) == getpid() && i < atoi(count); i++) {
        size_t length = names ? strcspn(names, ":") : 0;
        char name[SHELF_NAME_MAX + 1];

        snprintf(name, sizeof name, "%.*s", (int) length, names ? names : "");
        names = names && names[length] ? names + length + 1 : NULL;
        sort_activated(LISTEN_FIRST + i, name, ret_listen_fd, front);
    }
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

/* kept: the one that an earlier front has bound, or -1. */
static int own_socket(const struct config *config, struct keeper_config *keeper, int kept)
{
    static char path[PATH_MAX];
    CLEANUP_FD int lock = -1;
    int r = config_socket(config, keeper->system, path, sizeof path);

    if (r < 0)
        return r; /* it has said why */
    keeper->socket.path = path;
    keeper->socket.for_all = keeper->system;
    keeper->listen_fd = kept;
    if (kept >= 0)
        return 0;
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

static int run_keeper(const struct config *config, struct keeper_config *keeper)
{
    int r;

    log_open("keeper", config->log_level);
    if ((r = chdir("/") < 0 ? -errno : role_open()) == 0)
        r = keeper_run(keeper);
    if (r < 0) {
        give_back_socket(keeper);
        fprintf(stderr, "procd: %s\n", strerror(-r));
    }
    return r < 0 ? EXIT_FAILED : 0;
}

/* The socket is there, but not with what the keeper takes over. */
static int run_with(const struct config *config, struct keeper_config *keeper, struct shelf *shelf)
{
    (void) shelf_take(shelf, FRONT_LISTEN);
    keeper->shelf = shelf;
    return run_keeper(config, keeper);
}

/* A socket for the next keeper, and for those after it. */
static int keep_socket(const struct config *config, struct keeper_config *keeper, struct front *front)
{
    int kept = shelf_find(&front->shelf, FRONT_LISTEN), r;

    if (keeper->listen_fd >= 0)
        return 0;
    r = own_socket(config, keeper, kept);
    if (r < 0 || kept >= 0)
        return r;
    (void) notify_keep(FRONT_LISTEN, keeper->listen_fd);
    return shelf_put(&front->shelf, FRONT_LISTEN, keeper->listen_fd);
}

/* One keeper after the other, as long as they are killed. */
static int run_front(const struct config *config, struct keeper_config *keeper, struct front *front)
{
    bool again;
    int status, r;

    do {
        if (front->keeper < 0) {
            if (keep_socket(config, keeper, front) < 0 || (r = front_fork(front, &keeper->front_fd)) < 0)
                return EXIT_FAILED;
            if (r == 0) {
                if (front->deaths < DEATHS_BY_PROGRAM) /* or is it the program that they die of? */
                    successor_exec(keeper, &front->shelf, command_line);
                return run_with(config, keeper, &front->shelf);
            }
        }
        status = front_serve(front, &again);
    } while (again);
    return status;
}

/* What the command line says of the keeper. */
static struct keeper_config configured(const struct config *config)
{
    return (struct keeper_config){
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
}

static int find_broker_user(const struct config *config, struct keeper_config *keeper)
{
    return keeper->system && geteuid() == 0
               ? config_broker_user(config, &keeper->broker_user, &keeper->broker_uid, &keeper->broker_gid)
               : 0;
}

static int keeper_main(const struct config *config)
{
    static struct front front; /* too large for a stack */
    struct keeper_config keeper = configured(config);

    fill_stdio();
    if (check_dumpable() < 0 || check_descriptors() < 0 || find_broker_user(config, &keeper) < 0)
        return EXIT_FAILED;
    take_activated(&keeper.listen_fd, &front);
    keeper.watchdog = notify_watchdog();
    log_open("front", config->log_level);
    if (notify_wanted()) {
        (void) front_attach(&front, keeper.listen_fd, keeper.watchdog);
        return run_front(config, &keeper, &front);
    }
    if (keeper.listen_fd < 0 && own_socket(config, &keeper, -1) < 0)
        return EXIT_FAILED;
    return run_keeper(config, &keeper);
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
    if (r < 0)
        role_again(config->memory, config->attempts, r);
    if (r == 0) {
        handover_configure(head, &keeper);
        keeper.attempts = config->attempts;
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

/* The role of a process that another program's front has made to be the keeper. */
static int successor_main(const struct config *config)
{
    static struct shelf shelf;
    struct keeper_config keeper = configured(config);
    int r;

    prctl(PR_SET_NAME, "procd");
    log_open("keeper", config->log_level);
    if (find_broker_user(config, &keeper) < 0)
        return EXIT_FAILED;
    r = successor_read(config->memory, &keeper, &shelf);
    if (r < 0) {
        log_error("cannot take over as another program: %s", strerror(-r));
        return EXIT_FAILED;
    }
    if (shelf_find(&shelf, FRONT_LISTEN) >= 0 && own_socket(config, &keeper, keeper.listen_fd) < 0)
        return EXIT_FAILED;
    return run_with(config, &keeper, &shelf);
}

static int role_main(const struct config *config)
{
    if (strcmp(config->role, "successor") == 0)
        return successor_main(config);
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

    command_line = argv;
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
