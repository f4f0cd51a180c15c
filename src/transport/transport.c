/* States: include/transport.h. `owed` of the two ops decides when a transport is quiet. */
#include "transport.h"

#include <errno.h>

#include "base/clock.h"

#define RETRY_NS (10 * NS_PER_MS)
#define WATCH_NS (100 * NS_PER_MS)
enum { RETRIES_AT_ONCE = 64, WATCHED_AT_ONCE = 256 };

static struct transport *transport_of_recv(struct ring_recv *recv)
{
    return container_of(recv, struct transport, recv);
}

static bool quiet(const struct transport *transport)
{
    return !ring_recv_owed(&transport->recv) && !transport->send_op.owed;
}

/* Hands a closing transport to the reaper as soon as the kernel owes it nothing. */
static void settle(struct transport *transport)
{
    if (transport->state != TRANSPORT_CLOSING || !quiet(transport))
        return;
    transport->state = TRANSPORT_CLOSED;
    list_push_back(&transport->reaper->closed, &transport->node);
}

static void on_data(struct ring_recv *recv, struct lease_chain *data)
{
    struct transport *transport = transport_of_recv(recv);
    if (transport->state == TRANSPORT_OPEN)
        transport->events->on_data(transport, data);
    else
        ring_chain_return(transport->ring, data);
    settle(transport);
}

static void stop_waiting(struct transport *transport);

static void finished(struct transport *transport)
{
    transport->finished = true;
    stop_waiting(transport);
    transport->events->on_end(transport);
}

static void on_end(struct ring_recv *recv, struct ring_done done)
{
    struct transport *transport = transport_of_recv(recv);
    if (transport->state != TRANSPORT_OPEN)
        settle(transport);
    else if (done.status == RING_END)
        finished(transport);
    else
        transport->events->on_lost(transport, done);
}

static void on_stopped(struct ring_recv *recv)
{
    struct transport *transport = transport_of_recv(recv);
    if (transport->state == TRANSPORT_OPEN)
        transport->events->on_paused(transport);
    else
        settle(transport);
}

static void on_finished(struct ring_recv *recv)
{
    struct transport *transport = transport_of_recv(recv);
    ASSERT(transport->state == TRANSPORT_OPEN); /* closing takes it out of RECV_WATCH */
    transport->finished = true;
    stop_waiting(transport);
    transport->events->on_finished(transport);
}

void transport_hold_init(struct transport_hold *hold, void (*on_free)(struct transport_hold *))
{
    *hold = (struct transport_hold){.on_free = on_free};
}

void transport_hold_release(struct transport_hold *hold)
{
    ASSERT(!hold->released);
    hold->released = true;
    if (hold->count == 0)
        hold->on_free(hold);
}

static void unhold(struct transport_hold *hold)
{
    ASSERT(hold->count > 0);
    hold->count--;
    if (hold->count == 0 && hold->released)
        hold->on_free(hold);
}

/* ---- Sending ---- */

/* What was being sent is not needed any more. */
static void let_go(struct transport *transport)
{
    struct transport_hold *hold = transport->sending_hold;
    transport->sending = false;
    transport->awaiting_room = false;
    transport->sending_hold = NULL;
    ring_chain_return(transport->ring, &transport->sending_leases);
    if (hold)
        unhold(hold);
}

/* Drops what the kernel has taken from the front. False when nothing is left. */
static bool advance(struct transport *transport, u32 taken)
{
    u32 fixed_bytes = 0;
    for (u32 i = 0; i < TRANSPORT_FIXED_MAX; i++) {
        struct slice *fixed = &transport->sending_fixed[i];
        u32 part = min_u32(fixed->len, taken);
        if (part > 0) /* one that is not used has no address to add to */
            *fixed = slice_of(fixed->data + part, fixed->len - part);
        fixed_bytes += fixed->len;
        taken -= part;
    }
    ring_chain_skip(transport->ring, &transport->sending_leases, taken);
    return fixed_bytes > 0 || transport->sending_leases.bytes > 0;
}

/* Offers the socket what is left. */
static void send_rest(struct transport *transport)
{
    struct iovec iov[RING_IOV_MAX];
    u32 count = 0;
    for (u32 i = 0; i < TRANSPORT_FIXED_MAX; i++)
        if (transport->sending_fixed[i].len > 0)
            iov[count++] = (struct iovec){(char *)(uintptr_t)transport->sending_fixed[i].data,
                                          transport->sending_fixed[i].len};
    for (u16 id = transport->sending_leases.first; id != LEASE_NONE && count < RING_IOV_MAX;) {
        const struct lease *lease = ring_lease(transport->ring, id);
        iov[count++] = (struct iovec){lease->data, lease->len};
        id = lease->next;
    }
    ring_send_now(transport->ring, &transport->send_op, transport->fd, iov, count);
}

/* Offers the socket what is left, or asks whether it takes something. */
static void try_again(struct transport *transport)
{
    if (transport->awaiting_room)
        ring_await_room(transport->ring, &transport->send_op, transport->fd);
    else
        send_rest(transport);
}

static void stall(struct transport *transport)
{
    struct transport_reaper *reaper = transport->reaper;
    if (list_empty(&reaper->stalled))
        wheel_set(reaper->wheel, &reaper->retry, ring_now_ns(transport->ring) + RETRY_NS);
    transport->stalled = true;
    list_push_back(&reaper->stalled, &transport->node);
}

static void unstall(struct transport *transport)
{
    struct transport_reaper *reaper = transport->reaper;
    transport->stalled = false;
    list_remove(&transport->node);
    if (list_empty(&reaper->stalled))
        wheel_clear(reaper->wheel, &reaper->retry);
}

static void on_retry(struct wheel_timer *timer)
{
    struct transport_reaper *reaper = container_of(timer, struct transport_reaper, retry);
    u64 next_ns = 0;
    for (u32 i = 0; i < RETRIES_AT_ONCE && !list_empty(&reaper->stalled); i++) {
        struct transport *transport = container_of(reaper->stalled.next, struct transport, node);
        next_ns = ring_now_ns(transport->ring) + RETRY_NS;
        unstall(transport);
        try_again(transport);
    }
    if (!list_empty(&reaper->stalled))
        wheel_set(reaper->wheel, timer, next_ns);
}

/* True when the send goes on: the kernel has taken a part of it, or gave up waiting. */
static bool go_on(struct transport *transport, struct ring_done done)
{
    if (done.status != RING_SHORT && !(done.status == RING_CANCELED && transport->impatient))
        return false;
    bool left = transport->awaiting_room ||
                advance(transport, done.status == RING_SHORT ? (u32)done.result : 0);
    ASSERT(left);
    transport->impatient = true;
    if (done.status == RING_SHORT && done.result == 0)
        stall(transport);
    else
        try_again(transport); /* is told when there is no room, or no connection */
    return true;
}

static void on_sent(struct ring_op *op, struct ring_done done)
{
    struct transport *transport = container_of(op, struct transport, send_op);
    if (transport->state == TRANSPORT_OPEN && !transport->lost && go_on(transport, done))
        return;
    if (transport->lost)
        done = (struct ring_done){.status = RING_RESET, .error = EPIPE};
    let_go(transport);
    if (transport->state != TRANSPORT_OPEN)
        settle(transport);
    else if (done.status == RING_OK)
        transport->events->on_sent(transport);
    else
        transport->events->on_send_failed(transport, done);
}

/* The peer has finished sending. A send that waits is taken back before the kernel gives a thread
 * to it; what is left goes on without waiting. */
static void stop_waiting(struct transport *transport)
{
    if (transport->impatient)
        return;
    transport->impatient = true;
    ring_cancel(transport->ring, &transport->send_op);
}

/* ---- Watching ---- */

static void rest(struct transport *transport)
{
    struct transport_reaper *reaper = transport->reaper;
    if (reaper->watch.deadline_ns == 0)
        wheel_set(reaper->wheel, &reaper->watch, ring_now_ns(transport->ring) + WATCH_NS);
    transport->resting = true;
    list_push_back(&reaper->resting, &transport->recv.waiting);
}

static void unrest(struct transport *transport)
{
    transport->resting = false;
    list_remove(&transport->recv.waiting);
}

/* Whoever rests just now, for however long: so it is no more than a few each second of those that
 * pause all the time. */
static void on_watch(struct wheel_timer *timer)
{
    struct transport_reaper *reaper = container_of(timer, struct transport_reaper, watch);
    u64 next_ns = 0;
    for (u32 i = 0; i < WATCHED_AT_ONCE && !list_empty(&reaper->resting); i++) {
        struct ring_recv *recv = container_of(reaper->resting.next, struct ring_recv, waiting);
        struct transport *transport = transport_of_recv(recv);
        next_ns = ring_now_ns(transport->ring) + RETRY_NS;
        unrest(transport);
        ring_recv_watch(transport->ring, recv);
    }
    if (!list_empty(&reaper->resting))
        wheel_set(reaper->wheel, timer, next_ns);
}

static const struct ring_recv_class recv_class = {"recv", on_data, on_end, on_stopped, on_finished};
static const struct ring_op_class send_class = {"send", on_sent};

void transport_reaper_init(struct transport_reaper *reaper, struct wheel *wheel)
{
    *reaper = (struct transport_reaper){.wheel = wheel};
    list_init(&reaper->closed);
    list_init(&reaper->stalled);
    list_init(&reaper->resting);
    wheel_timer_init(&reaper->retry, on_retry);
    wheel_timer_init(&reaper->watch, on_watch);
}

void transport_reaper_stop(struct transport_reaper *reaper)
{
    ASSERT(list_empty(&reaper->closed) && list_empty(&reaper->stalled));
    ASSERT(list_empty(&reaper->resting));
    wheel_clear(reaper->wheel, &reaper->watch);
}

void transport_reap(struct transport_reaper *reaper)
{
    while (!list_empty(&reaper->closed)) {
        struct list *node = list_pop_front(&reaper->closed);
        struct transport *transport = container_of(node, struct transport, node);
        if (transport->fd >= 0) /* else it never got one */
            ring_close(transport->ring, transport->fd, transport->reset);
        transport->fd = -1;
        transport->events->on_closed(transport);
    }
}

void transport_open(struct transport *transport, struct ring *ring, struct transport_reaper *reaper,
                    int fd, const struct transport_events *events)
{
    *transport = (struct transport){
        .events = events,
        .ring = ring,
        .reaper = reaper,
        .fd = fd,
        .state = TRANSPORT_OPEN,
    };
    list_init(&transport->node);
    lease_chain_init(&transport->sending_leases);
    ring_recv_init(&transport->recv, &recv_class, fd);
    ring_op_init(&transport->send_op, &send_class);
}

void transport_read(struct transport *transport, enum recv_mode mode, u32 bytes_max)
{
    struct ring_recv *recv = &transport->recv;
    ASSERT(transport->state == TRANSPORT_OPEN);
    if (recv->ended)
        return;
    if (transport->resting && mode != RECV_WATCH)
        unrest(transport);
    switch (mode) {
    case RECV_STREAM:
        if (recv->mode != RECV_ONCE)
            ring_recv_stream(transport->ring, recv);
        break; /* a single receive ends by itself: the wish is repeated with its data */
    case RECV_ONCE:
        if (!ring_recv_owed(recv) || recv->mode == RECV_WATCH)
            ring_recv_once(transport->ring, recv, bytes_max);
        else if (recv->mode == RECV_STREAM)
            ring_recv_stop(transport->ring, recv);
        break;
    case RECV_READY:
        if (!ring_recv_owed(recv) || recv->mode == RECV_WATCH)
            ring_recv_ready(transport->ring, recv);
        else if (recv->mode == RECV_STREAM)
            ring_recv_stop(transport->ring, recv);
        break;
    case RECV_OFF:
        if (recv->mode == RECV_STREAM || recv->mode == RECV_WATCH)
            ring_recv_stop(transport->ring, recv);
        break;
    case RECV_WATCH:
        if (recv->mode == RECV_STREAM)
            ring_recv_stop(transport->ring, recv);
        if (!ring_recv_owed(recv) && !transport->resting && !transport->finished)
            rest(transport);
        break;
    }
}

void transport_read_on(struct transport *transport)
{
    transport_read(transport, RECV_STREAM, 0);
}

void transport_send(struct transport *transport, const struct transport_message *message)
{
    ASSERT(transport->state == TRANSPORT_OPEN);
    ASSERT(!transport->sending);
    ASSERT(message->fixed <= TRANSPORT_FIXED_MAX);
    transport->sending = true;
    for (u32 i = 0; i < TRANSPORT_FIXED_MAX; i++)
        transport->sending_fixed[i] =
            i < message->fixed ? slice_of(message->iov[i].iov_base, message->iov[i].iov_len)
                               : (struct slice){0};
    if (message->leases)
        ring_chain_append(transport->ring, &transport->sending_leases, message->leases);
    transport->sending_hold = message->hold;
    if (message->hold)
        message->hold->count++;
    if (transport->impatient)
        ring_send_now(transport->ring, &transport->send_op, transport->fd, message->iov,
                      message->count);
    else
        ring_send(transport->ring, &transport->send_op, transport->fd, message->iov,
                  message->count);
}

void transport_await_room(struct transport *transport)
{
    ASSERT(transport->state == TRANSPORT_OPEN);
    ASSERT(!transport->sending);
    transport->sending = true;
    transport->awaiting_room = true;
    ring_await_room(transport->ring, &transport->send_op, transport->fd);
}

void transport_lose(struct transport *transport)
{
    transport_await_room(transport);
    transport->lost = true;
    ring_cancel(transport->ring, &transport->send_op);
}

void transport_finish(struct transport *transport)
{
    ASSERT(transport->state == TRANSPORT_OPEN);
    if (transport->write_finished)
        return;
    transport->write_finished = true;
    ring_shutdown(transport->ring, transport->fd, SHUT_WR);
}

void transport_close(struct transport *transport, bool reset)
{
    if (transport->state != TRANSPORT_OPEN)
        return;
    transport->state = TRANSPORT_CLOSING;
    transport->reset = reset;
    if (transport->stalled) {
        unstall(transport);
        let_go(transport);
    }
    if (transport->resting)
        unrest(transport);
    if (reset) { /* no FIN may come before the RST, or the peer could take it for a proper end */
        ring_recv_stop(transport->ring, &transport->recv);
        ring_cancel(transport->ring, &transport->send_op);
    } else if (transport->recv.starved) {
        ring_recv_stop(transport->ring, &transport->recv);
    } else {
        ring_recv_abandon(&transport->recv);
    }
    if (!reset && !quiet(transport)) /* with nothing armed, close(2) alone will do */
        ring_shutdown(transport->ring, transport->fd, SHUT_RDWR);
    settle(transport);
}
