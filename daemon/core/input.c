/* SPDX-License-Identifier: MIT */
#include "daemon/core/input.h"

#include <errno.h>
#include <string.h>

/* What stands in front of the blobs. The body goes as it is: it has no pointers, and only the build that
 * wrote a recording reads it. */
struct encoded {
    uint64_t size; /* of all, blobs included */
    uint32_t kind, unused;
    uint64_t report;
    int64_t mono, wall;
    uint64_t blob_size[BLOB_COUNT];
    char body[sizeof((struct core_input *) 0)->body];
};

static size_t aligned(size_t size)
{
    return (size + 7) & ~(size_t) 7;
}

size_t input_encoded_size(const struct core_input *input)
{
    size_t size = sizeof(struct encoded);

    for (size_t i = 0; i < BLOB_COUNT; i++)
        size += aligned(input->blob[i].size);
    return aligned(size);
}

void input_encode(const struct core_input *input, char *buffer)
{
    struct encoded head;
    size_t size = input_encoded_size(input);
    char *at = buffer + sizeof head;

    memset(&head, 0, sizeof head);
    head.size = size;
    head.kind = input->kind;
    head.report = input->report;
    head.mono = input->mono;
    head.wall = input->wall;
    memcpy(head.body, &input->body, sizeof head.body);
    memset(at, 0, size - sizeof head);
    for (size_t i = 0; i < BLOB_COUNT; i++) {
        head.blob_size[i] = input->blob[i].size;
        if (input->blob[i].size > 0)
            memcpy(at, input->blob[i].data, input->blob[i].size);
        at += aligned(input->blob[i].size);
    }
    memcpy(buffer, &head, sizeof head);
}

int64_t input_decode(const char *buffer, size_t size, struct core_input *ret_input)
{
    struct encoded head;
    size_t at = sizeof head;

    if (size < sizeof head)
        return -EBADMSG;
    memcpy(&head, buffer, sizeof head);
    if (head.size > size || head.size < sizeof head || head.size % 8 != 0 || head.kind >= INPUT_KIND_COUNT)
        return -EBADMSG;
    memset(ret_input, 0, sizeof *ret_input);
    ret_input->kind = head.kind;
    ret_input->report = head.report;
    ret_input->mono = head.mono;
    ret_input->wall = head.wall;
    memcpy(&ret_input->body, head.body, sizeof head.body);
    for (size_t i = 0; i < BLOB_COUNT; i++) {
        if (head.blob_size[i] > head.size - at || aligned(head.blob_size[i]) > head.size - at)
            return -EBADMSG;
        ret_input->blob[i] = (struct blob){buffer + at, head.blob_size[i]};
        at += aligned(head.blob_size[i]);
    }
    return (int64_t) head.size;
}
