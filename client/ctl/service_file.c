/* SPDX-License-Identifier: MIT */
#include "client/ctl/service_file.h"
#include "client/ctl/guess.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "daemon/base/cleanup.h"
#include "proto/schema.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Members of process.spawn that are about who asks, and uid: users have files of their own. */
static const char *const not_for_files[] = {"fds", "exe_fd", "pidfd", "attach", "zygote",
                                            "owner_pid", "daemon", "uid"};
/* And those that are no members of it. */
static const char *const only_for_files[] = {"after", "enabled"};

#define NAMES_MAX 64 /* members of a file */

/* ---- what is wrong ---- */

void service_fails(const struct ctl *ctl, struct services *services, const char *path, int line,
                   const char *format, ...)
{
    CLEANUP_MEMORY char *reason = NULL;
    CLEANUP_MEMORY char *shown = text_escaped(path, strlen(path)); /* for JSON, which complain is not */
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&reason, format, arguments) < 0)
        abort();
    va_end(arguments);
    if (line > 0)
        complain(ctl, "%s:%d: %s", path, line, reason);
    else
        complain(ctl, "%s: %s", path, reason);
    json_array_append_new(services->failures,
                          json_pack("{s:s,s:i,s:s}", "file", shown, "line", line, "reason", reason));
    services->bad++;
}

/* Behind the string that begins at `at`. */
static const char *skip_string(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\' && at[1])
            at++;
    return *at ? at + 1 : at;
}

/* Is the string at `at` that member's name? */
static bool names_member(const char *at, const char *end, const char *member)
{
    size_t length = strlen(member);

    if ((size_t) (end - at) != length + 2 || strncmp(at + 1, member, length) != 0)
        return false;
    while (isspace((unsigned char) *end))
        end++;
    return *end == ':';
}

int service_member_line(const char *text, const char *member)
{
    int line = 1, depth = 0;

    while (*text) {
        if (*text == '"') {
            const char *end = skip_string(text);

            if (depth == 1 && names_member(text, end, member))
                return line;
            text = end; /* no line ends within a string */
            continue;
        }
        line += *text == '\n';
        depth += (*text == '{' || *text == '[') - (*text == '}' || *text == ']');
        text++;
    }
    return 1;
}

/* ---- whose it is ---- */

/* What another user could have written is not done in this one's name. */
static bool is_trusted(const struct stat *st)
{
    return (st->st_uid == 0 || st->st_uid == geteuid()) && !(st->st_mode & 022);
}

static const char *distrust(const struct stat *st)
{
    return st->st_mode & 022 ? "it can be written by others: chmod go-w" : "it belongs to another user";
}

/* ---- one file ---- */

/* A new string, or NULL: said. */
static char *read_text(const struct ctl *ctl, struct services *services, int directory, const char *file,
                       const char *path)
{
    CLEANUP_FD int fd = openat(directory, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    CLEANUP_MEMORY char *text = NULL;
    struct stat st;
    ssize_t size = 0, more;

    if (fd < 0 || fstat(fd, &st) < 0)
        service_fails(ctl, services, path, 0, "%s", strerror(errno));
    else if (!S_ISREG(st.st_mode))
        service_fails(ctl, services, path, 0, "it is no regular file");
    else if (!is_trusted(&st))
        service_fails(ctl, services, path, 0, "%s", distrust(&st));
    else
        text = malloc(SERVICE_FILE_MAX + 2);
    if (!text)
        return NULL;
    while ((more = read(fd, text + size, (size_t) (SERVICE_FILE_MAX + 1 - size))) > 0)
        size += more;
    if (more < 0 || size > SERVICE_FILE_MAX) {
        service_fails(ctl, services, path, 0, "%s",
                      more < 0 ? strerror(errno) : "it has more than a megabyte");
        return NULL;
    }
    text[size] = '\0';
    if (strlen(text) != (size_t) size) {
        service_fails(ctl, services, path, 0, "it has a NUL byte");
        return NULL;
    }
    return TAKE(text);
}

static bool is_list_of_names(const json_t *after)
{
    const json_t *name;
    size_t i;

    json_array_foreach(after, i, name) {
        if (!json_is_string(name))
            return false;
    }
    return json_is_array(after);
}

/* Takes what is ours out of the params. NULL, or the wrong member, and what is wanted of it. */
static const char *take_own_members(struct service *service, const char **ret_wanted)
{
    const json_t *enabled = json_object_get(service->file, "enabled");

    service->after = json_object_get(service->file, "after");
    service->is_disabled = json_is_false(enabled);
    *ret_wanted = "an array of names of services";
    if (service->after && !is_list_of_names(service->after))
        return "after";
    *ret_wanted = "true or false";
    if (enabled && !json_is_boolean(enabled))
        return "enabled";
    json_object_del(service->params, "after");
    json_object_del(service->params, "enabled");
    *ret_wanted = "nothing: it cannot be in a file";
    for (size_t i = 0; i < sizeof not_for_files / sizeof *not_for_files; i++)
        if (json_object_get(service->params, not_for_files[i]))
            return not_for_files[i];
    return NULL;
}

/* As the daemon would, and before something that runs is ended for it. Nothing is wanted of a member that
 * there is not. */
static const char *check_members(const struct service *service, const char **ret_wanted)
{
    const struct method_spec *spawn = &method_specs[METHOD_process_spawn];
    struct args unused;
    const char *member, *wanted;

    if (schema_check(spawn, service->params, 0, &unused, &member, &wanted) == 0)
        return NULL;
    *ret_wanted = schema_param(spawn, member) ? wanted : NULL;
    return member;
}

static bool is_for_files(const char *member)
{
    for (size_t i = 0; i < sizeof not_for_files / sizeof *not_for_files; i++)
        if (strcmp(member, not_for_files[i]) == 0)
            return false;
    return true;
}

/* "there is no such member (perhaps argv?)": a new string. */
static char *strange_member(const char *member)
{
    const struct method_spec *spawn = &method_specs[METHOD_process_spawn];
    const char *names[NAMES_MAX];
    size_t count = sizeof only_for_files / sizeof *only_for_files;
    char meant[GUESS_MAX];

    memcpy(names, only_for_files, sizeof only_for_files);
    for (size_t i = 0; i < spawn->param_count && count < NAMES_MAX; i++)
        if (is_for_files(spawn->params[i].name))
            names[count++] = spawn->params[i].name;
    if (guess_name(member, names, count, meant))
        return text_format("there is no such member (perhaps %s?)", meant);
    return text_format("there is no such member (procd.json(5) lists them)");
}

/* FNV-1a of the JSON, whatever its spaces and order are. */
static void put_content(struct service *service)
{
    CLEANUP_MEMORY char *text = json_dumps(service->params, JSON_COMPACT | JSON_SORT_KEYS);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (const char *at = text ? text : ""; *at; at++)
        hash = (hash ^ (unsigned char) *at) * UINT64_C(0x100000001b3);
    snprintf(service->content, sizeof service->content, "%016" PRIx64, hash);
}

static void put_labels(struct service *service)
{
    json_t *labels = json_object_get(service->params, "labels");

    labels = json_is_object(labels) ? json_deep_copy(labels) : json_object();
    json_object_set_new(labels, SERVICE_LABEL, json_string(service->path));
    json_object_set_new(labels, SERVICE_MARK_LABEL, json_string(service->content));
    json_object_set_new(service->params, "labels", labels);
    /* procctl may be a process of procd itself: its flag is not for services */
    json_object_set_new(service->params, "daemon", json_false());
}

/* params stay NULL where the file is bad: that has been said. */
static void understand(const struct ctl *ctl, struct services *services, struct service *service)
{
    const char *member, *wanted = NULL;
    json_error_t error;

    service->file = json_loads(service->text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!service->file) {
        service_fails(ctl, services, service->path, error.line, "%s", error.text);
        return;
    }
    if (!json_is_object(service->file)) {
        service_fails(ctl, services, service->path, 1, "want an object");
        return;
    }
    service->params = json_copy(service->file);
    member = take_own_members(service, &wanted);
    if (!member && !json_object_get(service->params, "name"))
        json_object_set_new(service->params, "name", json_string(service->name));
    if (!member)
        member = check_members(service, &wanted);
    if (member) {
        CLEANUP_MEMORY char *reason = wanted ? text_format("want %s", wanted) : strange_member(member);

        service_fails(ctl, services, service->path, service_member_line(service->text, member), "%s: %s",
                      member, reason);
        json_decref(service->params);
        service->params = NULL;
        return;
    }
    put_content(service);
    put_labels(service);
}

/* ---- the order ---- */

static struct service *find_name(const struct services *services, const char *name)
{
    for (size_t i = 0; i < services->count; i++)
        if (strcmp(services->all[i].name, name) == 0)
            return &services->all[i];
    return NULL;
}

static void refuse(const struct ctl *ctl, struct services *services, struct service *service,
                   const char *other, const char *reason)
{
    service_fails(ctl, services, service->path, service_member_line(service->text, "after"), "after: %s %s",
                  other, reason);
    json_decref(service->params);
    service->params = NULL;
}

/* Those that it comes after, then itself. */
static void put_in_order(const struct ctl *ctl, struct services *services, struct service *service,
                         size_t *count)
{
    const json_t *name;
    size_t i;

    service->mark = SERVICE_OPEN;
    json_array_foreach(service->after, i, name) {
        const char *word = json_string_value(name);
        struct service *other = find_name(services, word);

        if (other && other->mark == SERVICE_NEW)
            put_in_order(ctl, services, other, count);
        if (other)
            other->is_waited_for = true;
        if (service->params && !other)
            refuse(ctl, services, service, word, "is no file here");
        else if (service->params && other->mark == SERVICE_OPEN)
            refuse(ctl, services, service, word, "comes after it, too");
    }
    service->mark = SERVICE_ORDERED;
    services->order[(*count)++] = service;
}

/* ---- all files ---- */

char *service_name(const char *file)
{
    size_t length = strlen(file), ending = strlen(".json");

    return text_format("%.*s", (int) (length > ending ? length - ending : length), file);
}

char *services_directory(void)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (geteuid() == 0)
        return text_format("/etc/procd"); /* wherever procd is installed: administrators look there */
    if (config && config[0] == '/')
        return text_format("%s/procd", config);
    return text_format("%s/.config/procd", home && home[0] == '/' ? home : "");
}

static int is_service_file(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + length - 5, ".json") == 0;
}

/* As names and labels are: what was started from the file would not be found again. */
static bool is_text(const char *path)
{
    json_t *text = json_string(path);

    json_decref(text);
    return text != NULL;
}

static void read_file(const struct ctl *ctl, struct services *services, int directory, const char *folder,
                      const char *file)
{
    struct service *service = &services->all[services->count++];

    *service = (struct service){.path = text_format("%s/%s", folder, file)};
    service->name = service_name(file);
    if (!is_text(service->path))
        service_fails(ctl, services, service->path, 0, "its name is no UTF-8");
    else
        service->text = read_text(ctl, services, directory, file, service->path);
    if (service->text)
        understand(ctl, services, service);
}

static int read_directory(const struct ctl *ctl, int fd, const char *folder, struct services *services)
{
    struct dirent **entries;
    int count = scandirat(fd, ".", &entries, is_service_file, alphasort);
    size_t placed = 0;

    if (count < 0) {
        complain(ctl, "%s: %s", folder, strerror(errno));
        return CTL_FAILED;
    }
    services->all = calloc((size_t) count + 1, sizeof *services->all);
    services->order = calloc((size_t) count + 1, sizeof(struct service *));
    if (!services->all || !services->order)
        abort();
    for (int i = 0; i < count; i++) {
        read_file(ctl, services, fd, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    for (size_t i = 0; i < services->count; i++)
        if (services->all[i].mark == SERVICE_NEW)
            put_in_order(ctl, services, &services->all[i], &placed);
    return 0;
}

int services_read(const struct ctl *ctl, const char *directory, struct services *services)
{
    CLEANUP_FD int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    *services = (struct services){.failures = json_array()};
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0) {
        complain(ctl, "%s: %s", directory, strerror(errno));
        print_failure(ctl, "Directory", strerror(errno));
        return CTL_FAILED;
    }
    if (!is_trusted(&st)) {
        complain(ctl, "%s: %s", directory, distrust(&st));
        print_failure(ctl, "Directory", distrust(&st));
        return CTL_DENIED;
    }
    return read_directory(ctl, fd, directory, services);
}

struct service *services_find_path(const struct services *services, const char *path)
{
    for (size_t i = 0; i < services->count; i++)
        if (strcmp(services->all[i].path, path) == 0)
            return &services->all[i];
    return NULL;
}

void services_done(struct services *services)
{
    for (size_t i = 0; i < services->count; i++) {
        free(services->all[i].name);
        free(services->all[i].path);
        free(services->all[i].text);
        json_decref(services->all[i].params);
        json_decref(services->all[i].file);
    }
    free(services->all);
    free(services->order);
    json_decref(services->failures);
}
