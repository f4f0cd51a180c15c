/* round-robin: exact shares in a smooth order, also while backends come and go. */
#include "fixture.h"

static struct pool pool;

static void test_general(void **state)
{
    check_strategy(BALANCE_ROUND_ROBIN);
}

/* Over one cycle everybody gets exactly its weight; at no moment is anybody a whole turn ahead of
 * its ideal share within its group's, or two behind. */
static void check_cycle(const u32 *weights, u32 count)
{
    static u32 counts[POOL_MAX];
    double total = 0;
    pool_init(&pool, BALANCE_ROUND_ROBIN, weights, count);
    for (u32 i = 0; i < count; i++)
        total += weights[i];
    memset(counts, 0, sizeof(counts));
    for (u32 turn = 1; turn <= 2 * (u32)total; turn++) {
        counts[pool_pick(&pool)]++;
        for (u32 i = 0; i < count; i++) {
            double lead = counts[i] - turn * weights[i] / total;
            assert_true(lead < 2);
            assert_true(lead > -2);
        }
        if (turn % (u32)total == 0)
            for (u32 i = 0; i < count; i++)
                assert_int_equal(counts[i], weights[i] * (turn / (u32)total));
    }
    pool_deinit(&pool);
}

static void test_cycle_is_exact_and_smooth(void **state)
{
    static const u32 classic[] = {5, 1, 1};
    check_cycle(classic, 3);
    struct rng rng;
    rng_seed(&rng, 11);
    for (int round = 0; round < 60; round++) {
        u32 weights[40];
        u32 count = 1 + rng_below(&rng, 40);
        u32 bound = 1 + rng_below(&rng, 60);
        for (u32 i = 0; i < count; i++)
            weights[i] = 1 + rng_below(&rng, bound);
        check_cycle(weights, count);
    }
}

/* Half of all turns, but never three in a row: plain weighted rotation would give it ten. */
static void test_heavy_backend_gets_no_burst(void **state)
{
    static const u32 weights[] = {10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    pool_init(&pool, BALANCE_ROUND_ROBIN, weights, 11);
    u32 run = 0;
    for (int i = 0; i < 2000; i++) {
        run = pool_pick(&pool) == 0 ? run + 1 : 0;
        assert_true(run <= 2);
    }
    pool_deinit(&pool);
}

static void test_equal_weights_rotate(void **state)
{
    pool_init(&pool, BALANCE_ROUND_ROBIN, NULL, 1000);
    u32 previous = pool_pick(&pool);
    for (int i = 0; i < 5000; i++) {
        u32 picked = pool_pick(&pool);
        assert_int_equal(picked, (previous + 1) % 1000);
        previous = picked;
    }
    pool_deinit(&pool);
}

/* Many workers that start at once must not all begin with the same backend. */
static void test_workers_start_at_different_places(void **state)
{
    bool seen[100] = {false};
    u32 places = 0;
    for (u64 worker = 0; worker < 50; worker++) {
        pool_init(&pool, BALANCE_ROUND_ROBIN, NULL, 100);
        rng_seed(&pool.rng, worker);
        u32 picked = pool_pick(&pool);
        places += !seen[picked];
        seen[picked] = true;
        pool_deinit(&pool);
    }
    assert_true(places > 25);
}

/* While a backend is down the others share its part by their weights, and nobody is skipped. */
static void test_outage_keeps_proportions(void **state)
{
    static const u32 weights[] = {4, 4, 2, 1, 1};
    u32 counts[5] = {0};
    pool_init(&pool, BALANCE_ROUND_ROBIN, weights, 5);
    for (int i = 0; i < 7; i++)
        (void)pool_pick(&pool);
    pool_set_usable(&pool, 0, false);
    for (int i = 0; i < 8 * 100; i++)
        counts[pool_pick(&pool)]++;
    assert_int_equal(counts[0], 0);
    assert_in_range(counts[1], 398, 402);
    assert_in_range(counts[2], 198, 202);
    assert_in_range(counts[3], 98, 102);
    assert_in_range(counts[4], 98, 102);
    pool_deinit(&pool);
}

/* Lag from before an outage must not become a burst in a much smaller cycle. */
static void test_outage_of_the_heavy_leaves_no_burst(void **state)
{
    static const u32 weights[] = {60000, 1, 2};
    struct rng rng;
    rng_seed(&rng, 12);
    pool_init(&pool, BALANCE_ROUND_ROBIN, weights, 3);
    for (int round = 0; round < 200; round++) {
        pool_set_usable(&pool, 0, true);
        for (u32 i = rng_below(&rng, 50000); i > 0; i--)
            (void)pool_pick(&pool);
        pool_set_usable(&pool, 0, false);
        u32 run = 0;
        for (int i = 0; i < 30; i++) {
            run = pool_pick(&pool) == 1 ? run + 1 : 0;
            assert_true(run <= 2);
        }
    }
    pool_deinit(&pool);
}

/* A backend that flaps must not send the turn back to the beginning each time. */
static void test_flapping_does_not_starve_others(void **state)
{
    u32 counts[10] = {0};
    pool_init(&pool, BALANCE_ROUND_ROBIN, NULL, 10);
    for (int i = 0; i < 9000; i++) {
        pool_set_usable(&pool, 4, i % 2 == 0);
        counts[pool_pick(&pool)]++;
    }
    for (u32 i = 0; i < 10; i++)
        if (i != 4)
            assert_in_range(counts[i], 800, 1100);
    pool_deinit(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_general),
        cmocka_unit_test(test_cycle_is_exact_and_smooth),
        cmocka_unit_test(test_heavy_backend_gets_no_burst),
        cmocka_unit_test(test_equal_weights_rotate),
        cmocka_unit_test(test_workers_start_at_different_places),
        cmocka_unit_test(test_outage_keeps_proportions),
        cmocka_unit_test(test_outage_of_the_heavy_leaves_no_burst),
        cmocka_unit_test(test_flapping_does_not_starve_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
