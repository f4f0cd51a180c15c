/* See include/upstream.h. */
#include "upstream.h"

#include <errno.h>

#include "base/clock.h"
#include "state.h"
#include "state/connections.h"
#include "upstream/upstream_internal.h"

#define SWEEP_NS NS_PER_S
#define IDLE_STACKS_BYTES (STATE_SLOTS_MAX * sizeof(struct idle_stack))

static const struct upstream_events idle_events;
static const struct upstream_events closing_events;

static struct upstream *upstream_of(struct transport *transport)
{
    return container_of(transport, struct upstream, transport);
}

void upstream_move(struct upstream *upstream, enum upstream_state next)
{
    ASSERT(upstream->state != UPSTREAM_CLOSING);
    trace_event("upstream", upstream->state, next);
    if (upstream->state == UPSTREAM_IDLE) {
        list_remove(&upstream->node);
        upstream->owner->idle[upstream->slot].count--;
        upstream->owner->idle_total--;
    } else if (upstream->state == UPSTREAM_SETTLING) {
        list_remove(&upstream->node);
        upstream->owner->idle_total--;
    } else if (upstream->state == UPSTREAM_CONNECTING) {
        list_remove(&upstream->node);
    }
    upstream->state = (u8)next;
}

void upstream_serve(struct upstream *upstream, const struct upstream_events *events, void *user)
{
    upstream->events = events;
    upstream->transport.events = &events->transport;
    upstream->user = user;
    upstream->transport.recv.next_touched = user;
}

/* ---- Places ---- */

static void discard_oldest(struct idle_stack *idle)
{
    upstream_discard(container_of(idle->connections.previous, struct upstream, node), false);
}

bool upstreams_shed_one(struct upstreams *upstreams)
{
    for (u32 i = 0; i < upstreams->idle_end && upstreams->idle_total > 0; i++) {
        u32 slot = upstreams->next_shed++ % upstreams->idle_end;
        struct idle_stack *idle = &upstreams->idle[slot];
        if (idle->count == 0)
            continue;
        discard_oldest(idle);
        return true;
    }
    return false;
}

static bool fits(const struct upstreams *upstreams, u32 slot)
{
    u32 limit = upstreams->idle[slot].limit;
    return limit == 0 || state_connections(upstreams->with.state, slot) <= limit;
}

static void discard_excess(struct upstreams *upstreams, u32 slot)
{
    struct idle_stack *idle = &upstreams->idle[slot];
    while (idle->count > 0 && !fits(upstreams, slot))
        discard_oldest(idle);
}

/* For one that has just been opened: in place of an idle one, ours or another worker's. */
static void make_room(struct upstreams *upstreams, u32 slot)
{
    discard_excess(upstreams, slot);
    if (!fits(upstreams, slot))
        state_connections_call(upstreams->with.state, upstreams->with.worker, slot);
}

/* A place for a new connection, in that of an idle one if need be: what is being closed has a place
 * of its own until the kernel lets go. */
static struct upstream *take_place(struct upstreams *upstreams)
{
    u32 alive = upstreams->slab.in_use - upstreams->closing;
    if (UNLIKELY(alive >= upstreams->with.connections_max) && !upstreams_shed_one(upstreams))
        return NULL;
    return slab_acquire(&upstreams->slab);
}

static struct upstream *connect_new(struct upstreams *upstreams, struct upstream_target target,
                                    void *user, i32 *error)
{
    struct upstream *upstream = take_place(upstreams);
    if (!upstream) {
        *error = EMFILE;
        return NULL;
    }
    *upstream = (struct upstream){.owner = upstreams,
                                  .slot = target.slot,
                                  .state = UPSTREAM_CONNECTING,
                                  .requests = 1,
                                  .events = upstreams->with.events,
                                  .user = user};
    list_init(&upstream->node);
    if (!upstream_connect(upstream, target.address, error)) {
        slab_release(&upstreams->slab, upstream);
        return NULL;
    }
    state_connection_opened(upstreams->with.state, upstreams->with.worker, target.slot);
    if (UNLIKELY(upstreams->idle[target.slot].limit > 0))
        make_room(upstreams, target.slot);
    return upstream;
}

struct upstream *upstream_acquire(struct upstreams *upstreams, struct upstream_target target,
                                  bool fresh, void *user, i32 *error)
{
    struct idle_stack *idle = &upstreams->idle[target.slot];
    if (fresh || idle->count == 0)
        return connect_new(upstreams, target, user, error);
    struct upstream *upstream = container_of(idle->connections.next, struct upstream, node);
    upstream_move(upstream, UPSTREAM_ACTIVE);
    upstream->reused = true;
    upstream->requests++;
    upstream_serve(upstream, upstreams->with.events, user);
    return upstream;
}

void upstream_set_events(struct upstream *upstream, const struct upstream_events *events)
{
    ASSERT(upstream->state == UPSTREAM_CONNECTING || upstream->state == UPSTREAM_ACTIVE);
    upstream_serve(upstream, events, upstream->user);
}

/* ---- Idling ---- */

/* Connections that wait for the next request leave room for backends that have none. */
static u32 idle_until(u32 connections_max)
{
    enum { RESERVED_SHARE = 8 };
    u32 reserved = max_u32(connections_max / RESERVED_SHARE, 1);
    return connections_max > 1 ? connections_max - reserved : 1;
}

/* As long as it is one of those that the backend may have, whoever needs it next. */
static bool within_limit(const struct upstreams *upstreams, u32 slot)
{
    const struct idle_stack *idle = &upstreams->idle[slot];
    return idle->limit > 0 && idle->count < upstreams->limits.idle_max && fits(upstreams, slot);
}

static bool worth_keeping(const struct upstreams *upstreams, const struct upstream *upstream)
{
    const struct config_upstream *limits = &upstreams->limits;
    const struct idle_stack *idle = &upstreams->idle[upstream->slot];
    return !upstreams->draining && idle->adopted == upstreams->adoptions &&
           transport_readable(&upstream->transport) &&
           (LIKELY(idle->count < idle->idle_max) || within_limit(upstreams, upstream->slot)) &&
           upstreams->slab.in_use <= idle_until(limits->connections_max) &&
           (limits->requests_max == 0 || upstream->requests < limits->requests_max);
}

static void wait_as(struct upstream *upstream, enum upstream_state state)
{
    struct upstreams *upstreams = upstream->owner;
    upstream_move(upstream, state);
    upstream_serve(upstream, &idle_events, NULL);
    transport_stream(&upstream->transport);
    upstream->idle_since_ns = ring_now_ns(upstreams->with.ring);
    if (upstreams->idle_total++ == 0)
        wheel_set(upstreams->with.wheel, &upstreams->sweep, upstream->idle_since_ns + SWEEP_NS);
}

void upstream_release(struct upstream *upstream)
{
    struct upstreams *upstreams = upstream->owner;
    ASSERT(upstream->state == UPSTREAM_ACTIVE || upstream->state == UPSTREAM_SETTLING);
    if (!worth_keeping(upstreams, upstream)) {
        upstream_discard(upstream, false);
    } else if (upstream->transport.sending) {
        wait_as(upstream, UPSTREAM_SETTLING);
        list_push_back(&upstreams->settling, &upstream->node);
    } else {
        wait_as(upstream, UPSTREAM_IDLE);
        list_push_front(&upstreams->idle[upstream->slot].connections, &upstream->node);
        upstreams->idle[upstream->slot].count++;
    }
}

static void on_settled(struct transport *transport)
{
    upstream_release(upstream_of(transport));
}

static void on_idle_data(struct transport *transport, struct lease_chain *data)
{
    /* Nobody asked: whatever this is, it must not become the answer to the next request. */
    ring_chain_return(transport->ring, data);
    upstream_discard(upstream_of(transport), true);
}

static void on_idle_end(struct transport *transport)
{
    upstream_discard(upstream_of(transport), false);
}

static void on_idle_lost(struct transport *transport, struct ring_done done)
{
    (void)done;
    upstream_discard(upstream_of(transport), false);
}

static const struct upstream_events idle_events = {
    .transport = {.on_data = on_idle_data,
                  .on_end = on_idle_end,
                  .on_lost = on_idle_lost,
                  .on_paused = transport_read_on,
                  .on_sent = on_settled,
                  .on_send_failed = on_idle_lost},
};

/* A backend that answers a request and does not read it to the end is not waited for. */
static void sweep_settling(struct upstreams *upstreams, u64 now_ns)
{
    while (!list_empty(&upstreams->settling)) {
        struct upstream *oldest = container_of(upstreams->settling.next, struct upstream, node);
        if (now_ns - oldest->idle_since_ns < SWEEP_NS)
            break;
        upstream_discard(oldest, true);
    }
}

/* Closes what was idle for too long: the oldest are at the back of each stack. */
static void on_sweep(struct wheel_timer *timer)
{
    struct upstreams *upstreams = container_of(timer, struct upstreams, sweep);
    u64 now_ns = ring_now_ns(upstreams->with.ring);
    u64 timeout_ns = upstreams->limits.idle_timeout_ms * NS_PER_MS;
    sweep_settling(upstreams, now_ns);
    for (u32 slot = 0; slot < upstreams->idle_end && upstreams->idle_total > 0; slot++) {
        struct idle_stack *idle = &upstreams->idle[slot];
        while (idle->count > 0) {
            struct upstream *oldest =
                container_of(idle->connections.previous, struct upstream, node);
            if (now_ns - oldest->idle_since_ns < timeout_ns)
                break;
            upstream_discard(oldest, false);
        }
    }
    if (upstreams->idle_total > 0)
        wheel_set(upstreams->with.wheel, timer, now_ns + SWEEP_NS);
}

/* ---- The end ---- */

static void on_closed(struct transport *transport)
{
    struct upstream *upstream = upstream_of(transport);
    struct upstreams *upstreams = upstream->owner;
    upstreams->closing--;
    slab_release(&upstreams->slab, upstream);
    upstreams_connect_waiting(upstreams);
}

static const struct upstream_events closing_events = {.transport = {.on_closed = on_closed}};

void upstream_discard(struct upstream *upstream, bool reset)
{
    if (upstream->state == UPSTREAM_CLOSING)
        return;
    bool connecting = upstream->state == UPSTREAM_CONNECTING && upstream->connect_op.owed;
    upstream_move(upstream, UPSTREAM_CLOSING);
    upstream->owner->closing++;
    state_connection_closed(upstream->owner->with.state, upstream->owner->with.worker,
                            upstream->slot);
    upstream_serve(upstream, &closing_events, NULL);
    if (connecting)
        ring_cancel(upstream->owner->with.ring, &upstream->connect_op);
    else
        transport_close(&upstream->transport, reset);
}

static void discard_idle(struct idle_stack *idle)
{
    while (idle->count > 0)
        upstream_discard(container_of(idle->connections.next, struct upstream, node), false);
}

u32 upstreams_shed(struct upstreams *upstreams, u32 count)
{
    u32 shed = 0;
    for (u32 slot = 0; slot < upstreams->idle_end && shed < count; slot++) {
        struct idle_stack *idle = &upstreams->idle[slot];
        for (; idle->count > 0 && shed < count; shed++)
            discard_oldest(idle);
    }
    return shed;
}

void upstreams_drain(struct upstreams *upstreams)
{
    upstreams->draining = true;
    while (!list_empty(&upstreams->settling))
        upstream_discard(container_of(upstreams->settling.next, struct upstream, node), false);
    for (u32 slot = 0; slot < upstreams->idle_end; slot++)
        discard_idle(&upstreams->idle[slot]);
}

void upstreams_adopt(struct upstreams *upstreams, const struct config_upstream *limits,
                     const u32 *slots, u32 count)
{
    upstreams->limits = *limits;
    upstreams->adoptions++;
    for (u32 i = 0; i < count; i++) {
        struct idle_stack *idle = &upstreams->idle[slots[i]];
        if (idle->adopted == 0)
            list_init(&idle->connections);
        idle->adopted = upstreams->adoptions;
        idle->idle_max = limits->idle_max;
        idle->limit = 0;
        upstreams->idle_end = max_u32(upstreams->idle_end, slots[i] + 1);
    }
    for (u32 slot = 0; slot < upstreams->idle_end; slot++)
        if (upstreams->idle[slot].adopted != upstreams->adoptions)
            discard_idle(&upstreams->idle[slot]);
    list_each (node, following, &upstreams->settling) {
        struct upstream *upstream = container_of(node, struct upstream, node);
        if (upstreams->idle[upstream->slot].adopted != upstreams->adoptions)
            upstream_discard(upstream, false); /* its slot may be another backend's soon */
    }
}

void upstreams_limit(struct upstreams *upstreams, u32 slot, u32 most)
{
    struct idle_stack *idle = &upstreams->idle[slot];
    ASSERT(idle->adopted == upstreams->adoptions && most > 0);
    idle->idle_max = 0;
    idle->limit = most;
    discard_excess(upstreams, slot);
}

void upstreams_called(struct upstreams *upstreams)
{
    for (u32 slot = 0; slot < upstreams->idle_end && upstreams->idle_total > 0; slot++)
        if (upstreams->idle[slot].limit > 0)
            discard_excess(upstreams, slot);
}

u32 upstreams_places(u32 connections_max)
{
    return 2 * connections_max;
}

u32 upstreams_count(const struct upstreams *upstreams)
{
    return upstreams->slab.in_use;
}

struct upstreams *upstreams_create(struct arena *arena,
                                   const struct upstreams_environment *environment)
{
    struct upstreams *upstreams = arena_alloc(arena, sizeof(*upstreams));
    upstreams->with = *environment;
    list_init(&upstreams->settling);
    list_init(&upstreams->waiting);
    wheel_timer_init(&upstreams->sweep, on_sweep);
    upstreams->idle = region_reserve(IDLE_STACKS_BYTES);
    if (!upstreams->idle)
        return NULL;
    u32 places = upstreams_places(environment->connections_max);
    if (slab_init(&upstreams->slab, sizeof(struct upstream), places))
        return upstreams;
    region_release(upstreams->idle, IDLE_STACKS_BYTES);
    return NULL;
}

void upstreams_destroy(struct upstreams *upstreams)
{
    wheel_clear(upstreams->with.wheel, &upstreams->sweep);
    slab_deinit(&upstreams->slab);
    region_release(upstreams->idle, IDLE_STACKS_BYTES);
}
