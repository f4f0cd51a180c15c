/* Receivers without leases: they wait their turn, nothing is lost, and nobody is forgotten. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "receiver.h"

enum { SOCKETS = 64 };

struct crowd {
    struct ring *ring;
    struct receiver receivers[SOCKETS];
    int fds[SOCKETS];
    int peers[SOCKETS];
    u64 sent[SOCKETS];
};

static void crowd_open(struct crowd *crowd, void **state, u32 leases)
{
    crowd->ring = ring_fixture_create(*state, leases);
    for (u32 i = 0; i < SOCKETS; i++) {
        int pair[2];
        tcp_pair(pair);
        crowd->fds[i] = pair[0];
        crowd->peers[i] = pair[1];
        crowd->sent[i] = 0;
        receiver_init(&crowd->receivers[i], crowd->ring, pair[0], i);
    }
}

static void crowd_send(struct crowd *crowd, u32 index, usize len)
{
    crowd->sent[index] += pattern_send(crowd->peers[index], len, index, crowd->sent[index]);
}

static bool crowd_has_all(const struct crowd *crowd)
{
    for (u32 i = 0; i < SOCKETS; i++)
        if (crowd->receivers[i].received != crowd->sent[i])
            return false;
    return true;
}

static bool crowd_ended(const struct crowd *crowd)
{
    for (u32 i = 0; i < SOCKETS; i++)
        if (!crowd->receivers[i].ended)
            return false;
    return true;
}

/* Ends all connections, which shows that every receiver still listens. */
static void crowd_close(struct crowd *crowd)
{
    for (u32 i = 0; i < SOCKETS; i++)
        close(crowd->peers[i]);
    TURN_UNTIL(crowd->ring, crowd_ended(crowd));
    assert_true(crowd_has_all(crowd));
    assert_int_equal(ring_leases_held(crowd->ring), 0);
    for (u32 i = 0; i < SOCKETS; i++) {
        assert_int_equal(crowd->receivers[i].end.status, RING_END);
        close(crowd->fds[i]);
    }
    ring_destroy(crowd->ring);
}

static u64 times_starved(const struct ring *ring)
{
    struct ring_stats stats;
    ring_stats(ring, &stats);
    return stats.starved;
}

/* All leases there are, one byte in each. */
static void hog_open(struct ring *ring, struct lease_chain hog[], u32 leases)
{
    for (u32 i = 0; i < leases; i++) {
        lease_chain_init(&hog[i]);
        assert_true(ring_chain_write(ring, &hog[i], "x", 1));
    }
}

static void hog_close(struct ring *ring, struct lease_chain hog[], u32 leases)
{
    for (u32 i = 0; i < leases; i++)
        ring_chain_return(ring, &hog[i]);
}

static void many_sockets_share_few_leases(void **state, u32 leases)
{
    static struct crowd crowd;
    crowd_open(&crowd, state, leases);
    for (u32 i = 0; i < SOCKETS; i++) {
        ring_recv_stream(crowd.ring, &crowd.receivers[i].recv);
        crowd_send(&crowd, i, 50000 + i);
    }
    TURN_UNTIL(crowd.ring, crowd_has_all(&crowd));
    crowd_close(&crowd);
}

static void many_sockets_share_two_leases(void **state)
{
    many_sockets_share_few_leases(state, 2);
}

static void many_sockets_share_sixteen_leases(void **state)
{
    many_sockets_share_few_leases(state, 16);
}

static void single_receives_share_few_leases(void **state)
{
    static struct crowd crowd;
    crowd_open(&crowd, state, 4);
    for (u32 i = 0; i < SOCKETS; i++)
        crowd_send(&crowd, i, 60000);
    while (!crowd_has_all(&crowd)) {
        u64 before = 0, after = 0;
        for (u32 i = 0; i < SOCKETS; i++) {
            struct receiver *receiver = &crowd.receivers[i];
            before += receiver->deliveries;
            if (receiver_quiet(receiver) && receiver->received < crowd.sent[i])
                ring_recv_once(crowd.ring, &receiver->recv, 50000);
        }
        do {
            ring_turn(crowd.ring, 0);
            after = 0;
            for (u32 i = 0; i < SOCKETS; i++)
                after += crowd.receivers[i].deliveries;
        } while (after == before);
    }
    for (u32 i = 0; i < SOCKETS; i++)
        ring_recv_stream(crowd.ring, &crowd.receivers[i].recv);
    crowd_close(&crowd);
}

/* Every lease is held elsewhere when the receivers are armed. When they come back only the last
 * socket in the queue has anything to read: arming those in front of it completes nothing. */
static void the_last_in_the_queue_is_served_before_idle_ones_stir(void **state)
{
    enum { LEASES = 8 };
    static struct crowd crowd;
    struct lease_chain hog[LEASES];
    crowd_open(&crowd, state, LEASES);
    hog_open(crowd.ring, hog, LEASES);
    for (u32 i = 0; i < SOCKETS; i++) {
        ring_recv_stream(crowd.ring, &crowd.receivers[i].recv);
        ring_settle(crowd.ring);
    }
    hog_close(crowd.ring, hog, LEASES);
    crowd_send(&crowd, SOCKETS - 1, 100000);
    TURN_UNTIL(crowd.ring, crowd_has_all(&crowd));
    crowd_close(&crowd);
}

static void what_waits_for_leases_can_be_stopped_and_started(void **state)
{
    enum { LEASES = 4 };
    static struct crowd crowd;
    struct lease_chain hog[LEASES];
    crowd_open(&crowd, state, LEASES);
    hog_open(crowd.ring, hog, LEASES);
    for (u32 i = 0; i < SOCKETS; i++) {
        crowd_send(&crowd, i, 5000);
        ring_recv_stream(crowd.ring, &crowd.receivers[i].recv);
    }
    ring_settle(crowd.ring);
    assert_true(times_starved(crowd.ring) > 0);
    for (u32 i = 0; i < SOCKETS; i += 2)
        ring_recv_stop(crowd.ring, &crowd.receivers[i].recv);
    for (u32 i = 0; i < SOCKETS; i += 4) /* thinks better of it */
        ring_recv_stream(crowd.ring, &crowd.receivers[i].recv);
    ring_settle(crowd.ring);
    for (u32 i = 0; i < SOCKETS; i++) {
        bool stopped = i % 4 == 2;
        assert_int_equal(crowd.receivers[i].stops, stopped);
        assert_int_equal(receiver_quiet(&crowd.receivers[i]), stopped);
        assert_int_equal(crowd.receivers[i].received, 0);
    }
    hog_close(crowd.ring, hog, LEASES);
    for (u32 i = 2; i < SOCKETS; i += 4)
        ring_recv_stream(crowd.ring, &crowd.receivers[i].recv);
    TURN_UNTIL(crowd.ring, crowd_has_all(&crowd));
    crowd_close(&crowd);
}

/* A handler that keeps its leases for a while makes others wait; returning them wakes those. */
static void leases_that_come_back_late_serve_those_who_waited(void **state)
{
    static struct crowd crowd;
    crowd_open(&crowd, state, 8);
    for (u32 i = 0; i < SOCKETS; i++) {
        crowd.receivers[i].keeps = true;
        ring_recv_stream(crowd.ring, &crowd.receivers[i].recv);
        crowd_send(&crowd, i, 20000);
    }
    for (u32 rounds = 0; !crowd_has_all(&crowd); rounds++) {
        assert_true(rounds < 100 * SOCKETS);
        ring_settle(crowd.ring);
        u32 returned = 0;
        for (u32 i = 0; i < SOCKETS && returned == 0; i++) {
            returned = crowd.receivers[i].kept.bytes;
            receiver_let_go(&crowd.receivers[i]);
        }
    }
    for (u32 i = 0; i < SOCKETS; i++)
        receiver_let_go(&crowd.receivers[i]);
    crowd_close(&crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_sockets_share_two_leases),
        cmocka_unit_test(many_sockets_share_sixteen_leases),
        cmocka_unit_test(single_receives_share_few_leases),
        cmocka_unit_test(the_last_in_the_queue_is_served_before_idle_ones_stir),
        cmocka_unit_test(what_waits_for_leases_can_be_stopped_and_started),
        cmocka_unit_test(leases_that_come_back_late_serve_those_who_waited),
    };
    return ring_variants_run("starved receivers", tests, ARRAY_COUNT(tests));
}
