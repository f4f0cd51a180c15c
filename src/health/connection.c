/*
 * Probes over a connection of their own: it alone, or a request and the head of its response,
 * perhaps with the beginning of the body, all within one timeout.
 *
 *   CONNECTING --connected--> ASKING --final head, or anything else--> CLOSING --> (released)
 *        |                       |                                        ^
 *        |                       +--head, and a body to look at--> READING -
 *        +------ tcp: connected; refused; timeout; abandoned -------------+
 *
 * The result is told once, on the way to CLOSING.
 */
#include "base/clock.h"
#include "health.h"
#include "health/body.h"
#include "health/probe.h"

enum {
    HEAD_BYTES_MAX = 16384,
    /* path and host at their longest, and what we add; and the other fields */
    REQUEST_BYTES_MAX = 2560 + CONFIG_PROBE_FIELDS_BYTES_MAX,
};

enum probe_state { PROBE_CONNECTING, PROBE_ASKING, PROBE_READING, PROBE_CLOSING };

struct connection {
    struct probe probe;
    struct transport transport;
    struct ring_op connect_op;
    struct wheel_timer timer;
    struct address address;
    struct slice expected_status;
    struct body_search search; /* in PROBE_READING */
    struct slice wanted;       /* in the body; "" = it is not looked at */
    u32 request_bytes;         /* 0 = tcp */
    u32 head_bytes;            /* received */
    u16 status;                /* of the final response */
    u8 state;                  /* enum probe_state */
    bool until_close;          /* the connection's end is the body's */
    char body[CONFIG_PROBE_BODY_BYTES_MAX];
    char expected[CONFIG_STATUS_RANGES_BYTES_MAX];
    char request[REQUEST_BYTES_MAX];
    char head[HEAD_BYTES_MAX];
};

static struct connection *connection_of(struct transport *transport)
{
    return container_of(transport, struct connection, transport);
}

/* ---- The end ---- */

static void on_closed(struct transport *transport)
{
    struct connection *connection = connection_of(transport);
    slab_release(&connection->probe.prober->slab, connection);
}

static void connection_close(struct connection *connection)
{
    connection->state = PROBE_CLOSING;
    wheel_clear(connection->probe.prober->wheel, &connection->timer);
    if (connection->connect_op.owed)
        ring_cancel(connection->probe.prober->ring,
                    &connection->connect_op); /* closes when that is done */
    else
        transport_close(&connection->transport, false);
}

static void connection_abandon(struct probe *probe)
{
    struct connection *connection = container_of(probe, struct connection, probe);
    ASSERT(connection->state != PROBE_CLOSING);
    connection_close(connection);
}

static void conclude(struct connection *connection, struct probe_result result)
{
    if (connection->state == PROBE_CLOSING)
        return;
    connection_close(connection);
    connection->probe.prober->on_result(connection->probe.user, &result);
}

static void on_timeout(struct wheel_timer *timer)
{
    struct connection *connection = container_of(timer, struct connection, timer);
    conclude(connection, (struct probe_result){.outcome = PROBE_TIMEOUT});
}

/* ---- The response ---- */

/* Takes what comes into the probe's own memory, so that a slow backend holds no lease. What does
 * not fit any more stands behind a head that is too long anyway, or is complete. */
static void take(struct connection *connection, struct lease_chain *data)
{
    struct ring *ring = connection->probe.prober->ring;
    u32 bytes = min_u32(data->bytes, HEAD_BYTES_MAX - connection->head_bytes);
    ring_chain_peek(ring, data, connection->head + connection->head_bytes, bytes);
    ring_chain_skip(ring, data, bytes);
    connection->head_bytes += bytes;
}

/* Interim responses come before the one that counts (RFC 9110 §15.2). */
static void drop_head(struct connection *connection, u32 bytes)
{
    connection->head_bytes -= bytes;
    memmove(connection->head, connection->head + bytes, connection->head_bytes);
}

/* ---- Its body ---- */

/* False when more has to come. */
static bool judge_body(struct connection *connection, enum body_verdict verdict,
                       struct probe_result *result)
{
    static const enum probe_outcome outcomes[] = {
        [BODY_FOUND] = PROBE_GOOD,
        [BODY_MISSING] = PROBE_BODY,
        [BODY_BAD] = PROBE_UNREADABLE,
    };
    if (verdict == BODY_MORE)
        return false;
    *result = (struct probe_result){
        .outcome = outcomes[verdict],
        .reject = verdict == BODY_BAD ? HTTP_REJECT_CHUNK : HTTP_REJECT_NONE,
        .status = connection->status,
    };
    return true;
}

/* Its first bytes may have come with the head. */
static bool begin_body(struct connection *connection, const struct http_response *response,
                       struct probe_result *result)
{
    /* HEAD is not allowed together with a body; other methods make no difference. */
    struct http_framing framing = http_response_framing(response, HTTP_METHOD_GET, false);
    if (framing.body == HTTP_BODY_REJECT) {
        *result = (struct probe_result){.outcome = PROBE_UNREADABLE, .reject = framing.reject};
        return true;
    }
    connection->state = PROBE_READING;
    connection->until_close = framing.body == HTTP_BODY_UNTIL_CLOSE;
    enum body_verdict verdict = body_search_begin(&connection->search, connection->wanted, framing);
    if (verdict == BODY_MORE)
        verdict = body_search_take(&connection->search, connection->head + response->head_bytes,
                                   connection->head_bytes - response->head_bytes);
    return judge_body(connection, verdict, result);
}

/* In pieces, in the memory of the head, which is done with. */
static bool read_body(struct connection *connection, struct lease_chain *data,
                      struct probe_result *result)
{
    struct ring *ring = connection->probe.prober->ring;
    enum body_verdict verdict = BODY_MORE;
    while (verdict == BODY_MORE && data->bytes > 0) {
        u32 bytes = min_u32(data->bytes, HEAD_BYTES_MAX);
        ring_chain_peek(ring, data, connection->head, bytes);
        ring_chain_skip(ring, data, bytes);
        verdict = body_search_take(&connection->search, connection->head, bytes);
    }
    return judge_body(connection, verdict, result);
}

/* ---- Its head ---- */

/* False when more has to come. */
static bool judge(struct connection *connection, struct probe_result *result)
{
    static const struct http_limits limits = {
        .head_bytes_max = HEAD_BYTES_MAX,
        .fields_max = HTTP_FIELDS_MAX,
    };
    struct http_response response;
    for (;;) {
        switch (http_response_parse(slice_of(connection->head, connection->head_bytes), &limits,
                                    &response)) {
        case HTTP_PARSE_PARTIAL:
            return false;
        case HTTP_PARSE_REJECTED:
            *result = (struct probe_result){.outcome = PROBE_UNREADABLE, .reject = response.reject};
            return true;
        case HTTP_PARSE_DONE:
            break;
        }
        if (http_status_is_final(response.status))
            break;
        drop_head(connection, response.head_bytes);
    }
    bool good = config_status_in(connection->expected_status, response.status);
    connection->status = response.status;
    if (good && connection->wanted.len > 0)
        return begin_body(connection, &response, result);
    *result = (struct probe_result){.outcome = good ? PROBE_GOOD : PROBE_STATUS,
                                    .status = response.status};
    return true;
}

static bool read_head(struct connection *connection, struct lease_chain *data,
                      struct probe_result *result)
{
    take(connection, data);
    if (judge(connection, result))
        return true;
    return connection->state == PROBE_READING && read_body(connection, data, result);
}

static void on_data(struct transport *transport, struct lease_chain *data)
{
    struct connection *connection = connection_of(transport);
    struct probe_result result;
    bool decided = connection->state == PROBE_READING ? read_body(connection, data, &result)
                                                      : read_head(connection, data, &result);
    ring_chain_return(connection->probe.prober->ring, data);
    if (decided)
        conclude(connection, result);
}

static void on_end(struct transport *transport)
{
    struct connection *connection = connection_of(transport);
    bool whole = connection->state == PROBE_READING && connection->until_close;
    conclude(connection, (struct probe_result){.outcome = whole ? PROBE_BODY : PROBE_CLOSED,
                                               .status = connection->status});
}

static void on_lost(struct transport *transport, struct ring_done done)
{
    conclude(connection_of(transport),
             (struct probe_result){.outcome = PROBE_LOST, .error = done.error});
}

/* A backend may answer without having read the request to its end. */
static void on_sent(struct transport *transport)
{
    (void)transport;
}

static void on_send_failed(struct transport *transport, struct ring_done done)
{
    (void)transport;
    (void)done;
}

static const struct transport_events events = {
    .on_data = on_data,
    .on_paused = transport_read_on,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_lost = on_lost,
    .on_send_failed = on_send_failed,
    .on_closed = on_closed,
};

/* ---- The request ---- */

static u32 write_request(const struct config_backend *backend, char *out)
{
    const struct config_health_check *check = &backend->health_check;
    struct http_writer writer = {.at = out, .end = out + REQUEST_BYTES_MAX};
    enum config_probe_method method = (enum config_probe_method)check->method;
    http_write(&writer, slice_of_string(config_probe_method_name(method)));
    http_write(&writer, SLICE(" "));
    http_write(&writer, check->path);
    http_write(&writer, SLICE(" HTTP/1.1\r\n"));
    http_write_field(&writer, SLICE("Host"),
                     check->host.len > 0 ? check->host : backend->authority);
    http_write(&writer, check->fields);
    http_write_field(&writer, SLICE("Connection"), SLICE("close"));
    http_write(&writer, SLICE("\r\n"));
    ASSERT(!writer.full); /* what an operator can write is bounded */
    return (u32)(writer.at - out);
}

static void ask(struct connection *connection)
{
    const struct iovec iov = {connection->request, connection->request_bytes};
    connection->state = PROBE_ASKING;
    transport_read(&connection->transport, RECV_STREAM, 0);
    transport_send(&connection->transport,
                   &(struct transport_message){.iov = &iov, .count = 1, .fixed = 1});
}

static void on_connected(struct ring_op *op, struct ring_done done)
{
    struct connection *connection = container_of(op, struct connection, connect_op);
    if (connection->state == PROBE_CLOSING)
        transport_close(&connection->transport, true);
    else if (done.status == RING_EXHAUSTED)
        conclude(connection, (struct probe_result){.outcome = PROBE_SKIPPED, .error = done.error});
    else if (done.status != RING_OK)
        conclude(connection, (struct probe_result){.outcome = PROBE_CONNECT, .error = done.error});
    else if (connection->request_bytes == 0)
        conclude(connection, (struct probe_result){.outcome = PROBE_GOOD});
    else
        ask(connection);
}

static const struct ring_op_class connect_class = {"probe", on_connected};

/* ---- The beginning ---- */

static struct slice keep(char *memory, usize bytes_max, struct slice text)
{
    ASSERT(text.len <= bytes_max);
    if (text.len > 0)
        memcpy(memory, text.data, text.len);
    return slice_of(memory, text.len);
}

static void prepare(struct connection *connection, const struct config_backend *backend)
{
    const struct config_health_check *check = &backend->health_check;
    connection->address = backend->address;
    connection->head_bytes = 0;
    connection->status = 0;
    connection->request_bytes =
        check->type == CONFIG_PROBE_HTTP ? write_request(backend, connection->request) : 0;
    connection->expected_status =
        keep(connection->expected, sizeof(connection->expected), check->expected_status);
    connection->wanted = keep(connection->body, sizeof(connection->body), check->body);
}

static struct probe *connection_start(struct prober *prober, const struct config_backend *backend,
                                      struct probe_result *why)
{
    i32 error = 0;
    int fd = ring_socket(prober->ring, &backend->address.any, &error);
    *why = (struct probe_result){.outcome = PROBE_SKIPPED, .error = error};
    if (fd < 0)
        return NULL;
    struct connection *connection = slab_acquire(&prober->slab);
    ASSERT(connection);
    connection->state = PROBE_CONNECTING;
    prepare(connection, backend);
    transport_open(&connection->transport, prober->ring, prober->reaper, fd, &events);
    wheel_timer_init(&connection->timer, on_timeout);
    wheel_set(prober->wheel, &connection->timer,
              ring_now_ns(prober->ring) + backend->health_check.timeout_ms * NS_PER_MS);
    ring_op_init(&connection->connect_op, &connect_class);
    ring_connect(prober->ring, &connection->connect_op, fd, &connection->address.any,
                 connection->address.len);
    return &connection->probe;
}

const struct probe_kind probe_by_connection = {
    .bytes = sizeof(struct connection),
    .count_max = HEALTH_PROBES_MAX,
    .start = connection_start,
    .abandon = connection_abandon,
};
