/*
 * A connection of the management API.
 *
 *          +------- next request --------+
 *          v                             |
 *        IDLE --> HEAD --> REPLYING -----+
 *          |       |          |
 *          |       |          +--> LINGERING --+
 *          +-------+--------------+------------+--> CLOSING --> released
 *
 * Requests have no bodies: nothing here takes one. What was received is copied out of its lease at
 * once, so a slow peer holds none.
 */
#include "admin/admin_internal.h"
#include "base/clock.h"

enum {
    FIRST_MS = 10000, /* for a first byte */
    HEAD_MS = 10000,
    IDLE_MS = 60000,
    REPLY_MS = 30000,
    LINGER_MS = 2000,
};

enum connection_state {
    CONNECTION_IDLE,      /* waits for the first byte of a request */
    CONNECTION_HEAD,      /* waits for the rest of a head */
    CONNECTION_REPLYING,  /* waits for the peer to take the answer */
    CONNECTION_LINGERING, /* our FIN is out; waits for the peer's, dropping what still comes */
    CONNECTION_CLOSING,   /* waits for the kernel to let go */
    CONNECTION_STATE_COUNT,
};

/* Which states may follow. */
static const u32 next_states[CONNECTION_STATE_COUNT] = {
    [CONNECTION_IDLE] =
        1u << CONNECTION_HEAD | 1u << CONNECTION_REPLYING | 1u << CONNECTION_CLOSING,
    [CONNECTION_HEAD] = 1u << CONNECTION_REPLYING | 1u << CONNECTION_CLOSING,
    [CONNECTION_REPLYING] =
        1u << CONNECTION_IDLE | 1u << CONNECTION_LINGERING | 1u << CONNECTION_CLOSING,
    [CONNECTION_LINGERING] = 1u << CONNECTION_CLOSING,
    [CONNECTION_CLOSING] = 0,
};

struct connection {
    struct transport transport;
    struct wheel_timer timer;
    struct admin *admin;
    struct list node;
    char *large; /* the body that is being sent, when it needed a large block */
    u32 inbox_len;
    u8 state;
    bool keep;    /* another request may follow */
    bool spilled; /* bytes behind the request did not fit: it is the last one */
    char head[ADMIN_HEAD_BYTES];
    char small[ADMIN_SMALL_BYTES];
    char inbox[ADMIN_INBOX_BYTES];
};

static struct connection *connection_of(struct transport *transport)
{
    return container_of(transport, struct connection, transport);
}

/* The only writer of `state`. */
static void connection_move(struct connection *connection, enum connection_state next, u32 ms)
{
    struct admin *admin = connection->admin;
    ASSERT(next_states[connection->state] & 1u << next);
    connection->state = (u8)next;
    wheel_set(admin->wheel, &connection->timer, ring_now_ns(admin->ring) + ms * NS_PER_MS);
}

static void connection_close(struct connection *connection, bool reset)
{
    if (connection->state == CONNECTION_CLOSING)
        return;
    connection->state = CONNECTION_CLOSING; /* reachable from everywhere, without a timeout */
    wheel_clear(connection->admin->wheel, &connection->timer);
    transport_close(&connection->transport, reset);
}

static void release_large(struct connection *connection)
{
    if (connection->large)
        slab_release(&connection->admin->large, connection->large);
    connection->large = NULL;
}

/* ---- Answering ---- */

static const struct slice form_types[] = {
    [ADMIN_JSON] = {"application/json", 16},
    [ADMIN_TEXT] = {"text/plain; charset=utf-8", 25},
    [ADMIN_METRICS] = {"text/plain; version=0.0.4; charset=utf-8", 40},
};

static void write_head(const struct connection *connection, const struct admin_reply *reply,
                       u64 body_bytes, struct http_writer *head)
{
    char date[HTTP_DATE_BYTES];
    http_date_format(clock_wall_ns() / NS_PER_S, date);
    write_format(head, "HTTP/1.1 %u %s\r\n", reply->status, http_reason(reply->status).data);
    http_write_field(head, SLICE("Date"), slice_of(date, sizeof(date)));
    http_write_field(head, SLICE("Content-Type"), form_types[reply->form]);
    write_format(head, "Content-Length: %llu\r\n", (unsigned long long)body_bytes);
    http_write_field(head, SLICE("Cache-Control"), SLICE("no-store"));
    http_write_field(head, SLICE("X-Content-Type-Options"), SLICE("nosniff"));
    if (reply->allow.len > 0)
        http_write_field(head, SLICE("Allow"), reply->allow);
    if (reply->status == 401)
        http_write_field(head, SLICE("WWW-Authenticate"), SLICE("Bearer realm=\"nextproxy\""));
    http_write_field(head, SLICE("Connection"),
                     connection->keep ? SLICE("keep-alive") : SLICE("close"));
    http_write(head, SLICE("\r\n"));
    ASSERT(!head->full);
}

static struct http_writer small_writer(struct connection *connection)
{
    return (struct http_writer){.at = connection->small,
                                .end = connection->small + sizeof(connection->small)};
}

static void send_reply(struct connection *connection, const struct admin_reply *reply,
                       bool head_only)
{
    char *body = connection->large ? connection->large : connection->small;
    usize body_bytes = (usize)(reply->body.at - body);
    struct http_writer head = {.at = connection->head,
                               .end = connection->head + sizeof(connection->head)};
    write_head(connection, reply, body_bytes, &head);
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

/* An answer before or instead of an endpoint's; the connection ends behind it unless it may go on.
 */
static void refuse(struct connection *connection, u32 status, const char *message)
{
    struct admin_reply reply = {.body = small_writer(connection)};
    bool head_only = connection->admin->request.method == HTTP_METHOD_HEAD;
    release_large(connection);
    reply_error(&reply, status, message);
    send_reply(connection, &reply, head_only);
}

static void refuse_method(struct connection *connection, const struct endpoint *endpoint)
{
    struct admin_reply reply = {.body = small_writer(connection), .allow = endpoint->allow};
    reply_error(&reply, 405, "this method is not for this path");
    send_reply(connection, &reply, false);
}

static void answer(struct connection *connection, const struct endpoint *endpoint)
{
    struct admin *admin = connection->admin;
    struct admin_reply reply = {.body = small_writer(connection), .status = 200};
    if (endpoint->large) {
        connection->large = slab_acquire(&admin->large);
        if (!connection->large) {
            refuse(connection, 503, "too many large answers at once: ask again in a moment");
            return;
        }
        reply.body = (struct http_writer){.at = connection->large,
                                          .end = connection->large + ADMIN_LARGE_BYTES};
    }
    endpoint->answer(admin, &reply);
    if (reply.body.full)
        refuse(connection, 500, "the answer is larger than there is room for");
    else
        send_reply(connection, &reply, admin->request.method == HTTP_METHOD_HEAD);
}

/* ---- Requests ---- */

static const struct {
    u32 status;
    const char *message;
} guard_rows[] = {
    [GUARD_OK] = {0, NULL},
    [GUARD_HOST] = {403,
                    "Host must be an address or localhost, or the request must bear the token"},
    [GUARD_ORIGIN] = {403, "requests from pages of other sites are refused"},
    [GUARD_TOKEN] = {401, "the token is missing or wrong: Authorization: Bearer TOKEN"},
};

/* A body that nobody reads must not be taken for the next request. */
static bool refuse_body(struct connection *connection)
{
    struct http_framing framing = http_request_framing(&connection->admin->request);
    if (framing.body == HTTP_BODY_NONE)
        return false;
    connection->keep = false;
    if (framing.body == HTTP_BODY_REJECT)
        refuse(connection, http_reject_info(framing.reject)->status,
               http_reject_info(framing.reject)->text);
    else if (framing.body == HTTP_BODY_CHUNKED)
        refuse(connection, 411, "bodies without a length are not taken");
    else
        refuse(connection, 413, "nothing here takes a body");
    return true;
}

static void serve(struct connection *connection)
{
    struct admin *admin = connection->admin;
    const struct http_request *request = &admin->request;
    const struct endpoint *endpoint = endpoint_find(request->path);
    admin->requests++;
    enum guard guard =
        guard_judge(request, admin->config->token, endpoint != NULL && endpoint->open);
    connection->keep = request->keep_alive && !connection->spilled;
    if (refuse_body(connection))
        return;
    if (guard != GUARD_OK)
        refuse(connection, guard_rows[guard].status, guard_rows[guard].message);
    else if (!endpoint)
        refuse(connection, 404, "there is no such path");
    else if (!(endpoint->methods & 1u << request->method))
        refuse_method(connection, endpoint);
    else
        answer(connection, endpoint);
}

static void await_rest(struct connection *connection)
{
    if (!transport_readable(&connection->transport))
        connection_close(connection, false);
    else if (connection->state == CONNECTION_IDLE)
        connection_move(connection, CONNECTION_HEAD, HEAD_MS);
}

static void reject(struct connection *connection, enum http_reject reason)
{
    const struct http_reject_info *info = http_reject_info(reason);
    connection->keep = false;
    connection->admin->request.method = HTTP_METHOD_OTHER; /* it may not have been read */
    refuse(connection, info->status, info->text);
}

static void read_head(struct connection *connection)
{
    static const struct http_limits limits = {.head_bytes_max = ADMIN_INBOX_BYTES,
                                              .target_bytes_max = ADMIN_TARGET_BYTES_MAX,
                                              .fields_max = ADMIN_FIELDS_MAX};
    struct http_request *request = &connection->admin->request;
    struct slice inbox = slice_of(connection->inbox, connection->inbox_len);
    u32 skip = http_skip_empty_lines(inbox);
    switch (http_request_parse(slice_of(inbox.data + skip, inbox.len - skip), &limits, request)) {
    case HTTP_PARSE_PARTIAL:
        if (inbox.len == ADMIN_INBOX_BYTES)
            reject(connection, HTTP_REJECT_HEAD_LENGTH);
        else
            await_rest(connection);
        return;
    case HTTP_PARSE_REJECTED:
        reject(connection, request->reject);
        return;
    case HTTP_PARSE_DONE:
        break;
    }
    u32 taken = skip + request->head_bytes;
    serve(connection);
    connection->inbox_len -= taken;
    memmove(connection->inbox, connection->inbox + taken, connection->inbox_len);
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
        read_head(connection);
        break;
    case CONNECTION_REPLYING: /* the next request, early */
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
    if (connection->state != CONNECTION_REPLYING)
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
    release_large(connection);
    if (!connection->keep || connection->spilled) {
        linger(connection);
    } else if (connection->inbox_len > 0) {
        connection_move(connection, CONNECTION_IDLE, HEAD_MS);
        read_head(connection);
    } else if (!transport_readable(transport)) {
        connection_close(connection, false);
    } else {
        connection_move(connection, CONNECTION_IDLE, IDLE_MS);
    }
}

static void on_paused(struct transport *transport)
{
    transport_read(transport, RECV_STREAM, 0);
}

static void on_closed(struct transport *transport)
{
    struct connection *connection = connection_of(transport);
    release_large(connection);
    list_remove(&connection->node);
    slab_release(&connection->admin->connections, connection);
}

static const struct transport_events connection_events = {
    .on_data = on_data,
    .on_paused = on_paused,
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
        connection->keep = false;
        connection->admin->request.method = HTTP_METHOD_OTHER;
        refuse(connection, 408, "the request took too long to arrive");
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

void connection_start(struct admin *admin, int fd)
{
    struct connection *connection = slab_acquire(&admin->connections);
    if (!connection || admin->stopping) {
        if (connection)
            slab_release(&admin->connections, connection);
        ring_close(admin->ring, fd, true);
        return;
    }
    connection->admin = admin;
    connection->large = NULL;
    connection->inbox_len = 0;
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
