/* See receiver.h. */
#include "receiver.h"

static struct receiver *receiver_of(struct ring_recv *recv)
{
    return container_of(recv, struct receiver, recv);
}

static void on_data(struct ring_recv *recv, struct lease_chain *data)
{
    struct receiver *receiver = receiver_of(recv);
    assert_false(receiver->ended);
    assert_true(data->bytes > 0);
    receiver->deliveries++;
    receiver->largest = max_u32(receiver->largest, data->bytes);
    for (u16 id = data->first; id != LEASE_NONE; id = ring_lease(receiver->ring, id)->next) {
        const struct lease *lease = ring_lease(receiver->ring, id);
        pattern_check(lease->data, lease->len, receiver->seed, receiver->received);
        receiver->received += lease->len;
    }
    if (receiver->keeps)
        ring_chain_append(receiver->ring, &receiver->kept, data);
    else
        ring_chain_return(receiver->ring, data);
}

static void on_end(struct ring_recv *recv, struct ring_done done)
{
    struct receiver *receiver = receiver_of(recv);
    assert_false(receiver->ended);
    assert_false(ring_recv_owed(recv));
    assert_true(recv->ended);
    receiver->ended = true;
    receiver->end = done;
}

static void on_stopped(struct ring_recv *recv)
{
    struct receiver *receiver = receiver_of(recv);
    assert_false(receiver->ended);
    assert_false(ring_recv_owed(recv));
    receiver->stops++;
}

static void on_finished(struct ring_recv *recv)
{
    struct receiver *receiver = receiver_of(recv);
    assert_false(receiver->ended);
    assert_false(ring_recv_owed(recv));
    receiver->finishes++;
}

static const struct ring_recv_class receiver_class = {"test", on_data, on_end, on_stopped,
                                                      on_finished};

void receiver_init(struct receiver *receiver, struct ring *ring, int fd, u32 seed)
{
    *receiver = (struct receiver){.ring = ring, .seed = seed};
    lease_chain_init(&receiver->kept);
    ring_recv_init(&receiver->recv, &receiver_class, fd);
}

void receiver_let_go(struct receiver *receiver)
{
    ring_chain_return(receiver->ring, &receiver->kept);
}
