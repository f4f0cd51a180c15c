/* Receivers under a random walk: whatever is asked for in whatever order, with few leases, every
 * byte arrives once and in order, and no lease is lost. */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hash.h"
#include "receiver.h"

enum { SOCKETS = 12, LEASES = 16, STEPS = 6000, AHEAD_BYTES_MAX = 200000 };

struct walker {
    struct receiver receiver;
    int fd;
    int peer;
    u64 sent;
};

static void walker_open(struct walker *walker, struct ring *ring, u32 seed)
{
    int pair[2];
    tcp_pair(pair);
    *walker = (struct walker){.fd = pair[0], .peer = pair[1]};
    receiver_init(&walker->receiver, ring, pair[0], seed);
}

static void peer_sends(struct walker *walker, struct rng *rng)
{
    if (walker->sent - walker->receiver.received > AHEAD_BYTES_MAX)
        return;
    usize len = rng_below(rng, 2u << rng_below(rng, 17)) + 1;
    walker->sent += pattern_send(walker->peer, len, walker->receiver.seed, walker->sent);
}

static void step(struct walker *walker, struct ring *ring, struct rng *rng)
{
    struct receiver *receiver = &walker->receiver;
    switch (rng_below(rng, 12)) {
    case 0:
    case 1:
        if (receiver->recv.mode != RECV_ONCE)
            ring_recv_stream(ring, &receiver->recv);
        break;
    case 2:
    case 3:
        if (receiver_quiet(receiver) || receiver->recv.mode == RECV_WATCH)
            ring_recv_once(ring, &receiver->recv, rng_below(rng, 100000) + 1);
        break;
    case 4:
        ring_recv_stop(ring, &receiver->recv);
        break;
    case 5:
    case 6:
    case 7:
        peer_sends(walker, rng);
        break;
    case 8:
        receiver->keeps = rng_below(rng, 4) == 0;
        break;
    case 9:
        receiver_let_go(receiver);
        break;
    case 10:
    case 11:
        if (receiver_quiet(receiver))
            ring_recv_watch(ring, &receiver->recv);
        break;
    }
    if (rng_below(rng, 3) == 0)
        ring_turn(ring, 0);
}

/* The few bytes that are kept must not hold more leases than there may be for them. */
static void check_leases(const struct ring *ring, const struct walker walkers[SOCKETS])
{
    u32 most = 0;
    for (u32 i = 0; i < SOCKETS; i++)
        most += walkers[i].receiver.kept.bytes / 1024 + 2;
    assert_true(ring_leases_held(ring) <= most);
}

static bool all_ended(const struct walker walkers[SOCKETS])
{
    for (u32 i = 0; i < SOCKETS; i++)
        if (!walkers[i].receiver.ended)
            return false;
    return true;
}

static void finish(struct walker walkers[SOCKETS], struct ring *ring)
{
    for (u32 i = 0; i < SOCKETS; i++) {
        walkers[i].receiver.keeps = false;
        receiver_let_go(&walkers[i].receiver);
    }
    for (u32 i = 0; i < SOCKETS; i++) {
        struct receiver *receiver = &walkers[i].receiver;
        close(walkers[i].peer);
        if (receiver->recv.mode == RECV_ONCE) {
            u32 deliveries = receiver->deliveries;
            TURN_UNTIL(ring, receiver->deliveries > deliveries || receiver->ended);
        }
        if (!receiver->ended)
            ring_recv_stream(ring, &receiver->recv);
    }
    TURN_UNTIL(ring, all_ended(walkers));
}

static void walk(void **state, u32 seed)
{
    static struct walker walkers[SOCKETS];
    struct rng rng;
    struct ring *ring = ring_fixture_create(*state, LEASES);
    rng_seed(&rng, seed);
    for (u32 i = 0; i < SOCKETS; i++)
        walker_open(&walkers[i], ring, i);
    for (u32 i = 0; i < STEPS; i++) {
        step(&walkers[rng_below(&rng, SOCKETS)], ring, &rng);
        check_leases(ring, walkers);
    }
    finish(walkers, ring);
    for (u32 i = 0; i < SOCKETS; i++) {
        assert_int_equal(walkers[i].receiver.received, walkers[i].sent);
        assert_true(walkers[i].sent > 0);
        assert_true(receiver_quiet(&walkers[i].receiver));
        close(walkers[i].fd);
    }
    assert_int_equal(ring_leases_held(ring), 0);
    ring_destroy(ring);
}

static void a_first_walk(void **state)
{
    walk(state, 1);
}

static void a_second_walk(void **state)
{
    walk(state, 2);
}

static void a_third_walk(void **state)
{
    walk(state, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_walk),
        cmocka_unit_test(a_second_walk),
        cmocka_unit_test(a_third_walk),
    };
    return ring_variants_run("receivers at random", tests, ARRAY_COUNT(tests));
}
