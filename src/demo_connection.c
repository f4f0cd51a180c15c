/*
 * A connection of a sample backend.
 *
 *   HEAD --head read--> BODY --body read--> ANSWER --queued--> SENT --keep-alive--> HEAD
 *                                                                 \----close----> LINGER
 *
 * What comes in is queued and looked at one request at a time, so pipelined requests are answered
 * in order. One timeout, IDLE_MS without any progress, covers all states.
 */
#include "demo_connection.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/hex.h"

enum {
    INPUT_BYTES_MAX = 65536, /* queued unread; beyond it the peer has to wait */
    ANSWER_HEAD_BYTES_MAX = 256,
    ESCAPED_MAX = 6, /* times as long as the original at most: \u00XX */
    ANSWER_BYTES_MAX = 1024 + DEMO_HEAD_BYTES_MAX * ESCAPED_MAX,
    IDLE_MS = 60000,
};

enum connection_state { STATE_HEAD, STATE_BODY, STATE_ANSWER, STATE_SENT, STATE_LINGER };

struct connection {
    struct transport transport;
    struct wheel_timer timer;
    struct demo *demo;
    const char *backend;
    struct lease_chain input;
    struct http_chunked chunked;
    u64 body_bytes;
    u64 body_left;
    struct slice method, target, request_id, forwarded_for; /* in `head` */
    enum http_body body;
    enum http_reject reject;
    enum connection_state state;
    bool keep;
    bool headless; /* the answer to HEAD: no body */
    char head[DEMO_HEAD_BYTES_MAX];
    char answer_head[ANSWER_HEAD_BYTES_MAX];
    char answer[ANSWER_BYTES_MAX];
};

/* Two bytes are left for the empty line that may stand before a request. */
static const struct http_limits limits = {DEMO_HEAD_BYTES_MAX - 2, DEMO_HEAD_BYTES_MAX / 2, 100};

static struct connection *connection_of(struct transport *transport)
{
    return container_of(transport, struct connection, transport);
}

static void connection_close(struct connection *connection, bool reset)
{
    wheel_clear(&connection->demo->wheel, &connection->timer);
    ring_chain_return(connection->demo->ring, &connection->input);
    transport_close(&connection->transport, reset);
}

/* ---- Reading: each function is false when it has to wait for more bytes ---- */

static bool refuse(struct connection *connection, enum http_reject reject)
{
    connection->reject = reject;
    connection->keep = false;
    connection->state = STATE_ANSWER;
    return true;
}

static void send_continue(struct connection *connection)
{
    static char response[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct iovec iov = {response, sizeof(response) - 1};
    transport_send(&connection->transport,
                   &(struct transport_message){.iov = &iov, .count = 1, .fixed = 1});
}

static bool begin_request(struct connection *connection, const struct http_request *request)
{
    struct http_framing framing = http_request_framing(request);
    connection->headless = request->method == HTTP_METHOD_HEAD;
    if (framing.body == HTTP_BODY_REJECT)
        return refuse(connection, framing.reject);
    connection->method = request->method_name;
    connection->target = request->target;
    connection->request_id = http_field_first(&request->fields, HTTP_FIELD_X_REQUEST_ID);
    connection->forwarded_for = http_field_first(&request->fields, HTTP_FIELD_X_FORWARDED_FOR);
    connection->keep = request->keep_alive;
    connection->body = framing.body;
    connection->body_left = framing.length;
    connection->body_bytes = 0;
    connection->chunked = (struct http_chunked){0};
    connection->state = STATE_BODY;
    if (request->expect_continue && framing.body != HTTP_BODY_NONE)
        send_continue(connection);
    return true;
}

static bool read_head(struct connection *connection)
{
    struct demo *demo = connection->demo;
    u32 len = min_u32(connection->input.bytes, DEMO_HEAD_BYTES_MAX);
    ring_chain_peek(demo->ring, &connection->input, connection->head, len);
    u32 skip = http_skip_empty_lines(slice_of(connection->head, len));
    connection->reject = HTTP_REJECT_NONE;
    switch (http_request_parse(slice_of(connection->head + skip, len - skip), &limits,
                               &demo->request)) {
    case HTTP_PARSE_PARTIAL:
        return false;
    case HTTP_PARSE_REJECTED:
        connection->headless = false;
        return refuse(connection, demo->request.reject);
    case HTTP_PARSE_DONE:
        break;
    }
    ring_chain_skip(demo->ring, &connection->input, skip + demo->request.head_bytes);
    return begin_request(connection, &demo->request);
}

static bool read_trailers(struct connection *connection)
{
    struct demo *demo = connection->demo;
    u32 section_bytes = 0;
    u32 len = min_u32(connection->input.bytes, DEMO_HEAD_BYTES_MAX);
    ring_chain_peek(demo->ring, &connection->input, demo->trailers, len);
    switch (http_trailers_parse(slice_of(demo->trailers, len), &limits, &demo->request.fields,
                                &section_bytes)) {
    case HTTP_PARSE_PARTIAL:
        return false;
    case HTTP_PARSE_REJECTED:
        return refuse(connection, HTTP_REJECT_TRAILER);
    case HTTP_PARSE_DONE:
        break;
    }
    ring_chain_skip(demo->ring, &connection->input, section_bytes);
    connection->body_bytes = connection->chunked.payload_bytes;
    connection->state = STATE_ANSWER;
    return true;
}

static bool read_chunks(struct connection *connection)
{
    struct ring *ring = connection->demo->ring;
    struct lease_chain *input = &connection->input;
    while (input->bytes > 0 && connection->chunked.state != HTTP_CHUNKED_END) {
        const struct lease *lease = ring_lease(ring, input->first);
        u32 used = http_chunked_scan(&connection->chunked, lease->data, lease->len);
        if (connection->chunked.state == HTTP_CHUNKED_BAD)
            return refuse(connection, HTTP_REJECT_CHUNK);
        ring_chain_skip(ring, input, used);
    }
    return connection->chunked.state == HTTP_CHUNKED_END && read_trailers(connection);
}

static bool read_body(struct connection *connection)
{
    if (connection->body == HTTP_BODY_CHUNKED)
        return read_chunks(connection);
    u32 bytes = (u32)min_u64(connection->body_left, connection->input.bytes);
    ring_chain_skip(connection->demo->ring, &connection->input, bytes);
    connection->body_left -= bytes;
    connection->body_bytes += bytes;
    if (connection->body_left > 0)
        return false;
    connection->state = STATE_ANSWER;
    return true;
}

/* ---- Answering ---- */

/* RFC 8259 §7. Other bytes than ASCII become the characters of the same number. */
static void write_escaped(struct http_writer *writer, u8 byte)
{
    char escaped[ESCAPED_MAX] = {'\\', 'u', '0', '0'};
    bool plain = byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\';
    hex_write(&byte, 1, escaped + 4);
    http_write(writer, plain ? slice_of((const char *)&byte, 1) : slice_of(escaped, ESCAPED_MAX));
}

/* `"key":"value"`, or null when there is none. Everything in a head has room here, escaped. */
static void write_member(struct http_writer *writer, struct slice key, struct slice value)
{
    http_write(writer, key);
    if (!value.data) {
        http_write(writer, SLICE("null"));
        return;
    }
    http_write(writer, SLICE("\""));
    for (u32 i = 0; i < value.len; i++)
        write_escaped(writer, (u8)value.data[i]);
    http_write(writer, SLICE("\""));
}

static usize write_body(struct connection *connection)
{
    struct http_writer writer = {connection->answer, connection->answer + ANSWER_BYTES_MAX, false};
    write_member(&writer, SLICE("{\"backend\":"), slice_of_string(connection->backend));
    if (connection->reject != HTTP_REJECT_NONE) {
        const char *text = http_reject_info(connection->reject)->text;
        write_member(&writer, SLICE(",\"error\":"), slice_of_string(text));
    } else {
        write_member(&writer, SLICE(",\"method\":"), connection->method);
        write_member(&writer, SLICE(",\"path\":"), connection->target);
        write_member(&writer, SLICE(",\"requestId\":"), connection->request_id);
        write_member(&writer, SLICE(",\"forwardedFor\":"), connection->forwarded_for);
        http_write(&writer, SLICE(",\"bodyBytes\":"));
        http_write_u64(&writer, connection->body_bytes);
    }
    http_write(&writer, SLICE("}\n"));
    ASSERT(!writer.full);
    return (usize)(writer.at - connection->answer);
}

static usize write_head(struct connection *connection, usize body_bytes)
{
    u32 status = http_reject_info(connection->reject)->status;
    char date[HTTP_DATE_BYTES];
    http_date_format(clock_wall_ns() / NS_PER_S, date);
    int len = snprintf(connection->answer_head, ANSWER_HEAD_BYTES_MAX,
                       "HTTP/1.1 %u %.*s\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\nDate: %.*s\r\nConnection: %s\r\n\r\n",
                       status, (int)http_reason(status).len, http_reason(status).data, body_bytes,
                       HTTP_DATE_BYTES, date, connection->keep ? "keep-alive" : "close");
    ASSERT(len > 0 && len < ANSWER_HEAD_BYTES_MAX);
    return (usize)len;
}

static void answer(struct connection *connection)
{
    if (connection->transport.sending) /* 100 Continue */
        return;
    usize body_bytes = write_body(connection);
    const struct iovec iov[] = {
        {connection->answer_head, write_head(connection, body_bytes)},
        {connection->answer, body_bytes},
    };
    u32 count = connection->headless ? 1 : 2;
    const struct transport_message message = {.iov = iov, .count = count, .fixed = count};
    transport_send(&connection->transport, &message);
    connection->state = STATE_SENT;
}

/* ---- Events ---- */

/* Goes as far as what was received allows. */
static void step(struct connection *connection)
{
    struct demo *demo = connection->demo;
    if (connection->state == STATE_HEAD)
        (void)read_head(connection);
    if (connection->state == STATE_BODY)
        (void)read_body(connection);
    if (connection->state == STATE_ANSWER)
        answer(connection);
    bool answering = connection->state == STATE_ANSWER || connection->state == STATE_SENT;
    if (!answering && !transport_readable(&connection->transport)) {
        connection_close(connection, false);
        return;
    }
    bool full = connection->input.bytes > INPUT_BYTES_MAX;
    transport_read(&connection->transport, full ? RECV_OFF : RECV_STREAM, 0);
    wheel_set(&demo->wheel, &connection->timer, ring_now_ns(demo->ring) + IDLE_MS * NS_PER_MS);
}

static void on_data(struct transport *transport, struct lease_chain *data)
{
    struct connection *connection = connection_of(transport);
    if (connection->state == STATE_LINGER)
        ring_chain_return(connection->demo->ring, data);
    else
        ring_chain_append(connection->demo->ring, &connection->input, data);
    step(connection);
}

static void on_progress(struct transport *transport)
{
    step(connection_of(transport));
}

static void on_sent(struct transport *transport)
{
    struct connection *connection = connection_of(transport);
    if (connection->state == STATE_SENT && connection->keep) {
        connection->state = STATE_HEAD;
    } else if (connection->state == STATE_SENT) {
        connection->state = STATE_LINGER;
        ring_chain_return(connection->demo->ring, &connection->input);
        transport_finish(transport);
    }
    step(connection);
}

static void on_broken(struct transport *transport, struct ring_done done)
{
    (void)done;
    connection_close(connection_of(transport), true);
}

static void on_closed(struct transport *transport)
{
    struct connection *connection = connection_of(transport);
    slab_release(&connection->demo->connections, connection);
}

static const struct transport_events connection_events = {
    .on_data = on_data,
    .on_paused = on_progress,
    .on_end = on_progress,
    .on_sent = on_sent,
    .on_lost = on_broken,
    .on_send_failed = on_broken,
    .on_closed = on_closed,
};

static void on_idle(struct wheel_timer *timer)
{
    connection_close(container_of(timer, struct connection, timer), true);
}

usize demo_connection_bytes(void)
{
    return sizeof(struct connection);
}

void demo_connection_open(struct demo *demo, int fd, const char *backend)
{
    struct connection *connection = slab_acquire(&demo->connections);
    if (!connection) {
        ring_close(demo->ring, fd, true);
        return;
    }
    /* Not the buffers behind `head`: they stay untouched until they are needed. */
    memset(connection, 0, offsetof(struct connection, head));
    connection->demo = demo;
    connection->backend = backend;
    lease_chain_init(&connection->input);
    wheel_timer_init(&connection->timer, on_idle);
    transport_open(&connection->transport, demo->ring, &demo->reaper, fd, &connection_events);
    step(connection);
}
