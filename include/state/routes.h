/*
 * The places of routes: how many exchanges of a route run and how many wait for their turn, over
 * all workers and exactly; and whose turn it is when a place becomes free. Workers queue their own
 * exchanges; what they share is here. By slot, see state.h; a route without limits is never
 * counted.
 *
 * A place that becomes free goes to the waiter that is first by its turn, whichever worker has it:
 * whoever frees a place calls that worker, and the worker then looks for itself. No wake-up is
 * lost, because both sides write first and read afterwards, all sequentially consistent:
 *
 *   who frees a place                        who begins to wait
 *     1. active - 1                            1. waiting + 1, and its turn is told
 *     2. waiting > 0: calls whose turn it is   2. looks for a place once more
 *
 * Either the first sees that somebody waits, or the second sees the free place: the steps cannot
 * both come before the other's first (Dekker). A worker that was called and does not take the place
 * (its waiter has left, another one is before it) looks whose turn it is in its stead, and so does
 * one that loses a waiter otherwise. So while a place is free and somebody waits, some worker is
 * going to look.
 */
#ifndef NEXTPROXY_STATE_ROUTES_H
#define NEXTPROXY_STATE_ROUTES_H

#include "limit.h"
#include "state.h"

/* All routes' places. It belongs to the state, and lives as long. */
struct state_routes;
struct state_routes *state_routes(struct state *state);

#define STATE_WORKER_NONE UINT32_MAX

/* ---- Workers ---- */

/* From now on the worker may be called: wake(context) makes its thread look, from any thread, and
 * must not block. */
void state_worker_listen(struct state_routes *routes, u32 worker, void (*wake)(void *context),
                         void *context);
/* Not any more. When this has returned wake() is not running, and is never run again. */
void state_worker_deafen(struct state_routes *routes, u32 worker);
/* True when somebody has called since the last time: for waiters or for connections, see
 * state/connections.h. By the worker itself, once in a turn. */
bool state_worker_called(struct state_routes *routes, u32 worker);

/* ---- What one worker has counted of a route, by slot ---- */

/* One cache line, the worker's alone to write. */
struct state_route_tally {
    u64 turn_ns;       /* of the worker's first waiter: see state_route_tell; 0 = nobody waits */
    u64 queued;        /* exchanges that had to wait */
    u64 waited;        /* ... that got a place after that */
    u64 waited_us_sum; /* how long these had waited */
    u64 timed_out;     /* ... that waited too long */
    u64 shed;          /* ... that were turned away for others, or because the queue stood */
    u64 refused;       /* exchanges for which there was neither a place nor room to wait */
    u64 standing;      /* 1 while the worker's queue stands, see limit.h */
} __attribute__((aligned(CACHE_LINE_BYTES)));

/* As state_tallies(): for the worker to write, to be asked for before it serves. */
MUST_CHECK struct state_route_tally *state_route_tallies(struct state_routes *routes, u32 worker);
/* All workers' added up, but for turn_ns. Control only. */
struct state_route_tally state_route_tally(const struct state_routes *routes, u32 slot);

/* ---- Places: by workers ---- */

/* Takes a place for an exchange that has just come; false when there are active_max (> 0) already,
 * or when others wait. */
MUST_CHECK bool state_route_enter(struct state_routes *routes, u32 slot, u32 active_max);
/* The same for one that has waited: only the number counts. */
MUST_CHECK bool state_route_enter_next(struct state_routes *routes, u32 slot, u32 active_max);
/* Gives a place back. state_route_turn() is to be called after it. */
void state_route_leave(struct state_routes *routes, u32 slot);

/* Begins to wait; false when queue_max exchanges do so already. */
MUST_CHECK bool state_route_wait(struct state_routes *routes, u32 slot, u32 queue_max);
/* Waits no more: because it got a place, or because it has given up. */
void state_route_unwait(struct state_routes *routes, u32 slot);
/* When the turn of the worker's first waiter is (> 0), or 0 when it has none any more. What is
 * earlier goes first: the time since when it waits, later by what its priority costs. `stuck`: it
 * waits for room at a backend (see below) and need not be called for a place. */
void state_route_tell(struct state_routes *routes, u32 slot, u32 worker, u64 turn_ns, bool stuck);

/* Whose turn is it, as far as there is a place (active_max as for state_route_enter; 0 = no limit)?
 * True when it is the worker's own first waiter's. Otherwise the worker whose turn it is has been
 * called, if there is one and it is not stuck. */
MUST_CHECK bool state_route_turn(struct state_routes *routes, u32 slot, u32 worker, u32 active_max);

/* ---- Room at backends ----
 *
 * Backends with a limit (connections_max) are shared by routes, so whoever frees a place at one
 * does not know who could use it. The workers that have waiters for want of such room say when the
 * turn of their first one is; they are called one after the other in that order, each by the one
 * before it, until all have looked. No wake-up is lost: a worker that begins to wait tells its turn
 * first and looks afterwards, at all its waiters; who frees a place does so first and looks for
 * waiters afterwards. A worker whose first waiter leaves without a place begins a round in its
 * stead. */

/* When the turn of the worker's first waiter for room is; 0 = it has none. */
void state_room_tell(struct state_routes *routes, u32 worker, u64 turn_ns);
/* There may be room: a round begins. True when the worker itself is to look first; otherwise the
 * one that is has been called, if there is one. Control is none of them: STATE_WORKER_NONE. */
bool state_room_free(struct state_routes *routes, u32 worker);
/* The worker, whose first waiter had this turn (> 0), has looked: the next one is called. */
void state_room_pass(struct state_routes *routes, u32 worker, u64 turn_ns);

/* ---- Limits that follow the latency, see limit.h ---- */

/* The limit in force, all workers' together. */
u32 state_route_limit(struct state_routes *routes, u32 slot,
                      const struct limit_gradient_settings *settings, u64 now_ns);
/* The same without beginning one: 0 = there is none yet. From any thread. */
u32 state_route_limit_known(const struct state_routes *routes, u32 slot);

struct state_sample {
    u64 began_ns;
    u64 now_ns;
    bool unanswered; /* its client did not wait any longer: it would have taken longer than this */
};
/* A request of the route was answered, or given up. True when the limit is another one now. */
bool state_route_sample(struct state_routes *routes, u32 slot,
                        const struct limit_gradient_settings *settings,
                        const struct state_sample *sample);

/* ---- Figures: from any thread ---- */

u32 state_route_active(const struct state_routes *routes, u32 slot);
u32 state_route_waiting(const struct state_routes *routes, u32 slot);

#endif
