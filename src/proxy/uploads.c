/* See uploads.h. */
#include "proxy/uploads.h"

#include "base/clock.h"
#include "proxy/proxy_internal.h"

enum {
    LOOK_MS = 1000,
    PATIENCE_MS = 5000, /* a client may be silent for so long, at any time */
};

static struct exchange *exchange_at(struct list *node)
{
    return container_of(node, struct exchange, upload.node);
}

static u64 bytes_of(const struct exchange *exchange)
{
    return exchange->request.body_bytes + exchange->response.sent_bytes;
}

static void set_timer(struct uploads *uploads, struct proxy *proxy)
{
    wheel_set(proxy->wheel, &uploads->timer, proxy_now_ns(proxy) + LOOK_MS * NS_PER_MS);
}

void uploads_add(struct exchange *exchange)
{
    struct uploads *uploads = &exchange->proxy->uploads;
    if (exchange->dues & DUE_UPLOAD)
        return;
    exchange->dues |= DUE_UPLOAD;
    exchange->upload = (struct upload){.bytes = bytes_of(exchange)};
    if (list_empty(&uploads->exchanges) && uploads->timer.deadline_ns == 0)
        set_timer(uploads, exchange->proxy);
    list_push_back(&uploads->exchanges, &exchange->upload.node);
}

void uploads_remove(struct exchange *exchange)
{
    ASSERT(exchange->dues & DUE_UPLOAD);
    exchange->dues &= (u8)~DUE_UPLOAD;
    list_remove(&exchange->upload.node);
}

/* ---- Slow clients ---- */

/* Nothing but the client keeps the exchange from going on. */
static bool is_the_clients_turn(const struct exchange *exchange)
{
    return (exchange->phase == EXCHANGE_RESPONSE_HEAD || exchange->phase == EXCHANGE_RELAYING) &&
           exchange_waits_for_body(exchange);
}

/* What comes pays for the time that it takes; nobody saves up for later. */
static bool is_slow(struct exchange *exchange)
{
    struct upload *upload = &exchange->upload;
    u32 rate = exchange->route->body_rate_min;
    u64 bytes = bytes_of(exchange), came = bytes - upload->bytes;
    bool waits = is_the_clients_turn(exchange);
    u64 due_ms = upload->due_ms + (waits ? LOOK_MS : 0);
    upload->bytes = bytes;
    if (rate == 0)
        return false;
    upload->due_ms = (u32)(due_ms - min_u64(due_ms, came * 1000 / rate));
    return waits && upload->due_ms > PATIENCE_MS;
}

/* Others wait for what the exchange has; or the next one would be refused, where none may wait. */
static bool is_in_the_way(const struct exchange *exchange)
{
    const struct proxy *proxy = exchange->proxy;
    const struct state_routes *routes = proxy->queues.routes;
    u32 slot = exchange_route_slot(exchange);
    u32 others = exchange->route->queue_max > 0 ? state_route_waiting(routes, slot) : 1;
    u32 places = exchange->route_entered ? queue_places(exchange) : 0;
    u32 room = exchange->counted ? exchange_backend(exchange)->connections_max : 0;
    if (places > 0 && (u64)state_route_active(routes, slot) + others > places)
        return true;
    slot = exchange_backend_slot(exchange);
    return room > 0 && (u64)state_backend_active(proxy->state, slot) + others > room;
}

/* Its place and its room are free before the answer is sent: for the next one that is looked at
 * they count. */
static void end(struct exchange *exchange)
{
    if (exchange->route_entered)
        queue_leave(exchange);
    exchange_fail(exchange, FAULT_BODY_SLOW);
}

/* ---- Slow trials ---- */

static void pass_trial_on(struct exchange *exchange)
{
    u64 taken_ns = proxy_now_ns(exchange->proxy) - exchange->connected_ns;
    if (exchange->phase == EXCHANGE_RESPONSE_HEAD &&
        taken_ns >= exchange->route->timeouts.connect_ms * NS_PER_MS)
        outcome_late(exchange);
}

/* ---- All of them ---- */

static void look_at(struct exchange *exchange)
{
    bool flows = exchange->request.state == RELAY_FLOWING && exchange->phase != EXCHANGE_TUNNEL;
    if (!flows) {
        uploads_remove(exchange);
        return;
    }
    if (exchange->trial == CIRCUIT_TRIAL_HELD)
        pass_trial_on(exchange);
    if (is_slow(exchange) && is_in_the_way(exchange))
        end(exchange);
}

static void on_due(struct wheel_timer *timer)
{
    struct proxy *proxy = container_of(timer, struct proxy, uploads.timer);
    list_each (node, following, &proxy->uploads.exchanges)
        look_at(exchange_at(node));
    if (!list_empty(&proxy->uploads.exchanges))
        set_timer(&proxy->uploads, proxy);
}

void uploads_init(struct proxy *proxy)
{
    list_init(&proxy->uploads.exchanges);
    wheel_timer_init(&proxy->uploads.timer, on_due);
}

void uploads_stop(struct proxy *proxy)
{
    wheel_clear(proxy->wheel, &proxy->uploads.timer);
}
