/*
 * Latencies of one backend as one worker has seen them: a histogram small enough that thousands of
 * backends have one for each worker. Four buckets for every power of two, so that each is no wider
 * than a quarter of its values; what is quicker than the first, or slower than the last, counts
 * there. One increment for each response.
 */
#ifndef NEXTPROXY_STATE_LATENCY_H
#define NEXTPROXY_STATE_LATENCY_H

#include "base/types.h"

enum {
    STATE_LATENCY_SUB_BITS = 2,
    STATE_LATENCY_FIRST_BITS = 6, /* all below 64 us are one bucket */
    STATE_LATENCY_LAST_BITS = 26, /* 67 s */
    STATE_LATENCY_BUCKETS =
        1 + ((STATE_LATENCY_LAST_BITS - STATE_LATENCY_FIRST_BITS) << STATE_LATENCY_SUB_BITS),
};

/* The worker's alone to write. */
struct state_latencies {
    u32 counts[STATE_LATENCY_BUCKETS];
} __attribute__((aligned(CACHE_LINE_BYTES)));

/* The same of all workers. */
struct state_latency_sums {
    u64 counts[STATE_LATENCY_BUCKETS];
};

static inline u32 state_latency_bucket(u64 latency_us)
{
    if (latency_us < 1u << STATE_LATENCY_FIRST_BITS)
        return 0;
    u32 top = 63u - (u32)__builtin_clzll(latency_us);
    if (top >= STATE_LATENCY_LAST_BITS)
        return STATE_LATENCY_BUCKETS - 1;
    u32 sub =
        (u32)(latency_us >> (top - STATE_LATENCY_SUB_BITS)) & ((1u << STATE_LATENCY_SUB_BITS) - 1);
    return 1 + ((top - STATE_LATENCY_FIRST_BITS) << STATE_LATENCY_SUB_BITS) + sub;
}

/* The first value above a bucket, in microseconds. */
u64 state_latency_bucket_end(u32 bucket);
/* How many were below 2^bits microseconds: exact for FIRST_BITS to LAST_BITS. */
u64 state_latency_below(const struct state_latency_sums *sums, u32 bits);
u64 state_latency_count(const struct state_latency_sums *sums);
/* A value that this share (0..1) of all does not exceed, by interpolation inside its bucket; 0 when
 * there are none. */
u64 state_latency_quantile(const struct state_latency_sums *sums, double share);

static inline void state_latency_add(struct state_latencies *latencies, u64 latency_us)
{
    u32 *count = &latencies->counts[state_latency_bucket(latency_us)];
    __atomic_store_n(count, *count + 1, __ATOMIC_RELAXED); /* one writer */
}

#endif
