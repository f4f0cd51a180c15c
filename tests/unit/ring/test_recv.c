/* Receivers: the same behaviour on every kind of kernel. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "receiver.h"

enum { LEASES = 64 };

/* A receiver on one end of a connection; the test holds the other. */
struct connection {
    struct ring *ring;
    struct receiver receiver;
    int fd;
    int peer;
    u64 sent;
};

static void connection_open(struct connection *connection, void **state, u32 leases)
{
    int pair[2];
    tcp_pair(pair);
    *connection = (struct connection){.fd = pair[0], .peer = pair[1]};
    connection->ring = ring_fixture_create(*state, leases);
    receiver_init(&connection->receiver, connection->ring, pair[0], 1);
}

static void connection_close(struct connection *connection)
{
    receiver_let_go(&connection->receiver);
    assert_true(receiver_quiet(&connection->receiver));
    assert_int_equal(ring_leases_held(connection->ring), 0);
    ring_destroy(connection->ring);
    close(connection->fd);
    if (connection->peer >= 0)
        close(connection->peer);
}

static void peer_sends(struct connection *connection, usize len)
{
    connection->sent += pattern_send(connection->peer, len, 1, connection->sent);
}

static void peer_closes(struct connection *connection)
{
    close(connection->peer);
    connection->peer = -1;
}

static void await_all(struct connection *connection)
{
    TURN_UNTIL(connection->ring, connection->receiver.received == connection->sent);
}

/* ---- Streaming ---- */

static void a_stream_arrives_whole_and_ends(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    ring_recv_stream(c.ring, &c.receiver.recv);
    static const usize pieces[] = {1, 10, 4096, 16384, 16385, 100000, 3};
    for (u32 i = 0; i < 70; i++) {
        peer_sends(&c, pieces[i % ARRAY_COUNT(pieces)]);
        await_all(&c);
    }
    assert_int_equal(c.receiver.recv.mode, RECV_STREAM);
    peer_closes(&c);
    TURN_UNTIL(c.ring, c.receiver.ended);
    assert_int_equal(c.receiver.end.status, RING_END);
    assert_int_equal(c.receiver.recv.mode, RECV_OFF);
    assert_int_equal(c.receiver.received, c.sent);
    connection_close(&c);
}

static void a_half_closed_peer_has_ended(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    peer_sends(&c, 100);
    shutdown(c.peer, SHUT_WR);
    ring_recv_stream(c.ring, &c.receiver.recv);
    TURN_UNTIL(c.ring, c.receiver.ended);
    assert_int_equal(c.receiver.received, 100);
    assert_int_equal(c.receiver.end.status, RING_END);
    assert_int_equal(send(c.fd, "still", 5, MSG_NOSIGNAL), 5);
    connection_close(&c);
}

static void a_reset_is_told_as_one(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    ring_recv_stream(c.ring, &c.receiver.recv);
    ring_settle(c.ring);
    close_with_reset(c.peer);
    c.peer = -1;
    TURN_UNTIL(c.ring, c.receiver.ended);
    assert_int_equal(c.receiver.end.status, RING_RESET);
    assert_int_not_equal(c.receiver.end.error, 0);
    connection_close(&c);
}

static void streaming_again_changes_nothing(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    for (u32 i = 0; i < 10; i++) {
        ring_recv_stream(c.ring, &c.receiver.recv);
        peer_sends(&c, 1000);
        ring_recv_stream(c.ring, &c.receiver.recv);
        await_all(&c);
    }
    peer_closes(&c);
    TURN_UNTIL(c.ring, c.receiver.ended);
    connection_close(&c);
}

/* ---- One at a time ---- */

static void once_is_one_delivery_of_at_most_what_was_asked(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    peer_sends(&c, 200000);
    static const u32 sizes[] = {1, 100, 5000, LEASE_BYTES - 1, LEASE_BYTES, LEASE_BYTES + 1, 50000};
    for (u32 i = 0; c.receiver.received < c.sent; i++) {
        u32 asked = sizes[i % ARRAY_COUNT(sizes)];
        c.receiver.largest = 0;
        u32 before = c.receiver.deliveries;
        ring_recv_once(c.ring, &c.receiver.recv, asked);
        TURN_UNTIL(c.ring, c.receiver.deliveries > before);
        assert_int_equal(c.receiver.deliveries, before + 1);
        assert_true(c.receiver.largest <= asked);
        assert_int_equal(c.receiver.recv.mode, RECV_OFF);
        assert_true(receiver_quiet(&c.receiver));
        ring_settle(c.ring);
        assert_int_equal(c.receiver.deliveries, before + 1);
    }
    connection_close(&c);
}

static void once_waits_for_bytes_and_sees_the_end(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    ring_recv_once(c.ring, &c.receiver.recv, 1000);
    ring_settle(c.ring);
    assert_false(receiver_quiet(&c.receiver));
    peer_sends(&c, 10);
    await_all(&c);
    ring_recv_once(c.ring, &c.receiver.recv, 1000);
    ring_settle(c.ring);
    peer_closes(&c);
    TURN_UNTIL(c.ring, c.receiver.ended);
    assert_int_equal(c.receiver.end.status, RING_END);
    connection_close(&c);
}

/* A small single receive that waits must not leave its mark on the buffer that another connection
 * then receives into. */
static void a_waiting_small_receive_disturbs_nobody(void **state)
{
    struct connection c;
    struct receiver other;
    int pair[2];
    connection_open(&c, state, LEASES);
    tcp_pair(pair);
    receiver_init(&other, c.ring, pair[0], 2);
    ring_recv_once(c.ring, &c.receiver.recv, 100);
    ring_settle(c.ring);
    u64 sent = pattern_send(pair[1], 60000, 2, 0);
    ring_recv_once(c.ring, &other.recv, 60000);
    TURN_UNTIL(c.ring, other.received > 0);
    ring_recv_stream(c.ring, &other.recv);
    TURN_UNTIL(c.ring, other.received == sent);
    peer_sends(&c, 1000);
    TURN_UNTIL(c.ring, c.receiver.received > 0);
    assert_true(c.receiver.received <= 100);
    ring_recv_stream(c.ring, &c.receiver.recv);
    await_all(&c);
    close(pair[1]);
    peer_closes(&c);
    TURN_UNTIL(c.ring, other.ended && c.receiver.ended);
    close(pair[0]);
    connection_close(&c);
}

/* ---- Stopping ---- */

static void a_stop_ends_in_quiet_and_leaves_the_rest_in_the_socket(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    for (u32 round = 1; round <= 20; round++) {
        ring_recv_stream(c.ring, &c.receiver.recv);
        peer_sends(&c, 30000);
        ring_turn(c.ring, 0);
        ring_recv_stop(c.ring, &c.receiver.recv);
        ring_recv_stop(c.ring, &c.receiver.recv);
        peer_sends(&c, 30000);
        TURN_UNTIL(c.ring, c.receiver.stops == round);
        assert_true(receiver_quiet(&c.receiver));
        u64 received = c.receiver.received;
        peer_sends(&c, 100);
        ring_settle(c.ring);
        assert_int_equal(c.receiver.received, received);
        assert_int_equal(c.receiver.stops, round);
    }
    ring_recv_stream(c.ring, &c.receiver.recv);
    await_all(&c);
    peer_closes(&c);
    TURN_UNTIL(c.ring, c.receiver.ended);
    connection_close(&c);
}

static void a_stop_of_what_is_off_says_nothing(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    ring_recv_stop(c.ring, &c.receiver.recv);
    ring_settle(c.ring);
    assert_int_equal(c.receiver.stops, 0);
    connection_close(&c);
}

static void a_stop_taken_back_goes_on_streaming(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    for (u32 i = 0; i < 20; i++) {
        ring_recv_stream(c.ring, &c.receiver.recv);
        peer_sends(&c, i % 2 ? 20000 : 0);
        ring_turn(c.ring, 0);
        ring_recv_stop(c.ring, &c.receiver.recv);
        ring_recv_stream(c.ring, &c.receiver.recv);
        peer_sends(&c, 500);
        await_all(&c);
        ring_settle(c.ring);
        assert_false(receiver_quiet(&c.receiver));
        assert_int_equal(c.receiver.stops, 0);
    }
    ring_recv_stop(c.ring, &c.receiver.recv);
    ring_recv_stream(c.ring, &c.receiver.recv);
    ring_recv_stop(c.ring, &c.receiver.recv);
    TURN_UNTIL(c.ring, c.receiver.stops == 1);
    connection_close(&c);
}

static void a_single_receive_can_be_stopped(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    ring_recv_once(c.ring, &c.receiver.recv, 10);
    ring_settle(c.ring);
    ring_recv_stop(c.ring, &c.receiver.recv);
    TURN_UNTIL(c.ring, c.receiver.stops == 1);
    peer_sends(&c, 10);
    ring_settle(c.ring);
    assert_int_equal(c.receiver.received, 0);
    ring_recv_once(c.ring, &c.receiver.recv, 10);
    await_all(&c);
    connection_close(&c);
}

static void an_abandoned_receive_ends_with_its_socket(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    ring_recv_stream(c.ring, &c.receiver.recv);
    ring_settle(c.ring);
    ring_recv_abandon(&c.receiver.recv);
    ring_shutdown(c.ring, c.fd, SHUT_RDWR);
    TURN_UNTIL(c.ring, c.receiver.ended);
    assert_true(receiver_quiet(&c.receiver));
    connection_close(&c);
}

/* ---- Watching ---- */

static void watching_tells_of_a_fin_and_leaves_the_bytes(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    ring_recv_watch(c.ring, &c.receiver.recv);
    peer_sends(&c, 30000);
    ring_settle(c.ring);
    assert_false(receiver_quiet(&c.receiver));
    peer_sends(&c, 30000);
    shutdown(c.peer, SHUT_WR);
    TURN_UNTIL(c.ring, c.receiver.finishes == 1);
    assert_true(receiver_quiet(&c.receiver));
    assert_int_equal(c.receiver.received, 0);
    ring_recv_stream(c.ring, &c.receiver.recv);
    TURN_UNTIL(c.ring, c.receiver.ended);
    assert_int_equal(c.receiver.received, c.sent);
    assert_int_equal(c.receiver.end.status, RING_END);
    connection_close(&c);
}

static void watching_tells_of_a_reset(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    peer_sends(&c, 30000);
    ring_recv_watch(c.ring, &c.receiver.recv);
    ring_settle(c.ring);
    close_with_reset(c.peer);
    c.peer = -1;
    TURN_UNTIL(c.ring, c.receiver.ended);
    assert_int_equal(c.receiver.end.status, RING_RESET);
    assert_int_equal(c.receiver.finishes + c.receiver.stops, 0);
    connection_close(&c);
}

/* Both sides have finished: what was sent is still to be read. */
static void a_fin_of_both_sides_is_no_reset(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    peer_sends(&c, 30000);
    ring_shutdown(c.ring, c.fd, SHUT_WR);
    shutdown(c.peer, SHUT_WR);
    ring_recv_watch(c.ring, &c.receiver.recv);
    TURN_UNTIL(c.ring, c.receiver.finishes == 1);
    ring_recv_stream(c.ring, &c.receiver.recv);
    TURN_UNTIL(c.ring, c.receiver.ended);
    assert_int_equal(c.receiver.received, c.sent);
    assert_int_equal(c.receiver.end.status, RING_END);
    connection_close(&c);
}

static void watching_changes_into_every_other_mode(void **state)
{
    struct connection c;
    connection_open(&c, state, LEASES);
    for (u32 i = 0; i < 8; i++) {
        u32 stops = c.receiver.stops;
        ring_recv_watch(c.ring, &c.receiver.recv);
        if (i < 4)
            ring_settle(c.ring);
        peer_sends(&c, 10);
        if (i % 4 == 0)
            ring_recv_stream(c.ring, &c.receiver.recv);
        else if (i % 4 == 1)
            ring_recv_once(c.ring, &c.receiver.recv, 100);
        else if (i % 4 == 2)
            ring_recv_ready(c.ring, &c.receiver.recv);
        else
            ring_recv_stop(c.ring, &c.receiver.recv);
        if (i % 4 >= 2) {
            TURN_UNTIL(c.ring, c.receiver.stops == stops + 1);
            assert_true(receiver_quiet(&c.receiver));
            ring_recv_stream(c.ring, &c.receiver.recv);
        }
        await_all(&c);
        if (!receiver_quiet(&c.receiver)) {
            stops = c.receiver.stops;
            ring_recv_stop(c.ring, &c.receiver.recv);
            TURN_UNTIL(c.ring, c.receiver.stops == stops + 1);
        }
    }
    assert_int_equal(c.receiver.finishes, 0);
    ring_recv_watch(c.ring, &c.receiver.recv);
    ring_settle(c.ring);
    ring_recv_abandon(&c.receiver.recv);
    ring_shutdown(c.ring, c.fd, SHUT_RDWR);
    TURN_UNTIL(c.ring, c.receiver.ended);
    connection_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_arrives_whole_and_ends),
        cmocka_unit_test(a_half_closed_peer_has_ended),
        cmocka_unit_test(a_reset_is_told_as_one),
        cmocka_unit_test(streaming_again_changes_nothing),
        cmocka_unit_test(once_is_one_delivery_of_at_most_what_was_asked),
        cmocka_unit_test(once_waits_for_bytes_and_sees_the_end),
        cmocka_unit_test(a_waiting_small_receive_disturbs_nobody),
        cmocka_unit_test(a_stop_ends_in_quiet_and_leaves_the_rest_in_the_socket),
        cmocka_unit_test(a_stop_of_what_is_off_says_nothing),
        cmocka_unit_test(a_stop_taken_back_goes_on_streaming),
        cmocka_unit_test(a_single_receive_can_be_stopped),
        cmocka_unit_test(an_abandoned_receive_ends_with_its_socket),
        cmocka_unit_test(watching_tells_of_a_fin_and_leaves_the_bytes),
        cmocka_unit_test(watching_tells_of_a_reset),
        cmocka_unit_test(a_fin_of_both_sides_is_no_reset),
        cmocka_unit_test(watching_changes_into_every_other_mode),
    };
    return ring_variants_run("ring receivers", tests, ARRAY_COUNT(tests));
}
