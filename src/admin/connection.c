/*
 * A connection of the management API.
 *
 *          +------- next request --------+
 *          v                             |
 *        IDLE --> HEAD --> REPLYING -----+
 *          |       |   |   ^  |
 *          |       |   v   |  |
 *          |       | WAITING  |
 *          |       |   v   |  |
 *          |       |  PARKED  +--> LINGERING --+
 *          +-------+-----+--------+------------+--> CLOSING --> released
 *
 * In HEAD it waits for the body too, if there is one: it is small, and has to come as early as the
 * head. An answer that is large needs a block, of which there are a few: without one it is WAITING
 * for its turn, with the request still in its inbox. What was received is copied out of its lease
 * at once, so a slow peer holds none. Who asks for a reload is PARKED until there is a verdict: it
 * is not this module that reloads.
 */
#include "admin/connection.h"
#include "base/clock.h"

enum {
    FIRST_MS = 10000, /* for a first byte */
    HEAD_MS = 10000,
    IDLE_MS = 60000,
    REPLY_MS = 30000,
    LINGER_MS = 2000,
    /* Kept free, as far as silent connections can be ended for it: one that is ended gives its
     * place back only after a turn. */
    ROOM_CONNECTIONS = 8,
};

/* Which states may follow. */
static const u32 next_states[CONNECTION_STATE_COUNT] = {
    [CONNECTION_IDLE] = 1u << CONNECTION_HEAD | 1u << CONNECTION_WAITING | 1u << CONNECTION_PARKED |
                        1u << CONNECTION_REPLYING | 1u << CONNECTION_CLOSING,
    [CONNECTION_HEAD] = 1u << CONNECTION_WAITING | 1u << CONNECTION_PARKED |
                        1u << CONNECTION_REPLYING | 1u << CONNECTION_CLOSING,
    [CONNECTION_WAITING] =
        1u << CONNECTION_PARKED | 1u << CONNECTION_REPLYING | 1u << CONNECTION_CLOSING,
    [CONNECTION_PARKED] = 1u << CONNECTION_REPLYING | 1u << CONNECTION_CLOSING,
    [CONNECTION_REPLYING] =
        1u << CONNECTION_IDLE | 1u << CONNECTION_LINGERING | 1u << CONNECTION_CLOSING,
    [CONNECTION_LINGERING] = 1u << CONNECTION_CLOSING,
    [CONNECTION_CLOSING] = 0,
};

static struct connection *connection_of(struct transport *transport)
{
    return container_of(transport, struct connection, transport);
}

/* Out of the turn, if it had one. */
static void leave_turn(struct connection *connection)
{
    if (connection->state == CONNECTION_WAITING)
        list_remove(&connection->turn);
}

/* The only writer of `state`. */
static void connection_move(struct connection *connection, enum connection_state next, u32 ms)
{
    struct admin *admin = connection->admin;
    ASSERT(next_states[connection->state] & 1u << next);
    leave_turn(connection);
    connection->state = (u8)next;
    wheel_set(admin->wheel, &connection->timer, ring_now_ns(admin->ring) + ms * NS_PER_MS);
}

static void connection_close(struct connection *connection, bool reset)
{
    if (connection->state == CONNECTION_CLOSING)
        return;
    leave_turn(connection);
    connection->state = CONNECTION_CLOSING; /* reachable from everywhere, without a timeout */
    wheel_clear(connection->admin->wheel, &connection->timer);
    transport_close(&connection->transport, reset);
}

void connection_release_block(struct connection *connection)
{
    if (connection->block)
        slab_release(&connection->admin->blocks[connection->block_kind], connection->block);
    connection->block = NULL;
}

/* ---- What is sent and awaited ---- */

void connection_send(struct connection *connection, const struct admin_reply *reply, bool head_only)
{
    char *body = connection->block ? connection->block : connection->small;
    usize body_bytes = (usize)(reply->body.at - body);
    struct http_writer head = {.at = connection->head,
                               .end = connection->head + sizeof(connection->head)};
    reply_head(reply, connection->keep, body_bytes, &head);
    const struct iovec iov[] = {
        {connection->head, (usize)(head.at - connection->head)},
        {body, body_bytes},
    };
    u32 count = head_only || body_bytes == 0 ? 1 : 2;
    connection_move(connection, CONNECTION_REPLYING, REPLY_MS);
    /* The transport lives in the connection, so what is sent lives as long as the send. */
    transport_send(&connection->transport,
                   &(struct transport_message){.iov = iov, .count = count, .fixed = count});
}

void connection_await_rest(struct connection *connection)
{
    if (!transport_readable(&connection->transport))
        connection_close(connection, false);
    else if (connection->state == CONNECTION_IDLE)
        connection_move(connection, CONNECTION_HEAD, HEAD_MS);
}

void connection_wait(struct connection *connection, enum admin_block kind)
{
    connection_move(connection, CONNECTION_WAITING, admin_block_rows[kind].wait_ms);
    list_push_back(&connection->admin->waiting[kind], &connection->turn);
}

void connection_park(struct connection *connection, u32 wait_ms)
{
    connection_move(connection, CONNECTION_PARKED, wait_ms);
}

/* ---- Events ---- */

static void keep_bytes(struct connection *connection, struct lease_chain *data)
{
    struct ring *ring = connection->admin->ring;
    u32 bytes = min_u32(data->bytes, ADMIN_INBOX_BYTES - connection->inbox_len);
    connection->spilled |= bytes < data->bytes;
    ring_chain_peek(ring, data, connection->inbox + connection->inbox_len, bytes);
    connection->inbox_len += bytes;
    ring_chain_return(ring, data);
}

static void on_data(struct transport *transport, struct lease_chain *data)
{
    struct connection *connection = connection_of(transport);
    switch ((enum connection_state)connection->state) {
    case CONNECTION_IDLE:
    case CONNECTION_HEAD:
        keep_bytes(connection, data);
        if (!connection->continuing)
            request_read(connection);
        break;
    case CONNECTION_WAITING:
    case CONNECTION_PARKED: /* the next request, early */
    case CONNECTION_REPLYING:
        keep_bytes(connection, data);
        break;
    case CONNECTION_LINGERING:
    case CONNECTION_CLOSING:
        ring_chain_return(connection->admin->ring, data);
        break;
    case CONNECTION_STATE_COUNT:
        ASSERT(false);
    }
}

static void on_end(struct transport *transport)
{
    struct connection *connection = connection_of(transport);
    const u32 answered = 1u << CONNECTION_WAITING | 1u << CONNECTION_PARKED |
                         1u << CONNECTION_REPLYING; /* also who sends no more may read */
    if (!(answered >> connection->state & 1))
        connection_close(connection, false);
}

static void on_lost(struct transport *transport, struct ring_done done)
{
    (void)done;
    connection_close(connection_of(transport), true);
}

/* FIN, then the peer's: unread bytes would make the kernel answer with RST and take the answer with
 * it. */
static void linger(struct connection *connection)
{
    if (!transport_readable(&connection->transport)) {
        connection_close(connection, false);
        return;
    }
    connection_move(connection, CONNECTION_LINGERING, LINGER_MS);
    transport_finish(&connection->transport);
}

static void on_sent(struct transport *transport)
{
    struct connection *connection = connection_of(transport);
    if (connection->continuing) {
        connection->continuing = false;
        request_read(connection);
        return;
    }
    connection_release_block(connection);
    list_remove(&connection->node);
    list_push_back(&connection->admin->connected, &connection->node);
    if (!connection->keep || connection->spilled) {
        linger(connection);
    } else if (connection->inbox_len > 0) {
        connection_move(connection, CONNECTION_IDLE, HEAD_MS);
        request_read(connection);
    } else if (!transport_readable(transport)) {
        connection_close(connection, false);
    } else {
        connection_move(connection, CONNECTION_IDLE, IDLE_MS);
    }
}

static void on_closed(struct transport *transport)
{
    struct connection *connection = connection_of(transport);
    connection_release_block(connection);
    list_remove(&connection->node);
    slab_release(&connection->admin->connections, connection);
}

static const struct transport_events connection_events = {
    .on_data = on_data,
    .on_paused = transport_read_on,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_lost = on_lost,
    .on_send_failed = on_lost,
    .on_closed = on_closed,
};

static void on_timeout(struct wheel_timer *timer)
{
    struct connection *connection = container_of(timer, struct connection, timer);
    switch ((enum connection_state)connection->state) {
    case CONNECTION_HEAD:
        if (connection->continuing) {
            connection_close(connection, true);
            break;
        }
        request_give_up(connection);
        break;
    case CONNECTION_WAITING: /* so it is refused */
        connection->waited = true;
        request_read(connection);
        break;
    case CONNECTION_PARKED: /* the reload goes on */
        request_conclude(connection, ADMIN_RELOAD_WAITING, slice_of(NULL, 0));
        break;
    case CONNECTION_REPLYING:
        connection_close(connection, true);
        break;
    case CONNECTION_IDLE:
    case CONNECTION_LINGERING:
        connection_close(connection, false);
        break;
    case CONNECTION_CLOSING:
    case CONNECTION_STATE_COUNT:
        ASSERT(false);
    }
}

/* ---- Beginning and end ---- */

usize connection_bytes(void)
{
    return sizeof(struct connection);
}

/* Ends the one of those in such states that has been without an answer for longest: it is in front
 * of the others. */
static bool crowd_out(struct admin *admin, u32 states)
{
    list_each (node, following, &admin->connected) {
        struct connection *connection = container_of(node, struct connection, node);
        if (states >> connection->state & 1) {
            admin->crowded_out++;
            connection_close(connection, true);
            return true;
        }
    }
    return false;
}

/* Anybody may connect, but nobody may keep others out by that, whether they say nothing or do not
 * read what they are told. */
static void make_room(struct admin *admin)
{
    const u32 silent = 1u << CONNECTION_IDLE | 1u << CONNECTION_HEAD | 1u << CONNECTION_LINGERING;
    bool enough = admin->connections.in_use + ROOM_CONNECTIONS < ADMIN_CONNECTIONS_MAX;
    if (!enough && !crowd_out(admin, silent) && !crowd_out(admin, 1u << CONNECTION_REPLYING))
        (void)crowd_out(admin, 1u << CONNECTION_WAITING);
}

void connection_start(struct admin *admin, int fd)
{
    make_room(admin);
    struct connection *connection = slab_acquire(&admin->connections);
    if (!connection || admin->stopping) {
        if (connection)
            slab_release(&admin->connections, connection);
        ring_close(admin->ring, fd, true);
        return;
    }
    connection->admin = admin;
    connection->block = NULL;
    connection->inbox_len = 0;
    connection->needed = 0;
    connection->continued = false;
    connection->continuing = false;
    connection->waited = false;
    connection->keep = false;
    connection->spilled = false;
    connection->state = CONNECTION_IDLE;
    wheel_timer_init(&connection->timer, on_timeout);
    list_push_back(&admin->connected, &connection->node);
    transport_open(&connection->transport, admin->ring, &admin->reaper, fd, &connection_events);
    wheel_set(admin->wheel, &connection->timer, ring_now_ns(admin->ring) + FIRST_MS * NS_PER_MS);
    transport_read(&connection->transport, RECV_STREAM, 0);
}

void connections_cut(struct admin *admin)
{
    list_each (node, following, &admin->connected)
        connection_close(container_of(node, struct connection, node), true);
}

void admin_reload_over(struct admin *admin, enum admin_reload verdict, struct slice report)
{
    list_each (node, following, &admin->connected) {
        struct connection *connection = container_of(node, struct connection, node);
        if (connection->state == CONNECTION_PARKED)
            request_conclude(connection, verdict, report);
    }
}

void connections_serve_waiting(struct admin *admin)
{
    for (u32 kind = 0; kind < ADMIN_BLOCK_KINDS; kind++)
        while (!list_empty(&admin->waiting[kind]) &&
               admin->blocks[kind].in_use < admin->blocks[kind].item_count) {
            struct connection *first =
                container_of(admin->waiting[kind].next, struct connection, turn);
            request_read(first); /* it takes the block, and leaves the turn */
            ASSERT(first->state != CONNECTION_WAITING);
        }
}
