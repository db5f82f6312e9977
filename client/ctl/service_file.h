/* SPDX-License-Identifier: MIT */
/*
 * Services from files: what a directory of NAME.json says, see procd.json(5). Each file is read for itself: a
 * bad one is named, with the line and the reason, and the others count.
 */
#ifndef PROCD_CTL_SERVICE_FILE_H
#define PROCD_CTL_SERVICE_FILE_H

#include "client/ctl/ctl.h"

#include <jansson.h>
#include <stddef.h>

#define SERVICE_FILE_MAX (1 << 20) /* bytes */
#define SERVICE_LABEL "procd.service"      /* the label of its process: its file */
#define SERVICE_MARK_LABEL "procd.content" /* and what stood there when it was started */

enum service_mark { SERVICE_NEW, SERVICE_OPEN, SERVICE_ORDERED };

struct service {
    char *name, *path;
    char *text;            /* of the file; NULL: it cannot be read */
    json_t *params;        /* of process.spawn, with name and labels; NULL: the file is bad */
    json_t *file;
    const json_t *after;   /* names, in `file`; NULL: none */
    bool is_disabled;
    bool is_waited_for;    /* another one comes after it */
    enum service_mark mark;
    char content[17];      /* what stands in the file, in short */
};

struct services {
    struct service *all;
    struct service **order; /* the same: each behind those that it comes after */
    size_t count, bad;
    json_t *failures;       /* of --json: [{file, line, reason}] */
};

/* web, of web.json: a new string. */
char *service_name(const char *file);

/* The directory that counts for who asks: a new string. */
char *services_directory(void);

/* Reads all files of a directory; one that is not there has none. What is wrong is said, and counted. 0, or
 * the status: reported. The caller lets go by services_done, in any case. */
int services_read(const struct ctl *ctl, const char *directory, struct services *services);
void services_done(struct services *services);

/* The one of that file, or NULL. */
struct service *services_find_path(const struct services *services, const char *path);

/* Says what is wrong with a file. line: 0: with all of it. */
void service_fails(const struct ctl *ctl, struct services *services, const char *path, int line,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The line on which a member of the object begins, 1 if that is not found. */
int service_member_line(const char *text, const char *member);

#endif
