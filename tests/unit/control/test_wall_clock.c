/* The wall clock's steps, and when ages are believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "base/clock.h"
#include "control/wall_clock.h"

#define HOUR_NS ((i64)(3600 * NS_PER_S))
#define DAY_NS (24 * HOUR_NS)
#define WALL_NS (1768300245 * NS_PER_S)

struct world {
    struct wall_clock clock;
    u64 boot_ns;
    u64 wall_ns;
};

static i64 look(struct world *world)
{
    return wall_clock_look(&world->clock, world->boot_ns, world->wall_ns);
}

static i64 pass(struct world *world, i64 ns)
{
    world->boot_ns += (u64)ns;
    world->wall_ns += (u64)ns;
    return look(world);
}

static i64 step(struct world *world, i64 ns)
{
    world->wall_ns += (u64)ns;
    return look(world);
}

static int begin(void **state)
{
    static struct world world;
    world = (struct world){.boot_ns = 5 * NS_PER_S, .wall_ns = WALL_NS};
    *state = &world;
    return (int)look(&world);
}

/* Time that passes is no step, however much of it; nor is what ntpd does in small steps. */
static void test_time_passes(void **state)
{
    struct world *world = *state;
    assert_int_equal(pass(world, 250 * (i64)NS_PER_MS), 0);
    assert_int_equal(pass(world, 400 * DAY_NS), 0);
    for (u32 i = 0; i < 10000; i++)
        assert_int_equal(step(world, (i64)NS_PER_S - 1), 0);
    assert_int_equal(world->clock.steps, 0);
    assert_false(wall_clock_doubted(&world->clock));
}

static void test_small_steps_are_believed(void **state)
{
    struct world *world = *state;
    assert_int_equal(step(world, 10 * (i64)NS_PER_S), 10 * (i64)NS_PER_S);
    assert_int_equal(step(world, HOUR_NS - 1), HOUR_NS - 1);
    assert_int_equal(step(world, HOUR_NS - 1), HOUR_NS - 1);
    assert_int_equal(world->clock.steps, 3);
    assert_false(wall_clock_doubted(&world->clock));
}

/* Back is never doubted: nothing looks older than it is. */
static void test_back(void **state)
{
    struct world *world = *state;
    assert_int_equal(step(world, -DAY_NS), -DAY_NS);
    assert_false(wall_clock_doubted(&world->clock));
    assert_int_equal(step(world, DAY_NS), DAY_NS);
    assert_true(wall_clock_doubted(&world->clock));
}

static void test_forward_and_back(void **state)
{
    struct world *world = *state;
    assert_int_equal(step(world, 10 * DAY_NS), 10 * DAY_NS);
    assert_true(wall_clock_doubted(&world->clock));
    assert_int_equal(pass(world, HOUR_NS), 0);
    assert_true(wall_clock_doubted(&world->clock));
    assert_int_equal(step(world, -10 * DAY_NS), -10 * DAY_NS);
    assert_false(wall_clock_doubted(&world->clock));
}

static void test_forward_for_good(void **state)
{
    struct world *world = *state;
    (void)step(world, HOUR_NS);
    assert_true(wall_clock_doubted(&world->clock));
    (void)pass(world, DAY_NS - 1);
    assert_true(wall_clock_doubted(&world->clock));
    (void)step(world, HOUR_NS); /* the day is counted from the first step */
    (void)pass(world, 1);
    assert_false(wall_clock_doubted(&world->clock));
    assert_int_equal(world->clock.steps, 2);
}

#define TEST(function) cmocka_unit_test_setup(function, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_time_passes),      TEST(test_small_steps_are_believed), TEST(test_back),
        TEST(test_forward_and_back), TEST(test_forward_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
