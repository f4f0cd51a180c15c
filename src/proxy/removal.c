/*
 * Exchanges and tunnels whose backend or route is not configured any more: they go on by the
 * configuration that they began with, but not for ever (timeouts.removedDrain). One timer for all
 * of them, and a look at every client when it fires; nothing is done for each request.
 */
#include "state/removal.h"
#include "base/clock.h"
#include "proxy/proxy_internal.h"

/* Since when the exchange is on something that was removed; 0: it is not. */
static u64 removed_ns(const struct exchange *exchange)
{
    const struct snapshot *snapshot = exchange->snapshot;
    const struct state *state = exchange->proxy->state;
    u32 route = (u32)(exchange->route - snapshot->config->routes);
    u64 route_ns = state_removed_ns(state, STATE_PATTERN, snapshot->pattern_slots[route]);
    u64 backend_ns = 0;
    if (exchange->upstream)
        backend_ns = state_removed_ns(state, STATE_URL, snapshot->url_slots[exchange->backend]);
    return route_ns == 0 || backend_ns == 0 ? max_u64(route_ns, backend_ns)
                                            : min_u64(route_ns, backend_ns);
}

/* The earliest end of those that still have time. */
static u64 end_those_due(struct proxy *proxy, u64 limit_ns)
{
    u64 now_ns = proxy_now_ns(proxy), next_ns = UINT64_MAX;
    list_each (node, following, &proxy->connected) {
        struct exchange *exchange = container_of(node, struct client, node)->exchange;
        if (!exchange || exchange->snapshot == proxy->snapshot)
            continue;
        u64 since_ns = removed_ns(exchange);
        if (since_ns > 0 && since_ns + limit_ns <= now_ns)
            exchange_fail(exchange, FAULT_REMOVED);
        else if (since_ns > 0)
            next_ns = min_u64(next_ns, since_ns + limit_ns);
    }
    return next_ns;
}

static void on_due(struct wheel_timer *timer)
{
    struct proxy *proxy = container_of(timer, struct proxy, removal);
    u64 limit_ns = proxy->config->timeouts.removed_drain_ms * NS_PER_MS;
    u64 next_ns = end_those_due(proxy, limit_ns);
    if (next_ns < UINT64_MAX)
        wheel_set(proxy->wheel, &proxy->removal, next_ns);
}

void removal_init(struct proxy *proxy)
{
    wheel_timer_init(&proxy->removal, on_due);
}

void removal_adopt(struct proxy *proxy)
{
    u64 limit_ns = proxy->config->timeouts.removed_drain_ms * NS_PER_MS;
    u64 since_ns = proxy->snapshot->removed_since_ns;
    wheel_clear(proxy->wheel, &proxy->removal);
    if (limit_ns > 0 && since_ns < UINT64_MAX)
        wheel_set(proxy->wheel, &proxy->removal, since_ns + limit_ns);
}

void removal_stop(struct proxy *proxy)
{
    wheel_clear(proxy->wheel, &proxy->removal);
}
