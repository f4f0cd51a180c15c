/* Receivers: bytes from one socket into leases. */
#ifndef NEXTPROXY_RING_RECV_H
#define NEXTPROXY_RING_RECV_H

#include "base/list.h"
#include "base/types.h"
#include "ring/lease.h"
#include "ring/op.h"

/*
 * A receiver keeps bytes coming from one socket into leases, whatever the kernel offers for it
 * (multishot, bundles, single receives, or readiness plus recv(2)). It is in one of five modes:
 *   RECV_OFF     nothing is armed (or the cancellation is still on its way);
 *   RECV_STREAM  bytes are delivered as they arrive, any number of times;
 *   RECV_ONCE    one delivery of at most `bytes_max`, then it is off: for large bodies, so that the
 *                reader sets the pace. Its leases are taken when it is armed. When none is left but
 *                those offered to the kernel it takes one of these, whole, whatever bytes_max says;
 *   RECV_READY   nothing is delivered: on_stopped tells that there is something to receive, bytes
 *                or the end, and it is off;
 *   RECV_WATCH   nothing is delivered, and bytes change nothing: on_finished tells that the peer
 *                has finished sending, and it is off; or on_end that the connection is broken.
 *
 * Running out of leases is not an error: the receiver waits in a FIFO and is armed again when
 * there are leases again.
 */
enum recv_mode { RECV_OFF, RECV_STREAM, RECV_ONCE, RECV_READY, RECV_WATCH };

struct ring_recv;
struct ring_recv_class {
    const char *name;
    /* Bytes arrived; the chain is the handler's. May come a few times after ring_recv_stop. */
    void (*on_data)(struct ring_recv *recv, struct lease_chain *data);
    /* RING_END, or an error: the last call of all, and nothing is owed any more. */
    void (*on_end)(struct ring_recv *recv, struct ring_done done);
    /* Quiet after a ring_recv_stop that found it owed, or readable in RECV_READY. */
    void (*on_stopped)(struct ring_recv *recv);
    /* RECV_WATCH: no more will come than what can be received already. */
    void (*on_finished)(struct ring_recv *recv);
};

struct ring_recv {
    struct ring_op op; /* private to ring from here on; `mode`, `ended` and `into` may be read */
    const struct ring_recv_class *class;
    /* Set by the owner, never read: fetched into the cache before on_data. */
    const void *next_touched;
    struct list waiting;     /* in the ring's starved or stopped list; the owner's while not owed */
    struct lease_chain into; /* RECV_ONCE: where the bytes go */
    u32 bytes_max;
    int fd;
    u8 mode;       /* enum recv_mode: what the owner wants */
    bool ended;    /* on_end was called: nothing more will come */
    bool starved;  /* waits for leases */
    bool stopping; /* ring_recv_stop was called while owed */
    bool polling;  /* armed for RECV_READY or RECV_WATCH */
};

void ring_recv_init(struct ring_recv *recv, const struct ring_recv_class *class, int fd);
/* Switches to RECV_STREAM. Harmless when it is streaming. */
void ring_recv_stream(struct ring *ring, struct ring_recv *recv);
/* Switches to RECV_ONCE; must not be owed, but for RECV_WATCH (stop a stream first). */
void ring_recv_once(struct ring *ring, struct ring_recv *recv, u32 bytes_max);
/* Switches to RECV_READY; must not be owed, but for RECV_WATCH. */
void ring_recv_ready(struct ring *ring, struct ring_recv *recv);
/* Switches to RECV_WATCH; must not be owed. From there to any other mode at any time. */
void ring_recv_watch(struct ring *ring, struct ring_recv *recv);
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

#endif
