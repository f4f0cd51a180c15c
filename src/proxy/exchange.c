/*
 * An exchange: one request and its response.
 *
 *   [QUEUED]
 *     |
 *   CONNECTING --> RESPONSE_HEAD --> RELAYING --> over
 *     ^   |             |   |            |
 *     |   |             |   +--101--> TUNNEL --> over
 *     +---+-- retry ----+
 *     |   |             |
 *   BACKING_OFF <-------+  (the same after a pause)
 *         |
 *         +--- fault before a response has begun ---> REPLYING --> over
 *         +--- fault after that, or the client is gone ---> over, and the client sees the cut
 *
 * Both halves flow at the same time. What happens when one ends first:
 *
 *                     | request flowing            | request complete
 *   response flowing  | both relays run            | the usual way
 *   response complete | early response: the rest of| upstream to the pool, client to its next
 *                     | the request is not wanted; | request
 *                     | both connections end       |
 *   client's FIN      | cancel                     | patience: timeouts.halfClose
 *   client gone       | cancel                     | cancel
 *   upstream gone     | retry, page, or visible cut| retry, page, or visible cut
 */
#include "base/clock.h"
#include "proxy/proxy_internal.h"

static void on_free(struct transport_hold *hold)
{
    struct exchange *exchange = container_of(hold, struct exchange, hold);
    if (exchange->response_block)
        slab_release(&exchange->proxy->blocks, exchange->response_block);
    if (UNLIKELY(exchange->request.replay != NULL))
        slab_release(&exchange->proxy->replays, exchange->request.replay);
    slab_release(&exchange->proxy->exchanges, exchange);
}

void exchange_init(struct exchange *exchange, struct client *client)
{
    struct proxy *proxy = client->proxy;
    memset(exchange, 0, offsetof(struct exchange, tried));
    exchange->proxy = proxy;
    exchange->client = client;
    exchange->snapshot = proxy->snapshot;
    exchange->start_ns = client->request_start_ns;
    exchange->head_ns = proxy_now_ns(proxy);
    exchange->backend = BALANCE_NONE;
    exchange->route = &proxy->config->routes[proxy->config->route_count - 1];
    exchange->client_minor = 1;
    exchange->key = client->key;
    exchange->request_block = (char *)(exchange + 1);
    transport_hold_init(&exchange->hold, on_free);
    relay_init(&exchange->request, &client->transport, &exchange->hold);
    relay_init(&exchange->response, NULL, &exchange->hold);
    exchange->response.sink = &client->transport;
    exchange->response.to_client = true;
    lease_chain_init(&exchange->response_head);
}

struct exchange *exchange_create(struct client *client)
{
    struct exchange *exchange = slab_acquire(&client->proxy->exchanges);
    if (!exchange)
        return NULL;
    exchange_init(exchange, client);
    snapshot_pin(exchange->snapshot, client->proxy->worker);
    client->exchange = exchange;
    return exchange;
}

/* Where a request goes is the same in both: its head was rewritten for that. */
static bool alike(const struct config_route *a, const struct config_route *b)
{
    return slice_equal(a->host, b->host) && a->wildcard == b->wildcard &&
           slice_equal(a->path, b->path) && a->sticky_cookie == b->sticky_cookie;
}

static u32 session_in(const struct exchange *exchange, struct snapshot *next, u32 pool)
{
    const u64 *handles = exchange->snapshot->pools[exchange->route->pool].handle_of;
    return exchange->session == BALANCE_NONE
               ? BALANCE_NONE
               : snapshot_member(next, pool, handles[exchange->session]);
}

void exchange_follow(struct exchange *exchange, const struct config_route *route)
{
    struct proxy *proxy = exchange->proxy;
    struct snapshot *next = proxy->snapshot;
    ASSERT(exchange->phase == EXCHANGE_QUEUED && exchange->tried_count == 0);
    if (next == exchange->snapshot || !alike(exchange->route, route))
        return;
    if (route->sticky_cookie)
        exchange->session = session_in(exchange, next, route->pool);
    snapshot_pin(next, proxy->worker);
    snapshot_unpin(exchange->snapshot, proxy->worker);
    exchange->snapshot = next;
    exchange->route = route;
}

/* ---- The end ---- */

static void settle_dues(struct exchange *exchange)
{
    if (exchange->dues & DUE_BUDGET)
        retry_budget_leave(exchange);
    if (exchange->dues & DUE_UPLOAD)
        uploads_remove(exchange);
}

static void release(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    relay_abort(&exchange->request, proxy);
    relay_abort(&exchange->response, proxy);
    ring_chain_return(proxy->ring, &exchange->response_head);
    if (UNLIKELY(exchange->dues))
        settle_dues(exchange);
    if (exchange->route_entered)
        queue_leave(exchange);
    snapshot_unpin(exchange->snapshot, proxy->worker);
    transport_hold_release(&exchange->hold);
}

static void finish(struct exchange *exchange)
{
    struct client *client = exchange->client;
    bool keep = exchange->keep_client; /* as it was told, even if a drain has begun since */
    record_access(exchange);
    release(exchange);
    client_exchange_ended(client, keep);
}

/* What is on its way to the client ends in a reset. */
static void cut(struct exchange *exchange, enum fault fault)
{
    struct client *client = exchange->client;
    if (exchange->fault == FAULT_NONE)
        exchange->fault = (u8)fault;
    client->proxy->counters.faults[fault]++;
    if (exchange->phase == EXCHANGE_QUEUED)
        queue_abandon(exchange);
    if (exchange->route->limited)
        queue_sample_unanswered(exchange);
    hedge_call_off(exchange);
    attempt_end(exchange, false);
    record_access(exchange);
    release(exchange);
    client->exchange = NULL;
    client_close(client, true);
}

void exchange_cancel(struct exchange *exchange, enum fault fault)
{
    record_fault(exchange, fault, 0);
    cut(exchange, fault);
}

void exchange_fail(struct exchange *exchange, enum fault fault)
{
    record_fault(exchange, fault, 0);
    outcome_failed(exchange, fault, (struct ring_done){0});
    exchange_answer(exchange, fault);
}

void exchange_end_request(struct exchange *exchange, bool keep_client)
{
    bool complete = exchange->request.state != RELAY_FLOWING;
    if (exchange->phase == EXCHANGE_QUEUED)
        queue_abandon(exchange);
    hedge_call_off(exchange);
    attempt_end(exchange, false);
    relay_abort(&exchange->request, exchange->proxy);
    exchange->keep_client = exchange->keep_client && keep_client && complete;
}

void exchange_answer(struct exchange *exchange, enum fault fault)
{
    const struct fault_row *row = fault_row(fault);
    struct proxy *proxy = exchange->proxy;
    exchange->fault = (u8)fault;
    if (exchange->response_begun || row->status == 0) {
        cut(exchange, fault);
        return;
    }
    proxy->counters.faults[fault]++;
    exchange_end_request(exchange, row->keep_client);
    response_page(exchange);
}

/* The response ended early, and all there is of it has been sent. A message with a length or chunks
 * shows by itself that something is missing; one that lasts until the close needs a reset. */
static void show_cut(struct exchange *exchange)
{
    struct client *client = exchange->client;
    bool reset = exchange->response.body == HTTP_BODY_UNTIL_CLOSE || exchange->response.decode;
    record_access(exchange);
    release(exchange);
    client->exchange = NULL;
    client_close(client, reset);
}

/* The tunnel's directions end one by one: what one side has finished, the other gets to see. */
static void step_tunnel(struct exchange *exchange)
{
    struct relay *relays[] = {&exchange->request, &exchange->response};
    for (u32 i = 0; i < ARRAY_COUNT(relays); i++)
        if (relays[i]->state == RELAY_DONE && transport_is_open(relays[i]->sink))
            transport_finish(relays[i]->sink);
    if (exchange->request.state < RELAY_DONE || exchange->response.state < RELAY_DONE) {
        exchange_set_deadline(exchange);
        return;
    }
    attempt_end(exchange, false);
    exchange->keep_client = false;
    finish(exchange);
}

/* The response is complete on our side: what becomes of the upstream? */
static void settle_upstream(struct exchange *exchange)
{
    struct relay *request = &exchange->request;
    bool handed_over = relay_handed_over(request);
    outcome_complete(exchange);
    if (request->state == RELAY_FLOWING)
        exchange->keep_client = false; /* the rest of the request is still on its way */
    if (request->state != RELAY_DONE)
        relay_abort(request, exchange->proxy);
    attempt_end(exchange, handed_over && exchange->keep_upstream);
}

void exchange_step(struct exchange *exchange)
{
    struct relay *response = &exchange->response;
    if (exchange->phase == EXCHANGE_TUNNEL) {
        step_tunnel(exchange);
        return;
    }
    bool answered = exchange->phase == EXCHANGE_RELAYING || exchange->phase == EXCHANGE_REPLYING;
    if (answered && response->state >= RELAY_ENDED && exchange->upstream)
        settle_upstream(exchange);
    if (answered && response->state == RELAY_DONE && exchange->cut)
        show_cut(exchange);
    else if (answered && response->state == RELAY_DONE)
        finish(exchange);
    else
        exchange_set_deadline(exchange);
}

/* ---- What the client does ---- */

void exchange_on_client_data(struct exchange *exchange, struct lease_chain *data)
{
    struct client *client = exchange->client;
    struct proxy *proxy = client->proxy;
    enum fault fault = fault_of_body(relay_feed(&exchange->request, proxy, data));
    if (fault != FAULT_NONE) {
        ring_chain_return(proxy->ring, data);
        exchange_fail(exchange, fault);
        return;
    }
    if (!client_keep_back(client, data)) {
        exchange_cancel(exchange, FAULT_EXHAUSTED);
        return;
    }
    relay_pump(&exchange->request, proxy);
    exchange_step(exchange);
}

void exchange_on_client_finished(struct exchange *exchange)
{
    if (exchange->phase == EXCHANGE_QUEUED) { /* most likely it is gone, and others wait, too */
        exchange_cancel(exchange, FAULT_CLIENT_GONE);
        return;
    }
    if (exchange->phase == EXCHANGE_TUNNEL) /* the backend gets to know behind the bytes */
        return;
    if (exchange->phase != EXCHANGE_BACKING_OFF) /* a pause is short, and is not begun anew */
        exchange_begin_deadline(exchange);
    hedge_begin_deadline(exchange);
}

void exchange_on_client_end(struct exchange *exchange)
{
    if (exchange->phase != EXCHANGE_TUNNEL) {
        if (exchange->request.state == RELAY_FLOWING) { /* it will never be complete */
            exchange_cancel(exchange, FAULT_CLIENT_GONE);
            return;
        }
        if (!client_input_waiting(exchange->client))
            exchange->keep_client = false;
        exchange_on_client_finished(exchange);
        return;
    }
    bool complete = relay_source_ended(&exchange->request);
    ASSERT(complete); /* a tunnel has no framing that could be cut short */
    relay_pump(&exchange->request, exchange->proxy);
    exchange_step(exchange);
}

void exchange_on_client_sent(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    proxy->counters.bytes_to_clients += exchange->response.sending_bytes;
    relay_sent(&exchange->response, proxy);
    /* The backend does not get more time for the final response with each interim one. */
    if (exchange->phase != EXCHANGE_RESPONSE_HEAD || exchange_waits_for_body(exchange))
        exchange_step(exchange);
}

void exchange_on_client_paused(struct exchange *exchange)
{
    if (exchange->client->backlog.bytes > 0) {
        transport_read(&exchange->client->transport, RECV_WATCH, 0);
        return;
    }
    relay_pump(&exchange->request, exchange->proxy);
    if (exchange->request.body_bytes > 0) /* some of it may have come */
        exchange_step(exchange);
}
