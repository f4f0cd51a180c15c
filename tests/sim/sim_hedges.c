/* Hedging: what control does about it, and what was counted. */
#include "sim_internal.h"

void sim_late_after(struct sim *sim, u64 us)
{
    enum { SAMPLES = 1000 }; /* enough for any percentile */
    const struct snapshot *snapshot = sim->snapshot;
    for (u32 i = 0; i < snapshot->config->route_count; i++) {
        const struct config_route *route = &snapshot->config->routes[i];
        u32 slot = snapshot->route_slots[i];
        for (u32 sample = 0; route->hedged && sample < SAMPLES; sample++)
            state_latency_add(&state_hedges(sim->state, 0)[slot].latencies, us);
        if (route->hedged)
            state_hedge_look(sim->state, slot, route->retry.hedge.percentile);
    }
}

u64 sim_hedges(const struct sim *sim, enum state_hedge_count what)
{
    const struct snapshot *snapshot = sim->snapshot;
    u64 sum = 0;
    for (u32 i = 0; i < snapshot->config->route_count; i++)
        sum += state_hedge_sums(sim->state, snapshot->route_slots[i]).counts[what];
    return sum;
}
