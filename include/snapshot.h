/*
 * snapshot: one configuration as the workers use it, with everything that is worked out before they
 * get it: the slots of its backends and routes, which backends are usable, and each worker's
 * balancing. It does not change, but for the usable bits, which follow the marks in the state, and
 * the pins.
 *
 * Control builds one, hands it to the workers and destroys it when nobody needs it any more. A
 * worker pins the snapshot that it serves by, and every exchange the one that it began with.
 */
#ifndef NEXTPROXY_SNAPSHOT_H
#define NEXTPROXY_SNAPSHOT_H

#include "balance.h"
#include "config.h"
#include "state.h"

struct snapshot_table;

/* The tables of all pools that have one, by a hash of what they are made from. */
struct snapshot_tables {
    struct snapshot_table **at; /* NULL = a free place */
    u32 capacity;               /* a power of two, or 0 */
};

/* How many of a pool's backends stand how. Those of weight 0 do not count, because they are never
 * chosen. Written under the lock of the marks, read relaxed. */
struct snapshot_tallies {
    u32 members;
    u32 judged;  /* by checks alone: the operator has not taken them out */
    u32 up;      /* nobody has anything against them */
    u32 ejected; /* by passive checks, those on trial included */
    u32 panic;   /* 1: so few are up that all that are judged are used */
};

/* How the cookies of sticky sessions name a member of a pool. */
struct snapshot_handle {
    u64 value;
    u32 member;
};

struct snapshot_pool {
    struct balance_load load;
    u64 *usable;               /* load.usable, to be written */
    struct balance **balances; /* per worker */
    struct snapshot_tallies tallies;
    const struct snapshot_handle *handles; /* by value; NULL = no route has sessions by cookie */
    const u64 *handle_of;                  /* by member */
};

/* A place of a backend in a pool. */
struct snapshot_seat {
    u32 pool;
    u32 member;
};

/* On a cache line of its own: the worker's alone to write. */
struct snapshot_worker {
    u64 pins;
} __attribute__((aligned(CACHE_LINE_BYTES)));

/* A listening socket from which a worker is to accept: control's, which closes it when the worker
 * has adopted a snapshot without it. */
struct snapshot_socket {
    int fd;
    u32 listener; /* index into config.listeners */
};

struct snapshot_sockets {
    const struct snapshot_socket *at;
    u32 count;
};

struct snapshot {
    const struct config *config; /* outlives the snapshot */
    const u32 *backend_slots;    /* by index into config.backends */
    const bool *watched;      /* ... how many requests it has is looked at: state_backend_watch() */
    const u32 *route_slots;   /* by index into config.routes */
    const u32 *url_slots;     /* as backend_slots, of STATE_URL */
    const u32 *pattern_slots; /* as route_slots, of STATE_PATTERN */
    struct snapshot_pool *pools;
    struct snapshot_worker *workers;
    struct snapshot_sockets *sockets; /* by worker; none until snapshot_set_sockets() */
    struct state *state;
    struct state_follower follower; /* keeps the usable bits as the state's marks say */
    struct snapshot_seat *seats; /* those of backend i: from seats_from[i] to seats_from[i + 1] */
    u32 *seats_from;
    u32 *marks;   /* by index into config.backends: what the usable bits are made from */
    u32 returned; /* ejected backends that came back because fewer may be, in this configuration */
    u64 version;
    u64 removed_since_ns; /* the earliest of what earlier ones have and this one has not */
    u32 worker_count;
    struct arena arena;
    struct snapshot_tables tables;
    struct siphash_key session_key;
};

/* NULL when `state` has no slots left. What is costly to work out and as it was in `previous` (NULL
 * = none), which may go afterwards, is shared with it. Nothing changes for those that there are:
 * until snapshot_begin() it may be destroyed as if it had never been. Control only, like all but
 * the pins. */
MUST_CHECK struct snapshot *snapshot_create(const struct config *config, struct state *state,
                                            u32 worker_count, u64 version,
                                            const struct snapshot *previous);
/* It is the newest from now on, and its version that of no other: what it says of backends holds.
 * Before it is offered to a worker that serves. */
void snapshot_begin(struct snapshot *snapshot);
/* Then, for each earlier one that workers may still use, in any order: what that has and this one
 * has not is removed from now on (state/removal.h). */
void snapshot_supersede(struct snapshot *snapshot, const struct snapshot *earlier, u64 now_ns);
/* The earliest time at which one of these was; UINT64_MAX: there is none. From any thread. */
u64 snapshot_removed_since_ns(const struct snapshot *snapshot);
/* What a worker is to accept from; before the snapshot is offered to it. `sockets` is copied. */
void snapshot_set_sockets(struct snapshot *snapshot, u32 worker, struct snapshot_sockets sockets);
/* Only when it is not pinned. */
void snapshot_destroy(struct snapshot *snapshot);

/* The pool's tallies, from any thread. */
struct snapshot_tallies snapshot_pool_tallies(const struct snapshot *snapshot, u32 pool);

/* True while a worker holds it. One that has gone on to a later snapshot, and has let go of this
 * one, does not take it again. */
bool snapshot_pinned(const struct snapshot *snapshot);

/* The member of the pool that has this handle, or BALANCE_NONE. Only for pools with handles. From
 * any thread. */
u32 snapshot_member(const struct snapshot *snapshot, u32 pool, u64 handle);

/* ---- Pins: by the worker itself ---- */

static inline void snapshot_pin(struct snapshot *snapshot, u32 worker)
{
    u64 *pins = &snapshot->workers[worker].pins;
    __atomic_store_n(pins, *pins + 1, __ATOMIC_RELAXED); /* one writer */
}

static inline void snapshot_unpin(struct snapshot *snapshot, u32 worker)
{
    u64 *pins = &snapshot->workers[worker].pins;
    ASSERT(*pins > 0);
    __atomic_store_n(pins, *pins - 1, __ATOMIC_RELEASE);
}

#endif
