/* SPDX-License-Identifier: MIT */
#include "daemon/check.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/fdpass.h"
#include "daemon/base/log.h"
#include "daemon/core/save.h"
#include "daemon/keeper/handover.h"
#include "daemon/keeper/link.h"
#include "daemon/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(HANDOVER_WHY <= LINK_WHY_MAX, "no room for the reason");

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int receive(int link_fd, struct fdpass *fds)
{
    struct pollfd poll_fd = {.fd = link_fd, .events = POLLIN};
    struct link_head head;
    ssize_t size;

    while ((size = fdpass_receive(link_fd, &head, sizeof head, fds)) == -EAGAIN)
        (void) poll(&poll_fd, 1, -1);
    if (size < 0)
        return (int) size;
    return size == sizeof head && head.kind == LINK_CHECK && fds->count == 2 ? 0 : -EPROTO;
}

/* 0 and where it is, as long as we live; it cannot shrink under us. */
static int map_state(int fd, const char **ret_data, size_t *ret_size)
{
    struct stat st;
    void *data;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size <= 0 || (fcntl(fd, F_GET_SEALS) & SEALS) != SEALS)
        return -EBADMSG;
    data = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return -errno;
    *ret_data = data;
    *ret_size = (size_t) st.st_size;
    return 0;
}

/* A broker's first step over a state that lives on, and its first snapshot. */
static int rehearse(struct core *core)
{
    struct core_input input = {.kind = INPUT_RESTARTED, .body.number = core->counters.order};
    int r = core_step(core, &input);

    if (r < 0)
        return r;
    core_delivered(core);
    return core_save_size(core) > 0 ? 0 : -EBADMSG;
}

static int read_state(int fd, char *why, size_t why_size)
{
    const char *data = NULL, *part = "memory";
    struct core *core = NULL;
    uint64_t format = 0;
    size_t size = 0;
    int r = map_state(fd, &data, &size);

    if (r == 0)
        r = core_load_part(data, size, &core, &part);
    if (r == 0 && (r = rehearse(core)) < 0)
        part = "first step";
    core_free(core);
    if (r == -EPROTONOSUPPORT && data) {
        memcpy(&format, data, sizeof format);
        snprintf(why, why_size, "it reads states of format %d, and this one is of format %llu", STATE_FORMAT,
                 (unsigned long long) format);
    } else if (r == -EBADMSG) {
        snprintf(why, why_size, "the state is cut off or wrong: %s", part);
    } else if (r < 0) {
        snprintf(why, why_size, "the state cannot be read: %s: %s", part, strerror(-r));
    }
    return r;
}

int check_run(int link_fd, uid_t uid, gid_t gid)
{
    CLEANUP(fdpass_close) struct fdpass fds = {.count = 0};
    struct link_checked answer = {.head = {.kind = LINK_CHECKED, .size = sizeof answer}};
    const struct iovec iov = {.iov_base = &answer, .iov_len = sizeof answer};
    int r = receive(link_fd, &fds);

    if (r == 0)
        r = sandbox_enter(uid, gid);
    if (r < 0)
        snprintf(answer.why, sizeof answer.why, "its check cannot begin: %s", strerror(-r));
    else
        r = read_state(fds.fd[0], answer.why, sizeof answer.why);
    if (r == 0)
        r = handover_check(fds.fd[1], answer.why);
    answer.refused = r < 0;
    if (fdpass_send(link_fd, &iov, 1, NULL, 0) != sizeof answer)
        return 1;
    return r < 0 ? 1 : 0;
}
