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
#include "base/siphash.h"
#include "base/slice.h"
#include "state/circuit.h"
#include "state/latency.h"

struct state;

enum { STATE_SLOTS_MAX = 1 << 17 };
#define STATE_SLOT_NONE UINT32_MAX

/* NULL when memory is refused. */
MUST_CHECK struct state *state_create(void);
void state_destroy(struct state *state);

/* ---- Slots: control only ---- */

enum state_kind {
    STATE_BACKEND,
    STATE_ROUTE,
    /* What operators see of them come and go: state/removal.h. */
    STATE_URL,     /* of backends, whatever their ids and wherever their names lead */
    STATE_PATTERN, /* host and path of a route, whatever its id */
    STATE_KIND_COUNT,
};

/* The slot of what has this key: the one it has already, or one with fresh figures. Each take is to
 * be undone by a state_release. STATE_SLOT_NONE when STATE_SLOTS_MAX are taken, or without memory.
 */
MUST_CHECK u32 state_take(struct state *state, enum state_kind kind, struct slice key);
/* ASSERTs, with the last release, that nothing is in flight any more. */
void state_release(struct state *state, enum state_kind kind, u32 slot);
/* Slots that are taken. */
u32 state_slots(const struct state *state, enum state_kind kind);

/* ---- Backends, by slot ---- */

/* The figures as arrays, for balance_load. They live as long as the state. In the first are those
 * requests of a slot that are with workers which watch it. */
const u32 *state_active(const struct state *state);
const u32 *state_latency_us(const struct state *state);

/* A request is given to a backend, and is over. By the worker itself, which has asked for its
 * tallies before. */
void state_backend_begin(struct state *state, u32 worker, u32 slot);
void state_backend_end(struct state *state, u32 worker, u32 slot);
/* The same at a backend with a limit: false, and nothing is done, when there are `most` already,
 * over all workers. It ends with state_backend_end(), and state_room_free() is to be called after
 * that: see state/routes.h. */
MUST_CHECK bool state_backend_enter(struct state *state, u32 worker, u32 slot, u32 most);
/* Whether state_active() is to have this worker's requests: for strategies that look at the load,
 * and for limits. By the worker itself; at first it does not watch. */
void state_backend_watch(struct state *state, u32 worker, u32 slot, bool watched);
/* A response head arrived sample_us after its request was sent. */
void state_backend_latency(struct state *state, u32 slot, u32 sample_us, u64 now_ns);
/* Over all workers, whether they watch or not. */
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
    STATE_UNRESOLVED = 1 << 4,  /* by DNS: there is no address to connect to */
    /* These bar nobody, but ask for a closer look: */
    STATE_ON_TRIAL = 1 << 5, /* its circuit is half open: see state_circuit_try() */
    STATE_FAILING = 1 << 6,  /* its circuit has counted failures: wants to know of good requests */
    STATE_RAMPING = 1 << 7,  /* it is back, and not to have its full share yet: see state_ramp() */
};
/* The operator's own, which nothing overrides. */
enum { STATE_MANUAL = STATE_DRAINING | STATE_MAINTENANCE };
/* What holds even where all else is overridden. */
enum { STATE_FINAL = STATE_MANUAL | STATE_UNRESOLVED };
enum { STATE_BARS = STATE_DOWN | STATE_EJECTED | STATE_FINAL };

/* Not for the last three, nor for STATE_EJECTED: they follow from the others and from circuits.
 * From any thread; every snapshot there is shows it when this returns. Takes a lock, which is held
 * for the time of some stores by whoever has it. */
void state_backend_mark(struct state *state, u32 slot, enum state_mark mark, bool set);
/* enum state_mark, as a set. */
u32 state_backend_marks(const struct state *state, u32 slot);
bool state_backend_usable(const struct state *state, u32 slot);
/* Grows whenever somebody gets or loses a mark that bars it. */
u64 state_changes(const struct state *state);
/* As docs/admin.md lists them; static. */
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
    /* Whether one more may be ejected, this one. With the lock held. */
    bool (*may_eject)(struct state_follower *follower, u32 slot);
};

void state_follow(struct state *state, struct state_follower *follower, const u32 *slots,
                  u32 count);
/* When this returns, it is told nothing any more. */
void state_unfollow(struct state *state, struct state_follower *follower);

/* How long the backend's share grows when it is back; 0 = not at all. Control only. */
void state_backend_set_slow_start(struct state *state, u32 slot, u32 slow_start_ms);
/* The share of what the backend's weight gives it that it is to have now, of 2^16: less only while
 * it has STATE_RAMPING. */
u32 state_ramp(struct state *state, u32 slot, u64 now_ns);

/* ---- Circuits, by slot: passive checks ---- */

/* All from any thread, under the lock of the marks, which show what becomes of the circuit when
 * these return. Requests that go well need none of this while the backend has no marks. */

enum state_circuit_event {
    STATE_CIRCUIT_SAME,
    STATE_CIRCUIT_OPENED,
    STATE_CIRCUIT_SPARED, /* it would have, but as many as may be are ejected; told once */
    STATE_CIRCUIT_CLOSED,
};

struct state_attempt {
    const struct config_passive_check *check;
    u64 now_ns;
    u32 slot;
    u8 trial; /* enum circuit_trial: not NONE when state_circuit_try() has let it through */
};

/* An attempt failed (failure->trial as in the attempt). *after: the circuit as it is then. */
enum state_circuit_event state_circuit_fail(struct state *state,
                                            const struct state_attempt *attempt,
                                            const struct circuit_failure *failure,
                                            struct circuit *after);
/* One went well. */
enum state_circuit_event state_circuit_succeed(struct state *state,
                                               const struct state_attempt *attempt);
/* True when this request is the trial of a backend with STATE_ON_TRIAL: one of the three around
 * this has to follow. */
MUST_CHECK bool state_circuit_try(struct state *state, u32 slot);
void state_circuit_untried(struct state *state, u32 slot);

/* A probe of an active check has ended: `needed` good ones in a row end the time of an ejection.
 * True when this one has. */
MUST_CHECK bool state_circuit_probe(struct state *state, u32 slot, bool good, u32 needed);
/* An ejection ends without a trial. False when there was none. */
MUST_CHECK bool state_circuit_close(struct state *state, u32 slot);
/* The next slot whose ejection's time is over, now on trial; STATE_SLOT_NONE when there is none
 * (any more). Control only. */
u32 state_circuits_tick(struct state *state, u64 now_ns);
/* When there is one; UINT64_MAX = never, as things are. */
u64 state_circuits_deadline_ns(const struct state *state);
/* Called on the thread on which a circuit has opened or closed. Set before there is a second one.
 */
void state_on_circuit(struct state *state, void (*on_change)(void *context), void *context);
struct circuit state_circuit(struct state *state, u32 slot);

/* ---- What sticky sessions are signed with, unless the configuration has a key ---- */

/* Made by chance with the state. Control only, and before there are workers when it is set. */
struct siphash_key state_sticky_key(const struct state *state);
void state_set_sticky_key(struct state *state, const struct siphash_key *key);

/* ---- Retries, by slot of a backend ---- */

/* Takes a place among the retries that are counted with this backend, over all workers; false when
 * there are `retries_max` already. */
MUST_CHECK bool state_retry_enter(struct state *state, u32 slot, u32 retries_max);
void state_retry_leave(struct state *state, u32 slot);
u32 state_retries(const struct state *state, u32 slot);

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

/* Times to the heads of responses, by slot of the backend. As with tallies, which are to be asked
 * for first. */
struct state_latencies *state_latencies(struct state *state, u32 worker);

/* All workers' added up. Control only. */
struct state_tally state_backend_tally(const struct state *state, u32 slot);
struct state_latency_sums state_backend_latencies(const struct state *state, u32 slot);

/* Routes, by slot: state/routes.h, state/exchanges.h. */

#endif
