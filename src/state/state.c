/* Figures by slot. The arrays are reserved for all slots there may be; what is not used is never
 * touched, and takes no memory. */
#include <stdlib.h>

#include "balance.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/random.h"
#include "state/places.h"
#include "state/state_internal.h"

#define LATENCY_DECAY_NS (10 * NS_PER_S)

struct state *state_create(void)
{
    struct state *state = calloc(1, sizeof(*state));
    if (!state)
        return NULL;
    state->figures = region_reserve(sizeof(*state->figures));
    state->removals = state->figures ? removals_create() : NULL;
    state->routes = state->removals ? state_routes_create() : NULL;
    if (!state->routes) {
        if (state->removals)
            removals_destroy(state->removals);
        if (state->figures)
            region_release(state->figures, sizeof(*state->figures));
        free(state);
        return NULL;
    }
    for (u32 kind = 0; kind < STATE_KIND_COUNT; kind++)
        slots_init(&state->slots[kind]);
    random_bytes(&state->sticky_key, sizeof(state->sticky_key));
    marks_init(state);
    return state;
}

void state_destroy(struct state *state)
{
    for (u32 kind = 0; kind < STATE_KIND_COUNT; kind++)
        slots_deinit(&state->slots[kind]);
    marks_deinit(state);
    tallies_release(state);
    state_routes_destroy(state->routes);
    removals_destroy(state->removals);
    region_release(state->figures, sizeof(*state->figures));
    free(state);
}

/* ---- Slots ---- */

static void forget_backend(struct state *state, u32 slot)
{
    struct figures *figures = state->figures;
    __atomic_store_n(&figures->latency_us[slot], 0, __ATOMIC_RELAXED);
    __atomic_store_n(&figures->latency_at_ns[slot], 0, __ATOMIC_RELAXED);
    marks_forget(state, slot);
    tallies_forget_backend(state, slot);
}

static void forget_route(struct state *state, u32 slot)
{
    state_routes_forget(state->routes, slot);
    tallies_forget_route(state, slot);
    hedges_forget(state, slot);
}

u32 state_take(struct state *state, enum state_kind kind, struct slice key)
{
    bool fresh;
    u32 slot = slots_take(&state->slots[kind], key, &fresh);
    if (slot != STATE_SLOT_NONE && fresh)
        removals_forget(state->removals, kind, slot);
    if (slot != STATE_SLOT_NONE && fresh && kind == STATE_BACKEND)
        forget_backend(state, slot);
    if (slot != STATE_SLOT_NONE && fresh && kind == STATE_ROUTE)
        forget_route(state, slot);
    return slot;
}

static bool quiet(const struct state *state, enum state_kind kind, u32 slot)
{
    switch (kind) {
    case STATE_BACKEND:
        return state_backend_active(state, slot) == 0;
    case STATE_ROUTE:
        return state_routes_quiet(state->routes, slot);
    case STATE_URL:
    case STATE_PATTERN:
    case STATE_KIND_COUNT:
        break;
    }
    return true;
}

void state_release(struct state *state, enum state_kind kind, u32 slot)
{
    if (slots_release(&state->slots[kind], slot))
        ASSERT(quiet(state, kind, slot));
}

u32 state_slots(const struct state *state, enum state_kind kind)
{
    return state->slots[kind].taken;
}

/* ---- Backends ---- */

const u32 *state_latency_us(const struct state *state)
{
    return state->figures->latency_us;
}

void state_backend_latency(struct state *state, u32 slot, u32 sample_us, u64 now_ns)
{
    struct figures *figures = state->figures;
    /* Two workers at once may lose one of their samples; a moving average can bear that. */
    u64 before_ns = __atomic_load_n(&figures->latency_at_ns[slot], __ATOMIC_RELAXED);
    __atomic_store_n(&figures->latency_at_ns[slot], now_ns, __ATOMIC_RELAXED);
    u32 old = __atomic_load_n(&figures->latency_us[slot], __ATOMIC_RELAXED);
    u64 elapsed_ns = now_ns > before_ns ? now_ns - before_ns : 0;
    u32 figure = balance_latency_update(old, max_u32(sample_us, 1), elapsed_ns, LATENCY_DECAY_NS);
    __atomic_store_n(&figures->latency_us[slot], figure, __ATOMIC_RELAXED);
}

u32 state_backend_latency_us(const struct state *state, u32 slot)
{
    return __atomic_load_n(&state->figures->latency_us[slot], __ATOMIC_RELAXED);
}

/* ---- Retries ---- */

bool state_retry_enter(struct state *state, u32 slot, u32 retries_max)
{
    return place_enter(&state->figures->retries[slot], retries_max);
}

void state_retry_leave(struct state *state, u32 slot)
{
    place_leave(&state->figures->retries[slot]);
}

u32 state_retries(const struct state *state, u32 slot)
{
    return __atomic_load_n(&state->figures->retries[slot], __ATOMIC_RELAXED);
}

/* ---- Sticky sessions ---- */

struct siphash_key state_sticky_key(const struct state *state)
{
    return state->sticky_key;
}

void state_set_sticky_key(struct state *state, const struct siphash_key *key)
{
    state->sticky_key = *key;
}

/* ---- Routes ---- */

struct state_routes *state_routes(struct state *state)
{
    return state->routes;
}
