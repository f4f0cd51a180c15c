/*
 * ring: the only module that talks to io_uring, and to the kernel on behalf of the data path.
 *
 * A worker (or control) owns one ring and calls ring_turn() in a loop: it submits everything queued
 * since the last turn, waits, and runs the handlers of what completed. A handler records the result
 * and may queue further ops; it never enters the kernel through the ring and is never called from
 * anywhere but ring_turn(), so no function below ever calls back before it returns.
 *
 * An op is embedded in its owner. It is `owed` from the moment it is armed until its handler is
 * called for the last time; an owner may be freed only when none of its ops is owed.
 *
 * Reading order:
 *   ring/op.h       arm an op, ring_cancel it; enum ring_status says how it ended
 *   ring/lease.h    received bytes: chains of leases, what may be done with them
 *   ring/recv.h     receivers fill leases from one socket, in one of three modes
 *   ring/reserve.h  descriptors for the moment when there is no other one left
 *   below           sockets, and the ring itself
 *
 * tests/sim/ runs all of this on a simulated kernel, with a virtual clock.
 */
#ifndef NEXTPROXY_RING_H
#define NEXTPROXY_RING_H

#include <sys/socket.h>

#include "base/assert.h"
#include "base/types.h"
#include "ring/lease.h"
#include "ring/op.h"
#include "ring/pipe.h"
#include "ring/recv.h"

/* ---- Sockets ---- */

/* Plain system calls, cheaper than ops; here so that the simulator replaces them. */

/* A non-blocking stream socket for the address' family, TCP_NODELAY set; -1 with *error. */
int ring_socket(struct ring *ring, const struct sockaddr *address, i32 *error);
/* Address of the peer of an accepted socket; false when it is gone already. */
MUST_CHECK bool ring_peer_address(struct ring *ring, int fd, struct sockaddr *address,
                                  socklen_t *address_bytes);
/* A connection that waits at a listening socket, as from ring_accept(); -1 with errno: EAGAIN when
 * there is none. */
int ring_accept_now(struct ring *ring, int listen_fd);
/* A figure that changes whenever the peer acknowledges bytes we sent. */
u64 ring_bytes_acked(struct ring *ring, int fd);
/* how: SHUT_RD, SHUT_WR, SHUT_RDWR. Errors are of no use to anyone. */
void ring_shutdown(struct ring *ring, int fd, int how);
/* Nothing may be owed on fd. `reset` drops unsent bytes and sends RST instead of FIN. The number
 * does not become free when the reserve lacks one (ring/reserve.h). */
void ring_close(struct ring *ring, int fd, bool reset);

/* ---- The ring ---- */

/* What a kernel may or may not offer: RING_CAP_SINGLE_ISSUER and so on, one for each optional row
 * of kernel-reqs/features.def, in its order. src/ring/probe.c finds out by trying. */
enum ring_capability {
#define FEATURE_OPTIONAL(suffix, name, since, needs, why, without) RING_CAP_##suffix,
#include "../kernel-reqs/features.def"
    RING_CAP_COUNT,
};

struct ring_options {
    u32 leases;      /* receive buffers, a power of two <= 32768; 0 = none */
    u32 entries;     /* submission queue, a power of two */
    u32 disabled;    /* bit set of enum ring_capability that must not be used */
    bool restricted; /* allow only the data path's operations (workers) */
    int bell;        /* wakes the ring, and stays the caller's; 0 = the ring has one of its own */
};

/* Names as in NEXTPROXY_RING_DISABLE: "multishot_recv,bundle". False with the offending name. */
MUST_CHECK bool ring_capabilities_parse(const char *list, u32 *out, const char **unknown);
const char *ring_capability_name(enum ring_capability capability);

/* Creates the calling thread's ring. NULL when it is impossible: `why` (>= 256 bytes) then says the
 * cause and the cure (ENOSYS, EPERM by seccomp or by kernel.io_uring_disabled, ENOMEM, EMFILE). */
MUST_CHECK struct ring *ring_create(const struct ring_options *options, char *why, usize why_bytes);
void ring_destroy(struct ring *ring);
/* "liburing 2.3": the library in use, for --version. */
const char *ring_library(void);
/* The bit set of capabilities in use. */
u32 ring_capabilities(const struct ring *ring);

/* Submits what is queued, waits until something completes or deadline_ns (CLOCK_MONOTONIC) passes,
 * and runs the handlers of one batch. Returns the time after waiting, read once. deadline_ns in the
 * past: do not wait. */
u64 ring_turn(struct ring *ring, u64 deadline_ns);
/* The two halves of ring_turn, for who has something to do in between: what has happened by the
 * time ring_wait returns is all that ring_dispatch runs handlers for. */
void ring_wait(struct ring *ring, u64 deadline_ns);
u64 ring_dispatch(struct ring *ring);
/* The time at which the last ring_wait, or ring_turn, was through with waiting. */
u64 ring_now_ns(const struct ring *ring);

/* Wakes the ring's thread out of ring_turn from any other thread or a signal handler. */
void ring_wake(struct ring *ring);
/* A bell wakes the ring that it was given to, and may outlive it: for those who cannot know whether
 * the ring is still there. -1 with errno; close(2) ends it. */
MUST_CHECK int ring_bell_open(void);
void ring_bell_ring(int bell);

struct ring_stats {
    u64 turns;
    u64 completions;
    u64 starved;         /* receives that found no lease */
    u64 overflows;       /* completion queue overflows seen */
    u64 leases_free_min; /* the fewest free leases so far */
    u64 leases_held;     /* by connections, now */
    u64 leases;          /* all that there are */
};
/* From any thread: each figure is a true one, but they may be a moment apart. */
void ring_stats(const struct ring *ring, struct ring_stats *out);

#endif
