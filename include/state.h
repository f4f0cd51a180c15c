/*
 * state: what is known of backends and routes while they run, whatever configuration they are in,
 * and the only mutable memory that workers share. A backend or route has a slot: its place in
 * arrays of relaxed atomics. Slots are given out and taken back by control alone, and a slot stays
 * the same for as long as some snapshot has its backend or route; that is how figures outlive a
 * reload.
 */
#ifndef NEXTPROXY_STATE_H
#define NEXTPROXY_STATE_H

#include "base/slice.h"

struct state;

enum { STATE_SLOTS_MAX = 1 << 17 };
#define STATE_SLOT_NONE UINT32_MAX

/* NULL when memory is refused. */
MUST_CHECK struct state *state_create(void);
void state_destroy(struct state *state);

/* ---- Slots: control only ---- */

enum state_kind { STATE_BACKEND, STATE_ROUTE, STATE_KIND_COUNT };

/* The slot of what has this key: the one it has already, or one with fresh figures. Each take is to
 * be undone by a state_release. STATE_SLOT_NONE when STATE_SLOTS_MAX are taken, or without memory.
 */
MUST_CHECK u32 state_take(struct state *state, enum state_kind kind, struct slice key);
/* ASSERTs, with the last release, that nothing is in flight any more. */
void state_release(struct state *state, enum state_kind kind, u32 slot);
/* Slots that are taken. */
u32 state_slots(const struct state *state, enum state_kind kind);

/* ---- Backends, by slot ---- */

/* The figures as arrays, for balance_load. They live as long as the state. */
const u32 *state_active(const struct state *state);
const u32 *state_latency_us(const struct state *state);

/* A request is given to a backend, and is over. */
void state_backend_begin(struct state *state, u32 slot);
void state_backend_end(struct state *state, u32 slot);
/* A response head arrived sample_us after its request was sent. */
void state_backend_latency(struct state *state, u32 slot, u32 sample_us, u64 now_ns);
u32 state_backend_active(const struct state *state, u32 slot);
u32 state_backend_latency_us(const struct state *state, u32 slot);
/* Health decisions: an unusable backend is not chosen. Snapshots follow, see snapshot.h. */
void state_backend_set_usable(struct state *state, u32 slot, bool usable);
bool state_backend_usable(const struct state *state, u32 slot);

/* ---- What one worker has counted of a backend, by slot ---- */

/* One cache line, the worker's alone to write. */
struct state_tally {
    u64 requests;       /* given to the backend: attempts */
    u64 failures;       /* attempts that ended in a fault of the backend's */
    u64 responses[5];   /* by class of the backend's status: [0] = 1xx ... [4] = 5xx */
    u64 latency_us_sum; /* to the heads of all these */
} __attribute__((aligned(CACHE_LINE_BYTES)));

/* The worker's tallies, for it to write: to be asked for before it serves. They live as long as the
 * state, and go on when another worker takes the index over. NULL when memory is refused, or beyond
 * STATE_WORKERS_MAX. */
enum { STATE_WORKERS_MAX = 1024 };
MUST_CHECK struct state_tally *state_tallies(struct state *state, u32 worker);

static inline void state_tally_add(u64 *figure, u64 value)
{
    __atomic_store_n(figure, *figure + value, __ATOMIC_RELAXED); /* one writer */
}

/* All workers' added up. Control only. */
struct state_tally state_backend_tally(const struct state *state, u32 slot);

/* ---- Routes, by slot ---- */

/* Takes a place among the route's active exchanges, exactly, over all workers; false when there is
 * none left. A route without a limit (0) always has one. */
MUST_CHECK bool state_route_enter(struct state *state, u32 slot, u32 active_max);
/* With the limit that was given to state_route_enter. */
void state_route_leave(struct state *state, u32 slot, u32 active_max);
/* Exchanges that have such a place. */
u32 state_route_active(const struct state *state, u32 slot);

#endif
