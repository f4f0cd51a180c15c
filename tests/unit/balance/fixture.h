/* A pool of pretended backends, and the checks that every strategy must pass. */
#ifndef NEXTPROXY_TESTS_BALANCE_FIXTURE_H
#define NEXTPROXY_TESTS_BALANCE_FIXTURE_H

#include "balance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { POOL_MAX = 1100, POOL_WORDS = (POOL_MAX + 63) / 64 };

enum { SLOT_FIRST = 3 };

struct pool {
    struct arena arena;
    struct balance *balance;
    u32 count;
    struct balance_backend backends[POOL_MAX];
    u32 *slots; /* backend i has slot i + SLOT_FIRST */
    /* Exactly as long as there are slots, so that a sanitizer sees a read beyond them. */
    u32 *active_by_slot;
    u32 *latency_us_by_slot;
    u32 *active; /* by backend */
    u32 *latency_us;
    u64 *usable;
    u64 tried[POOL_WORDS];
    struct rng rng;
    struct balance_load load;
    struct balance_request request;
};

/* Identifies backend `id` in the hash, whatever its index. */
static inline u64 pool_key(u32 id)
{
    char name[32];
    int len = snprintf(name, sizeof(name), "backend-%u", id);
    return hash_bytes(name, (usize)len, 0);
}

/* All backends idle and usable. `weights` NULL means 1 for all. */
static inline void pool_init(struct pool *pool, enum balance_strategy strategy, const u32 *weights,
                             u32 count)
{
    assert_true(count <= POOL_MAX);
    *pool = (struct pool){.count = count};
    arena_init(&pool->arena);
    rng_seed(&pool->rng, 20260101 + count);
    pool->slots = calloc(count, sizeof(u32));
    pool->active_by_slot = calloc(count + SLOT_FIRST, sizeof(u32));
    pool->latency_us_by_slot = calloc(count + SLOT_FIRST, sizeof(u32));
    pool->usable = calloc((count + 63) / 64, sizeof(u64));
    assert_true(pool->slots != NULL && pool->active_by_slot != NULL && pool->usable != NULL &&
                pool->latency_us_by_slot != NULL);
    pool->active = pool->active_by_slot + SLOT_FIRST;
    pool->latency_us = pool->latency_us_by_slot + SLOT_FIRST;
    for (u32 i = 0; i < count; i++) {
        pool->backends[i] = (struct balance_backend){weights == NULL ? 1 : weights[i], pool_key(i)};
        pool->usable[i / 64] |= 1ull << (i % 64);
        pool->slots[i] = i + SLOT_FIRST;
    }
    pool->load = (struct balance_load){pool->slots, pool->active_by_slot, pool->latency_us_by_slot,
                                       pool->usable};
    pool->request = (struct balance_request){.load = &pool->load, .rng = &pool->rng};
    pool->balance = balance_create(&pool->arena, strategy, pool->backends, count);
}

static inline void pool_deinit(struct pool *pool)
{
    arena_deinit(&pool->arena);
    free(pool->slots);
    free(pool->active_by_slot);
    free(pool->latency_us_by_slot);
    free(pool->usable);
}

static inline void pool_set_usable(struct pool *pool, u32 index, bool usable)
{
    u64 bit = 1ull << (index % 64);
    if (usable)
        pool->usable[index / 64] |= bit;
    else
        pool->usable[index / 64] &= ~bit;
}

static inline void pool_set_tried(struct pool *pool, u32 index)
{
    pool->tried[index / 64] |= 1ull << (index % 64);
    pool->request.tried = pool->tried;
}

static inline void pool_forget_tried(struct pool *pool)
{
    memset(pool->tried, 0, sizeof(pool->tried));
    pool->request.tried = NULL;
}

/* A pick for a client of its own. Checks what holds for every strategy. */
static inline u32 pool_pick(struct pool *pool)
{
    pool->request.key = rng_next(&pool->rng);
    u32 picked = balance_pick(pool->balance, &pool->request);
    if (picked == BALANCE_NONE)
        return picked;
    assert_true(picked < pool->count);
    assert_true(pool->backends[picked].weight > 0);
    assert_true(balance_bit(pool->usable, picked));
    assert_false(balance_bit(pool->tried, picked));
    return picked;
}

/* Pearson's statistic of counts against the weights; its mean is the degrees of freedom. */
static inline double pool_chi_square(const struct pool *pool, const u32 *counts)
{
    double total_weight = 0;
    double total = 0;
    for (u32 i = 0; i < pool->count; i++) {
        total_weight += pool->backends[i].weight;
        total += counts[i];
    }
    double sum = 0;
    for (u32 i = 0; i < pool->count; i++) {
        double expected = total * pool->backends[i].weight / total_weight;
        if (expected > 0)
            sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    return sum;
}

/* --- Checks for every strategy ---------------------------------------------------------------- */

/* Random loads, outages and attempts: a pick is always open (pool_pick looks), and there is one
 * exactly when somebody is open. */
static inline void check_only_open_ones(enum balance_strategy strategy, u32 count, u32 down_percent)
{
    static struct pool pool;
    static u32 weights[POOL_MAX];
    struct rng rng;
    rng_seed(&rng, count * 101 + down_percent);
    for (u32 i = 0; i < count; i++)
        weights[i] = rng_below(&rng, 6);
    pool_init(&pool, strategy, weights, count);
    for (int round = 0; round < 300; round++) {
        u32 open = 0;
        pool_forget_tried(&pool);
        for (u32 i = 0; i < count; i++) {
            bool up = rng_below(&rng, 100) >= down_percent;
            bool tried = rng_below(&rng, 100) < 10;
            pool_set_usable(&pool, i, up);
            if (tried)
                pool_set_tried(&pool, i);
            pool.active[i] = rng_below(&rng, 50);
            pool.latency_us[i] = rng_below(&rng, 3) * 1000;
            open += up && !tried && weights[i] > 0;
        }
        for (int i = 0; i < 3; i++)
            assert_int_equal(pool_pick(&pool) != BALANCE_NONE, open > 0);
    }
    pool_deinit(&pool);
}

static inline void check_single_backend(enum balance_strategy strategy)
{
    static struct pool pool;
    pool_init(&pool, strategy, NULL, 1);
    for (u32 i = 0; i < 100; i++) {
        pool.active[0] = i;
        assert_int_equal(pool_pick(&pool), 0);
    }
    pool_set_tried(&pool, 0);
    assert_int_equal(pool_pick(&pool), BALANCE_NONE);
    pool_forget_tried(&pool);
    pool_set_usable(&pool, 0, false);
    assert_int_equal(pool_pick(&pool), BALANCE_NONE);
    pool_set_usable(&pool, 0, true);
    assert_int_equal(pool_pick(&pool), 0);
    pool_deinit(&pool);
}

static inline void check_weights_of_zero(enum balance_strategy strategy)
{
    static struct pool pool;
    static const u32 zeroes[100];
    pool_init(&pool, strategy, zeroes, 100);
    assert_int_equal(pool_pick(&pool), BALANCE_NONE);
    pool_deinit(&pool);
    static const u32 one_of_three[] = {0, 3, 0};
    pool_init(&pool, strategy, one_of_three, 3);
    for (int i = 0; i < 100; i++)
        assert_int_equal(pool_pick(&pool), 1);
    pool_deinit(&pool);
}

/* A request that fails everywhere visits each of 1000 backends once, and then there is none left.
 */
static inline void check_retries_visit_everybody(enum balance_strategy strategy)
{
    static struct pool pool;
    pool_init(&pool, strategy, NULL, 1000);
    for (int i = 0; i < 1000; i++) {
        u32 picked = pool_pick(&pool);
        assert_int_not_equal(picked, BALANCE_NONE);
        pool_set_tried(&pool, picked);
    }
    assert_int_equal(pool_pick(&pool), BALANCE_NONE);
    pool_forget_tried(&pool);
    assert_int_not_equal(pool_pick(&pool), BALANCE_NONE);
    pool_deinit(&pool);
}

static inline void check_strategy(enum balance_strategy strategy)
{
    static const u32 counts[] = {2, 3, 63, 64, 65, 130, 1000};
    for (usize i = 0; i < ARRAY_COUNT(counts); i++) {
        check_only_open_ones(strategy, counts[i], 0);
        check_only_open_ones(strategy, counts[i], 30);
        check_only_open_ones(strategy, counts[i], 98);
    }
    check_single_backend(strategy);
    check_weights_of_zero(strategy);
    check_retries_visit_everybody(strategy);
}

#endif
