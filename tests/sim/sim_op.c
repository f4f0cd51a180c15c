/*
 * Ops in the kernel: from a submission to its last completion. What each operation does is measured
 * behaviour of Linux; when it does it is the seed's choice.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "sim_internal.h"

enum { REST_ROUNDS_MAX = 6 };

/* What an op did in a round. */
enum step { STEP_NONE, STEP_SOME, STEP_OVER };

static enum step finish(struct sim *sim, struct sim_op *op, i32 result, u32 flags)
{
    sim_complete(sim, op->user_data, result, flags);
    return STEP_OVER;
}

/* ---- Accept ---- */

static bool goes_on(struct sim *sim, const struct sim_op *op)
{
    return op->multishot && !sim_queue_full(sim) && !sim_chance(sim, sim->manners.single_percent);
}

static enum step step_accept(struct sim *sim, struct sim_op *op)
{
    static const i32 errors[] = {EMFILE, ENFILE, ECONNABORTED, ENOMEM};
    if (op->canceled && !op->late)
        return finish(sim, op, -ECANCELED, 0);
    op->late = false;
    struct sim_peer *peer = sim_waiting_client(sim, op->fd);
    if (!peer)
        return STEP_NONE;
    if (sim->accepts_fail) {
        sim->accept_failures++;
        return finish(sim, op, -EMFILE, 0);
    }
    if (sim_chance(sim, sim->manners.refuse_percent))
        return finish(sim, op, -errors[sim_random(sim, ARRAY_COUNT(errors))], 0);
    peer->taken = true;
    bool more = goes_on(sim, op);
    sim_complete(sim, op->user_data, peer->fd, more ? IORING_CQE_F_MORE : 0);
    return more ? STEP_SOME : STEP_OVER;
}

/* ---- Connect ---- */

static u32 backend_of(const struct sim_op *op)
{
    struct address address = op->address;
    u32 backend = UINT32_MAX;
    const char *path = address.local.sun_path;
    if (address.any.sa_family == AF_INET)
        backend = (u32)ntohs(address.v4.sin_port) - SIM_BACKEND_PORT;
    else if (address.any.sa_family == AF_INET6)
        backend = (u32)ntohs(address.v6.sin6_port) - SIM_BACKEND_PORT;
    else if (strncmp(path, SIM_BACKEND_PATH, strlen(SIM_BACKEND_PATH)) == 0)
        backend = (u32)(path[strlen(SIM_BACKEND_PATH)] - '0');
    SIM_CHECK(backend < SIM_BACKENDS_MAX);
    return backend;
}

/* A unix socket is not there, has nobody who listens, forbids it, or has too many who wait. */
static i32 connect_error(const struct sim_peer *peer, enum sim_connect outcome)
{
    static const struct {
        i32 tcp;
        i32 local;
    } errors[] = {
        [SIM_CONNECT_REFUSED] = {ECONNREFUSED, ECONNREFUSED},
        [SIM_CONNECT_UNREACHABLE] = {EHOSTUNREACH, ENOENT},
        [SIM_CONNECT_RESET] = {ECONNRESET, EACCES},
        [SIM_CONNECT_TIMED_OUT] = {ETIMEDOUT, EAGAIN},
    };
    return peer->local ? errors[outcome].local : errors[outcome].tcp;
}

static enum step step_connect(struct sim *sim, struct sim_op *op)
{
    struct sim_peer *peer = sim_socket(sim, op->fd);
    u32 backend = backend_of(op);
    enum sim_connect outcome = (enum sim_connect)sim->connects[backend];
    if (op->canceled && (!op->late || outcome != SIM_CONNECT_ACCEPTED))
        return finish(sim, op, -ECANCELED, 0);
    if (outcome == SIM_CONNECT_LOST)
        return STEP_NONE;
    if (outcome != SIM_CONNECT_ACCEPTED) {
        peer->link = SIM_LINK_FAILED;
        return finish(sim, op, -connect_error(peer, outcome), 0);
    }
    peer->link = SIM_LINK_UP;
    peer->backend = backend;
    sim->news = true;
    sim_trace("connected", peer->number, backend);
    return finish(sim, op, 0, 0);
}

/* ---- Send ---- */

static u64 hash_send(const struct sim_op *op)
{
    u64 hash = 0;
    for (u32 i = 0; i < op->iov_count; i++)
        hash = hash_bytes(op->iov[i].iov_base, op->iov[i].iov_len, hash + 1);
    return hash;
}

/* Gives the socket the next bytes from `done` on. */
static void send_some(struct sim_op *op, struct sim_peer *peer, usize bytes)
{
    usize at = op->done;
    op->done += bytes;
    for (u32 i = 0; i < op->iov_count && bytes > 0; i++) {
        usize len = op->iov[i].iov_len;
        if (at >= len) {
            at -= len;
            continue;
        }
        usize part = bytes < len - at ? bytes : len - at;
        sim_bytes_append(&peer->in, (const char *)op->iov[i].iov_base + at, part);
        bytes -= part;
        at = 0;
    }
}

static enum step finish_send(struct sim *sim, struct sim_op *op, i32 error)
{
    if (hash_send(op) != op->hash)
        sim_fail("the bytes of a pending send have changed (descriptor %d)", op->fd);
    return finish(sim, op, op->done > 0 ? (i32)op->done : -error, 0);
}

/* io_uring polls for the peer's FIN together with room: where there is one, it tries for a while
 * and then gives up. */
static enum step full_send(struct sim *sim, struct sim_op *op, const struct sim_peer *peer)
{
    if (op->canceled)
        return finish_send(sim, op, ECANCELED);
    if (op->now || (peer->fin_visible && sim_chance(sim, 50)))
        return finish_send(sim, op, EAGAIN);
    return STEP_NONE;
}

static enum step step_send(struct sim *sim, struct sim_op *op)
{
    struct sim_peer *peer = sim_socket(sim, op->fd);
    if (peer->reset_visible || peer->end_pending == SIM_RESET)
        return finish_send(sim, op, sim_chance(sim, 50) ? ECONNRESET : EPIPE);
    if (peer->shut_write || (peer->local && peer->peer_closed))
        return finish_send(sim, op, EPIPE);
    if (op->canceled && !op->late)
        return finish_send(sim, op, ECANCELED);
    usize room = peer->window > peer->in.len ? peer->window - peer->in.len : 0;
    if (peer->peer_closed)
        room = op->total;
    usize rest = op->total - op->done;
    if (room == 0)
        return full_send(sim, op, peer);
    send_some(op, peer, sim_piece(sim, rest < room ? rest : room));
    sim_trace("taken to send", peer->number, op->done);
    if (op->done == op->total || op->now)
        return finish_send(sim, op, 0);
    return STEP_SOME;
}

/* ---- Receive ---- */

/* Fills buffers with `bytes` in the order in which they were offered. */
static void fill_buffers(struct sim *sim, struct sim_peer *peer, usize bytes, u16 *first)
{
    for (usize left = bytes, filled = 0; left > 0; left -= filled) {
        u16 id;
        char *data;
        bool taken = sim_buffer_take(sim, &id, &data);
        SIM_CHECK(taken);
        if (left == bytes)
            *first = id;
        filled = left < LEASE_BYTES ? left : LEASE_BYTES;
        memcpy(data, sim_bytes_front(&peer->out), filled);
        sim_bytes_drop(&peer->out, filled);
    }
    peer->visible -= bytes;
}

/* How many of the visible bytes one completion carries. */
static usize receive_size(struct sim *sim, const struct sim_op *op, const struct sim_peer *peer)
{
    usize limit = LEASE_BYTES;
    if (op->iov_count > 0)
        limit = op->total;
    else if (op->bundle)
        limit = (usize)sim_buffers_offered(sim) * LEASE_BYTES;
    return sim_piece(sim, peer->visible < limit ? peer->visible : limit);
}

static enum step receive_end(struct sim *sim, struct sim_op *op, struct sim_peer *peer)
{
    if (peer->error) {
        peer->error = false;
        return finish(sim, op, -ECONNRESET, 0);
    }
    u16 id;
    char *data;
    if (op->iov_count > 0 || !sim->manners.end_takes_buffer)
        return finish(sim, op, 0, 0);
    bool taken = sim_buffer_take(sim, &id, &data);
    SIM_CHECK(taken);
    return finish(sim, op, 0, IORING_CQE_F_BUFFER | (u32)id << IORING_CQE_BUFFER_SHIFT);
}

/* Into the memory that the submission named. */
static void fill_named(struct sim_op *op, struct sim_peer *peer, usize bytes)
{
    peer->visible -= bytes;
    for (u32 i = 0; bytes > 0; i++) {
        SIM_CHECK(i < op->iov_count);
        usize part = bytes < op->iov[i].iov_len ? bytes : op->iov[i].iov_len;
        memcpy(op->iov[i].iov_base, sim_bytes_front(&peer->out), part);
        sim_bytes_drop(&peer->out, part);
        bytes -= part;
    }
}

static enum step deliver(struct sim *sim, struct sim_op *op, struct sim_peer *peer)
{
    usize bytes = receive_size(sim, op, peer);
    sim_trace("received", peer->number, bytes);
    if (op->iov_count > 0) {
        fill_named(op, peer, bytes);
        return finish(sim, op, (i32)bytes, 0);
    }
    u16 id = 0;
    fill_buffers(sim, peer, bytes, &id);
    bool more = goes_on(sim, op);
    u32 flags = IORING_CQE_F_BUFFER | (u32)id << IORING_CQE_BUFFER_SHIFT;
    sim_complete(sim, op->user_data, (i32)bytes, more ? flags | IORING_CQE_F_MORE : flags);
    return more ? STEP_SOME : STEP_OVER;
}

static enum step step_receive(struct sim *sim, struct sim_op *op)
{
    struct sim_peer *peer = sim_socket(sim, op->fd);
    bool readable = sim_readable(peer);
    if (op->canceled && (!op->late || !readable))
        return finish(sim, op, -ECANCELED, 0);
    op->late = false;
    bool no_buffer = op->iov_count == 0 && sim_buffers_offered(sim) == 0;
    if (no_buffer && (readable || sim->manners.early_enobufs))
        return finish(sim, op, -ENOBUFS, 0);
    if (!readable)
        return STEP_NONE;
    return peer->visible > 0 ? deliver(sim, op, peer) : receive_end(sim, op, peer);
}

static enum step step_poll(struct sim *sim, struct sim_op *op)
{
    const struct sim_peer *peer = sim_socket(sim, op->fd);
    bool listens = peer->link == SIM_LINK_LISTENING;
    i32 events = listens ? (sim_waiting_client(sim, op->fd) ? POLLIN : 0)
                         : sim_poll_events(peer, op->events);
    if (op->canceled && (!op->late || !events))
        return finish(sim, op, -ECANCELED, 0);
    return events ? finish(sim, op, events, 0) : STEP_NONE;
}

/* The ring's own wait for ring_wake(). */
static enum step step_read(struct sim *sim, struct sim_op *op)
{
    if (op->canceled)
        return finish(sim, op, -ECANCELED, 0);
    if (!sim->woken)
        return STEP_NONE;
    sim->woken = false;
    return finish(sim, op, sizeof(u64), 0);
}

/* ---- All ops ---- */

static enum step op_step(struct sim *sim, struct sim_op *op)
{
    switch (op->opcode) {
    case IORING_OP_ACCEPT:
        return step_accept(sim, op);
    case IORING_OP_CONNECT:
        return step_connect(sim, op);
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
        return step_send(sim, op);
    case IORING_OP_RECV:
    case IORING_OP_READV:
        return step_receive(sim, op);
    case IORING_OP_POLL_ADD:
        return step_poll(sim, op);
    case IORING_OP_READ:
        return step_read(sim, op);
    default:
        sim_fail("operation %u is not allowed", op->opcode);
    }
}

bool sim_ops_advance(struct sim *sim, bool force)
{
    bool changed = false;
    u32 first = sim->op_count > 0 ? sim_random(sim, sim->op_count) : 0;
    for (u32 i = 0; i < sim->op_count; i++) {
        struct sim_op *op = &sim->ops[(first + i) % sim->op_count];
        if (op->user_data == 0 || (!force && op->rest-- > 0))
            continue;
        op->rest =
            sim_chance(sim, sim->manners.rest_percent) ? sim_random(sim, REST_ROUNDS_MAX) : 0;
        enum step step = op_step(sim, op);
        changed |= step != STEP_NONE;
        if (step == STEP_OVER)
            op->user_data = 0;
    }
    return changed;
}

bool sim_op_armed(const struct sim *sim, int fd)
{
    for (u32 i = 0; i < sim->op_count; i++)
        if (sim->ops[i].user_data != 0 && sim->ops[i].fd == fd)
            return true;
    return false;
}

u32 sim_ops_armed(const struct sim *sim)
{
    u32 count = 0;
    for (u32 i = 0; i < sim->op_count; i++)
        count += sim->ops[i].user_data != 0;
    return count;
}

/* ---- Submission ---- */

/* What polls for room stands for a send, what polls for bytes for a receive. */
static bool is_send(u8 opcode, bool room)
{
    return opcode == IORING_OP_SEND || opcode == IORING_OP_SENDMSG ||
           (opcode == IORING_OP_POLL_ADD && room);
}

static bool is_receive(u8 opcode, bool room)
{
    return opcode == IORING_OP_RECV || opcode == IORING_OP_READV ||
           (opcode == IORING_OP_POLL_ADD && !room);
}

static bool asks_for_room(const struct io_uring_sqe *sqe)
{
    return sqe->opcode == IORING_OP_POLL_ADD && (sqe->poll32_events & POLLOUT);
}

static void check_alone(const struct sim *sim, const struct io_uring_sqe *sqe)
{
    bool room = asks_for_room(sqe);
    for (u32 i = 0; i < sim->op_count; i++) {
        const struct sim_op *op = &sim->ops[i];
        if (op->user_data == 0)
            continue;
        if (op->user_data == sqe->user_data)
            sim_fail("an op is armed twice (descriptor %d)", sqe->fd);
        if (op->fd != sqe->fd)
            continue;
        if ((op->opcode == sqe->opcode && op->room == room) ||
            (is_send(op->opcode, op->room) && is_send(sqe->opcode, room)) ||
            (is_receive(op->opcode, op->room) && is_receive(sqe->opcode, room)))
            sim_fail("two operations of one kind on descriptor %d", sqe->fd);
    }
}

static struct sim_op *free_op(struct sim *sim)
{
    for (u32 i = 0; i < sim->op_count; i++)
        if (sim->ops[i].user_data == 0)
            return &sim->ops[i];
    if (sim->op_count == sim->op_capacity) {
        sim->op_capacity = 2 * sim->op_capacity + 64;
        sim->ops = realloc(sim->ops, sim->op_capacity * sizeof(*sim->ops));
        SIM_CHECK(sim->ops);
    }
    return &sim->ops[sim->op_count++];
}

static void read_vector(struct sim_op *op, const struct iovec *iov, usize count)
{
    SIM_CHECK(count <= RING_IOV_MAX);
    op->iov_count = (u32)count;
    for (u32 i = 0; i < op->iov_count; i++) {
        op->iov[i] = iov[i];
        op->total += iov[i].iov_len;
    }
    SIM_CHECK(op->total > 0);
}

/* The memory that a submission names: its own arrays may go when it is taken over. */
static void read_memory(struct sim_op *op, const struct io_uring_sqe *sqe)
{
    void *address = (void *)(uintptr_t)sqe->addr;
    const struct msghdr *message = address;
    bool vector = sqe->opcode == IORING_OP_READV;
    if (sqe->opcode == IORING_OP_SENDMSG)
        read_vector(op, message->msg_iov, (usize)message->msg_iovlen);
    else if (vector)
        read_vector(op, address, sqe->len);
    else
        read_vector(op, &(struct iovec){address, sqe->len}, 1);
}

/* As the kernel does, at once: it may be gone later. */
static void read_address(struct sim_op *op, const struct io_uring_sqe *sqe)
{
    SIM_CHECK(sqe->off <= sizeof(op->address.local));
    memcpy(&op->address.local, (const void *)(uintptr_t)sqe->addr, sqe->off);
}

static void begin_receive(struct sim_op *op, const struct io_uring_sqe *sqe)
{
    op->multishot = sqe->opcode == IORING_OP_RECV && (sqe->ioprio & IORING_RECV_MULTISHOT);
    op->bundle = sqe->opcode == IORING_OP_RECV && (sqe->ioprio & IORING_RECVSEND_BUNDLE);
    if (!(sqe->flags & IOSQE_BUFFER_SELECT))
        read_memory(op, sqe);
    else
        SIM_CHECK(sqe->len == 0); /* a shorter length would stay in the buffer ring's entry */
}

static void begin_send(struct sim_op *op, const struct io_uring_sqe *sqe)
{
    op->now = sqe->msg_flags == (MSG_DONTWAIT | MSG_NOSIGNAL);
    SIM_CHECK(op->now || sqe->msg_flags == (MSG_WAITALL | MSG_NOSIGNAL));
    read_memory(op, sqe);
    op->hash = hash_send(op);
}

static void begin_poll(struct sim_op *op, const struct io_uring_sqe *sqe)
{
    op->events = sqe->poll32_events;
    op->room = asks_for_room(sqe);
}

static void cancel(struct sim *sim, const struct io_uring_sqe *sqe)
{
    for (u32 i = 0; i < sim->op_count; i++) {
        struct sim_op *op = &sim->ops[i];
        if (op->user_data != sqe->addr || op->user_data == 0)
            continue;
        op->canceled = true;
        op->late = sim_chance(sim, sim->manners.late_percent);
        sim_trace("cancel", (u64)(op->fd - SIM_FD_FIRST), op->opcode);
        sim_complete(sim, sqe->user_data, 0, 0);
        return;
    }
    sim_complete(sim, sqe->user_data, -ENOENT, 0);
}

void sim_op_begin(struct sim *sim, const struct io_uring_sqe *sqe)
{
    if (sqe->opcode == IORING_OP_ASYNC_CANCEL) {
        cancel(sim, sqe);
        return;
    }
    SIM_CHECK(sqe->user_data != 0);
    check_alone(sim, sqe);
    if (sqe->opcode != IORING_OP_READ)
        (void)sim_socket(sim, sqe->fd);
    struct sim_op *op = free_op(sim);
    *op = (struct sim_op){.user_data = sqe->user_data, .opcode = sqe->opcode, .fd = sqe->fd};
    if (sqe->opcode == IORING_OP_ACCEPT)
        op->multishot = sqe->ioprio & IORING_ACCEPT_MULTISHOT;
    else if (sqe->opcode == IORING_OP_RECV || sqe->opcode == IORING_OP_READV)
        begin_receive(op, sqe);
    else if (sqe->opcode == IORING_OP_CONNECT)
        read_address(op, sqe);
    else if (sqe->opcode == IORING_OP_POLL_ADD)
        begin_poll(op, sqe);
    else if (is_send(sqe->opcode, false))
        begin_send(op, sqe);
    op->rest = sim_chance(sim, sim->manners.rest_percent) ? sim_random(sim, REST_ROUNDS_MAX) : 0;
}
