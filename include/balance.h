/*
 * balance: which backend takes the next request. Pure: no I/O, no clock, no allocation but from the
 * arena at creation. One file per strategy; each worker has its own `struct balance` per pool, so
 * nothing here is shared but the load figures, which other workers write and which are read relaxed
 * (a choice made on a figure that is a moment old is still a good choice).
 */
#ifndef NEXTPROXY_BALANCE_H
#define NEXTPROXY_BALANCE_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/slice.h"

enum balance_strategy {
    BALANCE_ROUND_ROBIN,       /* smooth weighted, as nginx: a heavy backend is not hit in bursts */
    BALANCE_RANDOM,            /* weighted */
    BALANCE_POWER_OF_TWO,      /* two random ones, the less loaded wins (Mitzenmacher 2001) */
    BALANCE_IP_HASH,           /* Maglev table (Eisenbud et al. 2016), and nobody above 1.25 times
                                * its share (bounded load, Mirrokni et al. 2018) */
    BALANCE_LEAST_CONNECTIONS, /* fewest active per weight; among equals, smooth round robin */
    BALANCE_LEAST_LATENCY,     /* least peak EWMA of latency, times active + 1, per weight */
    BALANCE_STRATEGY_COUNT,
};

/* "round-robin", "power-of-two-choices" ...; used in config, logs and the API. Static. */
const char *balance_strategy_name(enum balance_strategy strategy);
/* True when it looks at how many requests the backends have. */
bool balance_looks_at_load(enum balance_strategy strategy);
/* Accepts "round-robin" and "ROUND_ROBIN" alike. False when unknown. */
MUST_CHECK bool balance_strategy_find(struct slice name, enum balance_strategy *out);

#define BALANCE_NONE UINT32_MAX

/* The load of a pool's backends as all workers see it. The figures lie in arrays that all pools
 * share, so that they outlive a pool; `slots` says where. Written with relaxed atomics elsewhere.
 */
struct balance_load {
    const u32 *slots;      /* of each backend of the pool */
    const u32 *active;     /* by slot: requests in flight */
    const u32 *latency_us; /* by slot: peak EWMA of the time to the response head; 0 = unknown */
    const u64 *usable;     /* by backend of the pool: bit set, 1 = may be chosen */
};

struct balance_request {
    const struct balance_load *load;
    const u64 *tried; /* bit set of backends that failed this request already; NULL = none */
    u64 key;          /* hash of what must stay together (client address) for BALANCE_IP_HASH */
    struct rng *rng;  /* the worker's own; never NULL */
};

struct balance; /* per worker and pool */

struct balance_backend {
    u32 weight; /* 1..BALANCE_WEIGHT_MAX; 0 = never chosen */
    u64 key;    /* hash of the backend's id: BALANCE_IP_HASH places it by this, not by its index, so
                 * that another order in the config moves nobody */
};

enum { BALANCE_BACKENDS_MAX = 65535, BALANCE_WEIGHT_MAX = 65535 };

/* `backends` are copied. Lives as long as the arena; there is nothing to destroy. count is
 * 1..BALANCE_BACKENDS_MAX. Takes some 40 bytes per backend; BALANCE_IP_HASH also a table. */
struct balance *balance_create(struct arena *arena, enum balance_strategy strategy,
                               const struct balance_backend *backends, u32 count);

/* What BALANCE_IP_HASH looks backends up in: 128 KB (1.3 MB for more than 2048 backends) that take
 * the better part of a millisecond to fill and never change. All workers' balances over the same
 * backends can share one. */
struct balance_table;
/* One allocation: `backends` are copied into it. */
const struct balance_table *balance_table_create(struct arena *arena,
                                                 const struct balance_backend *backends, u32 count);
/* True when it was created from backends with these keys and weights, in this order. */
MUST_CHECK bool balance_table_is_for(const struct balance_table *table,
                                     const struct balance_backend *backends, u32 count);
/* BALANCE_IP_HASH over the backends of a table, which must outlive it. */
struct balance *balance_create_over(struct arena *arena, const struct balance_table *table);
/* The index of the backend to use, or BALANCE_NONE when none is usable and untried.
 * O(1) or O(log n) in the number of backends where the strategy allows it. */
MUST_CHECK u32 balance_pick(struct balance *balance, const struct balance_request *request);

/* Peak EWMA: a slower sample counts at once, faster ones are believed with time constant
 * `decay_ns` (after Finagle's peak EWMA). Returns the new figure from the old one. */
u32 balance_latency_update(u32 latency_us, u32 sample_us, u64 elapsed_ns, u64 decay_ns);

/* Relaxed reads of what other workers write meanwhile. */
static inline u64 balance_word(const u64 *bits, u32 word)
{
    return __atomic_load_n(&bits[word], __ATOMIC_RELAXED);
}

static inline bool balance_bit(const u64 *bits, u32 index)
{
    return (balance_word(bits, index / 64) >> (index % 64)) & 1;
}

static inline u32 balance_active(const struct balance_load *load, u32 index)
{
    return __atomic_load_n(&load->active[load->slots[index]], __ATOMIC_RELAXED);
}

static inline u32 balance_latency_us(const struct balance_load *load, u32 index)
{
    return __atomic_load_n(&load->latency_us[load->slots[index]], __ATOMIC_RELAXED);
}

#endif
