/*
 * state: what all workers know of the backends and routes while they run, and the only mutable
 * memory they share. Figures are relaxed atomics in arrays indexed like the configuration's, so
 * that a balancing strategy can scan many backends in few cache lines.
 */
#ifndef NEXTPROXY_STATE_H
#define NEXTPROXY_STATE_H

#include "balance.h"
#include "config.h"

struct state;

/* Lives in an arena of its own, so it is never NULL. Indexes are those of `config`. */
MUST_CHECK struct state *state_create(const struct config *config);
void state_destroy(struct state *state);

/* The load of a pool's backends, in the order of config_pool.backends. A backend that is in several
 * pools shows the same figures in each. Lives as long as the state. */
const struct balance_load *state_load(const struct state *state, u32 pool);

/* A request is given to a backend, and is over. */
void state_backend_begin(struct state *state, u32 backend);
void state_backend_end(struct state *state, u32 backend);
/* A response head arrived sample_us after its request was sent. */
void state_backend_latency(struct state *state, u32 backend, u32 sample_us, u64 now_ns);
/* Health decisions: an unusable backend is not chosen. */
void state_backend_set_usable(struct state *state, u32 backend, bool usable);
u32 state_backend_active(const struct state *state, u32 backend);

/* Takes a place among the route's active exchanges, exactly, over all workers; false when there is
 * none left. A route without a limit always has one. */
MUST_CHECK bool state_route_enter(struct state *state, u32 route, u32 active_max);
void state_route_leave(struct state *state, u32 route, u32 active_max);

#endif
