/* An exchange begins: what its request says, the message that goes upstream, and a place among
 * those that are served. */
#include "base/clock.h"
#include "proxy/proxy_internal.h"

/* An upgrade to HTTP/2 would be a way past the routes, the limits and the log: it is not passed on,
 * and the request is answered in HTTP/1.1 (RFC 9110 §7.8 lets a server ignore it). */
static bool upgrade_wanted(const struct http_request *request)
{
    struct slice protocols = http_field_first(&request->fields, HTTP_FIELD_UPGRADE);
    return request->upgrade && !http_list_contains(protocols, SLICE("h2c"));
}

void exchange_note(struct exchange *exchange, const struct http_request *request)
{
    struct proxy *proxy = exchange->proxy;
    exchange->method = (u8)request->method;
    exchange->received_head_bytes = request->head_bytes;
    exchange->client_minor = request->minor;
    exchange->keep_client = request->keep_alive && !proxy->last_responses;
    exchange->upgrade = upgrade_wanted(request);
    exchange->expect_continue = request->expect_continue;
    exchange->last_hop = request->has_max_forwards && request->max_forwards == 0;
    exchange->accepts_html = request->accepts_html;
    u32 route = route_find(proxy->config, request->host, request->path);
    exchange->routed = route != ROUTE_NONE;
    if (LIKELY(exchange->routed)) {
        exchange->route = &proxy->config->routes[route];
        record_begun(exchange);
    } else {
        exchange->reject = HTTP_REJECT_DOT_SEGMENT;
    }
    if (UNLIKELY(exchange->route->limited))
        exchange->priority = queue_priority(exchange->route, request, exchange->client->trusted);
    if (UNLIKELY(exchange->route->sticky_cookie))
        sticky_note(exchange, request);
    exchange->request.body_bytes_max = proxy->config->limits.body_bytes_max;
}

void exchange_note_rejected(struct exchange *exchange, const struct http_request *request)
{
    if (!request) {
        exchange->received_head_bytes = exchange->client->inbox_len;
        return;
    }
    exchange->reject = (u8)request->reject;
    exchange->method = (u8)request->method;
    exchange->client_minor = request->minor;
    exchange->received_head_bytes = request->head_bytes;
    exchange->accepts_html = request->accepts_html;
}

/* A small body that is here already goes behind the head, into the same send; and it is kept, so
 * that the request can be sent again. */
static void inline_body(struct exchange *exchange, struct http_writer *writer,
                        struct lease_chain *data)
{
    struct relay *request = &exchange->request;
    u64 len = request->remaining;
    if (request->body != HTTP_BODY_LENGTH || len > INLINE_BODY_BYTES_MAX || len > data->bytes ||
        len > (u64)(writer->end - writer->at))
        return;
    struct ring *ring = exchange->proxy->ring;
    ring_chain_peek(ring, data, writer->at, (u32)len);
    ring_chain_skip(ring, data, (u32)len);
    writer->at += len;
    exchange->inline_body_len = (u32)len;
    request->body_bytes = len;
    request->remaining = 0;
    request->state = RELAY_ENDED;
}

/* Rewrites the head and takes the first bytes of the body. What does not belong to this request is
 * left in `data`. */
static enum fault take_request(struct exchange *exchange, const struct http_request *request,
                               u32 head_bytes, struct lease_chain *data)
{
    struct proxy *proxy = exchange->proxy;
    if (exchange->reject != HTTP_REJECT_NONE)
        return FAULT_BAD_REQUEST;
    struct http_framing framing = http_request_framing(request);
    struct http_writer writer = {
        .at = exchange->request_block,
        .end = exchange->request_block + proxy->exchange_block_bytes,
    };
    if (framing.body == HTTP_BODY_REJECT) {
        exchange->reject = (u8)framing.reject;
        return FAULT_BAD_REQUEST;
    }
    u64 body_max = exchange->request.body_bytes_max;
    if (body_max > 0 && framing.body == HTTP_BODY_LENGTH && framing.length > body_max)
        return FAULT_BODY_TOO_LARGE;
    if (!rewrite_request(exchange, request, &writer))
        return FAULT_HEAD_OVERFLOW;
    exchange->head_len = (u32)(writer.at - exchange->request_block);
    ring_chain_skip(proxy->ring, data, head_bytes); /* from here on `request` may be overwritten */
    relay_begin(&exchange->request, framing);
    inline_body(exchange, &writer, data);
    return fault_of_body(relay_feed(&exchange->request, proxy, data));
}

/* RFC 9110 §7.6.2: a request with Max-Forwards: 0 is answered by whom it has reached. Echoing it to
 * a TRACE would show scripts what they may not see, and nothing requires it (§9.3.8). */
static void answer_as_last(struct exchange *exchange)
{
    if (exchange->method == HTTP_METHOD_TRACE) {
        exchange_fail(exchange, FAULT_TRACE_REFUSED);
        return;
    }
    exchange_end_request(exchange, true);
    response_options(exchange);
}

void exchange_start(struct client *client, const struct http_request *request, u32 head_bytes,
                    struct lease_chain *data)
{
    struct proxy *proxy = client->proxy;
    bool overloaded = overload_does(&proxy->overload, OVERLOAD_REFUSE);
    struct exchange *exchange = UNLIKELY(overloaded) ? NULL : exchange_create(client);
    proxy->counters.requests++;
    if (!exchange) {
        refusal_send(client, overloaded ? FAULT_OVERLOADED : FAULT_EXHAUSTED, request, data);
        return;
    }
    exchange_note(exchange, request);
    enum fault fault = take_request(exchange, request, head_bytes, data);
    if (exchange->head_len == 0) /* refused before it was rewritten: `request` is still there */
        forwarding_note_refused(exchange, request);
    if (!client_keep_back(client, data)) {
        exchange_cancel(exchange, FAULT_EXHAUSTED);
        return;
    }
    if (fault == FAULT_NONE && exchange->last_hop) {
        answer_as_last(exchange);
        return;
    }
    if (fault != FAULT_NONE) {
        exchange_fail(exchange, fault);
        return;
    }
    /* Since the turn began: waiting for our turn is our time, too. */
    if (proxy->logs[LOG_FILE_ACCESS])
        exchange->own_ns = clock_monotonic_ns() - proxy_now_ns(proxy);
    if (LIKELY(!exchange->route->limited))
        attempt_start(exchange);
    else
        queue_enter(exchange);
}

void exchange_reject(struct client *client, enum fault fault, const struct http_request *request)
{
    struct exchange *exchange = exchange_create(client);
    client->proxy->counters.requests++;
    if (!exchange) {
        refusal_send(client, fault, request, NULL);
        return;
    }
    exchange_note_rejected(exchange, request);
    forwarding_note_refused(exchange, request);
    exchange_fail(exchange, fault);
}
