/* random: shares follow weights, also the extreme ones. */
#include "fixture.h"

#include <math.h>

static struct pool pool;
static u32 counts[POOL_MAX];

static void test_general(void **state)
{
    check_strategy(BALANCE_RANDOM);
}

/* Within five standard deviations of chi square's mean, from above and from below: neither skewed
 * nor suspiciously even. */
static void check_shares(u32 picks, u32 degrees)
{
    memset(counts, 0, sizeof(counts));
    for (u32 i = 0; i < picks; i++)
        counts[pool_pick(&pool)]++;
    double deviation = sqrt(2.0 * degrees);
    double chi_square = pool_chi_square(&pool, counts);
    assert_true(chi_square < degrees + 5 * deviation);
    assert_true(chi_square > degrees - 5 * deviation);
}

static void test_shares_follow_weights(void **state)
{
    struct rng rng;
    rng_seed(&rng, 21);
    for (int round = 0; round < 20; round++) {
        u32 weights[200];
        u32 count = 50 + rng_below(&rng, 150);
        for (u32 i = 0; i < count; i++)
            weights[i] = 1 + rng_below(&rng, 20);
        pool_init(&pool, BALANCE_RANDOM, weights, count);
        check_shares(100000, count - 1);
        pool_deinit(&pool);
    }
}

static void test_equal_weights_over_a_thousand(void **state)
{
    pool_init(&pool, BALANCE_RANDOM, NULL, 1000);
    check_shares(200000, 999);
    pool_deinit(&pool);
}

static void test_extreme_weights(void **state)
{
    static const u32 weights[] = {65535, 1, 0, 65535};
    pool_init(&pool, BALANCE_RANDOM, weights, 4);
    memset(counts, 0, sizeof(counts));
    for (u32 i = 0; i < 400000; i++)
        counts[pool_pick(&pool)]++;
    assert_int_equal(counts[2], 0);
    assert_in_range(counts[1], 0, 15); /* three are expected */
    assert_in_range(counts[0], 198000, 202000);
    pool_deinit(&pool);
}

/* With most of the weight closed the alias table mostly draws in vain, and the exact pass decides.
 */
static void test_shares_of_the_few_that_are_left(void **state)
{
    u32 weights[300];
    for (u32 i = 0; i < 300; i++)
        weights[i] = i < 290 ? 1000 : 1 + i % 5;
    pool_init(&pool, BALANCE_RANDOM, weights, 300);
    for (u32 i = 0; i < 290; i++) {
        pool_set_usable(&pool, i, false);
        pool.backends[i].weight = 0; /* so that chi square counts the others only */
    }
    memset(counts, 0, sizeof(counts));
    for (u32 i = 0; i < 60000; i++)
        counts[pool_pick(&pool)]++;
    assert_true(pool_chi_square(&pool, counts) < 9 + 5 * sqrt(18));
    pool_deinit(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_general),
        cmocka_unit_test(test_shares_follow_weights),
        cmocka_unit_test(test_equal_weights_over_a_thousand),
        cmocka_unit_test(test_extreme_weights),
        cmocka_unit_test(test_shares_of_the_few_that_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
