/*
 * Trying again: whether, where and when.
 *
 *   connecting failed                    on another backend, whatever the request: it never left
 *   an idle connection had died          once on a fresh one, if the request may be sent again
 *   reset, timeout, no HTTP response,    on another backend, if the request may be sent again
 *   retry.statuses                       (retry.methods, and its body was kept) and the budget
 *                                        of the pool allows it
 *
 * Nobody is tried twice for one request. When it cannot be tried again, what has failed is
 * answered: a backend's own response as it came, all else with a page.
 */
#include "base/clock.h"
#include "proxy/proxy_internal.h"

static const struct config_retry *settings_of(const struct exchange *exchange)
{
    return &exchange->route->retry;
}

bool retry_repeatable(const struct exchange *exchange)
{
    bool idempotent = http_method_idempotent((enum http_method)exchange->method);
    return (idempotent || settings_of(exchange)->methods == CONFIG_RETRY_ALL) && !exchange->upgrade;
}

/* Nothing of the request is lost. */
static bool whole(const struct exchange *exchange)
{
    const struct relay *request = &exchange->request;
    return !request->lost && request->state != RELAY_BROKEN;
}

static bool more_allowed(const struct exchange *exchange)
{
    return exchange->tried_count < min_u32(settings_of(exchange)->retries, TRIED_MAX - 1);
}

bool retry_conceivable(const struct exchange *exchange)
{
    bool sent = exchange->phase != EXCHANGE_CONNECTING;
    return more_allowed(exchange) && !proxy_turns_away(exchange->proxy) &&
           (!sent || (retry_repeatable(exchange) && whole(exchange)));
}

/* ---- The budget ---- */

/* Retries are counted with the pool's first backend, so that they are known across workers, routes
 * and configurations; pools that begin alike share one figure. */
static u32 budget_slot(const struct exchange *exchange)
{
    return exchange->snapshot->pools[exchange->route->pool].load.slots[0];
}

/* Requests in progress at the pool's backends. */
static u64 pool_active(const struct exchange *exchange)
{
    const struct snapshot *snapshot = exchange->snapshot;
    u32 pool = exchange->route->pool;
    u64 active = 0;
    for (u32 i = 0; i < snapshot->config->pools[pool].backend_count; i++)
        active += balance_active(&snapshot->pools[pool].load, i);
    return active;
}

static bool budget_enter(struct exchange *exchange)
{
    const struct config_retry *retry = settings_of(exchange);
    struct state *state = exchange->proxy->state;
    u32 slot = budget_slot(exchange);
    u64 allowed = retry->budget_percent < 100 ? retry->budget_min : UINT32_MAX;
    if (exchange->dues & DUE_BUDGET)
        return true;
    if (state_retries(state, slot) >= allowed)
        allowed = max_u64(allowed, pool_active(exchange) * retry->budget_percent / 100);
    if (!state_retry_enter(state, slot, (u32)min_u64(allowed, UINT32_MAX)))
        return false;
    exchange->dues |= DUE_BUDGET;
    return true;
}

void retry_budget_leave(struct exchange *exchange)
{
    state_retry_leave(exchange->proxy->state, budget_slot(exchange));
    exchange->dues &= (u8)~DUE_BUDGET;
}

/* ---- Whether and where ---- */

const char *retry_denial_name(enum retry_denial denial)
{
    static const char *const names[RETRY_DENIAL_COUNT] = {
        [RETRY_DENIED_LIMIT] = "limit",   [RETRY_DENIED_METHOD] = "method",
        [RETRY_DENIED_BODY] = "body",     [RETRY_DENIED_BACKEND] = "no_backend",
        [RETRY_DENIED_BUDGET] = "budget", [RETRY_DENIED_STOPPING] = "stopping",
    };
    ASSERT(denial < RETRY_DENIAL_COUNT);
    return names[denial];
}

/* The attempt goes on, for all that is known yet. */
static bool choose(struct exchange *exchange, struct retry_choice *choice)
{
    u8 trial = exchange->trial;
    exchange->trial = CIRCUIT_TRIAL_NONE;
    exchange->tried_count++;
    choice->member = choice_make(exchange, false);
    exchange->tried_count--;
    choice->trial = exchange->trial;
    choice->has_room = exchange->has_room;
    exchange->trial = trial;
    exchange->has_room = false;
    return choice->member != BALANCE_NONE && choice->member != CHOICE_FULL;
}

enum retry_denial retry_judge(struct exchange *exchange, enum fault fault,
                              struct retry_choice *choice)
{
    bool begun = fault_row(fault)->retry != RETRY_OTHER; /* a backend may be at work */
    bool budgeted = (exchange->dues & DUE_BUDGET) != 0;
    if (!more_allowed(exchange))
        return RETRY_DENIED_LIMIT;
    if (proxy_turns_away(exchange->proxy)) /* who stops does not begin anything new */
        return RETRY_DENIED_STOPPING;
    if (begun && !retry_repeatable(exchange))
        return RETRY_DENIED_METHOD;
    if (begun && !whole(exchange))
        return RETRY_DENIED_BODY;
    if (begun && !budget_enter(exchange))
        return RETRY_DENIED_BUDGET;
    if (choose(exchange, choice))
        return RETRY_DENIAL_COUNT;
    if ((exchange->dues & DUE_BUDGET) && !budgeted)
        retry_budget_leave(exchange);
    return RETRY_DENIED_BACKEND;
}

/* ---- When ---- */

/* Full jitter (Brooker 2015): anything from nothing to a bound that doubles. The first retry asks
 * somebody who has not failed yet, and need not wait. */
static u32 backoff_ms(struct exchange *exchange)
{
    const struct config_retry *retry = settings_of(exchange);
    u32 doublings = exchange->tried_count - 1u;
    if (exchange->tried_count < 2)
        return 0;
    u64 bound = min_u64((u64)retry->backoff_ms << (doublings - 1), retry->backoff_max_ms);
    return rng_below(&exchange->proxy->rng, (u32)bound + 1);
}

void retry_give_up(struct exchange *exchange, const struct retry_reason *reason)
{
    bool by_status = reason->fault == FAULT_BAD_STATUS;
    record_fault(exchange, reason->fault, by_status ? reason->status : reason->done.error);
    if (!by_status)
        outcome_failed(exchange, reason->fault, reason->done);
    attempt_end(exchange, reason->reusable);
    ring_chain_return(exchange->proxy->ring, &exchange->response_head);
    exchange->connected_ns = 0;
    exchange->first_byte_ns = 0;
    exchange->extended_ns = 0;
    if (exchange->hedge == HEDGE_AHEAD)
        exchange->hedge = HEDGE_BEHIND;
}

bool retry_elsewhere(struct exchange *exchange, const struct retry_reason *reason)
{
    struct proxy *proxy = exchange->proxy;
    struct retry_choice choice = {0};
    if (fault_row(reason->fault)->retry == RETRY_NEVER || settings_of(exchange)->retries == 0)
        return false;
    enum retry_denial denial = retry_judge(exchange, reason->fault, &choice);
    if (denial != RETRY_DENIAL_COUNT) {
        if (exchange->extended_ns == 0) /* else it has been counted for this attempt */
            proxy->counters.retries_denied[denial]++;
        return false;
    }
    retry_give_up(exchange, reason);
    proxy->counters.retries++;
    exchange->tried_count++;
    attempt_choose(exchange, choice.member);
    exchange->trial = choice.trial;
    exchange->has_room = choice.has_room;
    u32 pause_ms = backoff_ms(exchange);
    if (pause_ms == 0) {
        attempt_begin(exchange, false);
        return true;
    }
    exchange->phase = EXCHANGE_BACKING_OFF;
    client_set_deadline(exchange->client, pause_ms);
    relay_pump(&exchange->request, proxy); /* paces the client meanwhile */
    return true;
}

bool retry_stale(struct exchange *exchange, const struct retry_reason *reason)
{
    if (fault_row(reason->fault)->retry != RETRY_FRESH || exchange->retried_stale ||
        !retry_repeatable(exchange) || !whole(exchange))
        return false;
    /* Its place at the backend stays its own. */
    struct proxy *proxy = exchange->proxy;
    state_backend_begin(proxy->state, proxy->worker, exchange_backend_slot(exchange));
    retry_give_up(exchange, reason);
    proxy->counters.retries++;
    exchange->has_room = true;
    exchange->retried_stale = true;
    attempt_begin(exchange, true);
    return true;
}
