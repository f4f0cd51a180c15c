/*
 * state: what is known of backends and routes while they run, whatever configuration they are in,
 * and the only mutable memory that workers share. A backend or route has a slot: its place in
 * arrays of relaxed atomics. Slots are given out and taken back by control alone, and a slot stays
 * the same for as long as some snapshot has its backend or route; that is how figures outlive a
 * reload.
 */
#ifndef NEXTPROXY_STATE_H
#define NEXTPROXY_STATE_H

#include "base/list.h"
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

/* ---- Whether a backend may be chosen, by slot ---- */

/* Each is set and cleared by one judge alone, who need not know of the others: a backend may be
 * chosen when it has none of STATE_BARS. */
enum state_mark {
    STATE_DOWN = 1 << 0,        /* by active checks */
    STATE_EJECTED = 1 << 1,     /* by passive checks */
    STATE_DRAINING = 1 << 2,    /* by the operator: what it serves goes on, nothing new comes */
    STATE_MAINTENANCE = 1 << 3, /* by the operator: something is being done to it */
};
/* The operator's own, which nothing overrides. */
enum { STATE_MANUAL = STATE_DRAINING | STATE_MAINTENANCE };
enum { STATE_BARS = STATE_DOWN | STATE_EJECTED | STATE_MANUAL };

/* From any thread; every snapshot there is shows it when this returns. Takes a lock, which is held
 * for the time of some stores by whoever has it. */
void state_backend_mark(struct state *state, u32 slot, enum state_mark mark, bool set);
/* enum state_mark, as a set. */
u32 state_backend_marks(const struct state *state, u32 slot);
bool state_backend_usable(const struct state *state, u32 slot);
/* "down", "ejected", "draining", "maintenance"; static. */
const char *state_mark_name(enum state_mark mark);

/* Who wants to hear of marks: a snapshot, which keeps them in the form that choosing needs.
 *
 * Marks change under one lock, and followers are told under it; a follower begins by joining and is
 * then told, under the lock again, how each of its backends stands. So whatever changes while a
 * snapshot is being built is either in what it is told first, or is told to it afterwards. */
struct state_follower {
    struct list node;
    /* `marks` are those that hold now; some may be what it was told before. With the lock held. */
    void (*on_marks)(struct state_follower *follower, u32 slot, u32 marks);
};

void state_follow(struct state *state, struct state_follower *follower, const u32 *slots,
                  u32 count);
/* When this returns, it is told nothing any more. */
void state_unfollow(struct state *state, struct state_follower *follower);

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

/* Routes, by slot: state/routes.h. */

#endif
