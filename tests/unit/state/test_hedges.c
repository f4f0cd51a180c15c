/* The percentile of a route's latest responses: of all workers, of enough of them, and only of the
 * latest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "state.h"
#include "state/hedges.h"

struct world {
    struct state *state;
    struct state_hedges *workers[2];
    u32 slot;
};

static int setup(void **context)
{
    static struct world world;
    world.state = state_create();
    for (u32 i = 0; i < ARRAY_COUNT(world.workers); i++) {
        if (!world.state || !state_tallies(world.state, i))
            return -1;
        world.workers[i] = state_hedges(world.state, i);
    }
    world.slot = state_take(world.state, STATE_ROUTE, SLICE("route"));
    *context = &world;
    return 0;
}

static int teardown(void **context)
{
    struct world *world = *context;
    state_release(world->state, STATE_ROUTE, world->slot);
    state_destroy(world->state);
    return 0;
}

static void add(struct world *world, u32 worker, u32 times, u64 us)
{
    for (u32 i = 0; i < times; i++)
        state_latency_add(&world->workers[worker][world->slot].latencies, us);
}

static u32 look(struct world *world, u32 percentile)
{
    state_hedge_look(world->state, world->slot, percentile);
    return state_hedge_delay_us(world->state, world->slot);
}

static void assert_near(u32 us, u32 wanted)
{
    if (us < wanted * 3 / 4 || us > wanted * 5 / 4)
        fail_msg("%u instead of %u", us, wanted);
}

/* 97 % are quick: above that it is the slow ones that count. */
static void it_is_the_percentile(void **context)
{
    static const struct {
        u32 percentile, us;
    } rows[] = {{50, 1000}, {95, 1000}, {98, 80000}};
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        add(*context, 0, 970, 1000);
        add(*context, 0, 30, 80000);
        assert_near(look(*context, rows[i].percentile), rows[i].us);
    }
}

static void nothing_is_known_of_too_few(void **context)
{
    assert_int_equal(look(*context, 95), 0);
    add(*context, 0, 199, 1000);
    assert_int_equal(look(*context, 95), 0);
    add(*context, 0, 1, 1000);
    assert_near(look(*context, 95), 1000);
}

/* Ten are to lie above it, and it is a hundred at least. */
static void how_many_are_enough(void **context)
{
    static const struct {
        u32 percentile, enough;
    } rows[] = {{1, 100}, {90, 100}, {95, 200}, {99, 1000}};
    struct world *world = *context;
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        u64 us = 1000u << i;
        u32 before = look(world, rows[i].percentile);
        add(world, 0, rows[i].enough - 1, us);
        assert_int_equal(look(world, rows[i].percentile), before);
        add(world, 0, 1, us);
        assert_near(look(world, rows[i].percentile), (u32)us);
    }
}

static void all_workers_count(void **context)
{
    add(*context, 0, 100, 1000);
    add(*context, 1, 100, 64000);
    assert_near(look(*context, 75), 64000);
    assert_int_equal(look(*context, 75), look(*context, 75));
}

/* What was looked at before is forgotten; with few new ones the last answer holds. */
static void only_the_latest_count(void **context)
{
    add(*context, 0, 1000, 64000);
    assert_near(look(*context, 95), 64000);
    add(*context, 1, 50, 1000);
    assert_near(look(*context, 95), 64000);
    add(*context, 0, 150, 1000);
    assert_near(look(*context, 95), 1000);
}

static void counts_may_wrap_around(void **context)
{
    struct world *world = *context;
    world->workers[0][world->slot].latencies.counts[state_latency_bucket(1000)] = UINT32_MAX - 99;
    assert_near(look(world, 95), 1000);
    add(world, 0, 200, 64000);
    assert_near(look(world, 95), 64000);
    add(world, 0, 200, 1000);
    assert_near(look(world, 95), 1000);
}

static void another_route_has_nothing_of_it(void **context)
{
    struct world *world = *context;
    u32 before = world->slot;
    add(world, 0, 1000, 64000);
    state_hedge_add(&world->workers[1][world->slot], STATE_HEDGE_WON);
    assert_int_equal(state_hedge_sums(world->state, before).counts[STATE_HEDGE_WON], 1);
    assert_near(look(world, 95), 64000);
    state_release(world->state, STATE_ROUTE, world->slot);
    world->slot = state_take(world->state, STATE_ROUTE, SLICE("other"));
    assert_int_equal(world->slot, before);
    assert_int_equal(state_hedge_sums(world->state, before).counts[STATE_HEDGE_WON], 0);
    assert_int_equal(look(world, 95), 0);
    add(world, 0, 200, 1000);
    assert_near(look(world, 95), 1000);
}

static void counts_of_all_workers_are_added_up(void **context)
{
    struct world *world = *context;
    state_hedge_add(&world->workers[0][world->slot], STATE_HEDGE_STARTED);
    state_hedge_add(&world->workers[1][world->slot], STATE_HEDGE_STARTED);
    state_hedge_add(&world->workers[1][world->slot], STATE_HEDGE_DENIED_BUDGET);
    struct state_hedge_sums sums = state_hedge_sums(world->state, world->slot);
    assert_int_equal(sums.counts[STATE_HEDGE_STARTED], 2);
    assert_int_equal(sums.counts[STATE_HEDGE_WON], 0);
    assert_int_equal(sums.counts[STATE_HEDGE_DENIED_BUDGET], 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_the_percentile),
        TEST(nothing_is_known_of_too_few),
        TEST(how_many_are_enough),
        TEST(all_workers_count),
        TEST(only_the_latest_count),
        TEST(counts_may_wrap_around),
        TEST(another_route_has_nothing_of_it),
        TEST(counts_of_all_workers_are_added_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
