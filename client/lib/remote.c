/* SPDX-License-Identifier: MIT */
#include "client/lib/remote.h"

#include "client/lib/detached.h"
#include "daemon/base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCHEME    "ssh://"
#define WORDS_MAX 32 /* of $PROCD_SSH */

/* [user@]host[:port], in pieces. */
struct parts {
    char user[REMOTE_HOST_MAX], host[REMOTE_HOST_MAX], port[8];
};

/* What can stand in a name and is nothing else to ssh or to a shell. A '-' in front would be an option. */
static bool is_plain(const char *text, const char *more)
{
    if (*text == '-' || *text == '\0')
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char) *text) && !strchr(more, *text))
            return false;
    return true;
}

/* Behind a host, which may be an address in brackets. NULL: there is none. */
static char *find_port(char *host)
{
    char *bracket = host[0] == '[' ? strchr(host, ']') : NULL;

    return strrchr(bracket ? bracket : host, ':');
}

/* An address stands in brackets in a URL; ssh wants it without. */
static void strip_brackets(char *host)
{
    size_t length = strlen(host);

    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        memmove(host, host + 1, length - 2);
        host[length - 2] = '\0';
    }
}

static bool is_port(const char *text)
{
    return *text && strlen(text) < sizeof((struct parts *) NULL)->port &&
           strspn(text, "0123456789") == strlen(text);
}

static int split(const char *text, struct parts *ret_parts)
{
    const char *at = strrchr(text, '@');
    char *port;

    *ret_parts = (struct parts) {0};
    if (at)
        memcpy(ret_parts->user, text, (size_t) (at - text));
    snprintf(ret_parts->host, sizeof ret_parts->host, "%s", at ? at + 1 : text);
    port = find_port(ret_parts->host);
    if (port) {
        if (!is_port(port + 1))
            return -EINVAL;
        snprintf(ret_parts->port, sizeof ret_parts->port, "%s", port + 1);
        *port = '\0';
    }
    strip_brackets(ret_parts->host);
    if (at && !is_plain(ret_parts->user, "._-"))
        return -EINVAL;
    return is_plain(ret_parts->host, "._-:%") ? 0 : -EINVAL;
}

int remote_parse(const char *url, char ret_host[REMOTE_HOST_MAX])
{
    const char *host = strncmp(url, SCHEME, strlen(SCHEME)) == 0 ? url + strlen(SCHEME) : url;
    size_t length = strlen(host);
    struct parts parts;

    if (length > 0 && host[length - 1] == '/')
        length--;
    if (length >= REMOTE_HOST_MAX)
        return -ENAMETOOLONG;
    memcpy(ret_host, host, length);
    ret_host[length] = '\0';
    return split(ret_host, &parts);
}

/* 'PATH', for the shell there. False: it does not fit. */
static bool quote(const char *path, char *ret_text, size_t size)
{
    size_t used = 0;

    ret_text[used++] = '\'';
    for (; *path && used + 6 < size; path++) {
        if (*path == '\'') {
            memcpy(ret_text + used, "'\\''", 4);
            used += 4;
        } else {
            ret_text[used++] = *path;
        }
    }
    ret_text[used++] = '\'';
    ret_text[used] = '\0';
    return *path == '\0';
}

/* ssh [-l USER] [-p PORT] -T -- HOST procctl [-s SOCKET] dial-stdio. The words of command are taken apart in
 * place. */
static int make_words(char *command, const struct parts *parts, const char *socket, const char **words)
{
    size_t count = 0;

    for (char *rest = NULL, *word = strtok_r(command, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (count == WORDS_MAX)
            return -E2BIG;
        words[count++] = word;
    }
    if (count == 0)
        return -ENOENT;
    if (parts->user[0]) {
        words[count++] = "-l";
        words[count++] = parts->user;
    }
    if (parts->port[0]) {
        words[count++] = "-p";
        words[count++] = parts->port;
    }
    words[count++] = "-T";
    words[count++] = "--";
    words[count++] = parts->host;
    words[count++] = "procctl";
    if (*socket) {
        words[count++] = "-s";
        words[count++] = socket;
    }
    words[count++] = "dial-stdio";
    words[count] = NULL;
    return 0;
}

static int prepare(const struct detached *plan)
{
    return dup2(plan->input, 0) < 0 || dup2(plan->input, 1) < 0 ? errno : 0;
}

/* Never 0 to 2, which it is to become. */
static int make_pair(int pair[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    if (pair[0] > 2 && pair[1] > 2)
        return 0;
    close_fd(pair[0]);
    close_fd(pair[1]);
    return -EBADF; /* whoever runs with those closed would print into it */
}

int remote_connect(const char *host, const char *socket)
{
    const char *wish = secure_getenv("PROCD_SSH"), *words[WORDS_MAX + 12];
    CLEANUP_MEMORY char *command = strdup(wish && *wish ? wish : "ssh");
    char program[4096], path[1024] = "";
    struct detached plan = {
        .program = program, .argv = words, .environment = environ, .prepare = prepare};
    struct parts parts;
    int pair[2], r;

    if (getauxval(AT_SECURE))
        return -EPERM;
    if (!command)
        return -ENOMEM;
    r = split(host, &parts);
    if (r == 0 && *socket && !quote(socket, path, sizeof path))
        r = -ENAMETOOLONG;
    if (r == 0)
        r = make_words(command, &parts, path, words);
    if (r == 0)
        r = detached_find(words[0], program, sizeof program);
    if (r == 0)
        r = make_pair(pair);
    if (r < 0)
        return r;
    plan.input = pair[1];
    r = detached_start(&plan);
    close_fd(pair[1]);
    if (r >= 0) {
        close_fd(r); /* its end is that of the stream */
        return pair[0];
    }
    close_fd(pair[0]);
    return r;
}
