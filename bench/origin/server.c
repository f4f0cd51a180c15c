/*
 * A connection has at most one receive armed and one send in flight. It is freed when it is closing
 * and neither is owed by the kernel any more, nor a reply by the pace.
 */
#include "origin/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffers.h"
#include "common/net.h"
#include "common/ring.h"
#include "origin/pace.h"
#include "origin/reply.h"
#include "origin/request.h"

enum {
    SQ_ENTRIES = 2048,
    CQ_ENTRIES = 16384,
    BUFFERS = 2048,
    BUFFER_BYTES = 4096,
    BUFFERS_PUBLISHED = 512,
    HEAD_BYTES_MAX = 16384,
    PIPELINE_MAX = 16,
    OP_MASK = 7,
};

enum op { OP_ACCEPT, OP_RECV, OP_SEND };

struct connection {
    int fd;
    bool receiving; /* a receive is armed */
    bool sending;   /* a send is in flight */
    bool last;      /* close once the replies are sent */
    bool closing;
    u8 reply_first;
    u8 reply_count;
    u8 served_count; /* of these replies: may be sent */
    u32 owed;        /* requests at the pace */
    u64 body_left;   /* of the request that is being discarded */
    u8 *partial;     /* the beginning of a head, HEAD_BYTES_MAX bytes; NULL: none yet */
    usize partial_len;
    const struct reply *replies[PIPELINE_MAX];
};

struct server {
    struct bench_ring ring;
    struct buffer_group group;
    const int *listeners;
    struct pace *pace;
};

static u64 tag(const struct connection *connection, enum op op)
{
    return (u64)(uintptr_t)connection | (u64)op;
}

static void arm_accept(struct server *server, u32 listener)
{
    struct io_uring_sqe *sqe = bench_ring_sqe(&server->ring);
    io_uring_prep_multishot_accept(sqe, server->listeners[listener], NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = (u64)listener << 3 | OP_ACCEPT;
}

static void arm_recv(struct server *server, struct connection *connection)
{
    struct io_uring_sqe *sqe = bench_ring_sqe(&server->ring);
    io_uring_prep_recv_multishot(sqe, connection->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = server->group.id;
    sqe->user_data = tag(connection, OP_RECV);
    connection->receiving = true;
}

static void send_next(struct server *server, struct connection *connection)
{
    if (connection->sending || connection->closing || connection->served_count == 0)
        return;
    const struct reply *reply = connection->replies[connection->reply_first];
    struct io_uring_sqe *sqe = bench_ring_sqe(&server->ring);
    int flags = MSG_NOSIGNAL | MSG_WAITALL;
    if (reply->flat != NULL)
        io_uring_prep_send(sqe, connection->fd, reply->flat, reply->bytes, flags);
    else
        io_uring_prep_sendmsg(sqe, connection->fd, &reply->message, (unsigned)flags);
    sqe->user_data = tag(connection, OP_SEND);
    connection->sending = true;
}

static void release_when_quiet(struct connection *connection)
{
    if (!connection->closing || connection->receiving || connection->sending ||
        connection->owed > 0)
        return;
    close(connection->fd);
    free(connection->partial);
    free(connection);
}

/* shutdown(2) ends the armed receive and the send in flight, whose completions then free it. */
static void start_close(struct connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    shutdown(connection->fd, SHUT_RDWR);
}

/* Queues the reply to one request; false when the client breaks a limit of this origin. */
static bool answer(struct server *server, struct connection *connection,
                   const struct request *request)
{
    const struct reply *reply = reply_find(request->reply_bytes, request->head_only);
    if (reply == NULL || connection->reply_count == PIPELINE_MAX)
        return false;
    u8 slot = (u8)((connection->reply_first + connection->reply_count) % PIPELINE_MAX);
    connection->replies[slot] = reply;
    connection->reply_count++;
    connection->body_left = request->body_bytes;
    connection->last = request->close;
    if (server->pace->slots == 0) {
        connection->served_count++;
        return true;
    }
    if (!pace_add(server->pace, connection, net_now_ns()))
        return false;
    connection->owed++;
    return true;
}

/* Takes whole requests off `data`; returns how many bytes were used, or -1 for a bad request. */
static i64 consume(struct server *server, struct connection *connection, const u8 *data, usize len)
{
    usize at = 0;
    while (at < len && !connection->last) {
        u64 skipped = min_u64(connection->body_left, len - at);
        connection->body_left -= skipped;
        at += skipped;
        if (at == len)
            break;
        struct request request;
        enum request_verdict verdict = request_parse(data + at, len - at, &request);
        if (verdict == REQUEST_BAD)
            return -1;
        if (verdict == REQUEST_PARTIAL)
            break;
        if (!answer(server, connection, &request))
            return -1;
        at += request.head_bytes;
    }
    return (i64)at;
}

static bool keep_partial(struct connection *connection, const u8 *data, usize len)
{
    if (connection->partial == NULL)
        connection->partial = malloc(HEAD_BYTES_MAX);
    if (connection->partial == NULL || len > HEAD_BYTES_MAX - connection->partial_len)
        return false;
    memcpy(connection->partial + connection->partial_len, data, len);
    connection->partial_len += len;
    return true;
}

/* Received bytes: straight from the buffer unless the beginning of a head is waiting. */
static bool feed(struct server *server, struct connection *connection, const u8 *data, usize len)
{
    if (connection->partial_len == 0) {
        i64 used = consume(server, connection, data, len);
        if (used < 0 || (usize)used == len || connection->last)
            return used >= 0;
        return keep_partial(connection, data + used, len - (usize)used);
    }
    if (!keep_partial(connection, data, len))
        return false;
    i64 used = consume(server, connection, connection->partial, connection->partial_len);
    if (used < 0)
        return false;
    connection->partial_len -= (usize)used;
    memmove(connection->partial, connection->partial + used, connection->partial_len);
    return true;
}

static void on_accept(struct server *server, const struct io_uring_cqe *cqe)
{
    if ((cqe->flags & IORING_CQE_F_MORE) == 0)
        arm_accept(server, (u32)(cqe->user_data >> 3));
    if (cqe->res < 0)
        return;
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        net_die("out of memory");
    connection->fd = cqe->res;
    arm_recv(server, connection);
}

static void on_recv(struct server *server, struct connection *connection,
                    const struct io_uring_cqe *cqe)
{
    connection->receiving = (cqe->flags & IORING_CQE_F_MORE) != 0;
    bool good = cqe->res > 0;
    if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
        u16 buffer = buffer_group_take(&server->group, cqe->flags);
        if (!connection->closing)
            good =
                feed(server, connection, buffer_group_at(&server->group, buffer), (usize)cqe->res);
        buffer_group_return(&server->group, buffer);
    }
    if (!good && cqe->res != -ENOBUFS)
        start_close(connection);
    if (!connection->receiving && !connection->closing) {
        /* The buffers that ran out are published again before this entry is submitted. */
        buffer_group_refill(&server->group);
        arm_recv(server, connection);
    }
    send_next(server, connection);
    release_when_quiet(connection);
}

static void on_send(struct server *server, struct connection *connection,
                    const struct io_uring_cqe *cqe)
{
    connection->sending = false;
    const struct reply *reply = connection->replies[connection->reply_first];
    connection->reply_first = (u8)((connection->reply_first + 1) % PIPELINE_MAX);
    connection->reply_count--;
    connection->served_count--;
    bool done = connection->last && connection->reply_count == 0;
    if (cqe->res < 0 || (usize)cqe->res != reply->bytes || done)
        start_close(connection);
    send_next(server, connection);
    release_when_quiet(connection);
}

static void dispatch(struct server *server, const struct io_uring_cqe *cqe)
{
    enum op op = (enum op)(cqe->user_data & OP_MASK);
    struct connection *connection =
        (struct connection *)(uintptr_t)(cqe->user_data & ~(u64)OP_MASK);
    switch (op) {
    case OP_ACCEPT:
        on_accept(server, cqe);
        return;
    case OP_RECV:
        on_recv(server, connection, cqe);
        return;
    case OP_SEND:
        on_send(server, connection, cqe);
        return;
    }
}

static void send_served(struct server *server)
{
    struct connection *connection;
    while ((connection = pace_take(server->pace, net_now_ns()))) {
        connection->owed--;
        connection->served_count++;
        send_next(server, connection);
        release_when_quiet(connection);
    }
}

void server_run(const int *listeners, u32 count, struct pace *pace)
{
    static struct server server;
    server.listeners = listeners;
    server.pace = pace;
    bench_ring_open(&server.ring,
                    &(struct bench_ring_setup){.sq_entries = SQ_ENTRIES, .cq_entries = CQ_ENTRIES});
    buffer_group_open(&server.group, &server.ring,
                      &(struct buffer_group_setup){.count = BUFFERS,
                                                   .buffer_bytes = BUFFER_BYTES,
                                                   .published_max = BUFFERS_PUBLISHED});
    for (u32 i = 0; i < count; i++)
        arm_accept(&server, i);
    for (;;) {
        i64 wait_ns = pace->slots > 0 ? pace_wait_ns(pace, net_now_ns()) : -1;
        bench_ring_turn(&server.ring, (struct bench_wait){.events = 1, .timeout_ns = wait_ns});
        struct io_uring_cqe *cqe;
        u32 head;
        u32 seen = 0;
        io_uring_for_each_cqe(&server.ring.uring, head, cqe)
        {
            dispatch(&server, cqe);
            seen++;
        }
        io_uring_cq_advance(&server.ring.uring, seen);
        send_served(&server);
        buffer_group_refill(&server.group);
    }
}
