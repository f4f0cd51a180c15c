/* What the files of src/ring share. Nobody else includes this. */
#ifndef NEXTPROXY_RING_INTERNAL_H
#define NEXTPROXY_RING_INTERNAL_H

#include <liburing.h>

#include "base/list.h"
#include "ring.h"
#include "ring/compat.h"

enum ring_op_kind {
    RING_OP_ACCEPT,
    RING_OP_CONNECT,
    RING_OP_SEND,
    RING_OP_POLL,
    RING_OP_ROOM,
    RING_OP_READ,
    RING_OP_WRITE,
    RING_OP_RECV,
};

enum {
    LEASE_GROUP = 1,
    /* How many buffers are offered to the kernel, out of all there are: twice as many as receives
     * found work for them lately. The kernel uses them in turn, so a short queue keeps receiving
     * into the same warm cache lines, and bounds what one flooding socket can take at once. */
    LEASES_OFFERED_MIN = 16,
    LEASES_OFFERED_MAX = 1024,
    STARVED_REARMED_PER_TURN = 16,
    SCRATCH_BYTES = 128 * 1024,
};

struct ring {
    struct io_uring uring;
    u64 now_ns;
    u32 capabilities;
    u32 enter_flags; /* of io_uring_enter(2), for each turn */
    u32 completed;   /* the completion queue's tail when the wait was over */
    bool in_turn;

    /* Leases (lease.c). A lease is free (in free_ids), offered (in buffers) or held. */
    char *region;
    struct lease *leases;
    u16 *free_ids;    /* a stack: the one returned last is offered first */
    u16 *position_of; /* where in `buffers` a lease was offered */
    struct io_uring_buf_ring *buffers;
    u32 lease_count;
    u32 free_count;
    u32 offered;
    u32 offered_target;
    u16 tail;
    usize region_bytes;

    /* Receivers (recv.c). */
    struct list starved;
    struct list stopped; /* were starved when stopped: on_stopped is still to be called */
    u32 receives;        /* completed since leases were last offered */

    /* msghdr and iovec arrays of the sends queued since the last submission (ops.c). */
    char *scratch;
    u32 scratch_used;

    /* Pipes (pipe.c). One without capacity is not open. */
    struct ring_pipe pipes[RING_PIPES_MAX];
    struct ring_pipe *idle_pipes;
    u32 pipe_count; /* open */

    int wake_fd;
    bool own_bell;
    u64 wake_count;
    struct ring_op wake_op;
    struct ring_stats stats;
};

static inline bool ring_has(const struct ring *ring, enum ring_capability capability)
{
    return (ring->capabilities >> capability) & 1;
}

/* ring.c */
struct io_uring_sqe *ring_sqe(struct ring *ring);
void ring_arm(struct ring_op *op, struct io_uring_sqe *sqe, enum ring_op_kind kind);
/* Submits without waiting, so that the scratch memory may be used again. */
void ring_flush(struct ring *ring);

/* status.c */
enum ring_status ring_status_of(i32 error);

/* lease.c */
MUST_CHECK bool leases_init(struct ring *ring, u32 count);
void leases_deinit(struct ring *ring);
/* Fills the queue of buffers offered to the kernel up to the target. */
void leases_offer(struct ring *ring);
/* The chain of leases that a completion filled: `bytes` from buffer `id` on, in offered order. */
void leases_taken(struct ring *ring, u16 id, u32 bytes, struct lease_chain *chain);
/* True when more than half of all are held: then none is to be taken that is not needed. */
bool leases_half_held(const struct ring *ring);
/* A free lease for the caller to fill, or LEASE_NONE. */
u16 lease_take(struct ring *ring);

/* ops.c */
/* Memory until the next submission; bytes <= SCRATCH_BYTES. */
void *scratch_take(struct ring *ring, u32 bytes);
void ring_op_completed(struct ring *ring, struct ring_op *op, i32 result, u32 flags);

/* socket.c: recv(2) without waiting; a negative errno on failure. */
ssize_t recv_into(int fd, void *data, usize len);

/* socket.c: false when there are no descriptors, or no memory for a useful one. Afterwards it has a
 * capacity, and no more when it is closed. */
MUST_CHECK bool pipe_open(struct ring_pipe *pipe);
void pipe_close(struct ring_pipe *pipe);

/* reserve.c: true when the reserve lacked one and keeps the number; what it was is closed. Else it
 * is still to be closed. */
MUST_CHECK bool reserve_keep(int fd);

/* pipe.c */
void pipes_close(struct ring *ring);

/* recv.c */
void recv_completed(struct ring *ring, struct ring_recv *recv, i32 result, u32 flags);
/* True when there are leases for more of those who wait: whoever was armed now may have nothing to
 * receive, so the turn must not wait for them. */
MUST_CHECK bool recv_rearm_starved(struct ring *ring);
void recv_finish_stopped(struct ring *ring);

#endif
