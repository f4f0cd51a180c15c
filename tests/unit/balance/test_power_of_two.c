/* power-of-two: of two drawn the less loaded, so that load is far more even than by chance. */
#include "fixture.h"

static struct pool pool;

static void test_general(void **state)
{
    check_strategy(BALANCE_POWER_OF_TWO);
}

/* Requests that never end, as many as backends: the classic balls into bins. */
static u32 fill_and_return_max(enum balance_strategy strategy, u32 count, u32 requests)
{
    pool_init(&pool, strategy, NULL, count);
    u32 most = 0;
    for (u32 i = 0; i < requests; i++)
        most = max_u32(most, ++pool.active[pool_pick(&pool)]);
    pool_deinit(&pool);
    return most;
}

/* Random reaches about ln n / ln ln n (6 here), two choices ln ln n / ln 2 + O(1) (3 to 4); with
 * 100 per backend the excess over 100 is about 35 against 2. */
static void test_far_more_even_than_random(void **state)
{
    u32 random_one = fill_and_return_max(BALANCE_RANDOM, 1000, 1000);
    u32 two_one = fill_and_return_max(BALANCE_POWER_OF_TWO, 1000, 1000);
    assert_true(two_one <= 4);
    assert_true(random_one > two_one);
    u32 random_many = fill_and_return_max(BALANCE_RANDOM, 1000, 100000);
    u32 two_many = fill_and_return_max(BALANCE_POWER_OF_TWO, 1000, 100000);
    assert_true(two_many <= 104);
    assert_true(random_many >= 120);
}

static void test_load_follows_weights(void **state)
{
    static const u32 weights[] = {1, 2, 3, 4, 10, 20};
    pool_init(&pool, BALANCE_POWER_OF_TWO, weights, 6);
    for (u32 i = 0; i < 4000; i++)
        pool.active[pool_pick(&pool)]++;
    for (u32 i = 0; i < 6; i++) {
        u32 ideal = 100 * weights[i];
        assert_in_range(pool.active[i], ideal * 9 / 10, ideal * 11 / 10);
    }
    pool_deinit(&pool);
}

/* Never the worse of two: with two backends open, always the less loaded. */
static void test_of_two_the_less_loaded(void **state)
{
    static const u32 weights[] = {3, 1};
    struct rng rng;
    rng_seed(&rng, 31);
    pool_init(&pool, BALANCE_POWER_OF_TWO, weights, 2);
    for (int i = 0; i < 2000; i++) {
        pool.active[0] = rng_below(&rng, 100);
        pool.active[1] = rng_below(&rng, 30);
        u32 picked = pool_pick(&pool);
        if (pool.active[0] < 3 * pool.active[1])
            assert_int_equal(picked, 0);
        if (pool.active[0] > 3 * pool.active[1])
            assert_int_equal(picked, 1);
    }
    pool_deinit(&pool);
}

/* An overloaded backend is chosen only when drawn twice, which cannot be: the two differ. */
static void test_the_most_loaded_is_never_chosen(void **state)
{
    pool_init(&pool, BALANCE_POWER_OF_TWO, NULL, 5);
    pool.active[3] = 100;
    for (int i = 0; i < 10000; i++)
        assert_int_not_equal(pool_pick(&pool), 3);
    pool_deinit(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_general),
        cmocka_unit_test(test_far_more_even_than_random),
        cmocka_unit_test(test_load_follows_weights),
        cmocka_unit_test(test_of_two_the_less_loaded),
        cmocka_unit_test(test_the_most_loaded_is_never_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
