/*
 * Exchanges and tunnels whose backend or route is not configured any more: they go on by the
 * configuration that they began with, but not for ever (timeouts.removedDrain). One timer for all
 * of them, and a look at every client when it fires; nothing is done for each request.
 *
 * None is missed: whenever an exchange of an earlier configuration is on something removed, the
 * timer is set to the end of its time, or earlier. The proxy sets it when it goes on to another
 * configuration, for all that is removed by then, and when it fires, for all that is left. Who
 * comes later has been chosen (choice.c): that sets it, too, and is not possible after that time.
 */
#include "state/removal.h"
#include "base/clock.h"
#include "proxy/proxy_internal.h"

/* The end of the time of what was removed then; UINT64_MAX: there is none. */
static u64 due_ns(const struct proxy *proxy, u64 since_ns)
{
    u64 limit_ns = proxy->config->timeouts.removed_drain_ms * NS_PER_MS;
    return limit_ns == 0 || since_ns == UINT64_MAX ? UINT64_MAX : since_ns + limit_ns;
}

u64 removal_due_ns(const struct exchange *exchange, u32 backend)
{
    const struct proxy *proxy = exchange->proxy;
    const struct snapshot *snapshot = exchange->snapshot;
    if (LIKELY(snapshot == proxy->snapshot))
        return UINT64_MAX;
    return due_ns(proxy, state_removed_ns(proxy->state, STATE_URL, snapshot->url_slots[backend]));
}

/* Of the exchange as it is now: with its attempt, or without one. */
static u64 exchange_due_ns(const struct exchange *exchange)
{
    const struct proxy *proxy = exchange->proxy;
    const struct snapshot *snapshot = exchange->snapshot;
    u32 pattern = snapshot->pattern_slots[exchange->route - snapshot->config->routes];
    u64 route_ns = due_ns(proxy, state_removed_ns(proxy->state, STATE_PATTERN, pattern));
    bool attempting = exchange->upstream || exchange->phase == EXCHANGE_BACKING_OFF;
    return attempting ? min_u64(route_ns, removal_due_ns(exchange, exchange->backend)) : route_ns;
}

/* Of two attempts one may have to end and the other may not. Returns when what is left is due; the
 * exchange may be over. */
static u64 end_what_is_due(struct exchange *exchange)
{
    const struct retry_reason reason = {.fault = FAULT_REMOVED};
    u64 now_ns = proxy_now_ns(exchange->proxy), next_ns = UINT64_MAX;
    for (u32 attempts = exchange->rival ? 2 : 1; attempts > 0; attempts--) {
        u64 end_ns = exchange_due_ns(exchange);
        if (end_ns > now_ns) {
            next_ns = min_u64(next_ns, end_ns);
            hedge_change_places(exchange);
        } else if (!hedge_fall_back(exchange, &reason)) {
            exchange_fail(exchange, FAULT_REMOVED);
            return UINT64_MAX;
        }
    }
    return next_ns;
}

static void on_due(struct wheel_timer *timer)
{
    struct proxy *proxy = container_of(timer, struct proxy, removal);
    list_each (node, following, &proxy->connected) {
        struct exchange *exchange = container_of(node, struct client, node)->exchange;
        if (exchange && exchange->snapshot != proxy->snapshot)
            removal_watch(proxy, end_what_is_due(exchange));
    }
}

void removal_init(struct proxy *proxy)
{
    wheel_timer_init(&proxy->removal, on_due);
}

void removal_watch(struct proxy *proxy, u64 end_ns)
{
    u64 set_ns = proxy->removal.deadline_ns;
    if (end_ns < UINT64_MAX && (set_ns == 0 || end_ns < set_ns))
        wheel_set(proxy->wheel, &proxy->removal, end_ns);
}

void removal_adopt(struct proxy *proxy)
{
    removal_stop(proxy);
    removal_watch(proxy, due_ns(proxy, snapshot_removed_since_ns(proxy->snapshot)));
}

void removal_stop(struct proxy *proxy)
{
    wheel_clear(proxy->wheel, &proxy->removal);
}
