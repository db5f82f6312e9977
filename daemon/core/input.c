/* SPDX-License-Identifier: MIT */
#include "daemon/core/input.h"

#include <errno.h>
#include <string.h>

/*
 * A head, then those words of `struct fixed` that are not 0, then the blobs: most inputs use few of the
 * members, and what is recorded costs time by its length. The words go as they are: there are no pointers in
 * them, and only the build that wrote a recording reads it.
 */
struct head {
    uint32_t kind, words; /* a bit for each word that follows, from the lowest on */
};

struct fixed {
    uint64_t report;
    int64_t mono, wall;
    uint64_t blob_size[BLOB_COUNT];
    char body[sizeof((struct core_input *) 0)->body];
};

#define WORDS (sizeof(struct fixed) / sizeof(uint64_t))

_Static_assert(sizeof(struct fixed) % sizeof(uint64_t) == 0 && WORDS < 32, "a bit for each word");

static size_t aligned(size_t size)
{
    return (size + 7) & ~(size_t) 7;
}

static size_t blobs_size(const struct core_input *input)
{
    size_t size = 0;

    for (size_t i = 0; i < BLOB_COUNT; i++)
        size += aligned(input->blob[i].size);
    return size;
}

size_t input_encoded_most(const struct core_input *input)
{
    return sizeof(struct head) + sizeof(struct fixed) + blobs_size(input);
}

size_t input_encoded_size(const struct core_input *input)
{
    size_t size = sizeof(struct head) + blobs_size(input);
    uint64_t word;

    for (size_t i = 0; i < BLOB_COUNT; i++)
        size += input->blob[i].size > 0 ? sizeof word : 0;
    for (size_t at = 0; at < sizeof input->body; at += sizeof word) {
        memcpy(&word, (const char *) &input->body + at, sizeof word);
        size += word != 0 ? sizeof word : 0;
    }
    return size + sizeof word * ((input->report != 0) + (input->mono != 0) + (input->wall != 0));
}

/* The words of `struct fixed`, in turn. */
struct squeeze {
    char *at;
    uint32_t words, next; /* those that were not 0, and the bit of the next */
};

/* Without a branch, which would be guessed wrong each time: what is 0 is written over by what comes next. */
static inline void put_word(struct squeeze *to, uint64_t word)
{
    uint32_t is_used = word != 0;

    memcpy(to->at, &word, sizeof word);
    to->at += is_used * sizeof word;
    to->words |= is_used << to->next++;
}

static char *put_blob(char *at, const struct blob *blob)
{
    size_t size = aligned(blob->size);

    if (size == 0)
        return at;
    memset(at + size - 8, 0, 8);
    memcpy(at, blob->data, blob->size);
    return at + size;
}

size_t input_encode(const struct core_input *input, char *buffer)
{
    struct squeeze to = {.at = buffer + sizeof(struct head)};
    struct head head = {.kind = input->kind};
    uint64_t word;

    put_word(&to, input->report);
    put_word(&to, (uint64_t) input->mono);
    put_word(&to, (uint64_t) input->wall);
    for (size_t i = 0; i < BLOB_COUNT; i++)
        put_word(&to, input->blob[i].size);
    for (size_t at = 0; at < sizeof input->body; at += sizeof word) {
        memcpy(&word, (const char *) &input->body + at, sizeof word);
        put_word(&to, word);
    }
    head.words = to.words;
    memcpy(buffer, &head, sizeof head);
    for (size_t i = 0; i < BLOB_COUNT; i++)
        to.at = put_blob(to.at, &input->blob[i]);
    return (size_t) (to.at - buffer);
}

/* The bytes that it takes, or -EBADMSG. */
static int64_t spread(const char *buffer, size_t size, struct head *ret_head, struct fixed *ret_fixed)
{
    uint64_t words[WORDS] = {0};
    size_t at = sizeof *ret_head;

    if (size < sizeof *ret_head)
        return -EBADMSG;
    memcpy(ret_head, buffer, sizeof *ret_head);
    if (ret_head->kind >= INPUT_KIND_COUNT || ret_head->words >> WORDS)
        return -EBADMSG;
    for (size_t i = 0; i < WORDS; i++) {
        if (!(ret_head->words >> i & 1))
            continue;
        if (size - at < sizeof words[i])
            return -EBADMSG;
        memcpy(&words[i], buffer + at, sizeof words[i]);
        at += sizeof words[i];
    }
    memcpy(ret_fixed, words, sizeof *ret_fixed);
    return (int64_t) at;
}

int64_t input_decode(const char *buffer, size_t size, struct core_input *ret_input)
{
    struct fixed fixed;
    struct head head;
    int64_t used = spread(buffer, size, &head, &fixed);
    size_t at = (size_t) used;

    if (used < 0)
        return used;
    memset(ret_input, 0, sizeof *ret_input);
    ret_input->kind = head.kind;
    ret_input->report = fixed.report;
    ret_input->mono = fixed.mono;
    ret_input->wall = fixed.wall;
    memcpy(&ret_input->body, fixed.body, sizeof fixed.body);
    for (size_t i = 0; i < BLOB_COUNT; i++) {
        if (fixed.blob_size[i] > size - at || aligned(fixed.blob_size[i]) > size - at)
            return -EBADMSG;
        ret_input->blob[i] = (struct blob){buffer + at, fixed.blob_size[i]};
        at += aligned(fixed.blob_size[i]);
    }
    return (int64_t) at;
}
