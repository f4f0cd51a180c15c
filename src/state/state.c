/*
 * Backends' and routes' figures. What a strategy scans has to lie together per pool, so every
 * membership of a backend in a pool is a slot of its own, and a change is written to all slots of
 * the backend: one or two in practice.
 */
#include "state.h"

#include <stdatomic.h>

#include "base/clock.h"

#define LATENCY_DECAY_NS (10 * NS_PER_S)

struct slot {
    u32 pool;
    u32 member;
};

struct backend_state {
    const struct slot *slots;
    u32 slot_count;
    _Atomic u32 latency_us;
    _Atomic u64 latency_at_ns;
} __attribute__((aligned(CACHE_LINE_BYTES)));

struct pool_state {
    struct balance_load load;
    u32 *active;
    u32 *latency_us;
    u64 *usable;
};

struct state {
    struct arena arena;
    struct backend_state *backends;
    struct pool_state *pools;
    _Atomic u32 *route_active;
};

static void *alloc_lines(struct arena *arena, usize bytes)
{
    /* Workers write here: no line is shared with anything else. */
    uintptr_t at = (uintptr_t)arena_alloc(arena, bytes + 2 * CACHE_LINE_BYTES);
    return (void *)((at + CACHE_LINE_BYTES - 1) & ~(uintptr_t)(CACHE_LINE_BYTES - 1));
}

static void init_pool(struct state *state, const struct config_pool *config, u32 index)
{
    struct pool_state *pool = &state->pools[index];
    u32 count = config->backend_count;
    pool->active = alloc_lines(&state->arena, count * sizeof(u32));
    pool->latency_us = alloc_lines(&state->arena, count * sizeof(u32));
    pool->usable = alloc_lines(&state->arena, (count + 63) / 64 * sizeof(u64));
    for (u32 i = 0; i < count; i++)
        pool->usable[i / 64] |= 1ull << (i % 64);
    pool->load = (struct balance_load){
        .active = pool->active,
        .latency_us = pool->latency_us,
        .usable = pool->usable,
    };
}

static void init_slots(struct state *state, const struct config *config)
{
    u32 *counts = arena_alloc(&state->arena, config->backend_count * sizeof(u32));
    for (u32 p = 0; p < config->pool_count; p++)
        for (u32 i = 0; i < config->pools[p].backend_count; i++)
            counts[config->pools[p].backends[i]]++;
    struct slot **slots = arena_alloc(&state->arena, config->backend_count * sizeof(*slots));
    for (u32 b = 0; b < config->backend_count; b++) {
        slots[b] = arena_alloc(&state->arena, counts[b] * sizeof(struct slot));
        state->backends[b].slots = slots[b];
    }
    for (u32 p = 0; p < config->pool_count; p++) {
        for (u32 i = 0; i < config->pools[p].backend_count; i++) {
            u32 b = config->pools[p].backends[i];
            slots[b][state->backends[b].slot_count++] = (struct slot){.pool = p, .member = i};
        }
    }
}

struct state *state_create(const struct config *config)
{
    struct arena arena;
    arena_init(&arena);
    struct state *state = alloc_lines(&arena, sizeof(*state));
    state->arena = arena;
    state->backends = alloc_lines(&state->arena, config->backend_count * sizeof(*state->backends));
    state->pools = arena_alloc(&state->arena, config->pool_count * sizeof(*state->pools));
    state->route_active = alloc_lines(&state->arena, config->route_count * sizeof(u32));
    for (u32 i = 0; i < config->pool_count; i++)
        init_pool(state, &config->pools[i], i);
    init_slots(state, config);
    return state;
}

void state_destroy(struct state *state)
{
    struct arena arena = state->arena; /* the state itself lives in it */
    arena_deinit(&arena);
}

const struct balance_load *state_load(const struct state *state, u32 pool)
{
    return &state->pools[pool].load;
}

void state_backend_begin(struct state *state, u32 backend)
{
    const struct backend_state *it = &state->backends[backend];
    for (u32 i = 0; i < it->slot_count; i++)
        __atomic_fetch_add(&state->pools[it->slots[i].pool].active[it->slots[i].member], 1,
                           __ATOMIC_RELAXED);
}

void state_backend_end(struct state *state, u32 backend)
{
    const struct backend_state *it = &state->backends[backend];
    for (u32 i = 0; i < it->slot_count; i++) {
        u32 *active = &state->pools[it->slots[i].pool].active[it->slots[i].member];
        u32 before = __atomic_fetch_sub(active, 1, __ATOMIC_RELAXED);
        ASSERT(before > 0);
    }
}

void state_backend_latency(struct state *state, u32 backend, u32 sample_us, u64 now_ns)
{
    struct backend_state *it = &state->backends[backend];
    /* Two workers at once may lose one of their samples; a moving average can bear that. */
    u64 before_ns = atomic_load_explicit(&it->latency_at_ns, memory_order_relaxed);
    atomic_store_explicit(&it->latency_at_ns, now_ns, memory_order_relaxed);
    u32 old = atomic_load_explicit(&it->latency_us, memory_order_relaxed);
    u64 elapsed_ns = now_ns > before_ns ? now_ns - before_ns : 0;
    u32 figure = balance_latency_update(old, max_u32(sample_us, 1), elapsed_ns, LATENCY_DECAY_NS);
    atomic_store_explicit(&it->latency_us, figure, memory_order_relaxed);
    for (u32 i = 0; i < it->slot_count; i++)
        __atomic_store_n(&state->pools[it->slots[i].pool].latency_us[it->slots[i].member], figure,
                         __ATOMIC_RELAXED);
}

void state_backend_set_usable(struct state *state, u32 backend, bool usable)
{
    struct backend_state *it = &state->backends[backend];
    for (u32 i = 0; i < it->slot_count; i++) {
        u32 member = it->slots[i].member;
        u64 *word = &state->pools[it->slots[i].pool].usable[member / 64];
        if (usable)
            __atomic_fetch_or(word, 1ull << (member % 64), __ATOMIC_RELAXED);
        else
            __atomic_fetch_and(word, ~(1ull << (member % 64)), __ATOMIC_RELAXED);
    }
}

u32 state_backend_active(const struct state *state, u32 backend)
{
    const struct backend_state *it = &state->backends[backend];
    if (it->slot_count == 0)
        return 0;
    return __atomic_load_n(&state->pools[it->slots[0].pool].active[it->slots[0].member],
                           __ATOMIC_RELAXED);
}

bool state_route_enter(struct state *state, u32 route, u32 active_max)
{
    if (active_max == 0)
        return true;
    _Atomic u32 *active = &state->route_active[route];
    u32 now = atomic_load_explicit(active, memory_order_relaxed);
    do {
        if (now >= active_max)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(active, &now, now + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void state_route_leave(struct state *state, u32 route, u32 active_max)
{
    if (active_max == 0)
        return;
    u32 before = atomic_fetch_sub_explicit(&state->route_active[route], 1, memory_order_relaxed);
    ASSERT(before > 0);
}
