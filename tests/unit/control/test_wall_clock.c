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

/* What another process goes on with, which begins at this time. */
static struct world succeed(const struct world *world)
{
    struct world next = {.boot_ns = world->boot_ns, .wall_ns = world->wall_ns};
    wall_clock_recall(&next.clock, wall_clock_belief(&world->clock), next.boot_ns);
    return next;
}

static void test_doubt_is_passed_on(void **state)
{
    struct world *world = *state;
    (void)step(world, 30 * DAY_NS);
    (void)pass(world, DAY_NS - HOUR_NS);
    struct world next = succeed(world);
    assert_int_equal(look(&next), 0);
    assert_true(wall_clock_doubted(&next.clock));
    assert_int_equal(next.clock.steps, 0);
    struct world later = succeed(&next);
    (void)look(&later);
    (void)pass(&later, HOUR_NS - (i64)NS_PER_S);
    assert_true(wall_clock_doubted(&later.clock));
    (void)pass(&later, (i64)NS_PER_S);
    assert_false(wall_clock_doubted(&later.clock));
    (void)look(&next);
    (void)step(&next, -30 * DAY_NS);
    assert_false(wall_clock_doubted(&next.clock));
}

/* The next process sees a step that came while there was none. */
static void test_a_step_between(void **state)
{
    struct world *world = *state;
    world->wall_ns += (u64)HOUR_NS;
    struct world ahead = succeed(world);
    (void)look(&ahead);
    assert_true(wall_clock_doubted(&ahead.clock));
    world->wall_ns -= (u64)(DAY_NS + HOUR_NS);
    struct world back = succeed(world);
    (void)look(&back);
    assert_false(wall_clock_doubted(&back.clock));
}

static void test_belief_that_cannot_be(void **state)
{
    const struct wall_clock_belief beliefs[] = {
        {.believed_ms = 0, .doubted_ms = 0},
        {.believed_ms = 0, .doubted_ms = 1000},
        {.believed_ms = 1000, .doubted_ms = 6000}, /* doubted from a later time on */
        {.believed_ms = UINT64_MAX, .doubted_ms = 1000},
    };
    (void)state;
    for (u32 i = 0; i < ARRAY_COUNT(beliefs); i++) {
        struct world world = {.boot_ns = 5 * NS_PER_S, .wall_ns = WALL_NS};
        wall_clock_recall(&world.clock, beliefs[i], world.boot_ns);
        (void)look(&world);
        assert_false(wall_clock_doubted(&world.clock));
        (void)step(&world, HOUR_NS);
        assert_true(wall_clock_doubted(&world.clock));
    }
}

/* A wall clock that is before 1970 + the time since boot: its offset is negative. */
static void test_belief_before_1970(void **state)
{
    struct world world = {.boot_ns = 5 * NS_PER_S, .wall_ns = NS_PER_S};
    (void)state;
    (void)look(&world);
    assert_int_equal(wall_clock_belief(&world.clock).believed_ms, 0);
}

#define TEST(function) cmocka_unit_test_setup(function, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_time_passes),
        TEST(test_small_steps_are_believed),
        TEST(test_back),
        TEST(test_forward_and_back),
        TEST(test_forward_for_good),
        TEST(test_doubt_is_passed_on),
        TEST(test_a_step_between),
        TEST(test_belief_that_cannot_be),
        TEST(test_belief_before_1970),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
