/* The time that workers have to end, by a clock that the test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "base/clock.h"
#include "control/stop_clock.h"

#define BEGIN_NS (777 * NS_PER_S)

struct world {
    struct stop_clock clock;
    u64 now_ns;
};

static int begin(void **state)
{
    static struct world world;
    world.now_ns = BEGIN_NS;
    stop_clock_init(&world.clock);
    *state = &world;
    return 0;
}

static bool over(struct world *world)
{
    return stop_clock_over(&world->clock, world->now_ns);
}

/* Control sleeps until it must look. Returns how long it took until the time was over. */
static u64 sleep_until_over_ns(struct world *world)
{
    u64 began_ns = world->now_ns;
    while (!over(world)) {
        u64 deadline_ns = stop_clock_deadline_ns(&world->clock);
        assert_true(deadline_ns > world->now_ns && deadline_ns <= world->now_ns + NS_PER_S);
        world->now_ns = deadline_ns;
    }
    return world->now_ns - began_ns;
}

static void test_nobody_is_to_end(void **state)
{
    struct world *world = *state;
    assert_false(over(world));
    assert_true(stop_clock_deadline_ns(&world->clock) == UINT64_MAX);
    world->now_ns += 24 * 3600 * NS_PER_S;
    assert_false(over(world));
}

/* Exactly, however the time is divided by what else there is to do. */
static void test_the_time_passes(void **state)
{
    struct world *world = *state;
    stop_clock_begin(&world->clock, world->now_ns, 33 * NS_PER_S);
    assert_true(sleep_until_over_ns(world) == 33 * NS_PER_S);
    assert_true(over(world));
    begin(state);
    stop_clock_begin(&world->clock, world->now_ns, NS_PER_S);
    for (u32 i = 0; i < 999; i++) {
        world->now_ns += NS_PER_MS;
        assert_false(over(world));
    }
    world->now_ns += NS_PER_MS;
    assert_true(over(world));
}

/* The second order to stop: from then on there is less, and an order that gives more changes
 * nothing. */
static void test_it_is_made_shorter(void **state)
{
    struct world *world = *state;
    stop_clock_begin(&world->clock, world->now_ns, 33 * NS_PER_S);
    for (u32 i = 0; i < 40; i++) {
        world->now_ns += NS_PER_S / 4;
        assert_false(over(world));
    }
    stop_clock_begin(&world->clock, world->now_ns, 3 * NS_PER_S);
    assert_true(sleep_until_over_ns(world) == 3 * NS_PER_S);
    begin(state);
    stop_clock_begin(&world->clock, world->now_ns, 3 * NS_PER_S);
    stop_clock_begin(&world->clock, world->now_ns, 33 * NS_PER_S);
    assert_true(sleep_until_over_ns(world) == 3 * NS_PER_S);
}

/* What ran while we did not is not our time: the workers stood still, too. */
static void test_a_process_that_was_stopped_as_a_whole(void **state)
{
    struct world *world = *state;
    stop_clock_begin(&world->clock, world->now_ns, 3 * NS_PER_S);
    world->now_ns += 3600 * NS_PER_S;
    assert_false(over(world));
    assert_true(sleep_until_over_ns(world) == 2 * NS_PER_S);
}

/* However late each look is, some time counts: it ends. */
static void test_late_looks_do_not_put_it_off_for_ever(void **state)
{
    struct world *world = *state;
    stop_clock_begin(&world->clock, world->now_ns, 3 * NS_PER_S);
    for (u32 i = 0; i < 2; i++) {
        world->now_ns += 60 * NS_PER_S;
        assert_false(over(world));
    }
    world->now_ns += 60 * NS_PER_S;
    assert_true(over(world));
}

#define TEST(function) cmocka_unit_test_setup(function, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nobody_is_to_end),
        TEST(test_the_time_passes),
        TEST(test_it_is_made_shorter),
        TEST(test_a_process_that_was_stopped_as_a_whole),
        TEST(test_late_looks_do_not_put_it_off_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
