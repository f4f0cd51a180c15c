/*
 * Hedged requests of routes, by slot: what each worker has counted, how long responses take to
 * their heads, and what follows from that for when a second attempt is worth it.
 *
 * Workers count; control looks at it about once a second and leaves one number for each route,
 * which is all that a request reads. The latest responses are those since the last look at which
 * there were enough of them: for a percentile, ten must be able to lie above it.
 */
#ifndef NEXTPROXY_STATE_HEDGES_H
#define NEXTPROXY_STATE_HEDGES_H

#include "base/list.h"
#include "state/latency.h"

struct state;

enum state_hedge_count {
    STATE_HEDGE_STARTED,        /* second attempts */
    STATE_HEDGE_WON,            /* ... whose response was sent */
    STATE_HEDGE_DENIED_BUDGET,  /* it was time for one, but too many requests are retries */
    STATE_HEDGE_DENIED_BACKEND, /* ... but nobody else could be asked */
    STATE_HEDGE_COUNT,
};

/* One worker's of one route, the worker's alone to write. */
struct state_hedges {
    struct state_latencies latencies; /* of responses that might be hedged; see src/proxy/hedge.c */
    u64 counts[STATE_HEDGE_COUNT];
} __attribute__((aligned(CACHE_LINE_BYTES)));

/* As state_route_classes(). */
struct state_hedges *state_hedges(struct state *state, u32 worker);

static inline void state_hedge_add(struct state_hedges *hedges, enum state_hedge_count what)
{
    __atomic_store_n(&hedges->counts[what], hedges->counts[what] + 1,
                     __ATOMIC_RELAXED); /* one writer */
}

/* All workers' counts added up. Control only. */
struct state_hedge_sums {
    u64 counts[STATE_HEDGE_COUNT];
};
struct state_hedge_sums state_hedge_sums(const struct state *state, u32 slot);

/* After so long a request is late, as far as that is known: else 0. From any thread. */
u32 state_hedge_delay_us(const struct state *state, u32 slot);
/* Looks at the responses since it did so last, and when they are enough sets that. Control only. */
void state_hedge_look(struct state *state, u32 slot, u32 percentile);

#endif
