/*
 * The ring as the benchmark programs use it: one thread, one io_uring_enter per turn that submits
 * what the turn before produced and waits for the next events.
 */
#ifndef NEXTPROXY_BENCH_RING_H
#define NEXTPROXY_BENCH_RING_H

#include "base/types.h"
#include "common/uring_compat.h"

struct bench_ring {
    struct io_uring uring;
    u32 enter_flags; /* what every enter carries */
    int enter_fd;    /* the registered index, or the descriptor */
    u64 enters;
};

struct bench_ring_setup {
    u32 sq_entries;
    u32 cq_entries;
    bool coop;     /* COOP_TASKRUN instead of SINGLE_ISSUER|DEFER_TASKRUN, for comparison */
    bool plain_fd; /* do not register the ring descriptor, for comparison */
};

/* What a turn waits for: `events` completions, but not longer than `timeout_ns` (negative: for
 * ever). With `min_wait_us` > 0, and where the kernel can (6.12), a turn that has at least one
 * completion after that time also ends. */
struct bench_wait {
    u32 events;
    u32 min_wait_us;
    i64 timeout_ns;
};

/* Dies when the kernel has no io_uring. Falls back to fewer setup flags on kernels before 6.1. */
void bench_ring_open(struct bench_ring *ring, const struct bench_ring_setup *setup);

/* A submission entry to prepare; flushes the queue when it is full, so it never fails. */
struct io_uring_sqe *bench_ring_sqe(struct bench_ring *ring);

/* Submits everything and waits; returns when there are completions, on timeout, or on a signal. */
void bench_ring_turn(struct bench_ring *ring, struct bench_wait wait);

static inline bool bench_ring_has(const struct bench_ring *ring, u32 feature)
{
    return (ring->uring.features & feature) != 0;
}

#endif
