/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/pages.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/rpc/deliver.h"
#include "daemon/rpc/keeper_link.h"
#include "daemon/rpc/session.h"
#include "proto/page.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define LOOKS_AT_ONCE 256
#define PAGES_MANY    64 /* from so many on those that nobody uses are given up: each is two descriptors */

struct uid_page {
    uint32_t uid;
    int fd;
    struct page *memory;
    bool is_kept;
    UT_hash_handle hh;
};

static struct uid_page *find(const struct server *server, uint32_t uid)
{
    struct uid_page *page;

    HASH_FIND(hh, server->pages, &uid, sizeof uid, page);
    return page;
}

/* ---- life ---- */

static void unmap(struct page *memory)
{
    munmap(memory, sizeof *memory);
}

/* fd is taken over, also on failure. */
static struct uid_page *add(struct server *server, uint32_t uid, int fd)
{
    struct uid_page *page = calloc(1, sizeof *page);
    void *memory;

    if (!page || fd < 0)
        goto fail;
    memory = mmap(NULL, sizeof *page->memory, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        goto fail;
    page->uid = uid;
    page->fd = fd;
    page->memory = memory;
    HASH_ADD(hh, server->pages, uid, sizeof page->uid, page);
    if (page->hh.tbl)
        return page;
    unmap(memory);
fail:
    close_fd(fd);
    free(page);
    return NULL;
}

/* Of a size that cannot change, so that no access can fail for it. */
static int make_memory(void)
{
    CLEANUP_FD int fd = memfd_create("procd-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, sizeof(struct page)) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    return take_fd(&fd);
}

/* ---- bells ---- */

static void ring(const struct uid_page *page, uint32_t slot)
{
    _Atomic uint32_t *bell = &page->memory->bells[slot].is_set;

    atomic_store(bell, 0);
    (void) syscall(SYS_futex, bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void page_ring(const struct server *server, uint32_t uid, uint32_t slot)
{
    const struct uid_page *page = find(server, uid);

    if (page && slot < PAGE_SLOTS)
        ring(page, slot);
}

void pages_ring_all(const struct server *server)
{
    const struct account *account, *next;

    if (!server->core) /* the state could not be read: nobody waits for this broker */
        return;
    HASH_ITER(hh, server->core->accounts, account, next) {
        const struct uid_page *page = find(server, account->uid);
        uint32_t left = account->words ? account->words->slot_count : 0;

        for (uint32_t slot = 1; page && left > 0; slot++)
            if (account->words->owner[slot]) {
                ring(page, slot);
                left--;
            }
    }
}

/* ---- the end ---- */

/* What was never written is not touched: it would take memory. */
static void close_for_good(const struct uid_page *page)
{
    off_t at = 0;

    atomic_store(&page->memory->life.keeper, PAGE_DIED);
    while ((at = lseek(page->fd, at, SEEK_DATA)) >= 0 && at < (off_t) sizeof page->memory->words) {
        off_t end = lseek(page->fd, at, SEEK_HOLE);

        if (end > (off_t) sizeof page->memory->words)
            end = (off_t) sizeof page->memory->words;

        if (at == 0)
            at = sizeof(struct page_word);
        for (; at < end; at += (off_t) sizeof(struct page_word))
            atomic_fetch_or_explicit(&page->memory->words[(size_t) at / sizeof(struct page_word)].value,
                                     WORD_GONE, memory_order_acq_rel);
    }
}

static void drop(struct server *server, struct uid_page *page)
{
    HASH_DEL(server->pages, page);
    unmap(page->memory);
    close_fd(page->fd);
    free(page);
}

/* The keeper has it beside us, for the brokers that follow. */
static void ask_to_keep(struct server *server, const struct uid_page *page, uint64_t ticket)
{
    struct link_page message = {.uid = page->uid, .tag = ticket};

    keeper_link_send(server->link, LINK_KEEP_PAGE, 0, &message, sizeof message, &page->fd, 1);
}

/* Nobody who has the old one is to meet those of a new state in it. */
static void renew(struct server *server, struct uid_page *page)
{
    uint32_t uid = page->uid;

    close_for_good(page);
    drop(server, page);
    page = add(server, uid, make_memory());
    if (page)
        ask_to_keep(server, page, 0);
}

void page_returned(struct server *server, uint32_t uid, int fd)
{
    /* the first broker of a keeper gets what one has left whose state could not be taken over */
    bool is_of_before = server->core_is_new || server->hello.restarts == 0;
    struct uid_page *page = add(server, uid, fd);

    if (!page) {
        log_error("the page of uid %u cannot be mapped: what its locks do is not seen any more", uid);
        return;
    }
    page->is_kept = true;
    if (is_of_before)
        renew(server, page);
}

void pages_done(struct server *server, bool for_good)
{
    struct uid_page *page, *next;

    HASH_ITER(hh, server->pages, page, next)
        if (for_good)
            close_for_good(page);
    pages_ring_all(server);
    HASH_ITER(hh, server->pages, page, next)
        drop(server, page);
}

/* ---- handing out ---- */

bool page_is_kept(const struct server *server, uint32_t uid)
{
    const struct uid_page *page = find(server, uid);

    return page && page->is_kept && !(atomic_load(&page->memory->life.keeper) & PAGE_DIED);
}

bool page_is_mapped(const struct server *server, uint32_t uid)
{
    return find(server, uid) != NULL;
}

int page_copy(const struct server *server, uint32_t uid)
{
    const struct uid_page *page = find(server, uid);

    return page ? fcntl(page->fd, F_DUPFD_CLOEXEC, 0) : -1;
}

/* No word in it is issued, and no slot: who has it mapped asks for another one, as after a death. */
static bool is_needless(const struct server *server, const struct uid_page *page)
{
    const struct account *account = core_account(server->core, page->uid);

    return page->is_kept && (!account || !account->words);
}

static void give_up(struct server *server, struct uid_page *page)
{
    struct link_page message = {.uid = page->uid};

    close_for_good(page);
    keeper_link_send(server->link, LINK_DROP_PAGE, 0, &message, sizeof message, NULL, 0);
    drop(server, page);
}

static void make_room(struct server *server)
{
    struct uid_page *page, *next;

    if (HASH_COUNT(server->pages) < PAGES_MANY)
        return;
    HASH_ITER(hh, server->pages, page, next)
        if (is_needless(server, page))
            give_up(server, page);
}

struct outcome page_ask(struct call *call)
{
    struct uid_page *page = find(call->server, call->uid);

    if (!page)
        make_room(call->server);
    if (!page)
        page = add(call->server, call->uid, make_memory());
    if (!page || call_hold(call) < 0)
        return call_fail_limit(call, "memory", 0);
    call->has_asked = true;
    ask_to_keep(call->server, page, call->ticket);
    return call_park(call);
}

void page_kept(struct server *server, const struct link_page *message)
{
    struct uid_page *page = find(server, message->uid);
    struct call *call = call_find(server, message->tag);
    struct session *session;

    if (page && message->error == 0)
        page->is_kept = true;
    else if (page && !page->is_kept) /* nobody has it but us */
        drop(server, page);
    if (message->error != 0 && log_again(&server->tell_unkept_at, clock_monotonic()))
        log_error("the keeper cannot keep the page of uid %u: error %d", message->uid, message->error);
    if (!call)
        return;
    session = call_go_on(call);
    if (message->error == 0)
        (void) dispatch(call);
    else
        (void) call_fail_limit(call, "memory", 0);
    session_resume(session);
}

/* ---- looking and storing ---- */

struct look {
    struct server *server;
    int64_t mono, wall; /* of the input that it is for */
    size_t count;
    bool is_only_look;
    struct input_word words[LOOKS_AT_ONCE];
};

static bool tell(struct look *look)
{
    struct core_input input = {
        .kind = INPUT_WORDS, .mono = look->mono, .wall = look->wall, .body.number = look->is_only_look};

    if (look->count == 0)
        return false;
    input.blob[BLOB_WORDS] =
        (struct blob){(const char *) look->words, look->count * sizeof look->words[0]};
    if (server_apply(look->server, &input) == 0) /* needs no memory */
        deliver(look->server);
    return true;
}

/* From here on it is the daemon's; and what it said until then. */
static uint64_t take(struct page_word *word)
{
    return atomic_fetch_or_explicit(&word->value, WORD_CLOSED | WORD_LOOKED, memory_order_acq_rel);
}

static void want(void *context, uint32_t uid, uint32_t index)
{
    struct look *look = context;
    const struct uid_page *page = find(look->server, uid);

    if (!page || look->count == LOOKS_AT_ONCE) /* the rest is asked for again */
        return;
    look->words[look->count++] =
        (struct input_word){.uid = uid, .index = index, .value = take(&page->memory->words[index])};
}

void pages_look(struct server *server, const struct core_input *input)
{
    struct look look = {.server = server, .mono = input->mono, .wall = input->wall};

    if (!server->pages)
        return;
    do {
        look.count = 0;
        core_words_wanted(server->core, input, want, &look);
    } while (tell(&look));
}

void pages_look_at(struct server *server, const struct object *object)
{
    struct core_input now = {0};
    struct look look = {.server = server, .is_only_look = true};

    if (!server->pages)
        return;
    server_set_time(&now);
    look.mono = now.mono;
    look.wall = now.wall;
    core_words_of_object(object, want, &look);
    (void) tell(&look);
}

static bool has_head(const struct word *word)
{
    return word->object->data.kind == OBJECT_SEMAPHORE || word->object->data.kind == OBJECT_BOUNDED_SEMAPHORE;
}

/* Behind whom the next ones come, and of a semaphore who is first, before any word says that they do. */
static void store_links(struct page *memory, const struct word *word)
{
    uint32_t slots[CORE_CHAIN_MAX + 1];
    bool is_all, is_first = word->object && word->data.first == word->data.index;
    size_t count =
        is_first && core_is_offered(word->object) ? core_word_chain(word, slots, &is_all) : 0;

    slots[count] = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t link = i + 1 == count && is_all
                            ? word_last_link(word->value, word->data.index)
                            : word_link(word->value, word->data.index, slots[i + 1]);

        atomic_store_explicit(&memory->bells[slots[i]].link, link, memory_order_relaxed);
    }
    if (count > 0 && has_head(word))
        atomic_store(&memory->words[word->data.index].head, head_make(word->value, slots[0]));
}

/* The round before the word, and then whoever sleeps on it. */
static void store(struct page_word *place, const struct word *word)
{
    bool is_over = atomic_load_explicit(&place->round, memory_order_relaxed) != word->data.round;

    if (is_over)
        atomic_store(&place->round, word->data.round);
    atomic_store_explicit(&place->value, word->value, memory_order_release);
    if (is_over)
        (void) syscall(SYS_futex, page_round_futex(place), FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void pages_store(struct server *server)
{
    const struct word *word;

    TAILQ_FOREACH(word, &server->core->stores, of_list)
    {
        const struct uid_page *page = find(server, word->account->uid);

        if (!page)
            continue;
        store_links(page->memory, word);
        store(&page->memory->words[word->data.index], word);
    }
}
