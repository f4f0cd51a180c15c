/*
 * Hedging: a GET or HEAD that waits for its response longer than most do is sent to a second
 * backend as well, and the first response counts. (Dean and Barroso, "The Tail at Scale", CACM
 * 2013: deferring the second request until the first has been outstanding for longer than the 95th
 * percentile of expected latencies costs about 5 % more load and takes most of the tail away.)
 *
 *   one attempt --percentile passed--> two --a final response's head--> one, the other is ended
 *                                       |
 *                                       +----- one of them fails -----> one, the other goes on
 *
 * An exchange has one attempt. While there are two, the second one is its rival: what an exchange
 * knows of its attempt, put aside. Whenever something happens to the rival's connection, the two
 * change places first; so everything else deals with an attempt as if it were the only one, and
 * has to ask for a rival only where an attempt fails, where one has won, and where the exchange
 * ends. What is kept aside hears of its connection by events of its own, and has a timer of its
 * own: an exchange without a rival pays for none of this.
 *
 * The second attempt is one of the request's retries and is counted in their budget; it is chosen
 * as a retry is, so that it gets no more from a backend than any other request. Whoever is ended
 * is no failure of its backend. The response of one attempt is dealt with from its first byte to
 * its last before anything of the other's may be: no client ever gets bytes of two final ones.
 */
#include "base/clock.h"
#include "proxy/proxy_internal.h"
#include "state/hedges.h"

/* What an exchange knows of its attempt. */
struct attempt {
    struct upstream *upstream;
    struct transport *sink; /* of the request: NULL before the connection and when it takes none */
    struct slice head;      /* of the request, not sent yet */
    struct lease_chain response_head;
    u64 begun_ns;
    u64 connected_ns;
    u64 extended_ns;
    u64 acked_bytes;
    u64 sending_since_ns;
    u32 sending_bytes;
    u32 member;
    u32 backend;
    u8 phase;
    u8 request_state; /* enum relay_state */
    u8 hedge;         /* enum exchange_hedge: which of the two it is */
    u8 number;
    u8 trial; /* enum circuit_trial */
    bool counted;
    bool reused;
    bool keep_upstream;
};

/* The attempt that the exchange does not have at the moment. */
struct rival {
    struct exchange *exchange;
    struct wheel_timer timer; /* what the client's is for the other one */
    struct attempt attempt;
    u8 number; /* of the exchange's attempt */
};

static const struct upstream_events rival_events;

usize hedge_rival_bytes(void)
{
    return sizeof(struct rival);
}

/* ---- Changing places ---- */

static struct attempt attempt_read(const struct exchange *exchange, u8 number)
{
    const struct relay *request = &exchange->request;
    return (struct attempt){
        .upstream = exchange->upstream,
        .sink = request->sink,
        .head = request->head,
        .response_head = exchange->response_head,
        .begun_ns = exchange->attempt_ns,
        .connected_ns = exchange->connected_ns,
        .extended_ns = exchange->extended_ns,
        .acked_bytes = exchange->acked_bytes,
        .sending_since_ns = request->sending_since_ns,
        .sending_bytes = request->sending_bytes,
        .member = exchange->tried[exchange->tried_count],
        .backend = exchange->backend,
        .phase = exchange->phase,
        .request_state = request->state,
        .hedge = exchange->hedge,
        .number = number,
        .trial = exchange->trial,
        .counted = exchange->counted,
        .reused = exchange->reused,
        .keep_upstream = exchange->keep_upstream,
    };
}

static void attempt_write(struct exchange *exchange, const struct attempt *attempt)
{
    struct relay *request = &exchange->request;
    exchange->upstream = attempt->upstream;
    exchange->response.source = attempt->upstream ? &attempt->upstream->transport : NULL;
    request->sink = attempt->sink;
    request->head = attempt->head;
    exchange->response_head = attempt->response_head;
    exchange->attempt_ns = attempt->begun_ns;
    exchange->connected_ns = attempt->connected_ns;
    exchange->extended_ns = attempt->extended_ns;
    exchange->acked_bytes = attempt->acked_bytes;
    request->sending_since_ns = attempt->sending_since_ns;
    request->sending_bytes = attempt->sending_bytes;
    exchange->tried[exchange->tried_count] = attempt->member;
    exchange->backend = attempt->backend;
    exchange->phase = attempt->phase;
    request->state = attempt->request_state;
    exchange->hedge = attempt->hedge;
    exchange->trial = attempt->trial;
    exchange->counted = attempt->counted;
    exchange->reused = attempt->reused;
    exchange->keep_upstream = attempt->keep_upstream;
}

/* Nobody paces what comes for an attempt that is put aside: its head is wanted. */
static void hear_as_rival(const struct attempt *attempt)
{
    upstream_set_events(attempt->upstream, &rival_events);
    if (attempt->phase == EXCHANGE_RESPONSE_HEAD)
        transport_read(&attempt->upstream->transport, RECV_STREAM, 0);
}

static void set_timer(struct wheel *wheel, struct wheel_timer *timer, u64 deadline_ns)
{
    if (deadline_ns > 0)
        wheel_set(wheel, timer, deadline_ns);
    else
        wheel_clear(wheel, timer);
}

static void change_places(struct exchange *exchange)
{
    struct rival *rival = exchange->rival;
    struct wheel *wheel = exchange->proxy->wheel;
    struct wheel_timer *timer = &exchange->client->timer;
    const struct attempt next = rival->attempt;
    u64 deadline_ns = timer->deadline_ns;
    rival->attempt = attempt_read(exchange, rival->number);
    rival->number = next.number;
    attempt_write(exchange, &next);
    upstream_set_events(next.upstream, &attempt_events);
    hear_as_rival(&rival->attempt);
    set_timer(wheel, timer, rival->timer.deadline_ns);
    set_timer(wheel, &rival->timer, deadline_ns);
}

static void rival_release(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    struct rival *rival = exchange->rival;
    exchange->rival = NULL;
    wheel_clear(proxy->wheel, &rival->timer);
    slab_release(&proxy->rivals, rival);
}

/* ---- Beginning ---- */

static bool is_read_only(const struct exchange *exchange)
{
    return exchange->method == HTTP_METHOD_GET || exchange->method == HTTP_METHOD_HEAD;
}

/* It has not failed anywhere before, and nothing of the request can be lost. A trial is to be
 * decided, however long that takes. A backend was asked, and the client is there. When any of this
 * changes, the deadline is set anew. */
static bool is_of_the_kind(const struct exchange *exchange)
{
    bool waits =
        exchange->phase == EXCHANGE_CONNECTING || exchange->phase == EXCHANGE_RESPONSE_HEAD;
    return waits && is_read_only(exchange) && exchange->hedge == HEDGE_POSSIBLE &&
           exchange->tried_count == 0 && exchange->request.body == HTTP_BODY_NONE &&
           !exchange->upgrade && exchange->trial == CIRCUIT_TRIAL_NONE &&
           !upstream_awaits_descriptor(exchange->upstream) &&
           transport_unfinished(&exchange->client->transport);
}

u64 hedge_due_ns(const struct exchange *exchange)
{
    if (!exchange->route->hedged || !is_of_the_kind(exchange))
        return UINT64_MAX;
    u64 delay_us = state_hedge_delay_us(exchange->proxy->state, exchange_route_slot(exchange));
    u64 least_ns = exchange->route->retry.hedge.delay_min_ms * NS_PER_MS;
    return delay_us > 0 ? exchange->attempt_ns + max_u64(delay_us * NS_PER_US, least_ns)
                        : UINT64_MAX;
}

static struct state_hedges *figures_of(const struct exchange *exchange)
{
    return &exchange->proxy->hedges[exchange_route_slot(exchange)];
}

static void on_timeout(struct wheel_timer *timer)
{
    struct rival *rival = container_of(timer, struct rival, timer);
    struct exchange *exchange = rival->exchange;
    change_places(exchange);
    exchange_on_timeout(exchange);
}

/* The exchange's attempt becomes the rival of one that is to begin. */
static void put_aside(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    struct rival *rival = slab_acquire(&proxy->rivals);
    ASSERT(rival); /* there is one for each exchange */
    *rival = (struct rival){.exchange = exchange, .number = (u8)(exchange->attempts + 1)};
    wheel_timer_init(&rival->timer, on_timeout);
    exchange->hedge = HEDGE_BEHIND;
    exchange_resume_deadline(exchange);
    wheel_set(proxy->wheel, &rival->timer, exchange->client->timer.deadline_ns);
    rival->attempt = attempt_read(exchange, exchange->attempts);
    hear_as_rival(&rival->attempt);
    exchange->rival = rival;
    struct attempt fresh = {
        .request_state = RELAY_ENDED, .phase = EXCHANGE_CONNECTING, .hedge = HEDGE_AHEAD};
    lease_chain_init(&fresh.response_head);
    attempt_write(exchange, &fresh);
}

/* Who may be asked; false, and counted why, when nobody may. */
static bool choose(struct exchange *exchange, struct retry_choice *choice)
{
    if (exchange->proxy->last_responses) /* it is stopping, or has too much to do as it is */
        return false;
    enum retry_denial denial = retry_judge(exchange, FAULT_TRY_TIMEOUT, choice);
    if (denial == RETRY_DENIAL_COUNT)
        return true;
    state_hedge_add(figures_of(exchange), denial == RETRY_DENIED_BUDGET
                                              ? STATE_HEDGE_DENIED_BUDGET
                                              : STATE_HEDGE_DENIED_BACKEND);
    return false;
}

void hedge_begin(struct exchange *exchange)
{
    struct retry_choice choice = {0};
    if (!choose(exchange, &choice)) {
        exchange->hedge = HEDGE_DENIED;
        exchange_resume_deadline(exchange);
        return;
    }
    state_hedge_add(figures_of(exchange), STATE_HEDGE_STARTED);
    put_aside(exchange);
    attempt_choose(exchange, choice.member);
    exchange->trial = choice.trial;
    exchange->has_room = choice.has_room;
    attempt_begin(exchange, false);
}

/* ---- What the rival's connection tells ---- */

static struct exchange *its_turn(struct transport *transport)
{
    struct upstream *upstream = container_of(transport, struct upstream, transport);
    struct exchange *exchange = upstream->user;
    change_places(exchange);
    ASSERT(exchange->upstream == upstream);
    return exchange;
}

static void on_connected(struct upstream *upstream, struct ring_done done)
{
    (void)its_turn(&upstream->transport);
    attempt_events.on_connected(upstream, done);
}

static void on_begun(struct upstream *upstream)
{
    (void)its_turn(&upstream->transport);
    attempt_events.on_begun(upstream);
}

static void on_data(struct transport *transport, struct lease_chain *data)
{
    (void)its_turn(transport);
    attempt_events.transport.on_data(transport, data);
}

static void on_paused(struct transport *transport)
{
    (void)its_turn(transport);
    attempt_events.transport.on_paused(transport);
}

static void on_end(struct transport *transport)
{
    (void)its_turn(transport);
    attempt_events.transport.on_end(transport);
}

static void on_sent(struct transport *transport)
{
    (void)its_turn(transport);
    attempt_events.transport.on_sent(transport);
}

static void on_lost(struct transport *transport, struct ring_done done)
{
    (void)its_turn(transport);
    attempt_events.transport.on_lost(transport, done);
}

static void on_send_failed(struct transport *transport, struct ring_done done)
{
    (void)its_turn(transport);
    attempt_events.transport.on_send_failed(transport, done);
}

static const struct upstream_events rival_events = {
    .transport = {.on_data = on_data,
                  .on_paused = on_paused,
                  .on_end = on_end,
                  .on_sent = on_sent,
                  .on_lost = on_lost,
                  .on_send_failed = on_send_failed},
    .on_connected = on_connected,
    .on_begun = on_begun,
};

/* ---- The end of one of the two ---- */

bool hedge_fall_back(struct exchange *exchange, const struct retry_reason *reason)
{
    struct rival *rival = exchange->rival;
    if (LIKELY(!rival))
        return false;
    retry_give_up(exchange, reason);
    exchange->tried_count++;
    attempt_write(exchange, &rival->attempt);
    upstream_set_events(exchange->upstream, &attempt_events);
    set_timer(exchange->proxy->wheel, &exchange->client->timer, rival->timer.deadline_ns);
    if (exchange->hedge == HEDGE_BEHIND)
        retry_budget_leave(exchange); /* the hedge is what has failed */
    rival_release(exchange);
    return true;
}

/* Nothing is learnt of its backend but that it was slow. */
static void end_rival(struct exchange *exchange)
{
    struct rival *rival = exchange->rival;
    const struct attempt winner = attempt_read(exchange, rival->number);
    attempt_write(exchange, &rival->attempt);
    ring_chain_return(exchange->proxy->ring, &exchange->response_head);
    attempt_end(exchange, false);
    attempt_write(exchange, &winner);
    rival_release(exchange);
}

/* The time of a first attempt that lost counts as well, as far as it went: else only those that
 * were quick would, and the percentile would fall with each hedge that is won. */
static void decide(struct exchange *exchange)
{
    const struct attempt *loser = &exchange->rival->attempt;
    u64 waited_ns = proxy_now_ns(exchange->proxy) - loser->begun_ns;
    if (exchange->hedge == HEDGE_AHEAD)
        state_latency_add(&figures_of(exchange)->latencies, waited_ns / NS_PER_US);
    else
        retry_budget_leave(exchange);
    end_rival(exchange);
}

void hedge_decide(struct exchange *exchange)
{
    if (exchange->rival)
        decide(exchange);
    if (exchange->hedge != HEDGE_AHEAD)
        return;
    exchange->hedge = HEDGE_WON;
    state_hedge_add(figures_of(exchange), STATE_HEDGE_WON);
}

void hedge_begin_deadline(struct exchange *exchange)
{
    if (LIKELY(!exchange->rival))
        return;
    change_places(exchange);
    exchange_begin_deadline(exchange);
    change_places(exchange);
}

void hedge_change_places(struct exchange *exchange)
{
    if (exchange->rival)
        change_places(exchange);
}

void hedge_call_off(struct exchange *exchange)
{
    if (exchange->rival)
        end_rival(exchange);
}

/* ---- For figures and records ---- */

void hedge_sample(struct exchange *exchange, u64 latency_us)
{
    if (is_read_only(exchange))
        state_latency_add(&figures_of(exchange)->latencies, latency_us);
}

u8 hedge_attempt_number(const struct exchange *exchange)
{
    return exchange->rival ? exchange->rival->number : exchange->attempts;
}
