/*
 * What is known of a route's exchanges: how many have begun and how they ended, how long they took
 * and how long they had waited. By slot of the route, see state.h.
 */
#ifndef NEXTPROXY_STATE_EXCHANGES_H
#define NEXTPROXY_STATE_EXCHANGES_H

#include "state.h"

/* ---- What one worker has counted, by slot: its alone to write, after state_tallies() ---- */

/* One cache line. */
struct state_exchanges {
    u64 begun;
    u64 ended[6];        /* by class of the status sent: [0] = none, [1] = 1xx ... [5] = 5xx */
    u64 duration_us_sum; /* of those that ended, but for tunnels; how they spread is below */
} __attribute__((aligned(CACHE_LINE_BYTES)));
struct state_exchanges *state_route_exchanges(struct state *state, u32 worker);
struct state_latencies *state_route_durations(struct state *state, u32 worker);
/* How long they have waited in its queue, however that ended. */
struct state_waits {
    struct state_latencies times;
    u64 us_sum;
};
struct state_waits *state_route_waits(struct state *state, u32 worker);

/* ---- All workers' added up. Control only. ---- */

struct state_wait_sums {
    struct state_latency_sums times;
    u64 us_sum;
};
struct state_wait_sums state_route_wait_sums(const struct state *state, u32 slot);
struct state_exchanges state_route_exchange_sums(const struct state *state, u32 slot);
struct state_latency_sums state_route_duration_sums(const struct state *state, u32 slot);

static inline u64 state_exchanges_ended(const struct state_exchanges *sums)
{
    u64 sum = 0;
    for (u32 i = 0; i < ARRAY_COUNT(sums->ended); i++)
        sum += sums->ended[i];
    return sum;
}

/* In progress: workers went on while they were added up, so some may seem to have ended before
 * they began. */
static inline u64 state_exchanges_active(const struct state_exchanges *sums)
{
    return sums->begun - min_u64(state_exchanges_ended(sums), sums->begun);
}

#endif
