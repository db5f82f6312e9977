/* SPDX-License-Identifier: MIT */
/*
 * One process makes numbers, another one takes them, through a store with room for three in memory that they
 * share. A condition guards it: who finds it full, or empty, sleeps until the other one says that it has
 * changed.
 */
#include <procd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define NUMBERS 10
#define ROOM 3
#define STORE 7 /* its descriptor in the children */

struct store {
    int count, numbers[ROOM];
};

static struct store *map_store(int fd)
{
    void *memory = mmap(NULL, sizeof(struct store), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* What they wait for. Called with the lock held. */
static int has_room(void *store)
{
    return ((struct store *)store)->count < ROOM;
}

static int has_number(void *store)
{
    return ((struct store *)store)->count > 0;
}

PROCD_TARGET(produce)
{
    procd_condition *changed = procd_condition_from_json(json_array_get(args, 0));
    struct store *store = map_store(STORE);

    if (!changed || !store)
        return 1;
    for (int i = 1; i <= NUMBERS; i++) {
        procd_condition_acquire(changed, PROCD_FOREVER);
        procd_condition_wait_for(changed, has_room, store, PROCD_FOREVER);
        store->numbers[store->count++] = i;
        procd_condition_notify(changed, 1);
        procd_condition_release(changed);
    }
    procd_condition_free(changed);
    return 0;
}

PROCD_TARGET(consume)
{
    procd_condition *changed = procd_condition_from_json(json_array_get(args, 0));
    struct store *store = map_store(STORE);
    int sum = 0;

    if (!changed || !store)
        return 1;
    for (int i = 1; i <= NUMBERS; i++) {
        int number;

        procd_condition_acquire(changed, PROCD_FOREVER);
        procd_condition_wait_for(changed, has_number, store, PROCD_FOREVER);
        number = store->numbers[0]; /* the oldest */
        store->count--;
        for (int left = 0; left < store->count; left++)
            store->numbers[left] = store->numbers[left + 1];
        procd_condition_notify(changed, 1);
        procd_condition_release(changed);
        printf("took %d\n", number);
        sum += number;
    }
    printf("in all %d\n", sum);
    procd_condition_free(changed);
    return 0;
}

static procd_process *start(const char *target, procd_condition *changed, int store)
{
    struct procd_options options = {.target = target};
    procd_process *process;

    options.args = json_pack("[o]", procd_condition_json(changed));
    options.extra = json_pack("{s:[[i,i]]}", "fds", store, STORE);
    process = procd_process_new(&options);
    if (!process || procd_process_start(process) < 0)
        fprintf(stderr, "producer_consumer: %s\n", procd_last_error()->message);
    return process;
}

int main(int argc, char **argv)
{
    procd_process *producer, *consumer;
    procd_condition *changed;
    FILE *store;

    procd_init(argc, argv);

    changed = procd_condition_new(NULL, NULL);
    store = tmpfile(); /* all zero: empty */
    if (!changed || !store || ftruncate(fileno(store), sizeof(struct store)) < 0) {
        fprintf(stderr, "producer_consumer: %s\n", procd_last_error()->message);
        return 1;
    }
    consumer = start("consume", changed, fileno(store));
    producer = start("produce", changed, fileno(store));
    procd_condition_free(changed); /* they have it */
    procd_process_join(producer, PROCD_FOREVER);
    procd_process_join(consumer, PROCD_FOREVER);
    procd_process_free(producer);
    procd_process_free(consumer);
    printf("end\n");
    return 0;
}
