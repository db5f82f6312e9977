/* SPDX-License-Identifier: MIT */
/*
 * Two processes that compute, one after the other and side by side. On two free processors the second way
 * takes half the time: processes run in parallel, not only in turns.
 */
#include <procd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Counts the primes below args[0], the slow way, and prints nothing: its exit status says whether it got
 * it right. */
PROCD_TARGET(count_primes)
{
    long limit = (long) json_integer_value(json_array_get(args, 0)), count = 0;

    for (long number = 2; number < limit; number++) {
        long divisor = 2;

        while (divisor < number && number % divisor != 0)
            divisor++;
        count += divisor == number;
    }
    return count != (long) json_integer_value(json_array_get(args, 1));
}

static procd_process *start(void)
{
    struct procd_options options = {.target = "count_primes", .args = json_pack("[i,i]", 80000, 7837)};
    procd_process *process = procd_process_new(&options);

    if (!process || procd_process_start(process) < 0) {
        fprintf(stderr, "parallel: %s\n", procd_last_error()->message);
        exit(1);
    }
    return process;
}

/* 0 when it has done its work. */
static int finish(procd_process *process)
{
    int status = 1;

    procd_process_join(process, PROCD_FOREVER);
    procd_process_exitcode(process, &status);
    procd_process_free(process);
    return status;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    double begin, in_turns, side_by_side;
    procd_process *p1, *p2;
    int failed;

    procd_init(argc, argv);

    begin = seconds();
    failed = finish(start());
    failed |= finish(start());
    in_turns = seconds() - begin;

    begin = seconds();
    p1 = start();
    p2 = start();
    failed |= finish(p1);
    failed |= finish(p2);
    side_by_side = seconds() - begin;

    printf("one after the other: %.2f s\n", in_turns);
    printf("side by side: %.2f s\n", side_by_side);
    printf("ratio: %.2f\n", in_turns / side_by_side);
    return failed;
}
