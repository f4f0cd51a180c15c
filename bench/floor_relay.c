#include "floor_relay.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net.h"

enum { OP_MASK = 7, REARM_BUFFERS_MIN = 32, SIDE_ALIGN_BYTES = 64 };
static_assert(sizeof(struct side) % SIDE_ALIGN_BYTES == 0, "aligned_alloc(3) asks for it");
enum op { OP_ACCEPT, OP_RECV, OP_SEND };

static u64 tag(const struct side *side, enum op op)
{
    return (u64)(uintptr_t)side | (u64)op;
}

void floor_accept_arm(struct floor *floor)
{
    struct io_uring_sqe *sqe = bench_ring_sqe(&floor->ring);
    io_uring_prep_multishot_accept(sqe, floor->listener, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = OP_ACCEPT;
}

void floor_set_congestion(const struct floor_options *options, int fd)
{
    const char *name = options->congestion;
    if (name != NULL &&
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) != 0)
        net_die("no such congestion control: %s", name);
}

/* Slot n of the ring's table is descriptor n, which also stays a regular descriptor. */
static void use_fixed(const struct floor *floor, struct io_uring_sqe *sqe)
{
    if (floor->options.fixed)
        sqe->flags |= IOSQE_FIXED_FILE;
}

static void set_fixed(struct floor *floor, int fd, int to)
{
    if (floor->options.fixed &&
        io_uring_register_files_update(&floor->ring.uring, (unsigned)fd, &to, 1) != 1)
        net_die("cannot set a registered descriptor");
}

static void arm_recv(struct floor *floor, struct side *side)
{
    struct io_uring_sqe *sqe = bench_ring_sqe(&floor->ring);
    if (floor->options.single)
        io_uring_prep_recv(sqe, side->fd, NULL, 0, 0);
    else
        io_uring_prep_recv_multishot(sqe, side->fd, NULL, 0, 0);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = floor->group.id;
    use_fixed(floor, sqe);
    sqe->user_data = tag(side, OP_RECV);
    side->receiving = true;
}

static struct side *side_create(struct floor *floor, int fd, bool client)
{
    struct side *side = aligned_alloc(SIDE_ALIGN_BYTES, sizeof(*side));
    if (side == NULL)
        net_die("out of memory");
    *side = (struct side){.fd = fd, .client = client, .queue_first = -1, .queue_last = -1};
    set_fixed(floor, fd, fd);
    arm_recv(floor, side);
    return side;
}

static void drop_queue(struct floor *floor, struct side *side)
{
    while (side->queue_first >= 0) {
        u16 buffer = (u16)side->queue_first;
        side->queue_first = floor->next[buffer];
        buffer_group_return(&floor->group, buffer);
    }
    side->queue_last = -1;
}

static void release_when_quiet(struct floor *floor, struct side *side)
{
    if (!side->closing || side->receiving || side->sending)
        return;
    drop_queue(floor, side);
    set_fixed(floor, side->fd, -1);
    close(side->fd);
    free(side);
}

static void start_close(struct side *side)
{
    if (side->closing)
        return;
    side->closing = true;
    shutdown(side->fd, SHUT_RDWR);
}

static void enter_idle(struct side *side)
{
    side->idle_next = side->backend->idle;
    side->backend->idle = side;
}

static void leave_idle(const struct side *side)
{
    struct side **link = &side->backend->idle;
    while (*link != NULL && *link != side)
        link = &(*link)->idle_next;
    if (*link != NULL)
        *link = side->idle_next;
}

/* One side ended: the other one ends too, unless it is an upstream whose reply is complete, which
 * can serve the next client. */
static void side_end(struct floor *floor, struct side *side)
{
    struct side *other = side->other;
    side->other = NULL;
    if (!side->client && other == NULL)
        leave_idle(side);
    start_close(side);
    if (other == NULL)
        return;
    other->other = NULL;
    if (side->client && floor->options.reply_bytes == 0 && !other->closing) {
        enter_idle(other);
        return;
    }
    start_close(other);
    release_when_quiet(floor, other);
}

/* Connecting blocks: it happens only while the pool fills, and on loopback at once. */
static struct side *upstream_acquire(struct floor *floor)
{
    struct backend *backend = &floor->backends[floor->backend_next];
    floor->backend_next = (floor->backend_next + 1) % floor->backend_count;
    struct side *idle = backend->idle;
    if (idle != NULL) {
        backend->idle = idle->idle_next;
        return idle;
    }
    const struct sockaddr_in *address = &backend->address;
    int fd = net_socket();
    if (fd >= 0)
        floor_set_congestion(&floor->options, fd);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        net_die("cannot connect to the origin: %s", strerror(errno));
    struct side *side = side_create(floor, fd, false);
    side->backend = backend;
    return side;
}

static void send_op(struct floor *floor, struct side *side, bool quiet)
{
    u16 buffer = (u16)side->queue_first;
    const u8 *data = buffer_group_at(&floor->group, buffer) + side->sent;
    struct io_uring_sqe *sqe = bench_ring_sqe(&floor->ring);
    int flags = MSG_NOSIGNAL | MSG_WAITALL | (quiet ? MSG_DONTWAIT : 0);
    io_uring_prep_send(sqe, side->fd, data, floor->len[buffer] - side->sent, flags);
    sqe->user_data = tag(side, OP_SEND);
    use_fixed(floor, sqe);
    side->sending = true;
    side->quiet = quiet;
    if (quiet) {
        u32 list = floor->quiet_new;
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
        floor->quiet[list][floor->quiet_count[list]++] = side;
    }
}

/* The first buffer of the queue is out: returns it. */
static void pop_sent(struct floor *floor, struct side *side)
{
    u16 buffer = (u16)side->queue_first;
    side->queue_first = floor->next[buffer];
    if (side->queue_first < 0)
        side->queue_last = -1;
    side->sent = 0;
    buffer_group_return(&floor->group, buffer);
}

/* Sends what the socket takes at once; what it does not take is left to an operation. */
static void send_inline(struct floor *floor, struct side *side)
{
    while (side->queue_first >= 0) {
        u16 buffer = (u16)side->queue_first;
        const u8 *data = buffer_group_at(&floor->group, buffer);
        ssize_t sent = send(side->fd, data, floor->len[buffer], MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent == (ssize_t)floor->len[buffer]) {
            pop_sent(floor, side);
            continue;
        }
        side->sent = sent > 0 ? (u32)sent : 0;
        send_op(floor, side, false);
        return;
    }
}

static void send_next(struct floor *floor, struct side *side)
{
    if (side->sending || side->closing || side->queue_first < 0)
        return;
    if (floor->options.send == FLOOR_SEND_INLINE)
        send_inline(floor, side);
    else
        send_op(floor, side,
                floor->options.send == FLOOR_SEND_QUIET &&
                    floor->quiet_count[floor->quiet_new] < QUIET_MAX);
}

static void forward(struct floor *floor, struct side *to, u16 buffer, u32 len)
{
    floor->len[buffer] = len;
    floor->next[buffer] = -1;
    if (to->queue_last >= 0)
        floor->next[to->queue_last] = buffer;
    else
        to->queue_first = buffer;
    to->queue_last = buffer;
    send_next(floor, to);
}

/* The pairing: a client takes an upstream with its first bytes; a complete reply gives it back. */
static struct side *receiver_of(struct floor *floor, struct side *side, u32 len)
{
    struct side *other = side->other;
    if (side->client && other == NULL) {
        other = upstream_acquire(floor);
        other->other = side;
        other->reply_left = floor->options.reply_bytes;
        side->other = other;
    } else if (!side->client && other != NULL && floor->options.reply_bytes > 0) {
        side->reply_left -= min_u64(side->reply_left, len);
        if (side->reply_left == 0) {
            other->other = NULL;
            side->other = NULL;
            enter_idle(side);
        }
    }
    return other;
}

static void on_accept(struct floor *floor, const struct io_uring_cqe *cqe)
{
    if ((cqe->flags & IORING_CQE_F_MORE) == 0)
        floor_accept_arm(floor);
    if (cqe->res >= 0)
        (void)side_create(floor, cqe->res, true);
}

static void on_recv(struct floor *floor, struct side *side, const struct io_uring_cqe *cqe)
{
    side->receiving = (cqe->flags & IORING_CQE_F_MORE) != 0;
    if (cqe->res > 0) {
        u16 buffer = buffer_group_take(&floor->group, cqe->flags);
        struct side *to = side->closing ? NULL : receiver_of(floor, side, (u32)cqe->res);
        if (to != NULL)
            forward(floor, to, buffer, (u32)cqe->res);
        else
            buffer_group_return(&floor->group, buffer);
    } else if (cqe->res == -ENOBUFS && floor->starved_count < STARVED_MAX && !side->closing) {
        floor->starved[floor->starved_count++] = side;
        side->receiving = true; /* it still is, from the outside */
        return;
    } else if (!side->closing) {
        side_end(floor, side);
    }
    if (!side->receiving && !side->closing)
        arm_recv(floor, side);
    release_when_quiet(floor, side);
}

/* One send is over: `result` is the bytes sent or a negative errno. */
static void send_done(struct floor *floor, struct side *side, i32 result)
{
    u32 left = floor->len[side->queue_first] - side->sent;
    side->sending = false;
    if (result == (i32)left) {
        pop_sent(floor, side);
    } else if (result > 0 || result == -EAGAIN) {
        side->sent += result > 0 ? (u32)result : 0;
        send_op(floor, side, false);
        return;
    } else if (!side->closing) {
        side_end(floor, side);
    }
    send_next(floor, side);
    release_when_quiet(floor, side);
}

/* A quiet send completes here only because it failed (the socket is full, or the peer is gone); it
 * is dealt with at the end of the turn, where its list is walked. */
static void on_send(struct floor *floor, struct side *side, const struct io_uring_cqe *cqe)
{
    if (!side->quiet) {
        send_done(floor, side, cqe->res);
        return;
    }
    side->quiet_failed = true;
    side->quiet_result = cqe->res;
}

static void end_quiet(struct floor *floor, u32 list)
{
    for (u32 i = 0; i < floor->quiet_count[list]; i++) {
        struct side *side = floor->quiet[list][i];
        i32 result = side->quiet_failed ? side->quiet_result
                                        : (i32)(floor->len[side->queue_first] - side->sent);
        side->quiet = false;
        side->quiet_failed = false;
        send_done(floor, side, result);
    }
    floor->quiet_count[list] = 0;
}

void floor_end_turn(struct floor *floor)
{
    u32 old = 1 - floor->quiet_new;
    end_quiet(floor, old);
    buffer_group_refill(&floor->group);
    while (floor->starved_count > 0 && floor->group.published >= REARM_BUFFERS_MIN) {
        struct side *side = floor->starved[--floor->starved_count];
        side->receiving = false;
        if (!side->closing)
            arm_recv(floor, side);
        release_when_quiet(floor, side);
    }
    floor->quiet_new = old;
}

void floor_dispatch(struct floor *floor, const struct io_uring_cqe *cqe)
{
    struct side *side = (struct side *)(uintptr_t)(cqe->user_data & ~(u64)OP_MASK);
    switch ((enum op)(cqe->user_data & OP_MASK)) {
    case OP_ACCEPT:
        on_accept(floor, cqe);
        return;
    case OP_RECV:
        on_recv(floor, side, cqe);
        return;
    case OP_SEND:
        on_send(floor, side, cqe);
        return;
    }
}
