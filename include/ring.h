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
 * tests/sim/ implements this header a second time, without a kernel and with a virtual clock.
 */
#ifndef NEXTPROXY_RING_H
#define NEXTPROXY_RING_H

#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/types.h"

struct ring;
struct ring_op;

/* ---- Results ---- */

/* How an op ended. errno values stop here; `error` in struct ring_done keeps one for logs only. */
enum ring_status {
    RING_OK,
    RING_END,         /* receive: the peer has finished sending */
    RING_CANCELED,    /* as we asked */
    RING_REFUSED,     /* connect: ECONNREFUSED and the like: nobody listens there */
    RING_UNREACHABLE, /* no route, no host, no free local port */
    RING_RESET,       /* ECONNRESET, EPIPE: the connection is gone */
    RING_TIMED_OUT,   /* ETIMEDOUT from the kernel */
    RING_EXHAUSTED,   /* EMFILE, ENFILE, ENOMEM, ENOBUFS: we ran out of something */
    RING_FAILED,      /* anything else */
    RING_STATUS_COUNT,
};

const char *ring_status_name(enum ring_status status);

/* ---- Leases: receive buffers shared by all connections of a ring ---- */

enum { LEASE_BYTES = 16384, LEASE_NONE = 0xffff };

/* A chain of leases with received bytes, in order. Whoever holds it returns every lease exactly
 * once through ring_lease_return() or ring_chain_return(). */
struct lease_chain {
    u16 first; /* LEASE_NONE when empty */
    u16 last;
    u32 bytes; /* unread bytes in all of them */
};

/* The unread part of one lease. */
struct lease {
    char *data;
    u32 len;
    u16 next;
};

static inline void lease_chain_init(struct lease_chain *chain)
{
    *chain = (struct lease_chain){.first = LEASE_NONE, .last = LEASE_NONE};
}

/* The bookkeeping entry of a held lease. The data belongs to the holder, who may change it. */
struct lease *ring_lease(struct ring *ring, u16 id);
void ring_lease_return(struct ring *ring, u16 id);
/* Returns all leases of a chain and leaves it empty. */
void ring_chain_return(struct ring *ring, struct lease_chain *chain);
/* Moves all of `more` to the end of `chain`. Small pieces are merged into the last lease, so a chain
 * never holds many leases for few bytes. Not for a chain that a send is reading from. */
void ring_chain_append(struct ring *ring, struct lease_chain *chain, struct lease_chain *more);
/* Drops `bytes` (<= chain->bytes) from the front, returning the leases that become empty. */
void ring_chain_skip(struct ring *ring, struct lease_chain *chain, u32 bytes);
/* Moves the first `bytes` (<= from->bytes) to the end of `to`. At most one lease is split, by
 * copying its shorter part into a fresh one; false, and nothing moved, when none is free. */
MUST_CHECK bool ring_chain_split(struct ring *ring, struct lease_chain *from, u32 bytes,
                                 struct lease_chain *to);
/* Copies bytes into fresh leases at the end of the chain; false, and nothing changed, when there are
 * not enough. */
MUST_CHECK bool ring_chain_write(struct ring *ring, struct lease_chain *chain, const char *data,
                                 u32 bytes);
/* Copies the first `bytes` (<= chain->bytes) out without taking them. */
void ring_chain_peek(struct ring *ring, const struct lease_chain *chain, char *out, u32 bytes);
/* How many bytes one connection should hold at most, now: a share of what is free, so that many slow
 * connections get little each and there is always some left for the next one (dynamic thresholds,
 * Choudhury and Hahne 1998). At least one lease. */
u32 ring_lease_allowance_bytes(const struct ring *ring);
/* True when so few leases are free that bytes which need not be kept should not be. */
bool ring_leases_scarce(const struct ring *ring);
/* Leases held by anyone at the moment: 0 when nothing is in flight. For tests and metrics. */
u32 ring_leases_held(const struct ring *ring);

/* ---- Ops ---- */

struct ring_done {
    i32 result; /* bytes, or a new fd; valid with RING_OK */
    i32 error;  /* errno, for logs; 0 with RING_OK */
    enum ring_status status;
    bool more; /* the op stays armed: this was not its last call */
};

struct ring_op_class {
    const char *name;
    void (*on_done)(struct ring_op *op, struct ring_done done);
};

struct ring_op {
    const struct ring_op_class *class;
    u32 bytes; /* private to ring: how much a send must take */
    bool owed;
    bool canceling; /* private to ring: ring_cancel was called since it was armed */
    u8 kind;        /* private to ring */
};

void ring_op_init(struct ring_op *op, const struct ring_op_class *class);

/* Takes connections from a listening socket until it is canceled: `result` is a new non-blocking
 * fd each time, with `more` set; a ring_cancel always ends in RING_CANCELED. After RING_EXHAUSTED or RING_FAILED with `more` false the owner arms it again. */
void ring_accept(struct ring *ring, struct ring_op *op, int fd);
/* `address` must live until completion. */
void ring_connect(struct ring *ring, struct ring_op *op, int fd, const struct sockaddr *address,
                  socklen_t address_bytes);
/* Sends everything (RING_OK means all of it) or fails. The bytes must live until completion, the
 * iovec array need not. count <= RING_IOV_MAX. One send at a time per socket. */
enum { RING_IOV_MAX = 64 };
void ring_send(struct ring *ring, struct ring_op *op, int fd, const struct iovec *iov, u32 count);
/* Waits until the fd is readable. */
void ring_poll_readable(struct ring *ring, struct ring_op *op, int fd);
/* Writes to a file at its end (O_APPEND) or reads from the current position. */
void ring_write(struct ring *ring, struct ring_op *op, int fd, const void *data, u32 len);
void ring_read(struct ring *ring, struct ring_op *op, int fd, void *data, u32 len);
/* Asks for the end of an armed op; its handler is called with RING_CANCELED unless it completed
 * otherwise first. Harmless when the op is not owed. */
void ring_cancel(struct ring *ring, struct ring_op *op);

/* ---- Receiving ---- */

/*
 * A receiver keeps bytes coming from one socket into leases, whatever the kernel offers for it
 * (multishot, bundles, single receives, or readiness plus recv(2)). It is in one of three modes:
 *   RECV_OFF     nothing is armed (or the cancellation is still on its way);
 *   RECV_STREAM  bytes are delivered as they arrive, any number of times;
 *   RECV_ONCE    one delivery of at most `bytes_max`, then it is off: for large bodies, so that the
 *                reader sets the pace. Its leases are taken when it is armed.
 * Running out of leases is not an error: the receiver waits in a FIFO and is armed again when leases
 * have come back.
 */
enum recv_mode { RECV_OFF, RECV_STREAM, RECV_ONCE };

struct ring_recv;
struct ring_recv_class {
    const char *name;
    /* Bytes arrived; the handler takes the chain over. May come a few times after ring_recv_stop. */
    void (*on_data)(struct ring_recv *recv, struct lease_chain *data);
    /* RING_END, or an error: the last call of all, and nothing is owed any more. */
    void (*on_end)(struct ring_recv *recv, struct ring_done done);
    /* Quiet after a ring_recv_stop that found it owed. */
    void (*on_stopped)(struct ring_recv *recv);
};

struct ring_recv {
    struct ring_op op; /* private to ring from here on, apart from `mode` and `ended` to read */
    const struct ring_recv_class *class;
    struct list waiting; /* in the ring's starved or stopped list */
    struct lease_chain into; /* RECV_ONCE: where the bytes go */
    u32 bytes_max;
    int fd;
    u8 mode;        /* enum recv_mode: what the owner wants */
    bool ended;     /* on_end was called: nothing more will come */
    bool starved;   /* waits for leases */
    bool stopping;  /* ring_recv_stop was called while owed */
};

void ring_recv_init(struct ring_recv *recv, const struct ring_recv_class *class, int fd);
/* Switches to RECV_STREAM. Harmless when it is streaming. */
void ring_recv_stream(struct ring *ring, struct ring_recv *recv);
/* Switches to RECV_ONCE; must not be streaming (stop first and wait until it is not owed). */
void ring_recv_once(struct ring *ring, struct ring_recv *recv, u32 bytes_max);
/* Switches to RECV_OFF. Data that the kernel had already taken is still delivered. */
void ring_recv_stop(struct ring *ring, struct ring_recv *recv);
/* Switches to RECV_OFF without asking the kernel, for a socket that is being shut down: an armed
 * receive ends by itself, with on_end. */
void ring_recv_abandon(struct ring_recv *recv);
/* True while the kernel (or the starved FIFO) still knows this receiver. */
static inline bool ring_recv_owed(const struct ring_recv *recv)
{
    return recv->op.owed || recv->starved;
}

/* ---- Sockets (plain system calls, cheaper than ops; here so that the simulator replaces them) -- */

/* A non-blocking stream socket for the address' family, TCP_NODELAY set; -1 with *error. */
int ring_socket(struct ring *ring, const struct sockaddr *address, i32 *error);
/* Address of the peer of an accepted socket; false when it is gone already. */
MUST_CHECK bool ring_peer_address(struct ring *ring, int fd, struct sockaddr *address,
                                  socklen_t *address_bytes);
/* A figure that changes whenever the peer acknowledges bytes we sent. */
u64 ring_bytes_acked(struct ring *ring, int fd);
/* how: SHUT_RD, SHUT_WR, SHUT_RDWR. Errors are of no use to anyone. */
void ring_shutdown(struct ring *ring, int fd, int how);
/* Nothing may be owed on fd. `reset` drops unsent bytes and sends RST instead of FIN. */
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
    u32 leases;   /* receive buffers, a power of two <= 32768; 0 = none (control) */
    u32 entries;  /* submission queue, a power of two */
    u32 disabled; /* bit set of enum ring_capability that must not be used */
    bool restricted; /* allow only the data path's operations (workers) */
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
/* Address space that a ring with these options takes, for the budget. */
usize ring_region_bytes(const struct ring_options *options);

/* Submits what is queued, waits until something completes or deadline_ns (CLOCK_MONOTONIC) passes,
 * and runs the handlers of one batch. Returns the time after waiting, read once. deadline_ns in the
 * past: do not wait. */
u64 ring_turn(struct ring *ring, u64 deadline_ns);
/* The time that the last ring_turn returned. */
u64 ring_now_ns(const struct ring *ring);

/* Wakes the ring's thread out of ring_turn from any other thread or a signal handler. */
void ring_wake(struct ring *ring);

struct ring_stats {
    u64 turns;
    u64 completions;
    u64 starved;         /* receives that found no lease */
    u64 overflows;       /* completion queue overflows seen */
    u64 leases_free_min; /* the fewest free leases so far */
};
void ring_stats(const struct ring *ring, struct ring_stats *out);

#endif
