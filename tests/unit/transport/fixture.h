/* A transport that counts its events, with the test at the other end. */
#ifndef NEXTPROXY_TEST_TRANSPORT_FIXTURE_H
#define NEXTPROXY_TEST_TRANSPORT_FIXTURE_H

#include "transport.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring_fixture.h"

enum { LEASES = 64 };

/* A transport that counts its events, with the test at the other end. */
struct subject {
    struct transport transport;
    struct transport_reaper reaper;
    struct wheel wheel;
    struct ring *ring;
    int peer;
    u64 sent; /* by the peer */
    u64 received;
    u32 deliveries, paused, ended, finished, sent_events, lost, send_failed, closed;
    struct ring_done done;
    enum { AND_GO_ON, AND_CLOSE, AND_RESET } on_event; /* what the handlers do besides */
};

static struct subject *subject_of(struct transport *transport)
{
    return container_of(transport, struct subject, transport);
}

static void act(struct subject *subject)
{
    assert_int_equal(subject->transport.state, TRANSPORT_OPEN);
    if (subject->on_event != AND_GO_ON)
        transport_close(&subject->transport, subject->on_event == AND_RESET);
}

static void on_data(struct transport *transport, struct lease_chain *data)
{
    struct subject *subject = subject_of(transport);
    subject->deliveries++;
    for (u16 id = data->first; id != LEASE_NONE; id = ring_lease(subject->ring, id)->next) {
        const struct lease *lease = ring_lease(subject->ring, id);
        pattern_check(lease->data, lease->len, 1, subject->received);
        subject->received += lease->len;
    }
    ring_chain_return(subject->ring, data);
    act(subject);
}

static void on_paused(struct transport *transport)
{
    subject_of(transport)->paused++;
    act(subject_of(transport));
}

static void on_end(struct transport *transport)
{
    subject_of(transport)->ended++;
    act(subject_of(transport));
}

static void on_finished(struct transport *transport)
{
    subject_of(transport)->finished++;
    act(subject_of(transport));
}

static void on_sent(struct transport *transport)
{
    subject_of(transport)->sent_events++;
    act(subject_of(transport));
}

static void on_lost(struct transport *transport, struct ring_done done)
{
    subject_of(transport)->lost++;
    subject_of(transport)->done = done;
    act(subject_of(transport));
}

static void on_send_failed(struct transport *transport, struct ring_done done)
{
    subject_of(transport)->send_failed++;
    subject_of(transport)->done = done;
    act(subject_of(transport));
}

static void on_closed(struct transport *transport)
{
    struct subject *subject = subject_of(transport);
    assert_int_equal(transport->state, TRANSPORT_CLOSED);
    assert_false(ring_recv_owed(&transport->recv));
    assert_false(transport->send_op.owed);
    assert_int_equal(transport->fd, -1);
    subject->closed++;
}

static const struct transport_events events = {
    .on_data = on_data,
    .on_paused = on_paused,
    .on_end = on_end,
    .on_finished = on_finished,
    .on_sent = on_sent,
    .on_lost = on_lost,
    .on_send_failed = on_send_failed,
    .on_closed = on_closed,
};

static void subject_open(struct subject *subject, void **state)
{
    int pair[2];
    tcp_pair(pair);
    *subject = (struct subject){.ring = ring_fixture_create(*state, LEASES), .peer = pair[1]};
    wheel_init(&subject->wheel, ring_now_ns(subject->ring));
    transport_reaper_init(&subject->reaper, &subject->wheel);
    transport_open(&subject->transport, subject->ring, &subject->reaper, pair[0], &events);
}

static void await_closed(struct subject *subject)
{
    TURN_UNTIL(subject->ring, subject->transport.state == TRANSPORT_CLOSED);
    assert_int_equal(subject->closed, 0);
    transport_reap(&subject->reaper);
    assert_int_equal(subject->closed, 1);
    transport_reap(&subject->reaper);
    assert_int_equal(subject->closed, 1);
}

static void subject_close(struct subject *subject)
{
    transport_close(&subject->transport, false);
    if (subject->closed == 0)
        await_closed(subject);
    transport_reaper_stop(&subject->reaper);
    assert_int_equal(wheel_next_ns(&subject->wheel), UINT64_MAX);
    assert_int_equal(ring_leases_held(subject->ring), 0);
    ring_destroy(subject->ring);
    if (subject->peer >= 0)
        close(subject->peer);
}

static void peer_sends(struct subject *subject, usize len)
{
    subject->sent += pattern_send(subject->peer, len, 1, subject->sent);
}

/* What the peer sees when it reads to the end: 0, or the errno. */
static inline int peer_reads_to_the_end(struct subject *subject)
{
    static char data[65536];
    ssize_t got;
    do {
        got = recv(subject->peer, data, sizeof(data), MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            ring_turn(subject->ring, 0);
    } while (got > 0 || (got < 0 && errno == EAGAIN));
    return got < 0 ? errno : 0;
}

/* ---- Memory that sends read from ---- */

struct held {
    struct transport_hold hold;
    u32 frees;
    char *data;
};

static inline void on_free(struct transport_hold *hold)
{
    struct held *held = container_of(hold, struct held, hold);
    held->frees++;
    free(held->data); /* reading it afterwards shows under AddressSanitizer */
    held->data = NULL;
}

enum { HELD_BYTES = 8 << 20 };

static inline void held_init(struct held *held)
{
    *held = (struct held){.data = malloc(HELD_BYTES)};
    pattern_fill(held->data, HELD_BYTES, 1, 0);
    transport_hold_init(&held->hold, on_free);
}

static inline void send_held(struct subject *subject, struct held *held, u32 lease_bytes)
{
    struct lease_chain leases;
    struct iovec iov[2] = {{held->data, HELD_BYTES}};
    static char more[LEASE_BYTES];
    lease_chain_init(&leases);
    pattern_fill(more, lease_bytes, 1, HELD_BYTES);
    assert_true(ring_chain_write(subject->ring, &leases, more, lease_bytes));
    if (lease_bytes > 0)
        iov[1] = (struct iovec){ring_lease(subject->ring, leases.first)->data, lease_bytes};
    transport_send(&subject->transport,
                   &(struct transport_message){.iov = iov,
                                               .count = lease_bytes > 0 ? 2 : 1,
                                               .fixed = 1,
                                               .leases = &leases,
                                               .hold = &held->hold});
    assert_int_equal(leases.first, LEASE_NONE);
}

#endif
