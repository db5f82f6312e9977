/* A step without memory changes nothing. */
#include "tests/unit/core/memory.h"
#include "tests/unit/core/world.h"

static struct world *world;
static uint64_t connection;

static void set_up(void)
{
    world = world_new();
    connection = world_connect(world, 1000);
}

static void tear_down(void)
{
    world_free(world);
}

/* Who was not here before is not here after a request that failed. */
START_TEST(a_stranger_leaves_no_trace)
{
    struct core_input input = {.kind = INPUT_SPAWN, .body.request = {.connection = connection, .uid = 2000}};
    size_t which = 0;
    int r;

    do {
        input.body.request.ticket = ++world->ticket;
        memory_fails(++which, false);
        r = core_step(world->core, &input);
        memory_fails(0, false);
        must(r == 0 || !core_account(world->core, 2000));
    } while (r < 0);
    ck_assert_uint_gt(which, 5);
    core_delivered(world->core);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_stranger_leaves_no_trace);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
