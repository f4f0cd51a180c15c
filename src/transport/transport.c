/* States: include/transport.h. `owed` of the two ops decides when a transport is quiet. */
#include "transport.h"

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

static void on_end(struct ring_recv *recv, struct ring_done done)
{
    struct transport *transport = transport_of_recv(recv);
    if (transport->state != TRANSPORT_OPEN)
        settle(transport);
    else if (done.status == RING_END)
        transport->events->on_end(transport);
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

static void on_sent(struct ring_op *op, struct ring_done done)
{
    struct transport *transport = container_of(op, struct transport, send_op);
    struct transport_hold *hold = transport->sending_hold;
    transport->sending = false;
    transport->sending_hold = NULL;
    ring_chain_return(transport->ring, &transport->sending_leases);
    if (hold)
        unhold(hold);
    if (transport->state != TRANSPORT_OPEN)
        settle(transport);
    else if (done.status == RING_OK)
        transport->events->on_sent(transport);
    else
        transport->events->on_send_failed(transport, done);
}

static const struct ring_recv_class recv_class = {"recv", on_data, on_end, on_stopped};
static const struct ring_op_class send_class = {"send", on_sent};

void transport_reaper_init(struct transport_reaper *reaper)
{
    list_init(&reaper->closed);
}

void transport_reap(struct transport_reaper *reaper)
{
    while (!list_empty(&reaper->closed)) {
        struct list *node = list_pop_front(&reaper->closed);
        struct transport *transport = container_of(node, struct transport, node);
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
    switch (mode) {
    case RECV_STREAM:
        if (recv->mode != RECV_ONCE)
            ring_recv_stream(transport->ring, recv);
        break; /* a single receive ends by itself: the wish is repeated with its data */
    case RECV_ONCE:
        if (!ring_recv_owed(recv))
            ring_recv_once(transport->ring, recv, bytes_max);
        else if (recv->mode == RECV_STREAM)
            ring_recv_stop(transport->ring, recv);
        break;
    case RECV_OFF:
        if (recv->mode == RECV_STREAM)
            ring_recv_stop(transport->ring, recv);
        break;
    }
}

void transport_send(struct transport *transport, const struct transport_message *message)
{
    ASSERT(transport->state == TRANSPORT_OPEN);
    ASSERT(!transport->sending);
    transport->sending = true;
    if (message->leases)
        ring_chain_append(transport->ring, &transport->sending_leases, message->leases);
    transport->sending_hold = message->hold;
    if (message->hold)
        message->hold->count++;
    ring_send(transport->ring, &transport->send_op, transport->fd, message->iov, message->count);
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
