/* What is written about exchanges: log lines and counters. */
#include <stdio.h>

#include "base/clock.h"
#include "proxy/proxy_internal.h"

static struct slice exchange_client_ip(const struct exchange *exchange)
{
    return exchange->client_ip.len > 0 ? exchange->client_ip : client_ip(exchange->client);
}

/* None when the request was refused before anybody could say where it leads. */
static struct slice exchange_route_id(const struct exchange *exchange)
{
    return exchange->routed ? exchange->route->id : (struct slice){0};
}

static u32 span_us(u64 from_ns, u64 to_ns)
{
    return from_ns == 0 || to_ns <= from_ns
               ? 0
               : (u32)min_u64((to_ns - from_ns) / NS_PER_US, UINT32_MAX);
}

void record_begun(struct exchange *exchange)
{
    state_tally_add(&exchange->proxy->route_exchanges[exchange_route_slot(exchange)].begun, 1);
}

static void count_for_route(struct exchange *exchange, u32 class, u64 duration_us)
{
    struct proxy *proxy = exchange->proxy;
    u32 slot = exchange_route_slot(exchange);
    struct state_exchanges *tally = &proxy->route_exchanges[slot];
    state_tally_add(&tally->ended[class], 1);
    if (exchange->phase == EXCHANGE_TUNNEL)
        return;
    state_tally_add(&tally->duration_us_sum, duration_us);
    state_latency_add(&proxy->route_durations[slot], duration_us);
}

static void count(struct exchange *exchange)
{
    struct proxy_counters *counters = &exchange->proxy->counters;
    u64 duration_us = span_us(exchange->start_ns, proxy_now_ns(exchange->proxy));
    u32 class = exchange->status / 100u;
    class = class < ARRAY_COUNT(counters->responses_by_class) ? class : 0;
    counters->responses_by_class[class]++;
    if (exchange->phase != EXCHANGE_TUNNEL) /* which lasts as long as people like */
        histogram_add(&counters->duration_us, duration_us);
    if (exchange->routed)
        count_for_route(exchange, class, duration_us);
}

/* Failures are always logged; of the others, the configured share. */
static bool sampled(struct proxy *proxy, const struct exchange *exchange)
{
    if (proxy->sample_threshold == UINT32_MAX || exchange->fault != FAULT_NONE ||
        exchange->status >= 500)
        return true;
    return (u32)rng_next(&proxy->rng) < proxy->sample_threshold;
}

/* Of the second attempt, where there was one. */
static struct slice hedge_result(const struct exchange *exchange)
{
    if (LIKELY(exchange->hedge <= HEDGE_DENIED))
        return (struct slice){0};
    return exchange->hedge == HEDGE_WON ? SLICE("won") : SLICE("lost");
}

void record_access(struct exchange *exchange)
{
    struct client *client = exchange->client;
    struct proxy *proxy = client->proxy;
    count(exchange);
    struct log_buffer *log = proxy->logs[LOG_FILE_ACCESS];
    if (!log || !sampled(proxy, exchange))
        return;
    u64 now_ns = proxy_now_ns(proxy);
    bool chosen = exchange->backend != BALANCE_NONE;
    u64 sent_ns = exchange->connected_ns;
    struct log_access entry = {
        .wall_ns = proxy_wall_ns(proxy),
        .method = exchange->method_name,
        .path = exchange->path,
        .host = exchange->host,
        .route = exchange_route_id(exchange),
        .backend_id = chosen ? exchange_backend(exchange)->id : (struct slice){0},
        .client_ip = exchange_client_ip(exchange),
        .request_id = exchange->request_id,
        .fault = exchange->fault == FAULT_NONE
                     ? slice_of(NULL, 0)
                     : slice_of_string(fault_name((enum fault)exchange->fault)),
        .bytes_in = exchange->received_head_bytes + exchange->request.body_bytes,
        .bytes_out = exchange->response.sent_bytes,
        .duration_us = span_us(exchange->start_ns, now_ns),
        .head_us = span_us(exchange->start_ns, exchange->head_ns),
        .queue_us = exchange->queue_us,
        .connect_us = exchange->reused ? 0 : span_us(exchange->attempt_ns, sent_ns),
        .first_byte_us = span_us(sent_ns, exchange->first_byte_ns),
        .body_us = span_us(exchange->first_byte_ns, now_ns),
        .own_us = (u32)(exchange->own_ns / NS_PER_US),
        .status = exchange->status,
        .attempts = exchange->attempts,
        .protocol_minor = exchange->client_minor,
        .reused = exchange->reused,
        .hedge = hedge_result(exchange),
    };
    (void)log_access_write(log, &entry); /* a full buffer counts what it drops */
}

static bool logged(const struct proxy *proxy, u8 severity)
{
    return proxy->logs[LOG_FILE_ERROR] && severity >= proxy->config->logging.severity_min;
}

/* `error` is an errno or 0; with FAULT_BAD_STATUS the status. */
static const char *error_text(enum fault fault, i32 error, char scratch[16])
{
    const struct fault_row *row = fault_row(fault);
    if (fault == FAULT_BAD_STATUS) {
        (void)snprintf(scratch, 16, "status_%d", error);
        return scratch;
    }
    if (error != 0)
        return log_errno_name(error, scratch);
    return row->error ? row->error : row->name;
}

void record_fault(struct exchange *exchange, enum fault fault, i32 error)
{
    struct client *client = exchange->client;
    struct proxy *proxy = client->proxy;
    const struct fault_row *row = fault_row(fault);
    if (row->blame == BLAME_BACKEND && exchange->backend != BALANCE_NONE)
        state_tally_add(&exchange_tally(exchange)->failures, 1);
    if (!logged(proxy, row->severity))
        return;
    static const char *const types[] = {
        [BLAME_CLIENT] = "client_failure",
        [BLAME_US] = "proxy_failure",
        [BLAME_BACKEND] = "backend_failure",
    };
    char scratch[16];
    bool chosen = exchange->backend != BALANCE_NONE && row->blame != BLAME_CLIENT;
    const struct config_backend *backend = chosen ? exchange_backend(exchange) : NULL;
    enum http_reject reject = (enum http_reject)exchange->reject;
    struct log_event event = {
        .wall_ns = proxy_wall_ns(proxy),
        .severity = (enum log_severity)row->severity,
        .type = slice_of_string(types[row->blame]),
        .backend_id = backend ? backend->id : (struct slice){0},
        .url = backend ? backend->url : (struct slice){0},
        .error = slice_of_string(error_text(fault, error, scratch)),
        .message = slice_of_string(fault == FAULT_BAD_REQUEST ? http_reject_info(reject)->text
                                                              : row->log_text),
        .client_ip = exchange_client_ip(exchange),
        .request_id = exchange->request_id,
        .route = exchange_route_id(exchange),
        .attempt = hedge_attempt_number(exchange),
    };
    (void)log_event_write(proxy->logs[LOG_FILE_ERROR], &event);
}

void record_queue(struct exchange *exchange, bool stands)
{
    struct proxy *proxy = exchange->proxy;
    enum log_severity severity = stands ? LOG_WARN : LOG_INFO;
    if (!logged(proxy, (u8)severity))
        return;
    struct log_event event = {
        .wall_ns = proxy_wall_ns(proxy),
        .severity = severity,
        .type = SLICE("overload"),
        .error = stands ? SLICE("queue_stands") : SLICE("queue_empty"),
        .message = stands ? SLICE("Throughout shedding.interval no request of the route waited "
                                  "less than shedding.target: the newest are turned away")
                          : SLICE("The queue is empty again: no request is turned away any more"),
        .route = exchange->route->id,
    };
    (void)log_event_write(proxy->logs[LOG_FILE_ERROR], &event);
}

void record_refusal(struct proxy *proxy, const char *what)
{
    u64 now_ns = proxy_now_ns(proxy);
    proxy->refusals++;
    if (!logged(proxy, LOG_ERROR) || now_ns - proxy->refusal_logged_ns < NS_PER_S)
        return;
    char message[128];
    (void)snprintf(message, sizeof(message), "Turned away %llu times since the last such line: %s",
                   (unsigned long long)proxy->refusals, what);
    struct log_event event = {
        .wall_ns = proxy_wall_ns(proxy),
        .severity = LOG_ERROR,
        .type = SLICE("proxy_failure"),
        .error = SLICE("exhausted"),
        .message = slice_of_string(message),
    };
    (void)log_event_write(proxy->logs[LOG_FILE_ERROR], &event);
    proxy->refusal_logged_ns = now_ns;
    proxy->refusals = 0;
}

void record_overload(struct proxy *proxy, enum overload_stage stage, const char *what,
                     const char *why)
{
    enum log_severity severity = stage == OVERLOAD_NONE ? LOG_INFO : LOG_WARN;
    char message[192];
    if (!logged(proxy, (u8)severity))
        return;
    (void)snprintf(message, sizeof(message), "Worker %u, overload stage %s: %s%s", proxy->worker,
                   overload_stage_name(stage), what, why);
    struct log_event event = {
        .wall_ns = proxy_wall_ns(proxy),
        .severity = severity,
        .type = SLICE("overload"),
        .message = slice_of_string(message),
    };
    (void)log_event_write(proxy->logs[LOG_FILE_ERROR], &event);
}

void record_client_fault(struct client *client, enum fault fault, const char *detail)
{
    struct proxy *proxy = client->proxy;
    const struct fault_row *row = fault_row(fault);
    proxy->counters.faults[fault]++;
    if (!logged(proxy, row->severity))
        return;
    struct log_event event = {
        .wall_ns = proxy_wall_ns(proxy),
        .severity = (enum log_severity)row->severity,
        .type = SLICE("client_failure"),
        .error = slice_of_string(row->name),
        .message = slice_of_string(detail),
        .client_ip = client_ip(client),
    };
    (void)log_event_write(proxy->logs[LOG_FILE_ERROR], &event);
}
