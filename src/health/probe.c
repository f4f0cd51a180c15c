/* States: probe.h. */
#include "health/probe.h"

#include "base/clock.h"
#include "health.h"
#include "health/body.h"

enum {
    HEAD_BYTES_MAX = 16384,
    /* path and host at their longest, and what we add; and the other fields */
    REQUEST_BYTES_MAX = 2560 + CONFIG_PROBE_FIELDS_BYTES_MAX,
};

enum probe_state { PROBE_CONNECTING, PROBE_ASKING, PROBE_READING, PROBE_CLOSING };

struct probe {
    struct transport transport;
    struct ring_op connect_op;
    struct wheel_timer timer;
    struct prober *prober;
    void *user;
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

static struct probe *probe_of(struct transport *transport)
{
    return container_of(transport, struct probe, transport);
}

/* ---- The end ---- */

static void on_closed(struct transport *transport)
{
    struct probe *probe = probe_of(transport);
    slab_release(&probe->prober->slab, probe);
}

static void probe_close(struct probe *probe)
{
    probe->state = PROBE_CLOSING;
    wheel_clear(probe->prober->wheel, &probe->timer);
    if (probe->connect_op.owed)
        ring_cancel(probe->prober->ring, &probe->connect_op); /* closes when that is done */
    else
        transport_close(&probe->transport, false);
}

void probe_abandon(struct probe *probe)
{
    ASSERT(probe->state != PROBE_CLOSING);
    probe_close(probe);
}

static void conclude(struct probe *probe, struct probe_result result)
{
    if (probe->state == PROBE_CLOSING)
        return;
    probe_close(probe);
    probe->prober->on_result(probe->user, &result);
}

static void on_timeout(struct wheel_timer *timer)
{
    struct probe *probe = container_of(timer, struct probe, timer);
    conclude(probe, (struct probe_result){.outcome = PROBE_TIMEOUT});
}

/* ---- The response ---- */

/* Takes what comes into the probe's own memory, so that a slow backend holds no lease. What does
 * not fit any more stands behind a head that is too long anyway, or is complete. */
static void take(struct probe *probe, struct lease_chain *data)
{
    struct ring *ring = probe->prober->ring;
    u32 bytes = min_u32(data->bytes, HEAD_BYTES_MAX - probe->head_bytes);
    ring_chain_peek(ring, data, probe->head + probe->head_bytes, bytes);
    ring_chain_skip(ring, data, bytes);
    probe->head_bytes += bytes;
}

/* Interim responses come before the one that counts (RFC 9110 §15.2). */
static void drop_head(struct probe *probe, u32 bytes)
{
    probe->head_bytes -= bytes;
    memmove(probe->head, probe->head + bytes, probe->head_bytes);
}

/* ---- Its body ---- */

/* False when more has to come. */
static bool judge_body(struct probe *probe, enum body_verdict verdict, struct probe_result *result)
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
        .status = probe->status,
    };
    return true;
}

/* Its first bytes may have come with the head. */
static bool begin_body(struct probe *probe, const struct http_response *response,
                       struct probe_result *result)
{
    /* HEAD is not allowed together with a body; other methods make no difference. */
    struct http_framing framing = http_response_framing(response, HTTP_METHOD_GET, false);
    if (framing.body == HTTP_BODY_REJECT) {
        *result = (struct probe_result){.outcome = PROBE_UNREADABLE, .reject = framing.reject};
        return true;
    }
    probe->state = PROBE_READING;
    probe->until_close = framing.body == HTTP_BODY_UNTIL_CLOSE;
    enum body_verdict verdict = body_search_begin(&probe->search, probe->wanted, framing);
    if (verdict == BODY_MORE)
        verdict = body_search_take(&probe->search, probe->head + response->head_bytes,
                                   probe->head_bytes - response->head_bytes);
    return judge_body(probe, verdict, result);
}

/* In pieces, in the memory of the head, which is done with. */
static bool read_body(struct probe *probe, struct lease_chain *data, struct probe_result *result)
{
    struct ring *ring = probe->prober->ring;
    enum body_verdict verdict = BODY_MORE;
    while (verdict == BODY_MORE && data->bytes > 0) {
        u32 bytes = min_u32(data->bytes, HEAD_BYTES_MAX);
        ring_chain_peek(ring, data, probe->head, bytes);
        ring_chain_skip(ring, data, bytes);
        verdict = body_search_take(&probe->search, probe->head, bytes);
    }
    return judge_body(probe, verdict, result);
}

/* ---- Its head ---- */

/* False when more has to come. */
static bool judge(struct probe *probe, struct probe_result *result)
{
    static const struct http_limits limits = {
        .head_bytes_max = HEAD_BYTES_MAX,
        .fields_max = HTTP_FIELDS_MAX,
    };
    struct http_response response;
    for (;;) {
        switch (http_response_parse(slice_of(probe->head, probe->head_bytes), &limits, &response)) {
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
        drop_head(probe, response.head_bytes);
    }
    bool good = config_status_in(probe->expected_status, response.status);
    probe->status = response.status;
    if (good && probe->wanted.len > 0)
        return begin_body(probe, &response, result);
    *result = (struct probe_result){.outcome = good ? PROBE_GOOD : PROBE_STATUS,
                                    .status = response.status};
    return true;
}

static bool read_head(struct probe *probe, struct lease_chain *data, struct probe_result *result)
{
    take(probe, data);
    if (judge(probe, result))
        return true;
    return probe->state == PROBE_READING && read_body(probe, data, result);
}

static void on_data(struct transport *transport, struct lease_chain *data)
{
    struct probe *probe = probe_of(transport);
    struct probe_result result;
    bool decided = probe->state == PROBE_READING ? read_body(probe, data, &result)
                                                 : read_head(probe, data, &result);
    ring_chain_return(probe->prober->ring, data);
    if (decided)
        conclude(probe, result);
}

static void on_end(struct transport *transport)
{
    struct probe *probe = probe_of(transport);
    bool whole = probe->state == PROBE_READING && probe->until_close;
    conclude(probe, (struct probe_result){.outcome = whole ? PROBE_BODY : PROBE_CLOSED,
                                          .status = probe->status});
}

static void on_lost(struct transport *transport, struct ring_done done)
{
    conclude(probe_of(transport),
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

static void ask(struct probe *probe)
{
    const struct iovec iov = {probe->request, probe->request_bytes};
    probe->state = PROBE_ASKING;
    transport_read(&probe->transport, RECV_STREAM, 0);
    transport_send(&probe->transport,
                   &(struct transport_message){.iov = &iov, .count = 1, .fixed = 1});
}

static void on_connected(struct ring_op *op, struct ring_done done)
{
    struct probe *probe = container_of(op, struct probe, connect_op);
    if (probe->state == PROBE_CLOSING)
        transport_close(&probe->transport, true);
    else if (done.status == RING_EXHAUSTED)
        conclude(probe, (struct probe_result){.outcome = PROBE_SKIPPED, .error = done.error});
    else if (done.status != RING_OK)
        conclude(probe, (struct probe_result){.outcome = PROBE_CONNECT, .error = done.error});
    else if (probe->request_bytes == 0)
        conclude(probe, (struct probe_result){.outcome = PROBE_GOOD});
    else
        ask(probe);
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

static void prepare(struct probe *probe, const struct config_backend *backend)
{
    const struct config_health_check *check = &backend->health_check;
    probe->address = backend->address;
    probe->head_bytes = 0;
    probe->status = 0;
    probe->request_bytes =
        check->type == CONFIG_PROBE_HTTP ? write_request(backend, probe->request) : 0;
    probe->expected_status = keep(probe->expected, sizeof(probe->expected), check->expected_status);
    probe->wanted = keep(probe->body, sizeof(probe->body), check->body);
}

struct probe *probe_start(struct prober *prober, const struct config_backend *backend, void *user)
{
    i32 error;
    int fd = ring_socket(prober->ring, &backend->address.any, &error);
    if (fd < 0)
        return NULL;
    struct probe *probe = slab_acquire(&prober->slab);
    ASSERT(probe);
    probe->prober = prober;
    probe->user = user;
    probe->state = PROBE_CONNECTING;
    prepare(probe, backend);
    transport_open(&probe->transport, prober->ring, prober->reaper, fd, &events);
    wheel_timer_init(&probe->timer, on_timeout);
    wheel_set(prober->wheel, &probe->timer,
              ring_now_ns(prober->ring) + backend->health_check.timeout_ms * NS_PER_MS);
    ring_op_init(&probe->connect_op, &connect_class);
    ring_connect(prober->ring, &probe->connect_op, fd, &probe->address.any, probe->address.len);
    return probe;
}

bool prober_init(struct prober *prober)
{
    return slab_init(&prober->slab, sizeof(struct probe), HEALTH_PROBES_MAX);
}

void prober_deinit(struct prober *prober)
{
    ASSERT(prober_is_quiet(prober));
    slab_deinit(&prober->slab);
}

bool prober_is_full(const struct prober *prober)
{
    return prober->slab.in_use == HEALTH_PROBES_MAX;
}

bool prober_is_quiet(const struct prober *prober)
{
    return prober->slab.in_use == 0;
}
