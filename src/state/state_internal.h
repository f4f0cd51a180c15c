/* What the files of src/state share: the figures, and where everything is. */
#ifndef NEXTPROXY_STATE_STATE_INTERNAL_H
#define NEXTPROXY_STATE_STATE_INTERNAL_H

#include <pthread.h>

#include "state.h"
#include "state/exchanges.h"
#include "state/hedges.h"
#include "state/slots.h"

/* Of one route. The first is control's alone. */
struct hedge_figures {
    u32 looked_at[STATE_LATENCY_BUCKETS]; /* what all workers had counted at the last look */
    u32 delay_us;
};

struct figures {
    u32 active[STATE_SLOTS_MAX]; /* of the workers that watch the slot */
    u32 latency_us[STATE_SLOTS_MAX];
    u64 latency_at_ns[STATE_SLOTS_MAX];
    u32 retries[STATE_SLOTS_MAX];
    u32 marks[STATE_SLOTS_MAX]; /* written under state.lock, read without */
    u32 slow_start_ms[STATE_SLOTS_MAX];
    u64 ramp_from_ns[STATE_SLOTS_MAX];
    struct hedge_figures hedges[STATE_SLOTS_MAX];
    struct circuit circuits[STATE_SLOTS_MAX]; /* begun with the first failure; under state.lock */
};

/* One worker's, reserved when it asks for them. */
struct tallies {
    struct state_tally by_slot[STATE_SLOTS_MAX];
    struct state_latencies latencies[STATE_SLOTS_MAX];
    struct state_exchanges exchanges[STATE_SLOTS_MAX];
    struct state_latencies durations[STATE_SLOTS_MAX];
    struct state_hedges hedges[STATE_SLOTS_MAX];
    struct state_waits waits[STATE_SLOTS_MAX];
    u32 active[STATE_SLOTS_MAX]; /* requests in flight, and ACTIVE_WATCHED: see active.c */
    u32 connections[STATE_SLOTS_MAX];
};

struct state {
    struct slots slots[STATE_KIND_COUNT];
    struct figures *figures;
    struct state_routes *routes;
    struct removals *removals;
    struct tallies *tallies[STATE_WORKERS_MAX];
    struct siphash_key sticky_key;
    u32 workers;           /* one more than the last that has tallies */
    pthread_mutex_t lock;  /* of the marks, who follows them, and the circuits */
    struct list followers; /* of struct state_follower */
    u64 changes;
    struct list open;     /* circuits */
    u64 circuits_next_ns; /* when the first of them has been open for long enough */
    void (*on_change)(void *context);
    void *context;
};

/* ---- tallies.c: the slot is another's from now on, and nobody counts meanwhile ---- */

void tallies_forget_backend(struct state *state, u32 slot);
void tallies_forget_route(struct state *state, u32 slot);
void tallies_release(struct state *state);

/* ---- hedges.c: the same ---- */

void hedges_forget(struct state *state, u32 slot);

/* ---- removal.c ---- */

/* NULL when memory is refused. */
struct removals *removals_create(void);
void removals_destroy(struct removals *removals);
/* The slot is another's from now on. */
void removals_forget(struct removals *removals, enum state_kind kind, u32 slot);

/* ---- marks.c ---- */

void marks_init(struct state *state);
void marks_deinit(struct state *state);
/* The slot is another backend's from now on. */
void marks_forget(struct state *state, u32 slot);
void marks_lock(struct state *state);
void marks_unlock(struct state *state);
/* Both under the lock: replaces those of `mask`, and tells who follows; and asks them. */
void marks_replace(struct state *state, u32 slot, u32 mask, u32 marks);
bool marks_may_eject(struct state *state, u32 slot);

/* ---- circuits.c ---- */

void circuits_init(struct state *state);
/* Under the lock. */
void circuits_forget(struct state *state, u32 slot);

#endif
