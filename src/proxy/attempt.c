/* Attempts: choosing a backend for an exchange, and connecting to it. Trying again is in retry.c.
 */
#include "base/clock.h"
#include "proxy/proxy_internal.h"

/* ---- One attempt ---- */

/* There is no socket, or no slot for one. */
static void fail_to_begin(struct exchange *exchange, i32 error)
{
    const struct retry_reason reason = {.fault = FAULT_EXHAUSTED, .done = {.error = error}};
    if (hedge_fall_back(exchange, &reason))
        return;
    record_fault(exchange, FAULT_EXHAUSTED, error);
    exchange_answer(exchange, FAULT_EXHAUSTED);
}

void attempt_begin(struct exchange *exchange, bool fresh)
{
    struct proxy *proxy = exchange->proxy;
    const struct upstream_target target = {
        .slot = exchange_backend_slot(exchange),
        .address = &exchange_backend(exchange)->address,
    };
    i32 error = 0;
    exchange->attempts++;
    exchange->attempt_ns = proxy_now_ns(proxy);
    if (LIKELY(!exchange->has_room)) /* else it is counted already */
        state_backend_begin(proxy->state, proxy->worker, target.slot);
    exchange->has_room = false;
    state_tally_add(&proxy->tallies[target.slot].requests, 1);
    exchange->counted = true;
    fresh |= exchange->trial != CIRCUIT_TRIAL_NONE; /* an old connection says less */
    exchange->upstream = upstream_acquire(proxy->upstreams, target, fresh, exchange, &error);
    if (!exchange->upstream) {
        fail_to_begin(exchange, error);
        return;
    }
    exchange->response.source = &exchange->upstream->transport;
    exchange->reused = exchange->upstream->reused;
    if (exchange->reused) {
        proxy->counters.upstreams_reused++;
        attempt_connected(exchange);
        return;
    }
    proxy->counters.upstreams_opened++;
    exchange->phase = EXCHANGE_CONNECTING;
    exchange_begin_deadline(exchange);
    relay_pump(&exchange->request, proxy); /* paces the client while there is no sink */
}

void attempt_choose(struct exchange *exchange, u32 member)
{
    const struct config *config = exchange->snapshot->config;
    exchange->tried[exchange->tried_count] = member;
    exchange->backend = config->pools[exchange->route->pool].backends[member];
}

enum attempt_choice attempt_pick(struct exchange *exchange, bool fresh)
{
    u32 member = choice_make(exchange, fresh);
    if (UNLIKELY(member == BALANCE_NONE))
        return ATTEMPT_NONE;
    if (UNLIKELY(member == CHOICE_FULL))
        return ATTEMPT_FULL;
    attempt_choose(exchange, member);
    return ATTEMPT_PICKED;
}

void attempt_go(struct exchange *exchange, enum attempt_choice choice)
{
    if (LIKELY(choice == ATTEMPT_PICKED))
        attempt_begin(exchange, false);
    else
        exchange_fail(exchange, choice == ATTEMPT_NONE ? FAULT_NO_BACKEND : FAULT_BACKENDS_FULL);
}

void attempt_start(struct exchange *exchange)
{
    attempt_go(exchange, attempt_pick(exchange, true));
}

void attempt_connected(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    struct relay *request = &exchange->request;
    exchange->connected_ns = proxy_now_ns(proxy);
    exchange->phase = EXCHANGE_RESPONSE_HEAD;
    exchange->keep_upstream = true;
    request->sink = &exchange->upstream->transport;
    request->head =
        slice_of(exchange->request_block, exchange->head_len + exchange->inline_body_len);
    if (request->state == RELAY_DONE) /* sent before, to a connection that died */
        request->state = RELAY_ENDED;
    if (UNLIKELY(request->state == RELAY_FLOWING || request->queue.bytes > 0 || request->replay))
        replay_prepare(exchange);
    relay_pump(request, proxy);
    exchange_set_deadline(exchange);
}

static void leave_backend(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    state_backend_end(proxy->state, proxy->worker, exchange_backend_slot(exchange));
    if (UNLIKELY(proxy->queues.rooms))
        queue_room_freed(proxy);
    exchange->counted = false;
    exchange->has_room = false;
}

void attempt_end(struct exchange *exchange, bool reusable)
{
    /* A backend whose answer nobody wants any more learns it from a reset: a FIN could wait for
     * ever behind a window that it has filled. */
    bool answered = exchange->response.state >= RELAY_ENDED;
    if (UNLIKELY(exchange->trial != CIRCUIT_TRIAL_NONE))
        outcome_none(exchange);
    if (exchange->counted || exchange->has_room)
        leave_backend(exchange);
    exchange->request.sink = NULL;
    exchange->request.sending_bytes = 0;
    exchange->response.source = NULL;
    if (!exchange->upstream)
        return;
    if (reusable)
        upstream_release(exchange->upstream);
    else
        upstream_discard(exchange->upstream, !answered);
    exchange->upstream = NULL;
}

/* ---- The end of an attempt without a response ---- */

void attempt_failed(struct exchange *exchange, enum fault fault, struct ring_done done)
{
    const struct retry_reason reason = {.fault = fault, .done = done};
    if (hedge_fall_back(exchange, &reason) || retry_stale(exchange, &reason) ||
        retry_elsewhere(exchange, &reason))
        return;
    record_fault(exchange, fault, done.error);
    outcome_failed(exchange, fault, done);
    attempt_end(exchange, false);
    ring_chain_return(exchange->proxy->ring, &exchange->response_head);
    exchange_answer(exchange, fault);
}

/* ---- What the upstream connection tells ---- */

static struct exchange *exchange_of(struct transport *transport)
{
    struct upstream *upstream = container_of(transport, struct upstream, transport);
    return upstream->user;
}

static void on_connected(struct upstream *upstream, struct ring_done done)
{
    struct exchange *exchange = upstream->user;
    if (done.status == RING_OK)
        attempt_connected(exchange);
    else
        attempt_failed(exchange, fault_of_connect(done.status), done);
}

/* Until now nothing was the backend's doing. */
static void on_begun(struct upstream *upstream)
{
    struct exchange *exchange = upstream->user;
    exchange->attempt_ns = proxy_now_ns(exchange->proxy);
    exchange_begin_deadline(exchange);
}

static void on_data(struct transport *transport, struct lease_chain *data)
{
    response_on_data(exchange_of(transport), data);
}

static void on_end(struct transport *transport)
{
    response_on_end(exchange_of(transport), (struct ring_done){.status = RING_END});
}

static void on_lost(struct transport *transport, struct ring_done done)
{
    response_on_end(exchange_of(transport), done);
}

/* The backend takes no more of the request. It may have answered all the same: that is still to be
 * read, so only the request half ends here. */
static void on_send_failed(struct transport *transport, struct ring_done done)
{
    struct exchange *exchange = exchange_of(transport);
    (void)done;
    exchange->keep_upstream = false;
    exchange->request.sending_bytes = 0;
    exchange->request.sink = NULL;
    if (exchange->phase == EXCHANGE_TUNNEL) {
        exchange_cancel(exchange, FAULT_UPSTREAM_RESET);
        return;
    }
    if (!transport_readable(transport))
        response_on_end(exchange, done);
}

static void on_sent(struct transport *transport)
{
    struct exchange *exchange = exchange_of(transport);
    relay_sent(&exchange->request, exchange->proxy);
    exchange_step(exchange);
}

static void on_paused(struct transport *transport)
{
    struct exchange *exchange = exchange_of(transport);
    relay_pump(&exchange->response, exchange->proxy);
    if (exchange->response.body_bytes > 0) /* it may have been all of it */
        exchange_step(exchange);
}

const struct upstream_events attempt_events = {
    .transport = {.on_data = on_data,
                  .on_paused = on_paused,
                  .on_end = on_end,
                  .on_sent = on_sent,
                  .on_lost = on_lost,
                  .on_send_failed = on_send_failed},
    .on_connected = on_connected,
    .on_begun = on_begun,
};
