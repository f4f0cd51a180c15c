/*
 * Receivers: bytes from one socket into leases, by the best means the kernel has.
 *
 *                    | BUFFER_RING                        | without
 *   STREAM           | multishot receive (bundled), or    | poll, then recv(2) into a lease
 *                    | single ones armed again and again  |
 *   ONCE             | one receive into leases of our own choice; into offered ones when no other
 *                    | is left
 *
 *   READY            | poll; whoever asked takes the bytes from the socket (see pipe.h)
 *   WATCH            | poll for the peer's FIN alone; io_uring adds that and errors to every poll
 *
 * A multishot receive may bring more than its owner wants before it is stopped: all that is in the
 * socket, as long as leases are offered. While more than half of the leases are held, streams are
 * single receives of one lease, too: what comes next is asked for when its owner has seen this.
 *
 * A receiver that finds no lease ends with ENOBUFS. That is flow control, not an error: it joins
 * the starved FIFO, and is armed again when there are leases (recv_rearm_starved).
 */
#include <errno.h>
#include <poll.h>

#include "ring/ring_internal.h"

static struct ring_recv *recv_of(struct list *node)
{
    return container_of(node, struct ring_recv, waiting);
}

void ring_recv_init(struct ring_recv *recv, const struct ring_recv_class *class, int fd)
{
    *recv = (struct ring_recv){.class = class, .fd = fd, .mode = RECV_OFF};
    list_init(&recv->waiting);
    lease_chain_init(&recv->into);
}

/* A receive into the buffers that are offered to all connections. */
static void arm_offered(struct ring *ring, struct ring_recv *recv, bool multishot)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    if (multishot)
        io_uring_prep_recv_multishot(sqe, recv->fd, NULL, 0, 0);
    else
        io_uring_prep_recv(sqe, recv->fd, NULL, 0, 0);
    if (multishot && ring_has(ring, RING_CAP_BUNDLE))
        sqe->ioprio |= IORING_RECVSEND_BUNDLE;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = LEASE_GROUP;
    ring_arm(&recv->op, sqe, RING_OP_RECV);
}

static void starve(struct ring *ring, struct ring_recv *recv)
{
    ring->stats.starved++;
    recv->starved = true;
    list_push_back(&ring->starved, &recv->waiting);
}

static void arm_poll(struct ring *ring, struct ring_recv *recv, u32 events)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_poll_add(sqe, recv->fd, events);
    ring_arm(&recv->op, sqe, RING_OP_RECV);
}

static void arm_stream(struct ring *ring, struct ring_recv *recv)
{
    if (ring_has(ring, RING_CAP_BUFFER_RING))
        arm_offered(ring, recv, ring_has(ring, RING_CAP_MULTISHOT_RECV) && !leases_half_held(ring));
    else
        arm_poll(ring, recv, POLLIN);
}

/* Takes leases for bytes_max, or as many as there are. */
static u32 take_leases(struct ring *ring, struct ring_recv *recv, struct iovec *iov, u32 iov_max)
{
    u32 count = 0;
    for (u32 bytes = 0; bytes < recv->bytes_max && count < iov_max; bytes += LEASE_BYTES) {
        u16 id = lease_take(ring);
        if (id == LEASE_NONE)
            break;
        struct lease *lease = ring_lease(ring, id);
        iov[count++] = (struct iovec){lease->data, min_u32(recv->bytes_max - bytes, LEASE_BYTES)};
        if (recv->into.first == LEASE_NONE)
            recv->into.first = id;
        else
            ring_lease(ring, recv->into.last)->next = id;
        recv->into.last = id;
    }
    return count;
}

static void arm_once(struct ring *ring, struct ring_recv *recv)
{
    enum { ONCE_LEASES_MAX = 64 };
    struct iovec *iov = scratch_take(ring, ONCE_LEASES_MAX * sizeof(struct iovec));
    u32 count = take_leases(ring, recv, iov, ONCE_LEASES_MAX);
    if (count == 0 && ring_has(ring, RING_CAP_BUFFER_RING) && ring->offered > 0) {
        arm_offered(ring, recv, false); /* a last resort: it may fill more than bytes_max */
        return;
    }
    if (count == 0) {
        starve(ring, recv);
        return;
    }
    struct io_uring_sqe *sqe = ring_sqe(ring);
    if (count == 1)
        io_uring_prep_recv(sqe, recv->fd, iov->iov_base, iov->iov_len, 0);
    else /* not recvmsg: that writes to its msghdr when it completes */
        io_uring_prep_readv(sqe, recv->fd, iov, count, (u64)-1);
    ring_arm(&recv->op, sqe, RING_OP_RECV);
}

static void arm(struct ring *ring, struct ring_recv *recv)
{
    recv->polling = recv->mode == RECV_READY || recv->mode == RECV_WATCH;
    if (recv->polling)
        arm_poll(ring, recv, recv->mode == RECV_READY ? POLLIN : POLLRDHUP);
    else if (recv->mode == RECV_ONCE)
        arm_once(ring, recv);
    else
        arm_stream(ring, recv);
}

/* Another mode, as soon as nothing is armed for the one it is in. */
static void change_mode(struct ring *ring, struct ring_recv *recv, enum recv_mode mode)
{
    bool watching = recv->mode == RECV_WATCH;
    recv->mode = (u8)mode;
    if (!ring_recv_owed(recv))
        arm(ring, recv);
    else if (watching)
        ring_cancel(ring, &recv->op);
}

void ring_recv_stream(struct ring *ring, struct ring_recv *recv)
{
    ASSERT(!recv->ended);
    ASSERT(recv->mode != RECV_ONCE || !ring_recv_owed(recv));
    recv->stopping = false;
    change_mode(ring, recv, RECV_STREAM);
}

void ring_recv_once(struct ring *ring, struct ring_recv *recv, u32 bytes_max)
{
    ASSERT(!recv->ended);
    ASSERT(!ring_recv_owed(recv) || recv->mode == RECV_WATCH);
    recv->bytes_max = bytes_max;
    change_mode(ring, recv, RECV_ONCE);
}

void ring_recv_ready(struct ring *ring, struct ring_recv *recv)
{
    ASSERT(!recv->ended);
    ASSERT(!ring_recv_owed(recv) || recv->mode == RECV_WATCH);
    change_mode(ring, recv, RECV_READY);
}

void ring_recv_watch(struct ring *ring, struct ring_recv *recv)
{
    ASSERT(!recv->ended);
    ASSERT(!ring_recv_owed(recv));
    change_mode(ring, recv, RECV_WATCH);
}

void ring_recv_stop(struct ring *ring, struct ring_recv *recv)
{
    recv->mode = RECV_OFF;
    if (!ring_recv_owed(recv) || recv->stopping)
        return;
    recv->stopping = true;
    if (recv->starved) {
        list_remove(&recv->waiting);
        list_push_back(&ring->stopped, &recv->waiting);
    } else {
        ring_cancel(ring, &recv->op);
    }
}

void ring_recv_abandon(struct ring_recv *recv)
{
    recv->mode = RECV_OFF;
}

bool recv_rearm_starved(struct ring *ring)
{
    /* What is offered will do: those who wait may be the ones who hold all others, each the start
     * of a head whose rest would be merged into the same lease. */
    u32 ready = ring_has(ring, RING_CAP_BUFFER_RING) ? ring->offered : ring->free_count;
    u32 count = min_u32(ready, STARVED_REARMED_PER_TURN);
    while (count-- > 0 && !list_empty(&ring->starved)) {
        struct ring_recv *recv = recv_of(list_pop_front(&ring->starved));
        recv->starved = false;
        arm(ring, recv);
    }
    return ready > 0 && !list_empty(&ring->starved);
}

void recv_finish_stopped(struct ring *ring)
{
    while (!list_empty(&ring->stopped)) {
        struct ring_recv *recv = recv_of(list_pop_front(&ring->stopped));
        recv->starved = false;
        if (!recv->stopping) { /* started again before we came here */
            arm(ring, recv);
            continue;
        }
        recv->stopping = false;
        recv->class->on_stopped(recv);
    }
}

static void end(struct ring_recv *recv, enum ring_status status, i32 error)
{
    ASSERT(!recv->op.owed);
    recv->mode = RECV_OFF;
    recv->stopping = false;
    recv->ended = true;
    recv->class->on_end(recv, (struct ring_done){.status = status, .error = error});
}

/* After an op ended without ending the stream: stop, go on, or rest. */
static void settle(struct ring *ring, struct ring_recv *recv)
{
    if (ring_recv_owed(recv) || recv->ended)
        return;
    if (recv->stopping) {
        recv->stopping = false;
        recv->class->on_stopped(recv);
    } else if (recv->mode != RECV_OFF) {
        arm(ring, recv);
    }
}

static void deliver(struct ring *ring, struct ring_recv *recv, struct lease_chain *chain)
{
    if (recv->mode == RECV_ONCE)
        recv->mode = RECV_OFF;
    recv->class->on_data(recv, chain);
    settle(ring, recv);
}

static void recv_failed(struct ring *ring, struct ring_recv *recv, i32 error)
{
    bool abandoned = recv->mode == RECV_OFF && !recv->stopping;
    switch (error) {
    case ENOBUFS:
    case ECANCELED:
    case EINTR:
        if (abandoned) /* nobody waits for more, but somebody waits for the end */
            end(recv, RING_CANCELED, 0);
        else if (error == ENOBUFS && !recv->stopping)
            starve(ring, recv);
        else
            settle(ring, recv);
        break;
    default:
        end(recv, ring_status_of(error), error);
    }
}

/* The way without a buffer ring: the socket is readable, so fetch the bytes ourselves. */
static void fetch(struct ring *ring, struct ring_recv *recv)
{
    u16 id = lease_take(ring);
    if (id == LEASE_NONE) {
        recv_failed(ring, recv, ENOBUFS);
        return;
    }
    struct lease *lease = ring_lease(ring, id);
    ssize_t got = recv_into(recv->fd, lease->data, LEASE_BYTES);
    if (got <= 0) {
        ring_lease_return(ring, id);
        if (got == 0)
            end(recv, RING_END, 0);
        else if (got == -EAGAIN)
            settle(ring, recv);
        else
            end(recv, ring_status_of((i32)-got), (i32)-got);
        return;
    }
    lease->len = (u32)got;
    struct lease_chain chain = {.first = id, .last = id, .bytes = (u32)got};
    deliver(ring, recv, &chain);
}

/* The leases that were taken beforehand, cut to what was received. */
static void trim_into(struct ring *ring, struct ring_recv *recv, u32 bytes,
                      struct lease_chain *chain)
{
    struct lease_chain unused = {.first = LEASE_NONE, .last = LEASE_NONE};
    *chain = recv->into;
    chain->bytes = bytes;
    lease_chain_init(&recv->into);
    for (u16 id = chain->first; id != LEASE_NONE;) {
        struct lease *lease = ring_lease(ring, id);
        lease->len = min_u32(bytes, LEASE_BYTES);
        bytes -= lease->len;
        id = lease->next;
        if (bytes == 0 && id != LEASE_NONE) {
            unused.first = id;
            chain->last = (u16)(lease - ring->leases);
            lease->next = LEASE_NONE;
            break;
        }
    }
    ring_chain_return(ring, &unused);
}

static void once_completed(struct ring *ring, struct ring_recv *recv, i32 result)
{
    struct lease_chain chain;
    if (result > 0) {
        trim_into(ring, recv, (u32)result, &chain);
        deliver(ring, recv, &chain);
        return;
    }
    ring_chain_return(ring, &recv->into);
    if (result == 0)
        end(recv, RING_END, 0);
    else
        recv_failed(ring, recv, -result);
}

/* A FIN of both sides is no error. */
static void watch_completed(struct ring_recv *recv, i32 events)
{
    recv->mode = RECV_OFF;
    if (events & POLLERR)
        end(recv, RING_RESET, ECONNRESET);
    else
        recv->class->on_finished(recv);
}

/* Meanwhile its owner may have wished for something else. */
static void poll_completed(struct ring *ring, struct ring_recv *recv, i32 result)
{
    recv->polling = false;
    if (result < 0) {
        recv_failed(ring, recv, -result);
    } else if (recv->mode == RECV_READY) {
        recv->mode = RECV_OFF;
        recv->class->on_stopped(recv);
    } else if (recv->mode == RECV_WATCH) {
        watch_completed(recv, result);
    } else if (recv->mode == RECV_OFF && !recv->stopping) {
        end(recv, RING_CANCELED, 0); /* abandoned: it was shut down */
    } else {
        settle(ring, recv);
    }
}

void recv_completed(struct ring *ring, struct ring_recv *recv, i32 result, u32 flags)
{
    struct lease_chain chain;
    lease_chain_init(&chain);
    recv->op.owed = (flags & IORING_CQE_F_MORE) != 0;
    if (recv->polling) {
        poll_completed(ring, recv, result);
        return;
    }
    ring->receives++;
    if (recv->into.first != LEASE_NONE) {
        once_completed(ring, recv, result);
        return;
    }
    if (flags & IORING_CQE_F_BUFFER)
        leases_taken(ring, (u16)(flags >> IORING_CQE_BUFFER_SHIFT), (u32)(result > 0 ? result : 0),
                     &chain);
    if (result < 0) {
        ring_chain_return(ring, &chain);
        recv_failed(ring, recv, -result);
    } else if (!ring_has(ring, RING_CAP_BUFFER_RING)) {
        fetch(ring, recv);
    } else if (result == 0) {
        ring_chain_return(ring, &chain);
        end(recv, RING_END, 0);
    } else {
        deliver(ring, recv, &chain);
    }
}
