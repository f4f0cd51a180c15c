/*
 * What a pick costs: nanoseconds per pick of each strategy, for pools of 3 and 1000 backends, alike
 * and weighted, idle and busy, and with a tenth of them down. The figures are changed after every
 * pick, as requests would. `--smoke` makes few picks and only shows that the program works.
 *
 * Each line ends in a hash of the picks: equal on every machine, so that two versions that should
 * choose alike can be told to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balance.h"
#include "base/clock.h"

enum {
    BACKENDS_MAX = 1000,
    IN_FLIGHT_PER_BACKEND = 8,
    PICKS = 1000000,
    PICKS_SMOKE = 2000,
    ROUNDS = 3
};

enum scene { SCENE_IDLE, SCENE_BUSY, SCENE_WEIGHTED, SCENE_TENTH_DOWN, SCENE_COUNT };

static const char *const scene_names[] = {"idle", "busy", "weighted", "tenth-down"};
_Static_assert(ARRAY_COUNT(scene_names) == SCENE_COUNT, "every scene has a name");

struct pool {
    u32 count;
    u32 slots[BACKENDS_MAX];
    u32 active[BACKENDS_MAX];
    u32 latency_us[BACKENDS_MAX];
    u64 usable[(BACKENDS_MAX + 63) / 64];
    struct balance_backend backends[BACKENDS_MAX];
    u32 in_flight[BACKENDS_MAX *
                  IN_FLIGHT_PER_BACKEND]; /* backends of requests, oldest overwritten */
    u32 in_flight_max;
    struct rng rng;
};

static struct pool pool;

static void pool_set(enum scene scene, u32 count)
{
    pool = (struct pool){.count = count};
    rng_seed(&pool.rng, 1);
    for (u32 i = 0; i < count; i++) {
        pool.backends[i].weight = scene == SCENE_WEIGHTED ? 1 + i % 10 : 1;
        pool.slots[i] = i;
        pool.backends[i].key = hash_mix64(i + 1);
        pool.latency_us[i] = 500 + rng_below(&pool.rng, 1000);
        if (scene != SCENE_TENTH_DOWN || i % 10 != 1)
            pool.usable[i / 64] |= 1ull << (i % 64);
    }
    pool.in_flight_max = scene == SCENE_IDLE ? 0 : count * IN_FLIGHT_PER_BACKEND;
    for (u32 i = 0; i < pool.in_flight_max; i++) {
        pool.in_flight[i] = i % count;
        pool.active[i % count]++;
    }
}

/* One request arrives; when there are as many as shall be, another one ends. */
static void pool_move(u32 at, u32 picked)
{
    if (pool.in_flight_max == 0)
        return;
    u32 *slot = &pool.in_flight[at % pool.in_flight_max];
    pool.active[*slot]--;
    *slot = picked;
    pool.active[picked]++;
}

static u64 measure(enum balance_strategy strategy, u32 picks, double *ns_per_pick)
{
    struct arena arena;
    arena_init(&arena);
    struct balance *balance = balance_create(&arena, strategy, pool.backends, pool.count);
    struct balance_load load = {pool.slots, pool.active, pool.latency_us, pool.usable};
    struct balance_request request = {.load = &load, .rng = &pool.rng};
    u64 hash = 0;
    u64 start_ns = clock_monotonic_ns();
    for (u32 i = 0; i < picks; i++) {
        request.key = hash_mix64(i);
        u32 picked = balance_pick(balance, &request);
        ASSERT(picked < pool.count);
        hash = hash_mix64(hash + picked);
        pool_move(i, picked);
    }
    *ns_per_pick = (double)(clock_monotonic_ns() - start_ns) / picks;
    arena_deinit(&arena);
    return hash;
}

static void measure_scene(enum scene scene, u32 count, u32 picks)
{
    for (u32 i = 0; i < BALANCE_STRATEGY_COUNT; i++) {
        enum balance_strategy strategy = (enum balance_strategy)i;
        double best = 0;
        u64 hash = 0;
        for (int round = 0; round < ROUNDS; round++) {
            double ns;
            pool_set(scene, count);
            hash = measure(strategy, picks, &ns);
            best = round == 0 || ns < best ? ns : best;
        }
        printf("%-22s %-11s %5u %9.1f  %016llx\n", balance_strategy_name(strategy),
               scene_names[scene], count, best, (unsigned long long)hash);
    }
}

int main(int argc, char **argv)
{
    bool smoke = argc == 2 && strcmp(argv[1], "--smoke") == 0;
    if (argc > 1 && !smoke) {
        (void)fprintf(stderr, "usage: %s [--smoke]\n", argv[0]);
        return EXIT_FAILURE;
    }
    printf("%-22s %-11s %5s %9s  %s\n", "strategy", "scene", "count", "ns/pick", "picks");
    for (u32 scene = 0; scene < SCENE_COUNT; scene++) {
        measure_scene((enum scene)scene, 3, smoke ? PICKS_SMOKE : PICKS);
        measure_scene((enum scene)scene, BACKENDS_MAX, smoke ? PICKS_SMOKE : PICKS);
    }
    return EXIT_SUCCESS;
}
