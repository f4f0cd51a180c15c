/* Which backend an attempt goes to. Most picks stand as the strategy makes them, after one look at
 * the backend's marks. A backend with marks is on trial, or gets less than its share for a while,
 * or was barred a moment after it was picked. */
#include "proxy/proxy_internal.h"

enum {
    POOL_WORDS = (BALANCE_BACKENDS_MAX + 63) / 64,
    CLOSER_LOOKS_MAX = 16, /* then the first that was only to have less is good enough */
};

static u32 pick_from(struct exchange *exchange, const u64 *left_out)
{
    struct proxy *proxy = exchange->proxy;
    u32 pool = exchange->route->pool;
    const struct snapshot_pool *at = &exchange->snapshot->pools[pool];
    const struct balance_request request = {
        .load = &at->load,
        .tried = left_out,
        .key = exchange->key,
        .rng = &proxy->rng,
    };
    return balance_pick(at->balances[proxy->worker], &request);
}

static const struct config_pool *pool_of(const struct exchange *exchange)
{
    return &exchange->snapshot->config->pools[exchange->route->pool];
}

static void leave_out(u64 *left_out, u32 member)
{
    left_out[member / 64] |= 1ull << (member % 64);
}

/* Until when the member may be asked; UINT64_MAX, but for backends that are removed. */
static u64 due_ns(const struct exchange *exchange, u32 member)
{
    return removal_due_ns(exchange, pool_of(exchange)->backends[member]);
}

/* Of as many words as the pool needs: those that failed this request already, and those that were
 * removed too long ago. */
static void leave_out_lost(const struct exchange *exchange, u64 *left_out)
{
    const struct proxy *proxy = exchange->proxy;
    u32 count = pool_of(exchange)->backend_count;
    memset(left_out, 0, (count + 63) / 64 * sizeof(u64));
    for (u32 i = 0; i < exchange->tried_count; i++)
        leave_out(left_out, exchange->tried[i]);
    for (u32 i = 0; exchange->snapshot != proxy->snapshot && i < count; i++)
        if (due_ns(exchange, i) <= proxy_now_ns(proxy))
            leave_out(left_out, i);
}

/* ---- A closer look ---- */

enum look {
    LOOK_TAKE,
    LOOK_LESS, /* not this time: it is to have less than its share, or was removed */
    LOOK_NOT,  /* it is barred, or its trial is somebody else's, or it was removed long ago */
};

/* Clients that stay with a backend come back to it one after the other, and once each. */
static u32 draw(struct exchange *exchange)
{
    return pool_of(exchange)->strategy == BALANCE_IP_HASH
               ? (u32)(hash_mix64(exchange->key) >> 48)
               : (u32)(rng_next(&exchange->proxy->rng) >> 48);
}

static bool take_trial(struct exchange *exchange, u32 slot)
{
    if (!state_circuit_try(exchange->proxy->state, slot))
        return false;
    exchange->trial = CIRCUIT_TRIAL_HELD;
    if (exchange->request.state == RELAY_FLOWING)
        uploads_add(exchange);
    return true;
}

static enum look look_at(struct exchange *exchange, u32 member)
{
    struct state *state = exchange->proxy->state;
    const struct snapshot_pool *pool = &exchange->snapshot->pools[exchange->route->pool];
    u32 slot = pool->load.slots[member];
    u32 marks = state_backend_marks(state, slot);
    u64 end_ns = due_ns(exchange, member);
    if (end_ns <= proxy_now_ns(exchange->proxy))
        return LOOK_NOT;
    removal_watch(exchange->proxy, end_ns);
    if ((marks & STATE_BARS) != 0) /* in panic it may be chosen all the same */
        return balance_bit(pool->usable, member) ? LOOK_TAKE : LOOK_NOT;
    if (end_ns < UINT64_MAX) /* a trial would be for nobody */
        return (marks & STATE_ON_TRIAL) != 0 ? LOOK_NOT : LOOK_LESS;
    if ((marks & STATE_ON_TRIAL) != 0)
        return take_trial(exchange, slot) ? LOOK_TAKE : LOOK_NOT;
    if ((marks & STATE_RAMPING) != 0 &&
        draw(exchange) >= state_ramp(state, slot, proxy_now_ns(exchange->proxy)))
        return LOOK_LESS;
    return LOOK_TAKE;
}

/* `member` was picked from those that are not left out. */
static u32 look_closer(struct exchange *exchange, u64 *left_out, u32 member)
{
    u32 second_best = BALANCE_NONE;
    for (u32 i = 0; i < CLOSER_LOOKS_MAX && member != BALANCE_NONE; i++) {
        enum look look = look_at(exchange, member);
        if (look == LOOK_TAKE)
            return member;
        if (look == LOOK_LESS && second_best == BALANCE_NONE)
            second_best = member;
        leave_out(left_out, member);
        member = pick_from(exchange, left_out);
    }
    return second_best;
}

/* `member` was picked from all; BALANCE_NONE: nobody was yet. Apart from choose(), so that the
 * usual first choice does not pay for a large stack frame. */
static __attribute__((noinline)) u32 choose_closely(struct exchange *exchange, u32 member)
{
    u64 left_out[POOL_WORDS];
    leave_out_lost(exchange, left_out);
    if (member == BALANCE_NONE)
        member = pick_from(exchange, left_out);
    return look_closer(exchange, left_out, member);
}

/* The backend of the client's session. It stays there while a backend is to have less than its
 * share, and whatever its weight. */
static __attribute__((noinline)) u32 pick_session(struct exchange *exchange)
{
    u32 member = exchange->session;
    if (member == BALANCE_NONE || exchange->tried_count > 0 ||
        !balance_bit(exchange->snapshot->pools[exchange->route->pool].usable, member))
        return BALANCE_NONE;
    return look_at(exchange, member) != LOOK_NOT ? member : BALANCE_NONE;
}

/* ---- Room: backends with maxConnections ---- */

static const struct config_backend *backend_at(const struct exchange *exchange, u32 member)
{
    return &exchange->snapshot->config->backends[pool_of(exchange)->backends[member]];
}

static bool take_room(struct exchange *exchange, u32 member)
{
    u32 most = backend_at(exchange, member)->connections_max;
    u32 slot = exchange->snapshot->pools[exchange->route->pool].load.slots[member];
    struct state *state = exchange->proxy->state;
    u32 worker = exchange->proxy->worker;
    exchange->has_room = most == 0 || state_backend_enter(state, worker, slot, most);
    if (most == 0)
        state_backend_begin(state, worker, slot);
    if (!exchange->has_room && exchange->trial != CIRCUIT_TRIAL_NONE) {
        state_circuit_untried(state, slot);
        exchange->trial = CIRCUIT_TRIAL_NONE;
    }
    return exchange->has_room;
}

static void leave_out_full(const struct exchange *exchange, u64 *left_out)
{
    const struct balance_load *load = &exchange->snapshot->pools[exchange->route->pool].load;
    for (u32 i = 0; i < pool_of(exchange)->backend_count; i++) {
        u32 most = backend_at(exchange, i)->connections_max;
        if (most > 0 && balance_active(load, i) >= most)
            leave_out(left_out, i);
    }
}

/* The one that was picked first is full. */
static __attribute__((noinline)) u32 find_room(struct exchange *exchange)
{
    enum { RACES_LOST_MAX = 4 }; /* then it is as full as that */
    u64 left_out[POOL_WORDS];
    leave_out_lost(exchange, left_out);
    for (u32 i = 0; i < RACES_LOST_MAX; i++) {
        leave_out_full(exchange, left_out);
        u32 member = look_closer(exchange, left_out, pick_from(exchange, left_out));
        if (member == BALANCE_NONE)
            break;
        if (take_room(exchange, member))
            return member;
    }
    return CHOICE_FULL;
}

static u32 choose(struct exchange *exchange, bool fresh)
{
    if (UNLIKELY(exchange->route->sticky_cookie)) {
        u32 session = pick_session(exchange);
        if (session != BALANCE_NONE)
            return session;
    }
    if (UNLIKELY(!fresh))
        return choose_closely(exchange, BALANCE_NONE);
    u32 member = pick_from(exchange, NULL);
    if (member == BALANCE_NONE)
        return member;
    u32 slot = exchange->snapshot->pools[exchange->route->pool].load.slots[member];
    u32 marks = state_backend_marks(exchange->proxy->state, slot);
    return LIKELY((marks & ~(u32)STATE_FAILING) == 0) ? member : choose_closely(exchange, member);
}

u32 choice_make(struct exchange *exchange, bool fresh)
{
    u32 member = choose(exchange, fresh);
    if (LIKELY(!exchange->route->limited) || member == BALANCE_NONE ||
        !pool_of(exchange)->limited || take_room(exchange, member))
        return member;
    return find_room(exchange);
}
