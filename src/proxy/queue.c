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
    list_init(&queues->for_room);
    queues->routes = state_routes(proxy->state);
    queues->tallies = state_route_tallies(queues->routes, proxy->worker);
    queues->waits = state_route_waits(proxy->state, proxy->worker);
    queues->by_slot = region_reserve(STATE_SLOTS_MAX * sizeof(struct queue));
    return queues->tallies && queues->by_slot;
}

void queues_destroy(struct proxy *proxy)
{
    region_release(proxy->queues.by_slot, STATE_SLOTS_MAX * sizeof(struct queue));
}

static struct queue *queue_at(struct queues *queues, u32 slot)
{
    struct queue *queue = &queues->by_slot[slot];
    if (LIKELY(queue->ready))
        return queue;
    for (u32 level = 0; level < CONFIG_PRIORITY_COUNT; level++)
        list_init(&queue->levels[level]);
    list_init(&queue->waiting);
    list_init(&queue->due);
    list_init(&queue->for_room);
    queue->slot = slot;
    queue->ready = true;
    return queue;
}

static void follow(struct queue *queue, const struct config_route *route)
{
    const struct config_shedding *shedding = &route->admission.shedding;
    const struct config_adaptive *adaptive = &route->admission.adaptive;
    queue->active_max = route->active_max;
    queue->adaptive = (struct limit_gradient_settings){
        .least = adaptive->enabled ? adaptive->least : 0,
        .most = max_u32(adaptive->most, adaptive->least),
        .tolerance_percent = adaptive->tolerance_percent,
        .probe_ns = adaptive->probe_interval_ms * NS_PER_MS,
    };
    queue->shedding = (struct limit_codel_settings){
        .target_ns = shedding->enabled ? shedding->target_ms * NS_PER_MS : 0,
        .interval_ns = shedding->interval_ms * NS_PER_MS,
    };
}

/* How many the route may serve at a time; 0 = any number. */
static u32 places_of(const struct proxy *proxy, const struct queue *queue)
{
    if (LIKELY(queue->adaptive.least == 0))
        return queue->active_max;
    u32 limit =
        state_route_limit(proxy->queues.routes, queue->slot, &queue->adaptive, proxy_now_ns(proxy));
    return queue->active_max > 0 ? min_u32(limit, queue->active_max) : limit;
}

u32 queue_places(const struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    return places_of(proxy, queue_at(&proxy->queues, exchange_route_slot(exchange)));
}

static void set_due(struct queues *queues, struct queue *queue)
{
    if (list_empty(&queue->due))
        list_push_back(&queues->due, &queue->due);
}

/* ---- Their order ---- */

static struct exchange *exchange_at(struct list *node)
{
    return container_of(node, struct exchange, waiter.node);
}

/* Whose turn is next; NULL when nobody waits. */
static struct exchange *first_of(const struct queue *queue)
{
    struct exchange *first = NULL;
    for (u32 level = 0; level < CONFIG_PRIORITY_COUNT; level++) {
        if (list_empty(&queue->levels[level]))
            continue;
        struct exchange *exchange = exchange_at(queue->levels[level].next);
        if (!first || exchange->waiter.turn_ns < first->waiter.turn_ns)
            first = exchange;
    }
    return first;
}

/* The newest of the lowest priority; NULL when nobody waits. */
static struct exchange *last_of(const struct queue *queue)
{
    for (u32 level = CONFIG_PRIORITY_COUNT; level > 0; level--)
        if (!list_empty(&queue->levels[level - 1]))
            return exchange_at(queue->levels[level - 1].previous);
    return NULL;
}

static u64 oldest_ns(const struct queue *queue, u64 now_ns)
{
    u64 since_ns = now_ns;
    for (u32 level = 0; level < CONFIG_PRIORITY_COUNT; level++)
        if (!list_empty(&queue->levels[level]))
            since_ns = min_u64(since_ns, exchange_at(queue->levels[level].next)->waiter.since_ns);
    return now_ns - since_ns;
}

/* Tells the other workers when the turn of our first one is. */
static void tell_turn(struct proxy *proxy, struct queue *queue)
{
    const struct exchange *first = first_of(queue);
    state_route_tell(proxy->queues.routes, queue->slot, proxy->worker,
                     first ? first->waiter.turn_ns : 0, first && !list_empty(&queue->for_room));
}

static bool among(const struct config_values *values, struct slice value)
{
    for (u32 i = 0; i < values->count; i++)
        if (slice_equal_nocase(values->at[i], value))
            return true;
    return false;
}

static struct slice field_value(const struct http_fields *fields, struct slice name)
{
    for (u32 i = 0; i < fields->count; i++)
        if (slice_equal_nocase(http_field_name(fields, i), name))
            return http_field_value(fields, i);
    return (struct slice){0};
}

u8 queue_priority(const struct config_route *route, const struct http_request *request,
                  bool trusted)
{
    const struct config_priority *priority = &route->admission.priority;
    if (priority->header.len == 0 || !(trusted || priority->from_anyone))
        return (u8)priority->level;
    struct slice value = field_value(&request->fields, priority->header);
    if (among(&priority->high, value))
        return CONFIG_PRIORITY_HIGH;
    return among(&priority->low, value) ? CONFIG_PRIORITY_LOW : (u8)priority->level;
}

/* ---- Coming and going ---- */

/* A place among those that the route serves; one that has just come does not overtake who waits.
 * Without a limit there is no place to give back. */
static bool take_place(struct exchange *exchange, struct queue *queue, bool newcomer)
{
    struct state_routes *routes = exchange->proxy->queues.routes;
    u32 places = places_of(exchange->proxy, queue);
    if (places == 0)
        return !newcomer || state_route_waiting(routes, queue->slot) == 0;
    exchange->route_entered = newcomer ? state_route_enter(routes, queue->slot, places)
                                       : state_route_enter_next(routes, queue->slot, places);
    return exchange->route_entered;
}

/* It is of no use now: no backend has room. Another worker may have found the route full meanwhile;
 * its waiter is no better off, but would not know. */
static void give_back(struct exchange *exchange, struct queue *queue)
{
    struct proxy *proxy = exchange->proxy;
    if (!exchange->route_entered)
        return;
    exchange->route_entered = false;
    state_route_leave(proxy->queues.routes, queue->slot);
    (void)!state_route_turn(proxy->queues.routes, queue->slot, proxy->worker,
                            places_of(proxy, queue));
}

/* It has all that it may have had to wait for. */
static void begin(struct exchange *exchange, enum attempt_choice choice)
{
    if (UNLIKELY(exchange->request.state == RELAY_FLOWING))
        uploads_add(exchange);
    attempt_go(exchange, choice);
}

/* The fault that it is when the exchange cannot wait. */
static enum fault go_at_once(struct exchange *exchange, struct queue *queue)
{
    if (!take_place(exchange, queue, true))
        return places_of(exchange->proxy, queue) > 0 ? FAULT_ROUTE_FULL : FAULT_BACKENDS_FULL;
    enum attempt_choice choice = attempt_pick(exchange, true);
    if (choice == ATTEMPT_FULL) {
        give_back(exchange, queue);
        return FAULT_BACKENDS_FULL;
    }
    begin(exchange, choice);
    return FAULT_NONE;
}

static void wait_in(struct exchange *exchange, struct queue *queue)
{
    struct proxy *proxy = exchange->proxy;
    struct queues *queues = &proxy->queues;
    u64 head_start_ns = exchange->route->admission.priority.head_start_ms * NS_PER_MS;
    exchange->waiter.since_ns = proxy_now_ns(proxy);
    exchange->waiter.turn_ns = exchange->waiter.since_ns + exchange->priority * head_start_ns;
    exchange->phase = EXCHANGE_QUEUED;
    list_push_back(&queue->levels[exchange->priority], &exchange->waiter.node);
    queue->count++;
    if (list_empty(&queue->waiting))
        list_push_back(&queues->waiting, &queue->waiting);
    tell_turn(proxy, queue);
    state_tally_add(&queues->tallies[queue->slot].queued, 1);
    set_due(queues, queue); /* a place may have become free before we were known to wait */
    exchange_begin_deadline(exchange);
    relay_pump(&exchange->request, proxy); /* paces the client while there is no sink */
}

static void shed(struct exchange *exchange)
{
    u32 slot = exchange_route_slot(exchange);
    state_tally_add(&exchange->proxy->queues.tallies[slot].shed, 1);
    exchange_fail(exchange, FAULT_SHED);
}

/* A full queue has room for what is more important than the least of those in it. Of this worker's
 * own, that is: it cannot speak for those of others. */
static bool displace(struct exchange *exchange, struct queue *queue)
{
    struct exchange *last = last_of(queue);
    if (!last || last->priority <= exchange->priority)
        return false;
    shed(last);
    return state_route_wait(exchange->proxy->queues.routes, queue->slot,
                            exchange->route->queue_max);
}

/* Of a client that has sent its FIN nobody could say, while it waits, whether it is still there: it
 * does not get a place in the queue. */
static enum fault join(struct exchange *exchange, struct queue *queue, enum fault why)
{
    u32 queue_max = exchange->route->queue_max;
    if (queue_max == 0 || !transport_unfinished(&exchange->client->transport))
        return why;
    if (!state_route_wait(exchange->proxy->queues.routes, queue->slot, queue_max) &&
        !displace(exchange, queue))
        return FAULT_QUEUE_FULL;
    wait_in(exchange, queue);
    return FAULT_NONE;
}

void queue_enter(struct exchange *exchange)
{
    struct queues *queues = &exchange->proxy->queues;
    struct queue *queue = queue_at(queues, exchange_route_slot(exchange));
    follow(queue, exchange->route);
    enum fault fault = go_at_once(exchange, queue);
    if (LIKELY(fault == FAULT_NONE))
        return;
    fault = join(exchange, queue, fault);
    if (fault == FAULT_NONE)
        return;
    state_tally_add(&queues->tallies[queue->slot].refused, 1);
    exchange_fail(exchange, fault);
}

/* Says, once, when the queue stands or does not any more. */
static void note_standing(struct exchange *exchange, const struct queue *queue)
{
    u64 *standing = &exchange->proxy->queues.tallies[queue->slot].standing;
    if (*standing == queue->codel.standing)
        return;
    state_tally_add(standing, queue->codel.standing ? 1 : -1ull);
    record_queue(exchange, queue->codel.standing);
}

void queue_abandon(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    struct queues *queues = &proxy->queues;
    struct queue *queue = queue_at(queues, exchange_route_slot(exchange));
    u64 waited_ns = proxy_now_ns(proxy) - exchange->waiter.since_ns;
    exchange->queue_us = (u32)min_u64(waited_ns / NS_PER_US, UINT32_MAX);
    state_latency_add(&queues->waits[queue->slot].times, exchange->queue_us);
    state_tally_add(&queues->waits[queue->slot].us_sum, exchange->queue_us);
    list_remove(&exchange->waiter.node);
    if (--queue->count == 0) {
        list_remove(&queue->waiting);
        limit_codel_emptied(&queue->codel);
        note_standing(exchange, queue);
    }
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

static void add_sample(struct exchange *exchange, bool unanswered)
{
    struct proxy *proxy = exchange->proxy;
    struct queue *queue = queue_at(&proxy->queues, exchange_route_slot(exchange));
    const struct state_sample sample = {exchange_asked_ns(exchange), proxy_now_ns(proxy),
                                        unanswered};
    if (queue->adaptive.least > 0 && exchange->route_entered &&
        state_route_sample(proxy->queues.routes, queue->slot, &queue->adaptive, &sample))
        set_due(&proxy->queues, queue); /* there may be more places */
}

void queue_sample(struct exchange *exchange)
{
    add_sample(exchange, false);
}

void queue_sample_unanswered(struct exchange *exchange)
{
    if (exchange->phase == EXCHANGE_RESPONSE_HEAD && relay_handed_over(&exchange->request))
        add_sample(exchange, true);
}

void queue_room_freed(struct proxy *proxy)
{
    proxy->queues.room_freed = true;
}

static void rooms_due(struct queues *queues)
{
    list_each (node, following, &queues->for_room)
        set_due(queues, container_of(node, struct queue, for_room));
}

/* Tells the other workers, and looks again at all that wait for room when that is news to them:
 * somebody may have made some before it was told. */
static void tell_room(struct proxy *proxy)
{
    struct queues *queues = &proxy->queues;
    u64 turn_ns = 0, before_ns = queues->room_turn_ns;
    list_each (node, following, &queues->for_room) {
        const struct exchange *first = first_of(container_of(node, struct queue, for_room));
        if (first && (turn_ns == 0 || first->waiter.turn_ns < turn_ns))
            turn_ns =
                first->waiter.turn_ns; /* who has just emptied a queue is still to be served */
    }
    if (turn_ns == before_ns)
        return;
    queues->room_turn_ns = turn_ns;
    state_room_tell(queues->routes, proxy->worker, turn_ns);
    if (before_ns == 0 || turn_ns < before_ns)
        rooms_due(queues);
}

static void note_room(struct proxy *proxy, struct queue *queue, bool wanted)
{
    bool was = !list_empty(&queue->for_room);
    if (wanted && !was)
        list_push_back(&proxy->queues.for_room, &queue->for_room);
    if (!wanted && was) {
        list_remove(&queue->for_room);
        queue_room_freed(proxy); /* what it does not want any more others may */
    }
    if (wanted || was)
        tell_room(proxy);
    if (wanted != was)
        tell_turn(proxy, queue); /* stuck, now that it is in the rounds; or not any more */
}

static void begin_waiter(struct exchange *exchange, struct queue *queue, enum attempt_choice choice)
{
    struct proxy *proxy = exchange->proxy;
    struct state_route_tally *tally = &proxy->queues.tallies[queue->slot];
    u64 now_ns = proxy_now_ns(proxy);
    if (queue->shedding.target_ns > 0)
        limit_codel_served(&queue->codel, &queue->shedding, now_ns,
                           now_ns - exchange->waiter.since_ns);
    queue_abandon(exchange);
    state_tally_add(&tally->waited, 1);
    state_tally_add(&tally->waited_us_sum, exchange->queue_us);
    exchange->phase = EXCHANGE_CONNECTING;
    begin(exchange, choice);
}

static void shed_excess(struct proxy *proxy, struct queue *queue)
{
    u64 now_ns = proxy_now_ns(proxy);
    if (queue->shedding.target_ns == 0 || queue->count == 0)
        return;
    u32 room = limit_codel_room(&queue->codel, &queue->shedding, now_ns, oldest_ns(queue, now_ns));
    note_standing(first_of(queue), queue);
    while (queue->count > room)
        shed(last_of(queue));
}

/* One by one, because each may be another worker's turn. The last look, with nobody left here, is
 * for the others. */
static void serve(struct proxy *proxy, struct queue *queue)
{
    struct queues *queues = &proxy->queues;
    enum attempt_choice choice = ATTEMPT_PICKED;
    while (choice != ATTEMPT_FULL &&
           state_route_turn(queues->routes, queue->slot, proxy->worker, places_of(proxy, queue))) {
        struct exchange *first = first_of(queue);
        if (!take_place(first, queue, false))
            break;
        choice = attempt_pick(first, first->snapshot == proxy->snapshot);
        if (choice == ATTEMPT_FULL)
            give_back(first, queue);
        else
            begin_waiter(first, queue, choice);
    }
    note_room(proxy, queue, choice == ATTEMPT_FULL);
    shed_excess(proxy, queue);
}

static void all_due(struct queues *queues)
{
    list_each (node, following, &queues->waiting)
        set_due(queues, container_of(node, struct queue, waiting));
}

/* Begins a round when there may be more room. True when this worker is the first in it. */
static bool round_begins_here(struct proxy *proxy)
{
    struct queues *queues = &proxy->queues;
    if (!queues->room_freed)
        return false;
    queues->room_freed = false;
    if (!state_room_free(queues->routes, proxy->worker))
        return false;
    rooms_due(queues);
    return true;
}

void queues_run(struct proxy *proxy)
{
    struct queues *queues = &proxy->queues;
    u64 turn_ns = queues->room_turn_ns;
    bool called = state_worker_called(queues->routes, proxy->worker);
    if (UNLIKELY(called)) {
        all_due(queues);
        upstreams_called(proxy->upstreams);
    }
    called |= round_begins_here(proxy);
    while (!list_empty(&queues->due)) {
        serve(proxy, container_of(list_pop_front(&queues->due), struct queue, due));
        called |= round_begins_here(proxy);
    }
    if (called && turn_ns > 0)
        state_room_pass(queues->routes, proxy->worker, turn_ns);
}

/* Who waits has asked no backend yet: one that has come since may serve it. */
static void waiters_follow(struct queue *queue, const struct config_route *route)
{
    for (u32 level = 0; level < CONFIG_PRIORITY_COUNT; level++)
        list_each (node, following, &queue->levels[level])
            exchange_follow(exchange_at(node), route);
}

/* A route that is not configured any more keeps its last limits for those that still wait. */
void queues_adopt(struct proxy *proxy)
{
    struct queues *queues = &proxy->queues;
    const struct snapshot *snapshot = proxy->snapshot;
    for (u32 i = 0; i < snapshot->config->pool_count; i++)
        queues->rooms |= snapshot->config->pools[i].limited;
    if (list_empty(&queues->waiting))
        return;
    for (u32 i = 0; i < snapshot->config->route_count; i++) {
        struct queue *queue = &queues->by_slot[snapshot->route_slots[i]];
        follow(queue, &snapshot->config->routes[i]);
        if (queue->count > 0)
            waiters_follow(queue, &snapshot->config->routes[i]);
    }
    all_due(queues);
}
