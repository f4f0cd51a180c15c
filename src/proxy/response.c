/* The response half of an exchange: the upstream's bytes on their way to the client, our pages. */
#include "base/clock.h"
#include "proxy/proxy_internal.h"

enum { INTERIM_BYTES_MAX = 65536 }; /* of 1xx responses a client has not taken yet */

/* Puts a head that lies in the response block in front of what follows. Behind interim responses
 * that are still on their way it has to queue up. */
static bool send_head(struct exchange *exchange, struct slice head)
{
    struct relay *response = &exchange->response;
    if (relay_pending(response))
        return ring_chain_write(exchange->proxy->ring, &response->queue, head.data, head.len);
    response->head = head;
    return true;
}

/* Writes from the beginning of the response block. Without a block nothing fits. */
static struct http_writer block_writer(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    if (!exchange->response_block)
        exchange->response_block = slab_acquire(&proxy->blocks);
    char *block = exchange->response_block;
    return (struct http_writer){
        .at = block,
        .end = block ? block + proxy->exchange_block_bytes : NULL,
    };
}

/* ---- The end of a response that is not the proper one ---- */

/* Some of the response is with the client already. It gets what there is, and then sees the cut. */
static void cut(struct exchange *exchange, enum fault fault)
{
    struct proxy *proxy = exchange->proxy;
    exchange->fault = (u8)fault;
    exchange->cut = true;
    exchange->keep_client = false;
    proxy->counters.faults[fault]++;
    record_fault(exchange, fault, 0);
    outcome_failed(exchange, fault, (struct ring_done){0});
    relay_abort(&exchange->request, proxy);
    attempt_end(exchange, false);
    exchange->response.state = RELAY_ENDED;
    relay_pump(&exchange->response, proxy);
    exchange_step(exchange);
}

static void break_off(struct exchange *exchange, enum fault fault)
{
    if (exchange->phase == EXCHANGE_RELAYING)
        cut(exchange, fault);
    else
        exchange_fail(exchange, fault);
}

static void lost_before_response(struct exchange *exchange, struct ring_done done)
{
    bool untouched = exchange->response_head.bytes == 0 && exchange->response.sent_bytes == 0 &&
                     !relay_pending(&exchange->response);
    attempt_failed(exchange,
                   exchange->reused && untouched ? FAULT_UPSTREAM_STALE : FAULT_UPSTREAM_RESET,
                   done);
}

void response_on_end(struct exchange *exchange, struct ring_done done)
{
    struct relay *response = &exchange->response;
    bool complete;
    exchange->keep_upstream = false;
    switch ((enum exchange_phase)exchange->phase) {
    case EXCHANGE_QUEUED:
    case EXCHANGE_CONNECTING:
    case EXCHANGE_BACKING_OFF:
    case EXCHANGE_REPLYING:
        ASSERT(false); /* there is no upstream to hear from */
        return;
    case EXCHANGE_RESPONSE_HEAD:
        lost_before_response(exchange, done);
        return;
    case EXCHANGE_RELAYING:
        complete = done.status == RING_END ? relay_source_ended(response)
                                           : response->state != RELAY_FLOWING;
        if (!complete) {
            cut(exchange, FAULT_RESPONSE_CUT);
            return;
        }
        break;
    case EXCHANGE_TUNNEL:
        if (done.status != RING_END) {
            exchange_cancel(exchange, FAULT_UPSTREAM_RESET);
            return;
        }
        complete = relay_source_ended(response);
        ASSERT(complete);
        break;
    }
    relay_pump(response, exchange->proxy);
    exchange_step(exchange);
}

/* ---- The final response begins ---- */

/* All of it is here, so that its connection can be used again. */
static bool all_here(const struct exchange *exchange, const struct http_response *response,
                     struct http_framing framing)
{
    u64 behind = exchange->response_head.bytes - response->head_bytes;
    bool sized = framing.body == HTTP_BODY_NONE || framing.body == HTTP_BODY_LENGTH;
    return sized && behind == framing.length && response->keep_alive && exchange->keep_upstream &&
           relay_handed_over(&exchange->request);
}

/* Drops a response that another backend may have a better one for; none of it has left. */
static bool tried_again(struct exchange *exchange, const struct http_response *response,
                        struct http_framing framing)
{
    if (!config_retry_status(&exchange->route->retry, response->status))
        return false;
    const struct retry_reason reason = {
        .fault = FAULT_BAD_STATUS,
        .status = response->status,
        .reusable = all_here(exchange, response, framing),
    };
    return hedge_fall_back(exchange, &reason) || retry_elsewhere(exchange, &reason);
}

static void note_for_route(struct exchange *exchange, u64 latency_us)
{
    if (exchange->route->limited && exchange->request.state != RELAY_FLOWING)
        queue_sample(exchange);
    if (exchange->route->hedged)
        hedge_sample(exchange, latency_us);
}

static void note_first_byte(struct exchange *exchange, u32 status)
{
    struct proxy *proxy = exchange->proxy;
    struct state_tally *tally = exchange_tally(exchange);
    exchange->first_byte_ns = proxy_now_ns(proxy);
    u64 latency_us = (exchange->first_byte_ns - exchange_asked_ns(exchange)) / NS_PER_US;
    if (LIKELY(exchange->request.state != RELAY_FLOWING)) /* else the client's pace is in it */
        state_backend_latency(proxy->state, exchange_backend_slot(exchange),
                              (u32)min_u64(latency_us, UINT32_MAX), exchange->first_byte_ns);
    state_tally_add(&tally->responses[status / 100 - 1], 1);
    state_tally_add(&tally->latency_us_sum, latency_us);
    state_latency_add(&proxy->latencies[exchange_backend_slot(exchange)], latency_us);
    outcome_head(exchange, status);
    if (UNLIKELY(exchange->route->sampled) && status < 500) /* errors may come without any work */
        note_for_route(exchange, latency_us);
}

static void decide_keeping(struct exchange *exchange, const struct http_response *response,
                           struct http_framing framing)
{
    bool sized = framing.body != HTTP_BODY_UNTIL_CLOSE && framing.body != HTTP_BODY_TUNNEL;
    exchange->response.decode = framing.body == HTTP_BODY_CHUNKED && exchange->client_minor == 0;
    exchange->keep_upstream = exchange->keep_upstream && sized && response->keep_alive;
    exchange->keep_client = exchange->keep_client && sized && !exchange->response.decode &&
                            !exchange->proxy->last_responses;
}

/* 101: from here on both directions are bytes without framing. */
static bool begin_tunnel(struct exchange *exchange)
{
    struct relay *request = &exchange->request;
    struct lease_chain early;
    request->state = RELAY_FLOWING;
    request->body_bytes_max = 0;
    relay_begin(request, (struct http_framing){.body = HTTP_BODY_TUNNEL});
    lease_chain_init(&early);
    struct proxy *proxy = exchange->proxy;
    bool taken = client_take_back(exchange->client, &early) &&
                 relay_feed(request, proxy, &early) == RELAY_OK;
    if (taken && !transport_readable(&exchange->client->transport)) /* its FIN came before */
        taken = relay_source_ended(request);
    relay_pump(request, proxy);
    return taken;
}

/* What came with the old head lies behind it in the same lease. When the new head fits in front of
 * that, both go out as one piece of memory, and the block is free for the next response at once. */
static void join_head(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    struct relay *response = &exchange->response;
    if (response->head.len == 0 ||
        !ring_chain_push_front(proxy->ring, &response->queue, response->head))
        return;
    response->head.len = 0;
    slab_release(&proxy->blocks, exchange->response_block);
    exchange->response_block = NULL;
}

/* What follows the head, and goes on while the phase lasts. */
static void relay_body(struct exchange *exchange, struct lease_chain *data)
{
    struct proxy *proxy = exchange->proxy;
    enum relay_verdict verdict = relay_feed(&exchange->response, proxy, data);
    join_head(exchange);
    if (data->bytes > 0) { /* behind the end of the message: nobody asked for it */
        exchange->keep_upstream = false;
        ring_chain_return(proxy->ring, data);
    }
    if (verdict != RELAY_OK) {
        break_off(exchange, verdict == RELAY_NO_ROOM ? FAULT_EXHAUSTED : FAULT_BAD_RESPONSE);
        return;
    }
    relay_pump(&exchange->response, proxy);
    exchange_step(exchange);
}

/* Everything that can refuse the response is done before a byte of it is on its way. */
static bool begin(struct exchange *exchange, const struct http_response *response,
                  struct http_framing framing, u32 head_bytes)
{
    struct http_writer writer = block_writer(exchange);
    bool tunnel = framing.body == HTTP_BODY_TUNNEL;
    if (tunnel && exchange->request.state != RELAY_DONE)
        return false;
    decide_keeping(exchange, response, framing);
    if (!rewrite_response(exchange, response, framing, &writer))
        return false;
    exchange->status = response->status;
    ring_chain_skip(exchange->proxy->ring, &exchange->response_head, head_bytes);
    relay_begin(&exchange->response, framing);
    struct slice head =
        slice_of(exchange->response_block, (usize)(writer.at - exchange->response_block));
    if (!send_head(exchange, head))
        return false;
    exchange->phase = tunnel ? EXCHANGE_TUNNEL : EXCHANGE_RELAYING;
    return true;
}

static void begin_final(struct exchange *exchange, const struct http_response *response)
{
    struct proxy *proxy = exchange->proxy;
    struct http_framing framing =
        http_response_framing(response, (enum http_method)exchange->method, exchange->upgrade);
    note_first_byte(exchange, response->status);
    if (UNLIKELY(response->status >= CONFIG_RETRY_STATUS_FIRST) &&
        tried_again(exchange, response, framing))
        return;
    if (framing.body == HTTP_BODY_REJECT) {
        attempt_failed(exchange, FAULT_BAD_RESPONSE, (struct ring_done){0});
        return;
    }
    if (UNLIKELY(exchange->route->hedged))
        hedge_decide(exchange);
    if (!begin(exchange, response, framing, response->head_bytes)) {
        exchange->status = 0;
        exchange->response.head.len = 0;
        exchange_fail(exchange, FAULT_BAD_RESPONSE);
        return;
    }
    exchange->response_begun = true;
    if (exchange->phase == EXCHANGE_TUNNEL && !begin_tunnel(exchange)) {
        exchange_cancel(exchange, FAULT_EXHAUSTED);
        return;
    }
    if (proxy->logs[LOG_FILE_ACCESS])
        exchange->own_ns += clock_monotonic_ns() - proxy_now_ns(proxy);
    struct lease_chain rest = exchange->response_head;
    lease_chain_init(&exchange->response_head);
    relay_body(exchange, &rest);
}

/* ---- Reading the head ---- */

/* 100 Continue, 103 Early Hints and the like go through as they come (RFC 9110 §15.2). */
static bool forward_interim(struct exchange *exchange, const struct http_response *response)
{
    struct proxy *proxy = exchange->proxy;
    struct relay *relay = &exchange->response;
    struct http_writer writer = block_writer(exchange);
    if (exchange->client_minor > 0) {
        if (relay->queue.bytes > INTERIM_BYTES_MAX)
            return false;
        if (!rewrite_response(exchange, response, (struct http_framing){.body = HTTP_BODY_NONE},
                              &writer))
            return false;
        if (!ring_chain_write(proxy->ring, &relay->queue, exchange->response_block,
                              (u32)(writer.at - exchange->response_block)))
            return false;
    }
    ring_chain_skip(proxy->ring, &exchange->response_head, response->head_bytes);
    relay_pump(relay, proxy);
    return true;
}

/* Deals with a head that was parsed. True when there may be another one behind it. */
static bool take_head(struct exchange *exchange, enum http_parse parsed)
{
    const struct http_response *response = &exchange->proxy->response;
    switch (parsed) {
    case HTTP_PARSE_PARTIAL:
        return false;
    case HTTP_PARSE_REJECTED:
        attempt_failed(exchange, FAULT_BAD_RESPONSE, (struct ring_done){0});
        return false;
    case HTTP_PARSE_DONE:
        break;
    }
    if (http_status_is_final(response->status)) {
        begin_final(exchange, response);
        return false;
    }
    if (!forward_interim(exchange, response)) {
        exchange_fail(exchange, FAULT_BAD_RESPONSE);
        return false;
    }
    return exchange->response_head.bytes > 0;
}

static enum http_parse parse(struct proxy *proxy, const char *data, u32 len)
{
    return http_response_parse(slice_of(data, len), &proxy->config->limits.http, &proxy->response);
}

/* A head is parsed where it was received; one that goes on in further leases is gathered first. */
static void read_heads(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    struct lease_chain *chain = &exchange->response_head;
    bool more = true;
    while (more) {
        char *gathered = NULL;
        const struct lease *lease = ring_lease(proxy->ring, chain->first);
        enum http_parse parsed = parse(proxy, lease->data, lease->len);
        if (parsed == HTTP_PARSE_PARTIAL && chain->first != chain->last) {
            u32 bytes = min_u32(chain->bytes, proxy->config->limits.http.head_bytes_max);
            gathered = slab_acquire(&proxy->inboxes);
            if (!gathered) {
                exchange_fail(exchange, FAULT_EXHAUSTED);
                return;
            }
            ring_chain_peek(proxy->ring, chain, gathered, bytes);
            parsed = parse(proxy, gathered, bytes);
        }
        more = take_head(exchange, parsed);
        if (gathered)
            slab_release(&proxy->inboxes, gathered);
    }
}

/* What came in the very turn in which the request is only being sent answers something else. */
static bool came_too_early(const struct exchange *exchange)
{
    return exchange->reused && exchange->connected_ns == proxy_now_ns(exchange->proxy);
}

void response_on_data(struct exchange *exchange, struct lease_chain *data)
{
    switch ((enum exchange_phase)exchange->phase) {
    case EXCHANGE_QUEUED:
    case EXCHANGE_CONNECTING:
    case EXCHANGE_BACKING_OFF:
    case EXCHANGE_REPLYING:
        ASSERT(false); /* there is no upstream to hear from */
        return;
    case EXCHANGE_RESPONSE_HEAD:
        if (came_too_early(exchange)) {
            ring_chain_return(exchange->proxy->ring, data);
            attempt_failed(exchange, FAULT_UPSTREAM_STALE, (struct ring_done){0});
            return;
        }
        ring_chain_append(exchange->proxy->ring, &exchange->response_head, data);
        read_heads(exchange);
        return;
    case EXCHANGE_RELAYING:
    case EXCHANGE_TUNNEL:
        relay_body(exchange, data);
        return;
    }
}

/* ---- Our own answers ---- */

static void write_own_head(struct exchange *exchange, u32 status, u64 body_bytes,
                           struct http_writer *writer)
{
    enum { RETRY_AFTER_S_MAX = 3 };
    http_write_status_line(writer, status, http_reason(status));
    http_write_field(writer, SLICE("Date"), proxy_date(exchange->proxy));
    if (body_bytes > 0)
        http_write_field(writer, SLICE("Content-Type"),
                         exchange->accepts_html ? SLICE("text/html; charset=utf-8")
                                                : SLICE("application/json"));
    if (exchange->last_hop) /* what is forwarded; any other method is as well, but for CONNECT */
        http_write_field(writer, SLICE("Allow"),
                         SLICE("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"));
    if (fault_row((enum fault)exchange->fault)->retry_after) {
        /* Not at the same time, all those that are turned away at the same time. */
        http_write(writer, SLICE("Retry-After: "));
        http_write_u64(writer, 1 + rng_below(&exchange->proxy->rng, RETRY_AFTER_S_MAX));
        http_write(writer, SLICE("\r\n"));
    }
    http_write(writer, SLICE("Content-Length: "));
    http_write_u64(writer, body_bytes);
    http_write(writer, SLICE("\r\n"));
    if (exchange->request_id.len > 0)
        http_write_field(writer, SLICE("X-Request-ID"), exchange->request_id);
    if (!exchange->keep_client)
        http_write(writer, SLICE("Connection: close\r\n"));
    else if (exchange->client_minor == 0)
        http_write(writer, SLICE("Connection: keep-alive\r\n"));
    http_write(writer, SLICE("\r\n"));
}

/* An answer that lies in the response block; it is empty when there was no block to be had. */
static void reply(struct exchange *exchange, struct slice answer)
{
    exchange->phase = EXCHANGE_REPLYING;
    exchange->response_begun = true;
    relay_begin(&exchange->response, (struct http_framing){.body = HTTP_BODY_NONE});
    if (answer.len == 0 || !send_head(exchange, answer)) {
        exchange_cancel(exchange, FAULT_EXHAUSTED);
        return;
    }
    relay_pump(&exchange->response, exchange->proxy);
    exchange_step(exchange);
}

void response_options(struct exchange *exchange)
{
    struct http_writer writer = block_writer(exchange);
    const char *start = writer.at;
    if (start)
        write_own_head(exchange, HTTP_STATUS_OK, 0, &writer);
    exchange->status = start ? HTTP_STATUS_OK : 0;
    reply(exchange, slice_of(start, start ? (usize)(writer.at - start) : 0));
}

/* A refused request is told what is wrong with it; for all else the fault's sentence will do. */
static struct page page_of(const struct exchange *exchange)
{
    const struct fault_row *row = fault_row((enum fault)exchange->fault);
    const struct http_reject_info *reject =
        exchange->reject == HTTP_REJECT_NONE ? NULL
                                             : http_reject_info((enum http_reject)exchange->reject);
    return (struct page){.status = reject ? reject->status : row->status,
                         .message = slice_of_string(reject ? reject->text : row->text),
                         .request_id = exchange->request_id,
                         .html = exchange->accepts_html};
}

struct slice response_page_write(struct exchange *exchange)
{
    enum { PAGE_HEAD_BYTES_MAX = 512 };
    struct http_writer writer = block_writer(exchange);
    if (!exchange->response_block)
        return (struct slice){0};
    const struct page page = page_of(exchange);
    struct http_writer body = {.at = writer.at + PAGE_HEAD_BYTES_MAX, .end = writer.end};
    const char *body_data = body.at;
    page_write(&exchange->snapshot->config->error_templates, &page, &body);
    u64 body_bytes = (u64)(body.at - body_data);
    write_own_head(exchange, page.status, body_bytes, &writer);
    ASSERT(!writer.full && writer.at <= body_data);
    if (exchange->method != HTTP_METHOD_HEAD) {
        memmove(writer.at, body_data, body_bytes);
        writer.at += body_bytes;
    }
    exchange->status = (u16)page.status;
    return slice_of(exchange->response_block, (usize)(writer.at - exchange->response_block));
}

void response_page(struct exchange *exchange)
{
    reply(exchange, response_page_write(exchange));
}
