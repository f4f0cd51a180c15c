/* The ops: one function each to arm it, one row each for what its completion means. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "ring/ring_internal.h"

void ring_op_init(struct ring_op *op, const struct ring_op_class *class)
{
    *op = (struct ring_op){.class = class};
}

void ring_arm(struct ring_op *op, struct io_uring_sqe *sqe, enum ring_op_kind kind)
{
    ASSERT(!op->owed);
    op->owed = true;
    op->canceling = false;
    op->kind = (u8)kind;
    io_uring_sqe_set_data(sqe, op);
}

void ring_accept(struct ring *ring, struct ring_op *op, int fd)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    if (ring_has(ring, RING_CAP_MULTISHOT_ACCEPT))
        io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    else
        io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    op->bytes = (u32)fd; /* to arm it again after a single accept */
    ring_arm(op, sqe, RING_OP_ACCEPT);
}

void *scratch_take(struct ring *ring, u32 bytes)
{
    ASSERT(bytes <= SCRATCH_BYTES);
    /* Also when the queue is full: the entry that will point here must not need a flush first. */
    if (ring->scratch_used + bytes > SCRATCH_BYTES || io_uring_sq_space_left(&ring->uring) == 0)
        ring_flush(ring);
    ASSERT(ring->scratch_used + bytes <= SCRATCH_BYTES);
    void *memory = ring->scratch + ring->scratch_used;
    ring->scratch_used += bytes;
    return memory;
}

/* The address may go with a configuration before the connection is there: the kernel reads it when
 * the entry is submitted (IORING_FEAT_SUBMIT_STABLE). */
void ring_connect(struct ring *ring, struct ring_op *op, int fd, const struct sockaddr *address,
                  socklen_t address_bytes)
{
    void *copy = scratch_take(ring, (address_bytes + 15u) & ~15u); /* what follows stays aligned */
    memcpy(copy, address, address_bytes);
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_connect(sqe, fd, copy, address_bytes);
    ring_arm(op, sqe, RING_OP_CONNECT);
}

/* A msghdr with a copy of the iovec array, valid until the next submission. The kernel has its own
 * copy from then on (IORING_FEAT_SUBMIT_STABLE). */
static struct msghdr *scratch_message(struct ring *ring, const struct iovec *iov, u32 count)
{
    u32 bytes = (u32)(sizeof(struct msghdr) + count * sizeof(struct iovec));
    struct msghdr *message = scratch_take(ring, bytes);
    struct iovec *copy = (struct iovec *)(void *)(message + 1);
    memcpy(copy, iov, count * sizeof(*iov));
    *message =
        (struct msghdr){.msg_iov = copy, .msg_iovlen = (__typeof__(message->msg_iovlen))count};
    return message;
}

/* An entry for sendmsg(2), or for send(2), which is cheaper; the caller arms it. */
static struct io_uring_sqe *prepare_send(struct ring *ring, int fd, const struct iovec *iov,
                                         u32 count, u32 flags)
{
    ASSERT(count > 0 && count <= RING_IOV_MAX);
    struct msghdr *message = count > 1 ? scratch_message(ring, iov, count) : NULL;
    struct io_uring_sqe *sqe = ring_sqe(ring);
    if (count == 1)
        io_uring_prep_send(sqe, fd, iov->iov_base, iov->iov_len, (int)(flags | MSG_NOSIGNAL));
    else
        io_uring_prep_sendmsg(sqe, fd, message, flags | MSG_NOSIGNAL);
    return sqe;
}

static u32 iov_bytes(const struct iovec *iov, u32 count)
{
    usize bytes = 0;
    for (u32 i = 0; i < count; i++)
        bytes += iov[i].iov_len;
    ASSERT(bytes > 0 && bytes <= INT32_MAX);
    return (u32)bytes;
}

void ring_send(struct ring *ring, struct ring_op *op, int fd, const struct iovec *iov, u32 count)
{
    op->bytes = iov_bytes(iov, count);
    ring_arm(op, prepare_send(ring, fd, iov, count, MSG_WAITALL), RING_OP_SEND);
}

void ring_send_now(struct ring *ring, struct ring_op *op, int fd, const struct iovec *iov,
                   u32 count)
{
    op->bytes = iov_bytes(iov, count);
    ring_arm(op, prepare_send(ring, fd, iov, count, MSG_DONTWAIT), RING_OP_SEND);
}

static void arm_poll(struct ring *ring, struct ring_op *op, int fd, u32 events,
                     enum ring_op_kind kind)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_poll_add(sqe, fd, events);
    ring_arm(op, sqe, kind);
}

void ring_await_room(struct ring *ring, struct ring_op *op, int fd)
{
    arm_poll(ring, op, fd, POLLOUT, RING_OP_ROOM);
}

void ring_poll_readable(struct ring *ring, struct ring_op *op, int fd)
{
    arm_poll(ring, op, fd, POLLIN, RING_OP_POLL);
}

void ring_poll_writable(struct ring *ring, struct ring_op *op, int fd)
{
    arm_poll(ring, op, fd, POLLOUT, RING_OP_POLL);
}

void ring_write(struct ring *ring, struct ring_op *op, int fd, const void *data, u32 len)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_write(sqe, fd, data, len, (u64)-1);
    ring_arm(op, sqe, RING_OP_WRITE);
}

void ring_read(struct ring *ring, struct ring_op *op, int fd, void *data, u32 len)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_read(sqe, fd, data, len, (u64)-1);
    ring_arm(op, sqe, RING_OP_READ);
}

void ring_cancel(struct ring *ring, struct ring_op *op)
{
    if (!op->owed)
        return;
    op->canceling = true;
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data(sqe, NULL); /* its own completion says nothing that matters */
}

/* A single accept stands for a multishot one where the kernel has none. One that was completed
 * before its cancellation came is not armed again: the end that was asked for is told right behind
 * it. */
static void accept_completed(struct ring *ring, struct ring_op *op, struct ring_done done)
{
    bool last = done.status == RING_OK && !done.more;
    bool canceled = last && op->canceling;
    if (canceled)
        op->owed = true;
    else if (last)
        ring_accept(ring, op, (int)op->bytes);
    done.more = done.more || last;
    op->class->on_done(op, done);
    if (canceled) {
        op->owed = false;
        op->class->on_done(op, (struct ring_done){.status = RING_CANCELED, .error = ECANCELED});
    }
}

/* With MSG_WAITALL a send is short, or finds no room at all, when the connection has ended or the
 * kernel cannot wait. */
static void send_completed(const struct ring_op *op, struct ring_done *done)
{
    if (done->error == EAGAIN)
        *done = (struct ring_done){.status = RING_OK};
    if (done->status == RING_OK && (u32)done->result < op->bytes)
        done->status = RING_SHORT;
}

/* The kernel adds POLLERR, POLLHUP and POLLRDHUP to whatever is asked for. */
static void room_completed(struct ring_done *done)
{
    if (done->status != RING_OK)
        return;
    if (done->result & (POLLERR | POLLHUP | POLLNVAL))
        *done = (struct ring_done){.status = RING_RESET, .error = ECONNRESET};
    else if (!(done->result & POLLOUT))
        *done = (struct ring_done){.status = RING_SHORT};
}

void ring_op_completed(struct ring *ring, struct ring_op *op, i32 result, u32 flags)
{
    struct ring_done done = {
        .result = result,
        .error = result < 0 ? -result : 0,
        .status = result < 0 ? ring_status_of(-result) : RING_OK,
        .more = (flags & IORING_CQE_F_MORE) != 0,
    };
    op->owed = done.more;
    if (op->kind == RING_OP_SEND)
        send_completed(op, &done);
    if (op->kind == RING_OP_ROOM)
        room_completed(&done);
    if (op->kind == RING_OP_ACCEPT)
        accept_completed(ring, op, done);
    else
        op->class->on_done(op, done);
}
