/* See include/state/hedges.h. */
#include "state/hedges.h"

#include "state/state_internal.h"

enum { SAMPLES_ABOVE = 10, SAMPLES_LEAST = 100 };

struct state_hedges *state_hedges(struct state *state, u32 worker)
{
    return state->tallies[worker]->hedges;
}

struct state_hedge_sums state_hedge_sums(const struct state *state, u32 slot)
{
    struct state_hedge_sums sums = {.counts = {0}};
    for (u32 worker = 0; worker < state->workers; worker++)
        for (u32 i = 0; state->tallies[worker] && i < STATE_HEDGE_COUNT; i++)
            sums.counts[i] +=
                __atomic_load_n(&state->tallies[worker]->hedges[slot].counts[i], __ATOMIC_RELAXED);
    return sums;
}

u32 state_hedge_delay_us(const struct state *state, u32 slot)
{
    return __atomic_load_n(&state->figures->hedges[slot].delay_us, __ATOMIC_RELAXED);
}

/* Counts wrap around, and so does what was counted when it was looked at last: the difference is
 * right all the same. */
static u32 seen_by_all(const struct state *state, u32 slot, u32 bucket)
{
    u32 seen = 0;
    for (u32 worker = 0; worker < state->workers; worker++) {
        const struct tallies *tallies = state->tallies[worker];
        if (tallies)
            seen +=
                __atomic_load_n(&tallies->hedges[slot].latencies.counts[bucket], __ATOMIC_RELAXED);
    }
    return seen;
}

void state_hedge_look(struct state *state, u32 slot, u32 percentile)
{
    struct hedge_figures *figures = &state->figures->hedges[slot];
    struct state_latency_sums latest = {.counts = {0}};
    u32 seen[STATE_LATENCY_BUCKETS];
    ASSERT(percentile > 0 && percentile < 100);
    for (u32 i = 0; i < STATE_LATENCY_BUCKETS; i++) {
        seen[i] = seen_by_all(state, slot, i);
        latest.counts[i] = (u32)(seen[i] - figures->looked_at[i]);
    }
    u64 enough = max_u64(SAMPLES_ABOVE * 100 / (100 - percentile), SAMPLES_LEAST);
    if (state_latency_count(&latest) < enough)
        return;
    memcpy(figures->looked_at, seen, sizeof(seen));
    u64 delay_us = state_latency_quantile(&latest, percentile / 100.0);
    __atomic_store_n(&figures->delay_us, (u32)max_u64(min_u64(delay_us, UINT32_MAX), 1),
                     __ATOMIC_RELAXED);
}

/* What was never written is not touched: it would take memory. */
static bool written(const struct state_hedges *hedges)
{
    static const struct state_hedges none;
    return memcmp(hedges->counts, none.counts, sizeof(none.counts)) != 0 ||
           memcmp(hedges->latencies.counts, none.latencies.counts, sizeof(none.latencies.counts)) !=
               0;
}

void hedges_forget(struct state *state, u32 slot)
{
    struct hedge_figures *figures = &state->figures->hedges[slot];
    if (figures->delay_us != 0)
        memset(figures->looked_at, 0, sizeof(figures->looked_at));
    __atomic_store_n(&figures->delay_us, 0, __ATOMIC_RELAXED);
    for (u32 worker = 0; worker < state->workers; worker++) {
        struct tallies *tallies = state->tallies[worker];
        if (tallies && written(&tallies->hedges[slot]))
            memset(&tallies->hedges[slot], 0, sizeof(tallies->hedges[slot]));
    }
}
