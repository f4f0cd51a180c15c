/* Exchanges that wait for their turn. See queue.h, and include/state/routes.h for what workers say
 * to each other about it. */
#include "proxy/queue.h"

#include "base/clock.h"
#include "proxy/proxy_internal.h"

/* ---- Queues ---- */

bool queues_create(struct proxy *proxy)
{
    struct queues *queues = &proxy->queues;
    list_init(&queues->waiting);
    list_init(&queues->due);
    queues->routes = state_routes(proxy->state);
    queues->tallies = state_route_tallies(queues->routes, proxy->worker);
    queues->by_slot = region_reserve(STATE_SLOTS_MAX * sizeof(struct queue), false);
    return queues->tallies && queues->by_slot;
}

void queues_destroy(struct proxy *proxy)
{
    region_release(proxy->queues.by_slot, STATE_SLOTS_MAX * sizeof(struct queue));
}

static struct queue *queue_at(struct queues *queues, u32 slot)
{
    struct queue *queue = &queues->by_slot[slot];
    if (UNLIKELY(!queue->ready)) {
        list_init(&queue->waiters);
        list_init(&queue->waiting);
        list_init(&queue->due);
        queue->slot = slot;
        queue->ready = true;
    }
    return queue;
}

static struct exchange *exchange_at(struct list *node)
{
    return container_of(node, struct exchange, waiter.node);
}

static void set_due(struct queues *queues, struct queue *queue)
{
    if (list_empty(&queue->due))
        list_push_back(&queues->due, &queue->due);
}

/* Tells the other workers when the turn of our first one is. */
static void tell_turn(struct proxy *proxy, struct queue *queue)
{
    bool none = list_empty(&queue->waiters);
    u64 turn_ns = none ? 0 : exchange_at(queue->waiters.next)->waiter.since_ns;
    state_route_tell(proxy->queues.routes, queue->slot, proxy->worker, turn_ns);
}

/* ---- Coming and going ---- */

static void take_place(struct exchange *exchange)
{
    exchange->route_entered = true;
    attempt_start(exchange);
}

static void wait_in(struct exchange *exchange, struct queue *queue)
{
    struct proxy *proxy = exchange->proxy;
    struct queues *queues = &proxy->queues;
    exchange->waiter.since_ns = proxy_now_ns(proxy);
    exchange->phase = EXCHANGE_QUEUED;
    list_push_back(&queue->waiters, &exchange->waiter.node);
    if (list_empty(&queue->waiting))
        list_push_back(&queues->waiting, &queue->waiting);
    tell_turn(proxy, queue);
    state_tally_add(&queues->tallies[queue->slot].queued, 1);
    set_due(queues, queue); /* a place may have become free before we were known to wait */
    exchange_begin_deadline(exchange);
    relay_pump(&exchange->request, proxy); /* paces the client while there is no sink */
}

/* Of a client that has sent its FIN nobody could say, while it waits, whether it is still there: it
 * does not get a place in the queue. */
static enum fault join(struct exchange *exchange, struct queue *queue)
{
    u32 queue_max = exchange->route->queue_max;
    if (queue_max == 0 || !transport_readable(&exchange->client->transport))
        return FAULT_ROUTE_FULL;
    if (!state_route_wait(exchange->proxy->queues.routes, queue->slot, queue_max))
        return FAULT_QUEUE_FULL;
    wait_in(exchange, queue);
    return FAULT_NONE;
}

void queue_enter(struct exchange *exchange)
{
    struct queues *queues = &exchange->proxy->queues;
    struct queue *queue = queue_at(queues, exchange_route_slot(exchange));
    queue->active_max = exchange->route->active_max;
    if (state_route_enter(queues->routes, queue->slot, queue->active_max)) {
        take_place(exchange);
        return;
    }
    enum fault fault = join(exchange, queue);
    if (fault == FAULT_NONE)
        return;
    state_tally_add(&queues->tallies[queue->slot].refused, 1);
    exchange_fail(exchange, fault);
}

void queue_abandon(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    struct queues *queues = &proxy->queues;
    struct queue *queue = queue_at(queues, exchange_route_slot(exchange));
    u64 waited_ns = proxy_now_ns(proxy) - exchange->waiter.since_ns;
    exchange->queue_us = (u32)min_u64(waited_ns / NS_PER_US, UINT32_MAX);
    list_remove(&exchange->waiter.node);
    if (list_empty(&queue->waiters))
        list_remove(&queue->waiting);
    state_route_unwait(queues->routes, queue->slot);
    tell_turn(proxy, queue);
    set_due(queues, queue); /* the turn may have been ours: it passes on to somebody else */
}

void queue_timed_out(struct exchange *exchange)
{
    u32 slot = exchange_route_slot(exchange);
    state_tally_add(&exchange->proxy->queues.tallies[slot].timed_out, 1);
    exchange_fail(exchange, FAULT_QUEUE_TIMEOUT);
}

void queue_leave(struct exchange *exchange)
{
    struct queues *queues = &exchange->proxy->queues;
    struct queue *queue = queue_at(queues, exchange_route_slot(exchange));
    exchange->route_entered = false;
    state_route_leave(queues->routes, queue->slot);
    set_due(queues, queue);
}

/* ---- Whose turn it is ---- */

/* Its route may have lost its limit while it waited: then there is no place to give back. */
static bool enter_next(struct queues *queues, struct queue *queue, struct exchange *exchange)
{
    if (queue->active_max == 0)
        return true;
    exchange->route_entered =
        state_route_enter_next(queues->routes, queue->slot, queue->active_max);
    return exchange->route_entered;
}

static void begin_waiter(struct exchange *exchange)
{
    struct state_route_tally *tally =
        &exchange->proxy->queues.tallies[exchange_route_slot(exchange)];
    queue_abandon(exchange);
    state_tally_add(&tally->waited, 1);
    state_tally_add(&tally->waited_us_sum, exchange->queue_us);
    exchange->phase = EXCHANGE_CONNECTING;
    attempt_start(exchange);
}

/* One by one, because each may be another worker's turn. The last look, with nobody left here, is
 * for the others. */
static void serve(struct proxy *proxy, struct queue *queue)
{
    struct queues *queues = &proxy->queues;
    while (state_route_turn(queues->routes, queue->slot, proxy->worker, queue->active_max)) {
        struct exchange *first = exchange_at(queue->waiters.next);
        if (!enter_next(queues, queue, first))
            return;
        begin_waiter(first);
    }
}

static void all_due(struct queues *queues)
{
    list_each (node, following, &queues->waiting)
        set_due(queues, container_of(node, struct queue, waiting));
}

void queues_run(struct proxy *proxy)
{
    struct queues *queues = &proxy->queues;
    if (state_worker_called(queues->routes, proxy->worker))
        all_due(queues);
    while (!list_empty(&queues->due))
        serve(proxy, container_of(list_pop_front(&queues->due), struct queue, due));
}

/* A route that is not configured any more keeps its last limits for those that still wait. */
void queues_adopt(struct proxy *proxy)
{
    struct queues *queues = &proxy->queues;
    const struct snapshot *snapshot = proxy->snapshot;
    if (list_empty(&queues->waiting))
        return;
    for (u32 i = 0; i < snapshot->config->route_count; i++)
        queues->by_slot[snapshot->route_slots[i]].active_max =
            snapshot->config->routes[i].active_max;
    all_due(queues);
}
