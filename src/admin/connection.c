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
 * In HEAD it waits for the body too, if there is one: it is small, and has to come as early as the
 * head. What was received is copied out of its lease at once, so a slow peer holds none.
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
    CONNECTION_HEAD,      /* waits for the rest of a request */
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
    u32 needed; /* bytes in the inbox before it is worth looking: head and body */
    u8 state;
    bool text;       /* errors are told as text */
    bool keep;       /* another request may follow */
    bool spilled;    /* bytes behind the request did not fit: it is the last one */
    bool continued;  /* 100 (Continue) was sent for this request */
    bool continuing; /* and is still on its way */
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

/* An answer before or instead of an endpoint's; the connection ends behind it unless it may go on.
 */
static void refuse(struct connection *connection, u32 status, const char *message)
{
    struct admin_reply reply = {.body = small_writer(connection), .text = connection->text};
    bool head_only = connection->admin->request.method == HTTP_METHOD_HEAD;
    release_large(connection);
    reply_error(&reply, status, message);
    send_reply(connection, &reply, head_only);
}

static void refuse_method(struct connection *connection, u32 methods)
{
    struct admin_reply reply = {
        .body = small_writer(connection), .text = connection->text, .methods = methods};
    reply_error(&reply, 405, "this method is not for this path");
    send_reply(connection, &reply, false);
}

static void answer(struct connection *connection, const struct endpoint *endpoint,
                   const struct admin_question *question)
{
    struct admin *admin = connection->admin;
    struct admin_reply reply = {
        .body = small_writer(connection), .text = connection->text, .status = 200};
    if (endpoint->large) {
        connection->large = slab_acquire(&admin->large);
        if (!connection->large) {
            refuse(connection, 503, "too many large answers at once: ask again in a moment");
            return;
        }
        reply.body = (struct http_writer){.at = connection->large,
                                          .end = connection->large + ADMIN_LARGE_BYTES};
    }
    endpoint->answer(admin, question, &reply);
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
    connection->text = false;
    connection->admin->request.method = HTTP_METHOD_OTHER; /* it may not have been read */
    refuse(connection, info->status, info->text);
}

/* The media type without its parameters (RFC 9110 §8.3.1). */
static bool body_is_json(const struct http_request *request)
{
    struct slice type = http_field_first(&request->fields, HTTP_FIELD_CONTENT_TYPE);
    struct slice media_type = slice_trim(slice_take_until(&type, ';'));
    return slice_equal_nocase(media_type, SLICE("application/json"));
}

/* True when the request is refused because of its body. */
static bool refuse_body(struct connection *connection, struct http_framing framing,
                        enum admin_body allowed)
{
    if (framing.body == HTTP_BODY_REJECT)
        refuse(connection, http_reject_info(framing.reject)->status,
               http_reject_info(framing.reject)->text);
    else if (framing.body == HTTP_BODY_CHUNKED)
        refuse(connection, 411, "bodies without a length are not taken");
    else if (framing.body == HTTP_BODY_LENGTH && allowed == ADMIN_BODY_NONE)
        refuse(connection, 413, "this takes no body");
    else if (framing.body == HTTP_BODY_LENGTH && framing.length > ADMIN_BODY_BYTES_MAX)
        refuse(connection, 413, "the body is too large: at most 8192 bytes");
    else if (framing.body == HTTP_BODY_LENGTH && !body_is_json(&connection->admin->request))
        refuse(connection, 415, "the body must be JSON: Content-Type: application/json");
    else if (framing.body == HTTP_BODY_NONE && allowed == ADMIN_BODY_REQUIRED)
        refuse(connection, 400, "a body is needed: one JSON object");
    else
        return false;
    return true;
}

/* What is judged before a byte of the body is waited for. True when the request is refused. */
static bool refuse_head(struct connection *connection, const struct endpoint_match *match,
                        struct http_framing framing)
{
    const struct http_request *request = &connection->admin->request;
    enum guard guard = guard_judge(request, connection->admin->config->token, match->open);
    if (guard != GUARD_OK)
        refuse(connection, guard_rows[guard].status, guard_rows[guard].message);
    else if (match->methods == 0)
        refuse(connection, 404, "there is no such path");
    else if (!match->endpoint)
        refuse_method(connection, match->methods);
    else
        return refuse_body(connection, framing, match->endpoint->body);
    return true;
}

/* RFC 9110 §10.1.1: who waits for it is told to go on. */
static void send_continue(struct connection *connection)
{
    static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct iovec iov = {text, sizeof(text) - 1};
    connection->continued = true;
    connection->continuing = true;
    transport_send(&connection->transport,
                   &(struct transport_message){.iov = &iov, .count = 1, .fixed = 1});
}

static void await_body(struct connection *connection, u32 needed)
{
    bool asked = connection->admin->request.expect_continue && !connection->continued;
    connection->needed = needed;
    await_rest(connection);
    if (asked && connection->state == CONNECTION_HEAD)
        send_continue(connection);
}

/* For people when they ask for it. */
static bool wants_text(const struct http_request *request)
{
    struct slice accept = http_field_first(&request->fields, HTTP_FIELD_ACCEPT);
    return http_list_contains(accept, SLICE("text/plain"));
}

/* Returns how much of the inbox is done with; 0 while the body is awaited. */
static u32 serve(struct connection *connection, u32 head_end)
{
    struct admin *admin = connection->admin;
    const struct http_request *request = &admin->request;
    struct http_framing framing = http_request_framing(request);
    struct endpoint_match match = endpoint_find(request->path, request->method);
    bool has_body = framing.body != HTTP_BODY_NONE;
    connection->text = wants_text(request);
    /* A body that nobody reads must not be taken for the next request. */
    connection->keep = request->keep_alive && !connection->spilled && !has_body;
    if (refuse_head(connection, &match, framing)) {
        admin->requests++;
        return head_end;
    }
    u32 body_bytes = has_body ? (u32)framing.length : 0;
    if (connection->inbox_len - head_end < body_bytes) {
        await_body(connection, head_end + body_bytes);
        return 0;
    }
    const struct admin_question question = {
        .id = match.id,
        .body = slice_of(connection->inbox + head_end, body_bytes),
    };
    admin->requests++;
    connection->keep = request->keep_alive && !connection->spilled;
    answer(connection, match.endpoint, &question);
    return head_end + body_bytes;
}

static void drop_served(struct connection *connection, u32 bytes)
{
    connection->inbox_len -= bytes;
    connection->needed = 0;
    connection->continued = false;
    memmove(connection->inbox, connection->inbox + bytes, connection->inbox_len);
}

static void read_request(struct connection *connection)
{
    static const struct http_limits limits = {.head_bytes_max = ADMIN_REQUEST_HEAD_BYTES_MAX,
                                              .target_bytes_max = ADMIN_TARGET_BYTES_MAX,
                                              .fields_max = ADMIN_FIELDS_MAX};
    struct http_request *request = &connection->admin->request;
    struct slice inbox = slice_of(connection->inbox, connection->inbox_len);
    u32 skip = http_skip_empty_lines(inbox);
    u32 served;
    if (inbox.len < connection->needed) {
        await_rest(connection);
        return;
    }
    switch (http_request_parse(slice_of(inbox.data + skip, inbox.len - skip), &limits, request)) {
    case HTTP_PARSE_PARTIAL: /* a head that is too long is refused before the inbox is full */
        await_rest(connection);
        break;
    case HTTP_PARSE_REJECTED:
        reject(connection, request->reject);
        break;
    case HTTP_PARSE_DONE:
        served = serve(connection, skip + request->head_bytes);
        if (served > 0)
            drop_served(connection, served);
        break;
    }
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
            read_request(connection);
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
    if (connection->continuing) {
        connection->continuing = false;
        read_request(connection);
        return;
    }
    release_large(connection);
    if (!connection->keep || connection->spilled) {
        linger(connection);
    } else if (connection->inbox_len > 0) {
        connection_move(connection, CONNECTION_IDLE, HEAD_MS);
        read_request(connection);
    } else if (!transport_readable(transport)) {
        connection_close(connection, false);
    } else {
        connection_move(connection, CONNECTION_IDLE, IDLE_MS);
    }
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
        connection->keep = false;
        connection->text = false;
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
    connection->needed = 0;
    connection->continued = false;
    connection->continuing = false;
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
