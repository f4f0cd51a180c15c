/*
 * One connection. At most one receive is armed. Small bodies: a multishot receive for the life of
 * the connection. Bulk: a receive for the head, then receives that let the kernel discard the rest.
 *
 *   DOWN -> CONNECTING -> READY <-> WAITING -> ENDING -> DOWN
 *                            any state -> CLOSING -> DOWN
 *
 * Sends have no completion: a request fits the empty send buffer, and a send that fails also ends
 * the receive, which reports it.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net.h"
#include "load/load.h"

enum { OP_MASK = 7 };
enum op { OP_NONE, OP_CONNECT, OP_RECV };

static u64 tag(const struct connection *connection, enum op op)
{
    return (u64)(uintptr_t)connection | (u64)op;
}

void connection_open(struct load *load, struct connection *connection)
{
    connection->fd = net_socket();
    if (connection->fd < 0)
        net_die("no more sockets; raise the limit on open files (ulimit -n)");
    struct io_uring_sqe *sqe = bench_ring_sqe(&load->ring);
    io_uring_prep_connect(sqe, connection->fd, (struct sockaddr *)&load->options.target,
                          sizeof(load->options.target));
    sqe->user_data = tag(connection, OP_CONNECT);
    connection->connecting = true;
    connection->state = CONNECTION_CONNECTING;
}

/* Waits for bytes: into provided buffers, or to be discarded once a bulk body has begun. */
static void arm_recv(struct load *load, struct connection *connection)
{
    struct io_uring_sqe *sqe = bench_ring_sqe(&load->ring);
    const struct response *response = &connection->response;
    if (load->bulk && response->head_done && response->body_left > 0) {
        io_uring_prep_recv(sqe, connection->fd, load->discard, response->body_left, MSG_TRUNC);
    } else {
        if (load->bulk)
            io_uring_prep_recv(sqe, connection->fd, NULL, 0, 0);
        else
            io_uring_prep_recv_multishot(sqe, connection->fd, NULL, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = load->group.id;
    }
    sqe->user_data = tag(connection, OP_RECV);
    connection->receiving = true;
}

void connection_send(struct load *load, struct connection *connection, u64 intended_ns)
{
    const struct options *options = &load->options;
    struct io_uring_sqe *sqe = bench_ring_sqe(&load->ring);
    io_uring_prep_send(sqe, connection->fd, options->request, options->request_len,
                       MSG_NOSIGNAL | MSG_WAITALL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = OP_NONE;
    connection->response.may_refuse = options->may_refuse;
    response_start(&connection->response, options->body_bytes);
    connection->intended_ns = intended_ns;
    connection->state = CONNECTION_WAITING;
    if (!connection->receiving)
        arm_recv(load, connection);
}

static void finish_close(struct load *load, struct connection *connection, bool failed)
{
    close(connection->fd);
    connection->fd = -1;
    connection->state = CONNECTION_DOWN;
    traffic_closed(load, connection, failed);
}

/* shutdown(2) ends the armed receive; the descriptor is closed when the kernel has given it up. */
void connection_close(struct load *load, struct connection *connection)
{
    connection->state = CONNECTION_CLOSING;
    shutdown(connection->fd, SHUT_RDWR);
    if (!connection->receiving && !connection->connecting)
        finish_close(load, connection, true);
}

static void on_connect(struct load *load, struct connection *connection, i32 result)
{
    connection->connecting = false;
    if (connection->state == CONNECTION_CLOSING) {
        finish_close(load, connection, true);
    } else if (result < 0) {
        traffic_failed(load, connection, ERROR_CONNECT);
    } else {
        connection->state = CONNECTION_READY;
        traffic_opened(load, connection);
    }
}

static void on_end(struct load *load, struct connection *connection, i32 result)
{
    if (connection->state == CONNECTION_ENDING)
        finish_close(load, connection, result < 0);
    else if (connection->state == CONNECTION_READY)
        traffic_failed(load, connection, ERROR_IDLE_CLOSED);
    else
        traffic_failed(load, connection, result < 0 ? ERROR_RESET : ERROR_CLOSED);
}

static void on_complete(struct load *load, struct connection *connection)
{
    bool last = load->options.fresh || connection->response.last;
    connection->state = last ? CONNECTION_ENDING : CONNECTION_READY;
    if (!connection->receiving && (last || !load->bulk))
        arm_recv(load, connection);
    traffic_answered(load, connection);
}

static void on_verdict(struct load *load, struct connection *connection,
                       enum response_verdict verdict)
{
    switch (verdict) {
    case RESPONSE_MORE:
        if (!connection->receiving)
            arm_recv(load, connection);
        return;
    case RESPONSE_COMPLETE:
        on_complete(load, connection);
        return;
    case RESPONSE_BAD_HEAD:
        traffic_failed(load, connection, ERROR_HEAD);
        return;
    case RESPONSE_BAD_STATUS:
        traffic_failed(load, connection, ERROR_STATUS);
        return;
    case RESPONSE_BAD_LENGTH:
        traffic_failed(load, connection, ERROR_LENGTH);
        return;
    case RESPONSE_BAD_BODY:
        traffic_failed(load, connection, ERROR_BODY);
        return;
    case RESPONSE_EXTRA:
        traffic_failed(load, connection, ERROR_EXTRA);
        return;
    }
}

/* `data` is NULL for bytes that the kernel discarded. */
static void on_bytes(struct load *load, struct connection *connection, const u8 *data, usize len)
{
    if (load->phase == PHASE_MEASURING)
        load->bytes += len;
    if (connection->state == CONNECTION_CLOSING)
        return;
    if (connection->state != CONNECTION_WAITING) {
        traffic_failed(load, connection, ERROR_EXTRA);
        return;
    }
    struct response *response = &connection->response;
    on_verdict(load, connection,
               data != NULL ? response_feed(response, load->block, data, len)
                            : response_skip(response, len));
}

static void on_recv(struct load *load, struct connection *connection,
                    const struct io_uring_cqe *cqe)
{
    connection->receiving = (cqe->flags & IORING_CQE_F_MORE) != 0;
    bool has_buffer = (cqe->flags & IORING_CQE_F_BUFFER) != 0;
    u16 buffer = has_buffer ? buffer_group_take(&load->group, cqe->flags) : 0;
    if (cqe->res > 0)
        on_bytes(load, connection, has_buffer ? buffer_group_at(&load->group, buffer) : NULL,
                 (usize)cqe->res);
    if (has_buffer)
        buffer_group_return(&load->group, buffer);
    if (cqe->res > 0 && connection->state != CONNECTION_CLOSING)
        return;
    if (connection->state == CONNECTION_CLOSING) {
        if (!connection->receiving)
            finish_close(load, connection, true);
    } else if (cqe->res == -ENOBUFS) {
        buffer_group_refill(&load->group);
        arm_recv(load, connection);
    } else {
        on_end(load, connection, cqe->res);
    }
}

void connection_dispatch(struct load *load, const struct io_uring_cqe *cqe)
{
    enum op op = (enum op)(cqe->user_data & OP_MASK);
    struct connection *connection =
        (struct connection *)(uintptr_t)(cqe->user_data & ~(u64)OP_MASK);
    switch (op) {
    case OP_NONE:
        return;
    case OP_CONNECT:
        on_connect(load, connection, cqe->res);
        return;
    case OP_RECV:
        on_recv(load, connection, cqe);
        return;
    }
}
