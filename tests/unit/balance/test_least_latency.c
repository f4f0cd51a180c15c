/* least-latency: the least cost of latency and load; unknown backends are tried. */
#include "fixture.h"

#include "base/clock.h"

static struct pool pool;

static void test_general(void **state)
{
    check_strategy(BALANCE_LEAST_LATENCY);
}

static double cost(u32 index)
{
    return (double)pool.latency_us[index] * (pool.active[index] + 1) / pool.backends[index].weight;
}

/* All busy, so nobody is explored: the pick is the least cost, to a float's precision. */
static void test_picked_has_the_least_cost(void **state)
{
    struct rng rng;
    rng_seed(&rng, 51);
    for (int round = 0; round < 60; round++) {
        u32 weights[1000];
        u32 count = round % 3 == 0 ? 3 : round % 3 == 1 ? 70 : 1000;
        for (u32 i = 0; i < count; i++)
            weights[i] = 1 + rng_below(&rng, 20);
        pool_init(&pool, BALANCE_LEAST_LATENCY, weights, count);
        for (int i = 0; i < 30; i++) {
            for (u32 k = 0; k < count; k++) {
                pool.active[k] = 1 + rng_below(&rng, 100);
                pool.latency_us[k] = 1 + rng_below(&rng, 1000000);
            }
            double picked = cost(pool_pick(&pool));
            for (u32 k = 0; k < count; k++)
                assert_true(picked <= cost(k) * (1 + 1e-6));
        }
        pool_deinit(&pool);
    }
}

static void test_unknown_are_tried_first_but_one_request_each(void **state)
{
    pool_init(&pool, BALANCE_LEAST_LATENCY, NULL, 100);
    for (u32 i = 0; i < 100; i++) {
        pool.latency_us[i] = i < 90 ? 1000 : 0;
        pool.active[i] = i < 90 ? 3 : 0;
    }
    bool seen[100] = {false};
    for (int i = 0; i < 10; i++) {
        u32 picked = pool_pick(&pool);
        assert_true(picked >= 90);
        assert_false(seen[picked]);
        seen[picked] = true;
        pool.active[picked]++;
    }
    for (int i = 0; i < 1000; i++) {
        u32 picked = pool_pick(&pool);
        assert_true(picked < 90);
        pool.active[picked]++;
    }
    pool_deinit(&pool);
}

/* At the very start nobody has answered yet: then it is least-connections. */
static void test_all_unknown_spreads_evenly(void **state)
{
    pool_init(&pool, BALANCE_LEAST_LATENCY, NULL, 50);
    for (int i = 0; i < 500; i++)
        pool.active[pool_pick(&pool)]++;
    for (u32 i = 0; i < 50; i++)
        assert_int_equal(pool.active[i], 10);
    pool_deinit(&pool);
}

/* A slow backend is left alone but for a look now and then; once it is fast again it gets its part.
 */
static void test_slow_backend_gets_little_but_is_tried_again(void **state)
{
    u32 counts[4] = {0};
    pool_init(&pool, BALANCE_LEAST_LATENCY, NULL, 4);
    for (u32 i = 0; i < 4; i++)
        pool.latency_us[i] = i == 2 ? 900000 : 1000;
    for (int i = 0; i < 100000; i++)
        counts[pool_pick(&pool)]++;
    assert_in_range(counts[2], 30, 300); /* about 100000 / 256 / 4 */
    pool.latency_us[2] = 1000;
    memset(counts, 0, sizeof(counts));
    for (int i = 0; i < 10000; i++)
        counts[pool_pick(&pool)]++;
    assert_in_range(counts[2], 2000, 3000);
    pool_deinit(&pool);
}

/* ... but not while it still owes an answer. */
static void test_slow_and_busy_backend_gets_nothing(void **state)
{
    pool_init(&pool, BALANCE_LEAST_LATENCY, NULL, 4);
    for (u32 i = 0; i < 4; i++)
        pool.latency_us[i] = i == 2 ? 900000 : 1000;
    pool.active[2] = 1;
    for (int i = 0; i < 20000; i++)
        assert_int_not_equal(pool_pick(&pool), 2);
    pool_deinit(&pool);
}

static void test_load_follows_speed(void **state)
{
    pool_init(&pool, BALANCE_LEAST_LATENCY, NULL, 2);
    pool.latency_us[0] = 1000;
    pool.latency_us[1] = 3000;
    for (int i = 0; i < 400; i++)
        pool.active[pool_pick(&pool)]++;
    assert_in_range(pool.active[0], 295, 305);
    pool_deinit(&pool);
}

static void test_latency_peaks_at_once_and_decays_slowly(void **state)
{
    assert_int_equal(balance_latency_update(0, 500, 0, NS_PER_S), 500);
    assert_int_equal(balance_latency_update(500, 9000, 1, NS_PER_S), 9000);
    assert_int_equal(balance_latency_update(9000, 1000, 0, NS_PER_S), 9000);
    /* After one time constant 1/e of the distance is left. */
    assert_in_range(balance_latency_update(9000, 1000, NS_PER_S, NS_PER_S), 3942, 3944);
    assert_in_range(balance_latency_update(9000, 1000, 100 * NS_PER_S, NS_PER_S), 1000, 1001);
    assert_int_equal(balance_latency_update(9000, 1000, 5, 0), 1000);
    u32 latency = 100000;
    for (int i = 0; i < 100; i++) {
        u32 next = balance_latency_update(latency, 2000, 100 * NS_PER_MS, NS_PER_S);
        assert_true(next <= latency);
        latency = next;
    }
    assert_in_range(latency, 2000, 2010);
}

static void test_latency_never_becomes_unknown_or_negative(void **state)
{
    assert_int_equal(balance_latency_update(0, 0, 0, NS_PER_S), 1);
    assert_int_equal(balance_latency_update(1, 0, UINT64_MAX, 1), 1);
    assert_int_equal(balance_latency_update(10, UINT32_MAX, 1, 1), INT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_general),
        cmocka_unit_test(test_picked_has_the_least_cost),
        cmocka_unit_test(test_unknown_are_tried_first_but_one_request_each),
        cmocka_unit_test(test_all_unknown_spreads_evenly),
        cmocka_unit_test(test_slow_backend_gets_little_but_is_tried_again),
        cmocka_unit_test(test_slow_and_busy_backend_gets_nothing),
        cmocka_unit_test(test_load_follows_speed),
        cmocka_unit_test(test_latency_peaks_at_once_and_decays_slowly),
        cmocka_unit_test(test_latency_never_becomes_unknown_or_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
