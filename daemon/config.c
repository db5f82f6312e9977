/* SPDX-License-Identifier: MIT */
#include "daemon/config.h"

#include "daemon/base/cleanup.h"
#include "daemon/keeper/socket.h"
#include "daemon/logs/store.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SYSTEM_FOLDER "/run/procd"
#define SOCKET_NAME   "procd.sock"

/* ---- options ---- */

static int take_socket(struct config *config, const char *value)
{
    config->socket = value;
    return *value ? 0 : -EINVAL;
}

static int take_user(struct config *config, const char *value)
{
    (void) value;
    config->mode = MODE_USER;
    return 0;
}

static int take_system(struct config *config, const char *value)
{
    (void) value;
    config->mode = MODE_SYSTEM;
    return 0;
}

static int take_broker_user(struct config *config, const char *value)
{
    config->broker_user = value;
    return *value ? 0 : -EINVAL;
}

static int take_idle_exit(struct config *config, const char *value)
{
    char *end;
    unsigned long seconds;

    errno = 0;
    seconds = strtoul(value, &end, 10);
    if (errno || *end || *value < '0' || *value > '9' || seconds > UINT32_MAX)
        return -EINVAL;
    config->idle_exit = (uint32_t) seconds;
    return 0;
}

/* Bytes, or with a K, M or G behind the number. */
static int parse_size(const char *value, uint64_t least, uint64_t *ret_size)
{
    static const char units[] = "KMG";
    unsigned long long number;
    const char *unit;
    int shift = 0;
    char *end;

    errno = 0;
    number = strtoull(value, &end, 10);
    if (errno || *value < '0' || *value > '9')
        return -EINVAL;
    if (*end && (unit = strchr(units, *end))) {
        shift = 10 * (int) (unit - units + 1);
        end++;
    }
    if (*end || number > UINT64_MAX >> shift || number << shift < least || number << shift > INT64_MAX)
        return -EINVAL;
    *ret_size = number << shift;
    return 0;
}

static int take_log(struct config *config, const char *value)
{
    config->log_to_journal = strcmp(value, "journal") == 0;
    return config->log_to_journal || strcmp(value, "memory") == 0 ? 0 : -EINVAL;
}

static int take_log_size(struct config *config, const char *value)
{
    return parse_size(value, LOGS_LIMIT_MIN, &config->log_size);
}

static int take_log_quota(struct config *config, const char *value)
{
    return parse_size(value, LOGS_LIMIT_MIN, &config->log_quota);
}

static int take_log_age(struct config *config, const char *value)
{
    char *end;
    unsigned long seconds;

    errno = 0;
    seconds = strtoul(value, &end, 10);
    if (errno || *end || *value < '0' || *value > '9' || seconds < 1 || seconds > UINT32_MAX)
        return -EINVAL;
    config->log_age = (uint32_t) seconds;
    return 0;
}

static int take_log_level(struct config *config, const char *value)
{
    return log_level_parse(value, &config->log_level);
}

static int take_load(struct config *config, const char *value)
{
    (void) value;
    config->load = true;
    return 0;
}

static int take_version(struct config *config, const char *value)
{
    (void) value;
    config->version = true;
    return 0;
}

static int take_help(struct config *config, const char *value)
{
    (void) value;
    config->help = true;
    return 0;
}

static int take_role(struct config *config, const char *value)
{
    config->role = value;
    return 0;
}

static int take_as(struct config *config, const char *value)
{
    return sscanf(value, "%u:%u", &config->as_uid, &config->as_gid) == 2 ? 0 : -EINVAL;
}

static int take_memory(struct config *config, const char *value)
{
    return sscanf(value, "%d", &config->memory) == 1 && config->memory > 2 ? 0 : -EINVAL;
}

static int take_attempts(struct config *config, const char *value)
{
    return sscanf(value, "%u", &config->attempts) == 1 ? 0 : -EINVAL;
}

static const struct option {
    const char *name;
    const char *argument; /* NULL: none */
    const char *help;     /* NULL: not for people */
    int (*take)(struct config *config, const char *value);
} options[] = {
    {"socket", "PATH", "the socket to serve on", take_socket},
    {"user", NULL, "serve this user (and root) only; the default but for root", take_user},
    {"system", NULL, "serve every user of the machine; the default for root", take_system},
    {"broker-user", "NAME", "what the broker of a system daemon runs as (procd, or nobody)",
     take_broker_user},
    {"idle-exit", "SEC", "leave after SEC seconds without any use (0: never)", take_idle_exit},
    {"log", "WHERE", "where processes' output is kept: memory (the default) or journal", take_log},
    {"log-size", "BYTES", "how much of a process's output is kept (1M, at least 128K)", take_log_size},
    {"log-quota", "BYTES", "how much of the output of a user's processes is kept (64M)", take_log_quota},
    {"log-age", "SEC", "for how long it is kept (604800: a week)", take_log_age},
    {"log-level", "LEVEL", "error, warning, info (the default) or debug", take_log_level},
    {"load", NULL, "start what /etc/procd/*.json or ~/.config/procd say, in a daemon that runs", take_load},
    {"version", NULL, "print the version", take_version},
    {"help", NULL, "print this", take_help},
    {"role", "ROLE", NULL, take_role},
    {"as", "UID:GID", NULL, take_as},
    {"memory", "FD", NULL, take_memory},
    {"attempts", "N", NULL, take_attempts},
};
#define OPTION_COUNT (sizeof options / sizeof *options)

void config_usage(void)
{
    printf("Usage: procd [OPTION]...\n"
           "Keeps processes and synchronisation objects for the programs of this machine.\n\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char name[32];

        if (!options[i].help)
            continue;
        snprintf(name, sizeof name, "--%s%s%s", options[i].name, options[i].argument ? " " : "",
                 options[i].argument ? options[i].argument : "");
        printf("  %-20s %s\n", name, options[i].help);
    }
}

/* Finds "--name", "--name=value". *ret_value: behind the '=', or NULL. */
static const struct option *find_option(const char *word, const char **ret_value)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        size_t length = strlen(options[i].name);

        if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, options[i].name, length) != 0)
            continue;
        if (word[2 + length] == '\0' || word[2 + length] == '=') {
            *ret_value = word[2 + length] ? word + 2 + length + 1 : NULL;
            return &options[i];
        }
    }
    return NULL;
}

int config_parse(int argc, char **argv, struct config *ret_config)
{
    struct config config = {.log_level = LOG_LEVEL_INFO};

    for (int i = 1; i < argc; i++) {
        const char *value;
        const struct option *option = find_option(argv[i], &value);

        if (!option || (value && !option->argument)) {
            fprintf(stderr, "procd: %s: no such option (see procd --help)\n", argv[i]);
            return -EINVAL;
        }
        if (option->argument && !value)
            value = i + 1 < argc ? argv[++i] : NULL;
        if (option->argument && !value) {
            fprintf(stderr, "procd: --%s needs %s\n", option->name, option->argument);
            return -EINVAL;
        }
        if (option->take(&config, value) < 0) {
            fprintf(stderr, "procd: --%s: '%s' is no %s\n", option->name, value, option->argument);
            return -EINVAL;
        }
    }
    *ret_config = config;
    return 0;
}

bool config_is_system(const struct config *config)
{
    return config->mode == MODE_SYSTEM || (config->mode == MODE_DEFAULT && geteuid() == 0);
}

/* ---- where the socket is ---- */

static bool is_private(const char *folder)
{
    struct stat st;

    return lstat(folder, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & 0777) == 0700;
}

static bool belongs_to_another(const char *folder, const struct stat *st)
{
    if (st->st_uid == geteuid() || st->st_uid == 0)
        return false;
    fprintf(stderr, "procd: %s belongs to another user (uid %u)\n", folder, st->st_uid);
    return true;
}

/* Makes the folder unless it is there, and refuses one in which somebody else could put something in our
 * place, and a link to one that somebody else could turn to another. */
static int folder_make(const char *folder, mode_t mode)
{
    mode_t before = umask(0);
    int made = mkdir(folder, mode), r = made < 0 ? -errno : 0;
    struct stat st, link;

    umask(before);
    if (r < 0 && r != -EEXIST) {
        fprintf(stderr, "procd: %s: %s\n", folder, strerror(-r));
        return r;
    }
    if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode)) {
        fprintf(stderr, "procd: %s is not a directory\n", folder);
        return -ENOTDIR;
    }
    if (belongs_to_another(folder, &st) || (lstat(folder, &link) == 0 && belongs_to_another(folder, &link)))
        return -EPERM;
    if (st.st_mode & 0022 && !(st.st_mode & S_ISVTX)) {
        fprintf(stderr, "procd: %s can be written by other users\n", folder);
        return -EPERM;
    }
    return 0;
}

static int path_fits(const char *path, size_t length, size_t size)
{
    if (length > SOCKET_PATH_MAX || length >= size) {
        fprintf(stderr, "procd: %s: a socket's path has at most %d bytes\n", path, SOCKET_PATH_MAX);
        return -ENAMETOOLONG;
    }
    return 0;
}

static int given_path(const char *socket, bool system, char *ret_path, size_t size)
{
    char folder[PATH_MAX], cwd[PATH_MAX] = "", path[PATH_MAX * 2];
    char *slash;
    int length, r;

    if (*socket != '/' && !getcwd(cwd, sizeof cwd)) {
        r = -errno;
        fprintf(stderr, "procd: working directory: %s\n", strerror(-r));
        return r;
    }
    length = snprintf(path, sizeof path, "%s%s%s", cwd, *cwd ? "/" : "", socket);
    if ((r = path_fits(path, (size_t) length, size)) < 0)
        return r;
    memcpy(ret_path, path, (size_t) length + 1);
    memcpy(folder, path, (size_t) length + 1);
    slash = strrchr(folder, '/');
    slash[slash == folder] = '\0';
    return folder_make(folder, system ? 0755 : 0700);
}

/* The user's run-time directory if it is one: sudo and su leave a foreign one behind. */
static void user_folder(char *ret_folder, size_t size)
{
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    char own[64];

    snprintf(own, sizeof own, "/run/user/%u", geteuid());
    if (xdg && *xdg == '/' && is_private(xdg))
        snprintf(ret_folder, size, "%s/procd", xdg);
    else if (is_private(own))
        snprintf(ret_folder, size, "%s/procd", own);
    else
        snprintf(ret_folder, size, "/tmp/procd-%u", geteuid());
}

int config_socket(const struct config *config, bool system, char *ret_path, size_t size)
{
    char folder[PATH_MAX];
    int length, r;

    if (config->socket)
        return given_path(config->socket, system, ret_path, size);
    if (system)
        snprintf(folder, sizeof folder, "%s", SYSTEM_FOLDER);
    else
        user_folder(folder, sizeof folder);
    length = snprintf(ret_path, size, "%s/%s", folder, SOCKET_NAME);
    if ((r = path_fits(folder, (size_t) length, size)) < 0 ||
        (r = folder_make(folder, system ? 0755 : 0700)) < 0)
        return r;
    if (!system && !is_private(folder)) {
        fprintf(stderr, "procd: %s must be a directory of this user with mode 0700\n", folder);
        return -EPERM;
    }
    return 0;
}

/* ---- the broker's user ---- */

int config_broker_user(const struct config *config, const char **ret_name, uid_t *ret_uid, gid_t *ret_gid)
{
    static const char *const defaults[] = {"procd", "nobody"};
    size_t count = config->broker_user ? 1 : 2;

    for (size_t i = 0; i < count; i++) {
        const char *name = config->broker_user ? config->broker_user : defaults[i];
        const struct passwd *entry = getpwnam(name);

        if (!entry)
            continue;
        *ret_name = name;
        *ret_uid = entry->pw_uid;
        *ret_gid = entry->pw_gid;
        return 0;
    }
    fprintf(stderr, "procd: there is no user %s\n",
            config->broker_user ? config->broker_user : "procd or nobody");
    return -ENOENT;
}
