/* SPDX-License-Identifier: MIT */
/*
 * Four processes work in three rounds, and nobody begins a round before all have finished the one before:
 * they meet at a barrier. The last to come runs the barrier's action while the others still wait.
 */
#include <procd.h>
#include <stdio.h>

#define PARTIES 4
#define ROUNDS 3

/* Each has the function and its own count of rounds; one of them is called. */
static int announce(void *round)
{
    printf("-- all have finished round %d\n", *(int *)round);
    fflush(stdout);
    return 0;
}

PROCD_TARGET(work)
{
    procd_barrier *barrier = procd_barrier_from_json(json_array_get(args, 0));
    int round;

    procd_barrier_set_action(barrier, announce, &round); /* functions cannot be sent */
    for (round = 1; round <= ROUNDS; round++) {
        printf("%s: round %d\n", procd_process_name(self), round);
        fflush(stdout);
        if (procd_barrier_wait(barrier, PROCD_FOREVER, NULL) < 0)
            return 1;
    }
    procd_barrier_free(barrier);
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const names[PARTIES] = {"alvin", "egon", "yuan", "wusir"};
    procd_process *processes[PARTIES];
    procd_barrier *barrier;

    procd_init(argc, argv);

    barrier = procd_barrier_new(NULL, PARTIES, NULL, NULL);
    if (!barrier) {
        fprintf(stderr, "rendezvous: %s\n", procd_last_error()->message);
        return 1;
    }
    for (int i = 0; i < PARTIES; i++) {
        struct procd_options options = {.target = "work", .name = names[i]};

        options.args = json_pack("[o]", procd_barrier_json(barrier));
        processes[i] = procd_process_new(&options);
        procd_process_start(processes[i]);
    }
    for (int i = 0; i < PARTIES; i++) {
        procd_process_join(processes[i], PROCD_FOREVER);
        procd_process_free(processes[i]);
    }
    procd_barrier_free(barrier);
    printf("end\n");
    return 0;
}
