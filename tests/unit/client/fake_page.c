/* SPDX-License-Identifier: MIT */
#include "tests/unit/client/fake_page.h"

#include "client/lib/library.h"
#include "daemon/base/fdpass.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct fake fake;
struct fake_peer peer;
int memory;
struct page *page;

int fake_page_make(struct page **ret_page)
{
    int fd = memfd_create("page", MFD_CLOEXEC);

    ck_assert_int_eq(ftruncate(fd, sizeof **ret_page), 0);
    *ret_page = mmap(NULL, sizeof **ret_page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(*ret_page, MAP_FAILED);
    return fd;
}

void fake_page_begin(void)
{
    fake_begin(&fake);
    memory = fake_page_make(&page);
}

void fake_page_end(void)
{
    struct library *here = library();

    while (here->idle_count > 0)
        connection_free(here->idle[--here->idle_count]);
    fake_end(&fake);
    munmap(page, sizeof *page);
    close(memory);
}

static void *greet(void *part)
{
    fake_greet(&fake, &peer, "e");
    ((void (*)(void)) part)();
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

void serve(void (*part)(void))
{
    ck_assert_int_eq(pthread_create(&fake.thread, NULL, greet, (void *) part), 0);
}

void answer(const char *method, json_t *result)
{
    fake_answer(&peer, fake_read(&peer, method), result);
}

void answer_map(json_t *result, int fd)
{
    json_t *request = fake_read(&peer, "object.map");
    json_t *message = json_pack("{s:s,s:O,s:i,s:o}", "jsonrpc", "2.0", "id", json_object_get(request, "id"),
                                "fds", 1, "result", result);
    char *text = json_dumps(message, JSON_COMPACT);
    size_t length = strlen(text);
    struct iovec iov = {text, length + 1};

    text[length] = '\n';
    ck_assert_int_eq(fdpass_send(peer.fd, &iov, 1, &fd, 1), (ssize_t) length + 1);
    free(text);
    json_decref(message);
    json_decref(request);
}

json_t *mapped(int word, int slot)
{
    return json_pack("{s:b,s:i,s:i,s:i}", "mapped", 1, "word", word, "slot", slot, "page", 0);
}

json_t *mapped_many(int word, int words, int slot)
{
    return json_pack("{s:b,s:i,s:i,s:i,s:i}", "mapped", 1, "word", word, "words", words, "slot", slot, "page",
                     0);
}

uint64_t fake_word(unsigned index)
{
    return atomic_load(&page->words[index].value);
}
