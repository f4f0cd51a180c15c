/* Defaults that depend on other settings. */
#include "config/build.h"

enum { ADMIN_PORT = 8081 };

static void timeout_inherit(u32 *timeout_ms, u32 from_ms)
{
    if (*timeout_ms == 0)
        *timeout_ms = from_ms;
}

static void timeouts_complete(struct settings *settings)
{
    timeout_inherit(&settings->timeouts.response_head_ms, settings->proxy.timeout_ms);
    timeout_inherit(&settings->timeouts.response_idle_ms, settings->proxy.timeout_ms);
}

/* For those that may be 0. */
static void inherit(u32 *value, u32 from)
{
    if (*value == SETTINGS_INHERITED)
        *value = from;
}

static void route_timeouts_complete(struct config_timeouts *to, const struct config_timeouts *from)
{
    timeout_inherit(&to->connect_ms, from->connect_ms);
    timeout_inherit(&to->request_head_ms, from->request_head_ms);
    timeout_inherit(&to->request_body_idle_ms, from->request_body_idle_ms);
    timeout_inherit(&to->response_head_ms, from->response_head_ms);
    timeout_inherit(&to->response_idle_ms, from->response_idle_ms);
    timeout_inherit(&to->keep_alive_ms, from->keep_alive_ms);
    timeout_inherit(&to->half_close_ms, from->half_close_ms);
    timeout_inherit(&to->tunnel_idle_ms, from->tunnel_idle_ms);
    timeout_inherit(&to->drain_ms, from->drain_ms);
    timeout_inherit(&to->drain_idle_ms, from->drain_idle_ms);
    timeout_inherit(&to->queue_ms, from->queue_ms);
    inherit(&to->per_try_ms, from->per_try_ms);
}

static void route_sticky_complete(struct config_sticky *to, const struct config_sticky *from)
{
    if (to->enabled == SETTINGS_BOOL_INHERITED)
        to->enabled = from->enabled;
    if (to->cookie_name.len == 0)
        to->cookie_name = from->cookie_name;
    timeout_inherit(&to->ttl_ms, from->ttl_ms);
    inherit(&to->source, from->source);
}

static void route_hedge_complete(struct config_hedge *to, const struct config_hedge *from)
{
    if (to->enabled == SETTINGS_BOOL_INHERITED)
        to->enabled = from->enabled;
    inherit(&to->percentile, from->percentile);
    inherit(&to->delay_min_ms, from->delay_min_ms);
}

static void route_retry_complete(struct settings_route *route, const struct settings *settings)
{
    struct settings_retry *to = &route->retry;
    const struct settings_retry *from = &settings->retry;
    inherit(&route->retries, settings->proxy.retries);
    if (to->statuses.len == 0)
        to->statuses = from->statuses;
    inherit(&to->methods, from->methods);
    inherit(&to->backoff_ms, from->backoff_ms);
    inherit(&to->backoff_max_ms, from->backoff_max_ms);
    inherit(&to->budget_percent, from->budget_percent);
    inherit(&to->budget_min, from->budget_min);
    route_hedge_complete(&to->hedge, &from->hedge);
}

static void id_complete(struct arena *arena, struct slice *id, const char *kind, u32 index)
{
    if (id->len == 0)
        *id = slice_of_string(arena_printf(arena, "%s-%u", kind, index + 1));
}

static void listeners_complete(struct settings *settings, struct arena *arena)
{
    if (settings->listeners.count == 0) {
        settings->listeners.at = arena_alloc(arena, sizeof(struct settings_listener));
        settings->listeners.count = 1;
        *settings_listener_at(settings, 0) = (struct settings_listener){
            .unix_mode = SLICE("0660"),
            .port = SETTINGS_PORT_ABSENT,
        };
    }
    for (u32 i = 0; i < settings->listeners.count; i++) {
        struct settings_listener *listener = settings_listener_at(settings, i);
        if (listener->unix_socket.len > 0)
            continue;
        if (listener->address.len == 0)
            listener->address = SLICE("*");
        if (listener->port == SETTINGS_PORT_ABSENT)
            listener->port = settings->proxy.port;
    }
}

/* A unix socket alone, unless something is said of an address, too. */
static void admin_complete(struct settings_admin *admin)
{
    bool alone = admin->unix_socket.len > 0 && admin->address.len == 0 &&
                 admin->port == SETTINGS_PORT_ABSENT;
    if (alone)
        return;
    if (admin->address.len == 0)
        admin->address = SLICE("127.0.0.1");
    if (admin->port == SETTINGS_PORT_ABSENT)
        admin->port = ADMIN_PORT;
}

static void passive_check_complete(struct config_passive_check *to,
                                   const struct config_passive_check *from)
{
    if (to->statuses.len == 0)
        to->statuses = from->statuses;
    inherit(&to->refused_max, from->refused_max);
    inherit(&to->failures_max, from->failures_max);
    inherit(&to->error_rate_percent, from->error_rate_percent);
    inherit(&to->requests_min, from->requests_min);
    inherit(&to->window_ms, from->window_ms);
    inherit(&to->ejection_ms, from->ejection_ms);
    inherit(&to->ejection_max_ms, from->ejection_max_ms);
    inherit(&to->trials, from->trials);
}

static void limits_complete(struct config_pool_limits *to, const struct config_pool_limits *from)
{
    inherit(&to->ejected_max_percent, from->ejected_max_percent);
    inherit(&to->panic_percent, from->panic_percent);
}

void settings_complete(struct settings *settings, struct arena *arena)
{
    timeouts_complete(settings);
    listeners_complete(settings, arena);
    admin_complete(&settings->admin);
    for (u32 i = 0; i < settings->backends.count; i++) {
        struct settings_backend *backend = settings_backend_at(settings, i);
        struct config_health_check *check = &backend->health_check.values;
        id_complete(arena, &backend->id, "backend", i);
        if (check->fast_interval_ms == 0)
            check->fast_interval_ms = check->interval_ms;
        passive_check_complete(&backend->passive_check, &settings->passive_check);
        inherit(&backend->slow_start_ms, settings->load_balancing.slow_start_ms);
    }
    for (u32 i = 0; i < settings->routes.count; i++) {
        struct settings_route *route = settings_route_at(settings, i);
        id_complete(arena, &route->id, "route", i);
        route_timeouts_complete(&route->timeouts, &settings->timeouts);
        route_retry_complete(route, settings);
        route_sticky_complete(&route->sticky, &settings->load_balancing.sticky.sticky);
        if (route->strategy == BALANCE_STRATEGY_COUNT)
            route->strategy = settings->load_balancing.strategy;
        limits_complete(&route->limits, &settings->load_balancing.limits);
    }
}
