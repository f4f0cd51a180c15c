/*
 * When leases are short: who holds many and gets nowhere gives them back, so that others are served
 * however many clients wait or are slow.
 *
 * Leases are held by
 *   - relays: what waits for the sink, what a send to it reads from, and what a receive from the
 *     source was given to fill, in both directions, and while a request waits in a queue, for a
 *     connection, or for another attempt;
 *   - clients that send their next request early (the backlog), and heads of responses that come in
 *     pieces, while an exchange is on;
 *   - upstreams that still send what their exchange has left (SETTLING) for a second or two, and
 *     refusals, which are one lease, in LINGERING for as long. Heads of requests are in inboxes.
 * Usually windows keep all of that small (relay.c), and nobody here has anything to do. But what
 * has been received cannot be given back to its sender, and one lease for each of very many is too
 * much as well. So while ring_leases_short() we look at all exchanges ten times a second. One that
 * has held some for LATE_MS, in a direction in which nothing has been sent since, is late. Of those
 * the ones that hold most are ended (503; or a cut, when the response has begun or the client has
 * not sent what a receive is armed for; each is logged and counted as `exhausted`), down to those
 * that hold their share: half of all leases, divided by the exchanges there are.
 *
 * Why that is enough: let E exchanges be late, with H leases in all. When each of them holds no
 * more than its share, H is at most half of all. So as long as more than that is with late ones,
 * there is one to be ended, until no more than three quarters are held by anybody. Who is not late
 * has sent all it had given to a sink within LATE_MS, and is paced: while leases are short that is
 * one lease and what it had asked for before. So nobody waits for leases much longer than LATE_MS,
 * whatever clients do; and exchanges that hold no more than their share, or whose sink takes what
 * it is given, are not touched.
 */
#include "base/clock.h"
#include "proxy/proxy_internal.h"

enum { LATE_MS = 100 };

/* ---- Who holds how many ---- */

static u32 relay_leases(const struct relay *relay, const struct ring *ring)
{
    u32 leases = ring_chain_leases(ring, &relay->queue);
    if (relay->sink && relay->sending_bytes > 0)
        leases += transport_leases_out(relay->sink);
    if (relay->source)
        leases += transport_leases_in(relay->source);
    return leases;
}

/* Nothing was sent for a while; what is being sent since then is not taken. */
static bool is_late(const struct exchange *exchange, const struct relay *relay)
{
    u64 since_ns = max_u64(exchange->head_ns, relay->sending_since_ns);
    return proxy_now_ns(exchange->proxy) - since_ns >= LATE_MS * NS_PER_MS;
}

/* How many leases the exchange keeps from others, and has for a while. */
static u32 late_leases(const struct exchange *exchange)
{
    const struct ring *ring = exchange->proxy->ring;
    u32 leases = 0;
    if (is_late(exchange, &exchange->request))
        leases += relay_leases(&exchange->request, ring) +
                  ring_chain_leases(ring, &exchange->client->backlog);
    if (is_late(exchange, &exchange->response))
        leases += relay_leases(&exchange->response, ring) +
                  ring_chain_leases(ring, &exchange->response_head);
    return leases;
}

static u32 most_late_leases(const struct proxy *proxy)
{
    u32 most = 0;
    list_each (node, following, &proxy->connected) {
        const struct exchange *exchange = container_of(node, struct client, node)->exchange;
        if (exchange)
            most = max_u32(most, late_leases(exchange));
    }
    return most;
}

/* ---- Giving back ---- */

/* A receive that is armed would keep its leases until the client goes: only a reset ends it now. */
static void end(struct exchange *exchange)
{
    if (transport_leases_in(&exchange->client->transport) > 0)
        exchange_cancel(exchange, FAULT_EXHAUSTED);
    else
        exchange_fail(exchange, FAULT_EXHAUSTED);
}

/* Ends those that hold more than `limit`, until so many leases are on their way back. */
static u32 end_those_above(struct proxy *proxy, u32 limit, u32 wanted)
{
    u32 freed = 0;
    list_each (node, following, &proxy->connected) {
        struct exchange *exchange = container_of(node, struct client, node)->exchange;
        u32 leases = exchange ? late_leases(exchange) : 0;
        if (leases <= limit)
            continue;
        end(exchange);
        freed += leases;
        if (freed >= wanted)
            break;
    }
    return freed;
}

/* Those that hold most first: each round takes those that hold more than half of what the one with
 * most in the round before did. */
static void give_back(struct proxy *proxy)
{
    u32 all = ring_lease_count(proxy->ring), held = ring_leases_held(proxy->ring);
    u32 wanted = held - min_u32(held, all - all / 4);
    u32 share = all / 2 / max_u32(proxy->exchanges.in_use, 1);
    u32 limit = most_late_leases(proxy);
    while (wanted > 0 && limit > share) {
        limit = max_u32(limit / 2, share);
        wanted -= min_u32(wanted, end_those_above(proxy, limit, wanted));
    }
}

static void on_due(struct wheel_timer *timer)
{
    struct proxy *proxy = container_of(timer, struct proxy, scarcity);
    if (!ring_leases_short(proxy->ring))
        return;
    give_back(proxy);
    wheel_set(proxy->wheel, timer, proxy_now_ns(proxy) + LATE_MS * NS_PER_MS);
}

void scarcity_after_turn(struct proxy *proxy)
{
    bool watched = proxy->scarcity.deadline_ns > 0;
    if (UNLIKELY(ring_leases_short(proxy->ring) && !watched))
        wheel_set(proxy->wheel, &proxy->scarcity, proxy_now_ns(proxy) + LATE_MS * NS_PER_MS);
}

void scarcity_init(struct proxy *proxy)
{
    wheel_timer_init(&proxy->scarcity, on_due);
}

void scarcity_stop(struct proxy *proxy)
{
    wheel_clear(proxy->wheel, &proxy->scarcity);
}
