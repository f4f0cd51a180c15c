/* ip-hash: a client stays with its backend, shares follow weights, and few move when backends
 * change. */
#include "fixture.h"

#include <math.h>

enum { KEYS = 40000 };

static struct pool pool;
static u32 before[KEYS]; /* the id of the backend of each key */
static u32 counts[POOL_MAX];

static u64 client_key(u32 client)
{
    return hash_bytes(&client, sizeof(client), 0);
}

static u32 pick_for(u32 client)
{
    pool.request.key = client_key(client);
    return balance_pick(pool.balance, &pool.request);
}

/* Rebuilds the pool from backends given by id; where a key goes is then an id too. */
static void pool_of_ids(const u32 *ids, const u32 *weights, u32 count)
{
    pool_init(&pool, BALANCE_IP_HASH, weights, count);
    for (u32 i = 0; i < count; i++)
        pool.backends[i].key = pool_key(ids[i]);
    pool.balance = balance_create(&pool.arena, BALANCE_IP_HASH, pool.backends, count);
}

static void test_general(void **state)
{
    check_strategy(BALANCE_IP_HASH);
}

static void test_same_key_same_backend(void **state)
{
    pool_init(&pool, BALANCE_IP_HASH, NULL, 100);
    for (u32 client = 0; client < 1000; client++) {
        u32 picked = pick_for(client);
        for (int i = 0; i < 5; i++) {
            pool.active[picked] = (u32)i * 3;
            assert_int_equal(pick_for(client), picked);
        }
        pool.active[picked] = 0;
    }
    pool_deinit(&pool);
}

static void test_shares_follow_weights(void **state)
{
    static const u32 sizes[] = {3, 10, 100};
    for (usize s = 0; s < ARRAY_COUNT(sizes); s++) {
        u32 weights[100];
        for (u32 i = 0; i < sizes[s]; i++)
            weights[i] = 1 + i % 5;
        pool_init(&pool, BALANCE_IP_HASH, weights, sizes[s]);
        memset(counts, 0, sizeof(counts));
        for (u32 client = 0; client < KEYS; client++)
            counts[pick_for(client)]++;
        double degrees = sizes[s] - 1;
        assert_true(pool_chi_square(&pool, counts) < degrees + 6 * sqrt(2 * degrees));
        pool_deinit(&pool);
    }
}

/* How many of KEYS change their backend when a pool of the first `count` becomes another size. */
static u32 count_moved(const u32 *ids, const u32 *weights, u32 count, u32 count_after)
{
    u32 moved = 0;
    pool_of_ids(ids, weights, count);
    for (u32 client = 0; client < KEYS; client++)
        before[client] = ids[pick_for(client)];
    pool_deinit(&pool);
    pool_of_ids(ids, weights, count_after);
    for (u32 client = 0; client < KEYS; client++)
        moved += ids[pick_for(client)] != before[client];
    pool_deinit(&pool);
    return moved;
}

static void check_movement(u32 count, bool weighted)
{
    static u32 ids[POOL_MAX];
    static u32 weights[POOL_MAX];
    double total = 0;
    for (u32 i = 0; i <= count; i++) {
        ids[i] = i * 7 + 1;
        weights[i] = weighted ? 1 + i % 4 : 1;
        total += weights[i];
    }
    double share = weights[count] / total;
    double bound = KEYS * (share + 0.05);
    u32 added = count_moved(ids, weights, count, count + 1);
    u32 removed = count_moved(ids, weights, count + 1, count);
    assert_true(added <= bound);
    assert_true(removed <= bound);
    /* The newcomer does get its part. */
    assert_true(added >= KEYS * share * 0.6);
}

static void test_adding_and_removing_moves_few_keys(void **state)
{
    static const u32 sizes[] = {1, 2, 3, 5, 10, 32, 100, 500, 1000};
    for (usize i = 0; i < ARRAY_COUNT(sizes); i++) {
        check_movement(sizes[i], false);
        check_movement(sizes[i], true);
    }
}

static void test_order_in_the_config_does_not_matter(void **state)
{
    enum { COUNT = 50 };
    u32 ids[COUNT];
    u32 weights[COUNT];
    for (u32 i = 0; i < COUNT; i++) {
        ids[i] = i;
        weights[i] = 1 + i % 3;
    }
    pool_of_ids(ids, weights, COUNT);
    for (u32 client = 0; client < KEYS; client++)
        before[client] = ids[pick_for(client)];
    pool_deinit(&pool);
    for (u32 i = 0; i < COUNT; i++) {
        ids[i] = COUNT - 1 - i;
        weights[i] = 1 + ids[i] % 3;
    }
    pool_of_ids(ids, weights, COUNT);
    for (u32 client = 0; client < KEYS; client++)
        assert_int_equal(ids[pick_for(client)], before[client]);
    pool_deinit(&pool);
}

/* An outage moves the keys of that backend only, spreads them over all others, and they come back.
 */
static void check_outage(u32 count, u32 down)
{
    pool_init(&pool, BALANCE_IP_HASH, NULL, count);
    memset(counts, 0, sizeof(counts));
    for (u32 client = 0; client < KEYS; client++)
        before[client] = pick_for(client);
    for (u32 i = 0; i < down; i++)
        pool_set_usable(&pool, i, false);
    u32 displaced = 0;
    for (u32 client = 0; client < KEYS; client++) {
        u32 picked = pick_for(client);
        assert_true(picked >= down);
        if (before[client] >= down) {
            assert_int_equal(picked, before[client]);
            continue;
        }
        displaced++;
        counts[picked]++;
    }
    for (u32 i = down; i < count; i++)
        assert_in_range(counts[i], displaced / (count - down) / 2, displaced / (count - down) * 2);
    for (u32 i = 0; i < down; i++)
        pool_set_usable(&pool, i, true);
    for (u32 client = 0; client < KEYS; client++)
        assert_int_equal(pick_for(client), before[client]);
    pool_deinit(&pool);
}

static void test_outage_moves_only_its_own_keys(void **state)
{
    check_outage(20, 1);
    check_outage(20, 10);
    check_outage(200, 197); /* most keys find their backend by the search over all */
}

/* A hot key cannot push a backend above 1.25 times its share, nor is a cold one moved in vain. */
static void check_bound(const u32 *weights, u32 count)
{
    pool_init(&pool, BALANCE_IP_HASH, weights, count);
    u64 total_weight = 0;
    u64 total = 0;
    for (u32 i = 0; i < count; i++)
        total_weight += pool.backends[i].weight;
    for (u32 i = 0; i < 300 * count; i++) {
        u32 client = rng_below(&pool.rng, 4) == 0 ? rng_below(&pool.rng, 1000) : 7;
        u32 picked = pick_for(client);
        total++;
        u64 active = ++pool.active[picked];
        u64 weight = pool.backends[picked].weight;
        u64 bound = (5 * total * weight + 4 * total_weight - 1) / (4 * total_weight);
        assert_true(active <= max_u64(bound, 16));
        /* Every now and then somebody finishes. */
        u32 leaver = rng_below(&pool.rng, count);
        if (i % 3 == 0 && pool.active[leaver] > 0) {
            pool.active[leaver]--;
            total--;
        }
    }
    pool_deinit(&pool);
}

static void test_load_bound_is_never_exceeded(void **state)
{
    static u32 weights[1000];
    check_bound(NULL, 2);
    check_bound(NULL, 10);
    check_bound(NULL, 300);
    for (u32 i = 0; i < 1000; i++)
        weights[i] = 1 + i % 7;
    check_bound(weights, 7);
    check_bound(weights, 100);
}

/* Spilling is consistent too: while the first choice is full, a key has one second choice. */
static void test_overflow_goes_to_one_second_choice(void **state)
{
    pool_init(&pool, BALANCE_IP_HASH, NULL, 10);
    for (u32 client = 0; client < 500; client++) {
        u32 first = pick_for(client);
        pool.active[first] = 1000;
        u32 second = pick_for(client);
        assert_int_not_equal(second, first);
        for (int i = 0; i < 5; i++)
            assert_int_equal(pick_for(client), second);
        pool.active[first] = 0;
        assert_int_equal(pick_for(client), first);
    }
    pool_deinit(&pool);
}

/* A retry whose untried backends are all full is served all the same. */
static void test_full_is_better_than_none(void **state)
{
    pool_init(&pool, BALANCE_IP_HASH, NULL, 3);
    pool.active[0] = 100;
    pool.active[1] = 100;
    pool_set_tried(&pool, 2);
    for (int i = 0; i < 100; i++)
        assert_true(pool_pick(&pool) < 2);
    pool_deinit(&pool);
}

static void test_backends_with_equal_keys_both_serve(void **state)
{
    static const u32 ids[] = {1, 1};
    pool_of_ids(ids, NULL, 2);
    memset(counts, 0, sizeof(counts));
    for (u32 client = 0; client < 1000; client++)
        counts[pick_for(client)]++;
    assert_in_range(counts[0], 400, 600);
    pool_deinit(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_general),
        cmocka_unit_test(test_same_key_same_backend),
        cmocka_unit_test(test_shares_follow_weights),
        cmocka_unit_test(test_adding_and_removing_moves_few_keys),
        cmocka_unit_test(test_order_in_the_config_does_not_matter),
        cmocka_unit_test(test_outage_moves_only_its_own_keys),
        cmocka_unit_test(test_load_bound_is_never_exceeded),
        cmocka_unit_test(test_overflow_goes_to_one_second_choice),
        cmocka_unit_test(test_full_is_better_than_none),
        cmocka_unit_test(test_backends_with_equal_keys_both_serve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
