/*
 * What an exchange waits for, how long, and what happens then: one timer, the client's, whose
 * meaning depends on the phase.
 */
#include "proxy/proxy_internal.h"

/* True when the exchange cannot go on before the client sends more of its request. */
static bool waits_for_body(const struct exchange *exchange)
{
    const struct relay *response = &exchange->response;
    bool invited = response->sent_bytes > 0 || relay_pending(response); /* 100 Continue */
    if (exchange->expect_continue && exchange->request.body_bytes == 0 && !invited)
        return false; /* the client waits for the backend as we do */
    return exchange->request.state == RELAY_FLOWING && !relay_pending(&exchange->request);
}

static u32 phase_timeout_ms(const struct exchange *exchange)
{
    const struct config_timeouts *timeouts = &exchange->route->timeouts;
    switch ((enum exchange_phase)exchange->phase) {
    case EXCHANGE_CONNECTING:
        return timeouts->connect_ms;
    case EXCHANGE_RESPONSE_HEAD:
        return waits_for_body(exchange) ? timeouts->request_body_idle_ms
                                        : timeouts->response_head_ms;
    case EXCHANGE_RELAYING:
    case EXCHANGE_REPLYING:
        return timeouts->response_idle_ms;
    case EXCHANGE_QUEUED:
        return timeouts->queue_ms;
    case EXCHANGE_TUNNEL:
        break;
    }
    return timeouts->tunnel_idle_ms;
}

/* A client that has finished sending may still want its response (RFC 9112 §9.6), or be gone:
 * close(2) looks the same. Bytes for it would tell, so as long as none are there patience ends
 * early. */
static bool patience_is_short(const struct exchange *exchange)
{
    return !transport_readable(&exchange->client->transport) &&
           !relay_pending(&exchange->response) && exchange->phase != EXCHANGE_TUNNEL &&
           exchange->route->timeouts.half_close_ms < phase_timeout_ms(exchange);
}

void exchange_begin_deadline(struct exchange *exchange)
{
    client_set_deadline(exchange->client, patience_is_short(exchange)
                                              ? exchange->route->timeouts.half_close_ms
                                              : phase_timeout_ms(exchange));
}

void exchange_set_deadline(struct exchange *exchange)
{
    /* In these it is set once, when they begin. */
    if (exchange->phase != EXCHANGE_CONNECTING && exchange->phase != EXCHANGE_QUEUED)
        exchange_begin_deadline(exchange);
}

static bool acked_some(struct exchange *exchange, const struct transport *sink)
{
    u64 acked = ring_bytes_acked(exchange->proxy->ring, sink->fd);
    bool progress = acked != exchange->acked_bytes;
    exchange->acked_bytes = acked;
    return progress;
}

/* A send that is under way may take longer than a timeout when there is much to send, and so may
 * what the kernel holds of a response. As long as the peer acknowledges some of it, it is slow but
 * not gone. */
static bool still_taking(struct exchange *exchange, const struct relay *relay)
{
    bool held_by_kernel = exchange->phase == EXCHANGE_RELAYING && patience_is_short(exchange);
    bool sending = relay->sending_bytes > 0 || (relay->pipe && relay->pipe->bytes > 0);
    return relay->sink && (sending || held_by_kernel) && acked_some(exchange, relay->sink);
}

void exchange_on_timeout(struct exchange *exchange)
{
    bool sends_request = exchange->phase == EXCHANGE_RESPONSE_HEAD;
    if (still_taking(exchange, sends_request ? &exchange->request : &exchange->response)) {
        exchange_set_deadline(exchange);
        return;
    }
    if (patience_is_short(exchange)) {
        exchange_cancel(exchange, FAULT_CLIENT_GONE);
        return;
    }
    switch ((enum exchange_phase)exchange->phase) {
    case EXCHANGE_CONNECTING:
        attempt_failed(exchange, FAULT_CONNECT_TIMEOUT, (struct ring_done){0});
        return;
    case EXCHANGE_RESPONSE_HEAD:
        exchange_fail(exchange,
                      waits_for_body(exchange) ? FAULT_BODY_TIMEOUT : FAULT_RESPONSE_TIMEOUT);
        return;
    case EXCHANGE_RELAYING:
        exchange_fail(exchange, relay_pending(&exchange->response) ? FAULT_CLIENT_STALLED
                                                                   : FAULT_RESPONSE_STALLED);
        return;
    case EXCHANGE_REPLYING:
        exchange_cancel(exchange, FAULT_CLIENT_STALLED);
        return;
    case EXCHANGE_TUNNEL:
        exchange_cancel(exchange, FAULT_TUNNEL_IDLE);
        return;
    case EXCHANGE_QUEUED:
        queue_timed_out(exchange);
        return;
    }
}
