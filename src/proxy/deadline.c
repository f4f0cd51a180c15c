/*
 * What an exchange waits for, how long, and what happens then: one timer, the client's, whose
 * meaning depends on the phase.
 */
#include <errno.h>

#include "base/clock.h"
#include "proxy/proxy_internal.h"

/* There is more to come of the request, and nothing of it to be sent. */
static bool lacks_body(const struct exchange *exchange)
{
    return exchange->request.state == RELAY_FLOWING && !relay_pending(&exchange->request);
}

bool exchange_waits_for_body(const struct exchange *exchange)
{
    const struct relay *response = &exchange->response;
    if (LIKELY(exchange->request.state != RELAY_FLOWING))
        return false;
    bool invited = response->sent_bytes > 0 || relay_pending(response); /* 100 Continue */
    if (exchange->expect_continue && exchange->request.body_bytes == 0 && !invited)
        return false; /* the client waits for the backend as we do */
    return lacks_body(exchange);
}

static u32 phase_timeout_ms(const struct exchange *exchange)
{
    const struct config_timeouts *timeouts = &exchange->route->timeouts;
    switch ((enum exchange_phase)exchange->phase) {
    case EXCHANGE_CONNECTING:
        return timeouts->connect_ms;
    case EXCHANGE_BACKING_OFF:
        return exchange->route->retry.backoff_max_ms;
    case EXCHANGE_RESPONSE_HEAD:
        return exchange_waits_for_body(exchange) ? timeouts->request_body_idle_ms
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
    return !transport_unfinished(&exchange->client->transport) &&
           !relay_pending(&exchange->response) && exchange->phase != EXCHANGE_TUNNEL &&
           exchange->route->timeouts.half_close_ms < phase_timeout_ms(exchange);
}

/* timeouts.perTry applies: the request is with the backend, and somebody else may be asked. */
static bool try_limited(const struct exchange *exchange)
{
    bool connecting = exchange->phase == EXCHANGE_CONNECTING;
    bool asked = exchange->phase == EXCHANGE_RESPONSE_HEAD && relay_handed_over(&exchange->request);
    return exchange->route->timeouts.per_try_ms > 0 && (connecting || asked) &&
           retry_conceivable(exchange);
}

u64 exchange_asked_ns(const struct exchange *exchange)
{
    const struct relay *request = &exchange->request;
    bool streamed = exchange->phase == EXCHANGE_RESPONSE_HEAD &&
                    request->body_bytes > exchange->inline_body_len;
    return streamed ? request->sending_since_ns : exchange->attempt_ns;
}

static u32 ms_until(u64 until_ns, u64 now_ns)
{
    u64 left_ns = until_ns - min_u64(until_ns, now_ns);
    return (u32)min_u64(left_ns / NS_PER_MS + (left_ns % NS_PER_MS > 0), UINT32_MAX);
}

static u32 try_left_ms(const struct exchange *exchange)
{
    u64 since_ns = exchange_asked_ns(exchange), now_ns = proxy_now_ns(exchange->proxy);
    u64 try_ns =
        max_u64(since_ns, exchange->extended_ns) + exchange->route->timeouts.per_try_ms * NS_PER_MS;
    u64 until_ns = min_u64(try_ns, since_ns + phase_timeout_ms(exchange) * NS_PER_MS);
    return ms_until(until_ns, now_ns);
}

/* When something is to be done before a timeout. */
static u32 sooner_ms(const struct exchange *exchange)
{
    u32 try_ms = try_limited(exchange) ? try_left_ms(exchange) : UINT32_MAX;
    u32 hedge_ms = ms_until(hedge_due_ns(exchange), proxy_now_ns(exchange->proxy));
    return min_u32(try_ms, hedge_ms);
}

void exchange_begin_deadline(struct exchange *exchange)
{
    const struct config_timeouts *timeouts = &exchange->route->timeouts;
    u32 timeout_ms =
        patience_is_short(exchange) ? timeouts->half_close_ms : phase_timeout_ms(exchange);
    if (UNLIKELY(exchange->route->impatient))
        timeout_ms = min_u32(timeout_ms, sooner_ms(exchange));
    client_set_deadline(exchange->client, timeout_ms);
}

void exchange_set_deadline(struct exchange *exchange)
{
    /* In these it is set once, when they begin. */
    const u32 set_once =
        1u << EXCHANGE_CONNECTING | 1u << EXCHANGE_QUEUED | 1u << EXCHANGE_BACKING_OFF;
    if (!(set_once >> exchange->phase & 1))
        exchange_begin_deadline(exchange);
}

/* Of the phase's timeout, which began with the phase; or until something is to be done before. */
static u32 left_ms(const struct exchange *exchange)
{
    bool connecting = exchange->phase == EXCHANGE_CONNECTING;
    u64 since_ns = connecting ? exchange->attempt_ns : exchange->connected_ns;
    u64 until_ns = since_ns + phase_timeout_ms(exchange) * NS_PER_MS;
    return min_u32(ms_until(until_ns, proxy_now_ns(exchange->proxy)), sooner_ms(exchange));
}

void exchange_resume_deadline(struct exchange *exchange)
{
    client_set_deadline(exchange->client, left_ms(exchange));
}

/* True when the timer was set for a second attempt: it is time for that, or was to be. */
static bool hedge_timed(struct exchange *exchange)
{
    u64 due_ns = hedge_due_ns(exchange);
    if (due_ns <= proxy_now_ns(exchange->proxy)) {
        hedge_begin(exchange);
        return true;
    }
    if (due_ns == UINT64_MAX || left_ms(exchange) == 0)
        return false;
    exchange_resume_deadline(exchange);
    return true;
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

/* Nobody is asked before there is a descriptor for that. */
static struct retry_reason connect_reason(const struct exchange *exchange)
{
    if (LIKELY(!upstream_awaits_descriptor(exchange->upstream)))
        return (struct retry_reason){.fault = FAULT_CONNECT_TIMEOUT};
    return (struct retry_reason){.fault = FAULT_EXHAUSTED,
                                 .done = {.status = RING_EXHAUSTED, .error = EMFILE}};
}

/* timeouts.perTry is over: somebody else is asked. While that is not possible this backend has as
 * much time again, until the phase's timeout. False when that is over, too. */
static bool try_timed_out(struct exchange *exchange)
{
    if (!try_limited(exchange) || try_left_ms(exchange) > 0)
        return false;
    const struct retry_reason reason = exchange->phase == EXCHANGE_CONNECTING
                                           ? connect_reason(exchange)
                                           : (struct retry_reason){.fault = FAULT_TRY_TIMEOUT};
    if (hedge_fall_back(exchange, &reason) || retry_elsewhere(exchange, &reason))
        return true;
    exchange->extended_ns = proxy_now_ns(exchange->proxy);
    if (try_left_ms(exchange) == 0)
        return false;
    exchange_begin_deadline(exchange);
    return true;
}

/* True when the timer was set to timeouts.perTry while somebody else could be asked, and now nobody
 * can (a hedge has used up the retries, or the proxy is stopping): the phase's timeout counts. */
static bool phase_goes_on(struct exchange *exchange)
{
    bool connecting = exchange->phase == EXCHANGE_CONNECTING;
    bool asked = exchange->phase == EXCHANGE_RESPONSE_HEAD && relay_handed_over(&exchange->request);
    if (exchange->route->timeouts.per_try_ms == 0 || !(connecting || asked) ||
        patience_is_short(exchange))
        return false;
    u64 until_ns = exchange_asked_ns(exchange) + phase_timeout_ms(exchange) * NS_PER_MS;
    u32 left_ms = ms_until(until_ns, proxy_now_ns(exchange->proxy));
    if (left_ms > 0)
        client_set_deadline(exchange->client, left_ms);
    return left_ms > 0;
}

static void connect_timed_out(struct exchange *exchange)
{
    const struct retry_reason reason = connect_reason(exchange);
    attempt_failed(exchange, reason.fault, reason.done);
}

/* A backend that has not got all of the request is not to blame; nor is a client that waits to be
 * told that it may send it. */
static void response_timed_out(struct exchange *exchange)
{
    if (lacks_body(exchange)) {
        enum fault fault =
            exchange_waits_for_body(exchange) ? FAULT_BODY_TIMEOUT : FAULT_RESPONSE_TIMEOUT;
        record_fault(exchange, fault, 0);
        exchange_answer(exchange, fault);
        return;
    }
    if (exchange->route->limited)
        queue_sample(exchange);
    attempt_failed(exchange, FAULT_RESPONSE_TIMEOUT, (struct ring_done){0});
}

/* Whose silence it is. */
static enum fault relaying_fault(const struct exchange *exchange)
{
    if (relay_pending(&exchange->response))
        return FAULT_CLIENT_STALLED;
    return lacks_body(exchange) ? FAULT_BODY_TIMEOUT : FAULT_RESPONSE_STALLED;
}

void exchange_on_timeout(struct exchange *exchange)
{
    if (exchange->phase == EXCHANGE_BACKING_OFF) {
        attempt_begin(exchange, false);
        return;
    }
    if (hedge_timed(exchange) || try_timed_out(exchange) || phase_goes_on(exchange))
        return;
    bool sends_request = exchange->phase == EXCHANGE_RESPONSE_HEAD;
    if (still_taking(exchange, sends_request ? &exchange->request : &exchange->response)) {
        exchange_begin_deadline(exchange);
        return;
    }
    if (patience_is_short(exchange)) {
        exchange_cancel(exchange, FAULT_CLIENT_GONE);
        return;
    }
    switch ((enum exchange_phase)exchange->phase) {
    case EXCHANGE_CONNECTING:
        connect_timed_out(exchange);
        return;
    case EXCHANGE_BACKING_OFF:
        ASSERT(false); /* dealt with above */
        return;
    case EXCHANGE_RESPONSE_HEAD:
        response_timed_out(exchange);
        return;
    case EXCHANGE_RELAYING:
        exchange_fail(exchange, relaying_fault(exchange));
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
