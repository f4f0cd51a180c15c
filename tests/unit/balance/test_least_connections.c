/* least-connections: the fewest requests by weight; turns among the equally busy. */
#include "fixture.h"

static struct pool pool;

static void test_general(void **state)
{
    check_strategy(BALANCE_LEAST_CONNECTIONS);
}

/* Exactly, by cross-multiplying: nobody open has less per weight than the one picked. */
static void expect_minimal(u32 picked)
{
    for (u32 i = 0; i < pool.count; i++) {
        bool open = balance_bit(pool.usable, i) && !balance_bit(pool.tried, i);
        if (!open || pool.backends[i].weight == 0)
            continue;
        u64 load = (u64)pool.active[i] * pool.backends[picked].weight;
        assert_true((u64)pool.active[picked] * pool.backends[i].weight <= load);
    }
}

static void test_picked_is_minimal(void **state)
{
    static const u32 counts[] = {2, 3, 5, 64, 66, 200, 1000};
    struct rng rng;
    rng_seed(&rng, 41);
    for (int round = 0; round < 140; round++) {
        u32 weights[1000];
        u32 count = counts[(u32)round % ARRAY_COUNT(counts)];
        for (u32 i = 0; i < count; i++)
            weights[i] = round % 2 == 0 ? 1 : rng_below(&rng, 50);
        weights[0] = 1;
        pool_init(&pool, BALANCE_LEAST_CONNECTIONS, weights, count);
        for (int i = 0; i < 50; i++) {
            for (u32 k = 0; k < count; k++) {
                pool.active[k] = 1 + rng_below(&rng, 2000);
                pool_set_usable(&pool, k, k == 0 || rng_below(&rng, 10) != 0);
            }
            pool_forget_tried(&pool);
            if (count > 1 && i % 3 == 0)
                pool_set_tried(&pool, 1 + rng_below(&rng, count - 1));
            expect_minimal(pool_pick(&pool));
        }
        pool_deinit(&pool);
    }
}

static void test_requests_that_stay_are_spread_by_weight(void **state)
{
    u32 weights[100];
    for (u32 i = 0; i < 100; i++)
        weights[i] = 1 + i % 4;
    pool_init(&pool, BALANCE_LEAST_CONNECTIONS, weights, 100);
    for (u32 i = 0; i < 250 * 20; i++) {
        u32 picked = pool_pick(&pool);
        expect_minimal(picked);
        pool.active[picked]++;
    }
    for (u32 i = 0; i < 100; i++)
        assert_int_equal(pool.active[i], 20 * weights[i]);
    pool_deinit(&pool);
}

/* When all are equally loaded, weights decide, smoothly; not always the first in the list. */
static void test_idle_backends_take_turns_by_weight(void **state)
{
    static const u32 weights[] = {3, 1, 2};
    u32 counts[3] = {0};
    pool_init(&pool, BALANCE_LEAST_CONNECTIONS, weights, 3);
    for (int i = 0; i < 600; i++)
        counts[pool_pick(&pool)]++;
    for (u32 i = 0; i < 3; i++)
        assert_int_equal(counts[i], 100 * weights[i]);
    pool_deinit(&pool);
}

static void test_equally_busy_backends_take_turns(void **state)
{
    u32 counts[500] = {0};
    pool_init(&pool, BALANCE_LEAST_CONNECTIONS, NULL, 500);
    for (u32 i = 0; i < 500; i++)
        pool.active[i] = 7;
    for (int i = 0; i < 5000; i++)
        counts[pool_pick(&pool)]++;
    for (u32 i = 0; i < 500; i++)
        assert_int_equal(counts[i], 10);
    pool_deinit(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_general),
        cmocka_unit_test(test_picked_is_minimal),
        cmocka_unit_test(test_requests_that_stay_are_spread_by_weight),
        cmocka_unit_test(test_idle_backends_take_turns_by_weight),
        cmocka_unit_test(test_equally_busy_backends_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
