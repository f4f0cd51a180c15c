/* States: probe.h. */
#include "health/probe.h"

#include "base/clock.h"
#include "health.h"

enum {
    HEAD_BYTES_MAX = 16384,
    REQUEST_BYTES_MAX = 2560, /* path and host at their longest, and what we add */
};

enum probe_state { PROBE_CONNECTING, PROBE_ASKING, PROBE_CLOSING };

struct probe {
    struct transport transport;
    struct ring_op connect_op;
    struct wheel_timer timer;
    struct prober *prober;
    void *user;
    struct address address;
    struct slice expected_status;
    u32 request_bytes; /* 0 = tcp */
    u32 head_bytes;    /* received */
    u8 state;          /* enum probe_state */
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
    probe->head_bytes += bytes;
    ring_chain_return(ring, data);
}

/* Interim responses come before the one that counts (RFC 9110 §15.2). */
static void drop_head(struct probe *probe, u32 bytes)
{
    probe->head_bytes -= bytes;
    memmove(probe->head, probe->head + bytes, probe->head_bytes);
}

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
    *result = (struct probe_result){.outcome = good ? PROBE_GOOD : PROBE_STATUS,
                                    .status = response.status};
    return true;
}

static void on_data(struct transport *transport, struct lease_chain *data)
{
    struct probe *probe = probe_of(transport);
    struct probe_result result;
    take(probe, data);
    if (judge(probe, &result))
        conclude(probe, result);
}

static void on_end(struct transport *transport)
{
    conclude(probe_of(transport), (struct probe_result){.outcome = PROBE_CLOSED});
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
    http_write_field(&writer, SLICE("User-Agent"), SLICE("nextproxy-health-check"));
    http_write_field(&writer, SLICE("Accept"), SLICE("*/*"));
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

static void prepare(struct probe *probe, const struct config_backend *backend)
{
    const struct config_health_check *check = &backend->health_check;
    probe->address = backend->address;
    probe->head_bytes = 0;
    probe->request_bytes =
        check->type == CONFIG_PROBE_HTTP ? write_request(backend, probe->request) : 0;
    ASSERT(check->expected_status.len <= sizeof(probe->expected));
    memcpy(probe->expected, check->expected_status.data, check->expected_status.len);
    probe->expected_status = slice_of(probe->expected, check->expected_status.len);
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
