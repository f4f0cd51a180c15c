/* A connection's bytes both ways and its end, on every kind of kernel. */
#include "fixture.h"

/* ---- Memory that sends read from ---- */

static void a_hold_without_sends_is_free_at_once(void **state)
{
    struct held held;
    held_init(&held);
    transport_hold_release(&held.hold);
    assert_int_equal(held.frees, 1);
}

static void what_is_sent_stays_until_the_kernel_has_it(void **state)
{
    struct subject s;
    struct held held;
    static char data[65536];
    u64 read = 0;
    subject_open(&s, state);
    held_init(&held);
    send_held(&s, &held, 5000);
    transport_hold_release(&held.hold); /* the owner has let go: the send has not */
    ring_settle(s.ring);
    assert_int_equal(held.frees, 0);
    assert_int_equal(ring_leases_held(s.ring), 1);
    while (read < HELD_BYTES + 5000) {
        ssize_t got = recv(s.peer, data, sizeof(data), MSG_DONTWAIT);
        if (got < 0) {
            assert_int_equal(errno, EAGAIN);
            ring_turn(s.ring, 0);
            continue;
        }
        pattern_check(data, (usize)got, 1, read);
        read += (u64)got;
    }
    TURN_UNTIL(s.ring, s.sent_events == 1);
    assert_int_equal(held.frees, 1);
    assert_int_equal(ring_leases_held(s.ring), 0);
    subject_close(&s);
}

static void closing_with_a_send_under_way(void **state, bool reset, bool owner_first)
{
    struct subject s;
    struct held held;
    subject_open(&s, state);
    held_init(&held);
    transport_read(&s.transport, RECV_STREAM, 0);
    send_held(&s, &held, 3000);
    ring_settle(s.ring); /* the socket's buffer is full, the send waits */
    assert_true(s.transport.sending);
    if (owner_first)
        transport_hold_release(&held.hold);
    transport_close(&s.transport, reset);
    assert_int_equal(held.frees, 0);
    assert_int_equal(ring_leases_held(s.ring), 1);
    await_closed(&s);
    if (!owner_first) {
        assert_int_equal(held.frees, 0);
        transport_hold_release(&held.hold);
    }
    assert_int_equal(held.frees, 1);
    assert_int_equal(s.sent_events + s.send_failed + s.lost + s.ended, 0);
    if (reset)
        assert_int_equal(peer_reads_to_the_end(&s), ECONNRESET);
    subject_close(&s);
}

static void a_reset_waits_for_the_send_that_reads_from_memory(void **state)
{
    closing_with_a_send_under_way(state, true, true);
    closing_with_a_send_under_way(state, true, false);
}

static void a_close_waits_for_the_send_that_reads_from_memory(void **state)
{
    closing_with_a_send_under_way(state, false, true);
    closing_with_a_send_under_way(state, false, false);
}

/* ---- The end ---- */

static void closing_what_waits_for_bytes_shows_a_proper_end(void **state)
{
    struct subject s;
    subject_open(&s, state);
    transport_read(&s.transport, RECV_STREAM, 0);
    ring_settle(s.ring);
    transport_close(&s.transport, false);
    transport_close(&s.transport, true); /* harmless, and changes nothing */
    await_closed(&s);
    assert_int_equal(peer_reads_to_the_end(&s), 0);
    subject_close(&s);
}

static void closing_what_was_never_used(void **state)
{
    struct subject s;
    subject_open(&s, state);
    transport_close(&s.transport, false);
    assert_int_equal(s.transport.state, TRANSPORT_CLOSED);
    assert_int_equal(s.closed, 0); /* not from inside the call */
    transport_reap(&s.reaper);
    assert_int_equal(s.closed, 1);
    assert_int_equal(peer_reads_to_the_end(&s), 0);
    subject_close(&s);
}

static void a_reset_shows_no_end_before_it(void **state)
{
    struct subject s;
    subject_open(&s, state);
    transport_read(&s.transport, RECV_STREAM, 0);
    ring_settle(s.ring);
    transport_close(&s.transport, true);
    await_closed(&s);
    assert_int_equal(peer_reads_to_the_end(&s), ECONNRESET);
    subject_close(&s);
}

static void bytes_behind_the_close_go_nowhere(void **state)
{
    struct subject s;
    for (u32 i = 0; i < 2; i++) {
        subject_open(&s, state);
        transport_read(&s.transport, RECV_STREAM, 0);
        ring_settle(s.ring);
        peer_sends(&s, 30000); /* arrived, not seen */
        transport_close(&s.transport, i == 1);
        await_closed(&s);
        assert_int_equal(s.deliveries, 0);
        subject_close(&s);
    }
}

static void closing_what_waits_for_leases(void **state)
{
    struct subject s;
    struct lease_chain hog[LEASES];
    for (u32 round = 0; round < 2; round++) {
        subject_open(&s, state);
        for (u32 i = 0; i < LEASES; i++) {
            lease_chain_init(&hog[i]);
            assert_true(ring_chain_write(s.ring, &hog[i], "x", 1));
        }
        peer_sends(&s, 1000);
        transport_read(&s.transport, RECV_STREAM, 0);
        ring_settle(s.ring);
        assert_true(ring_recv_owed(&s.transport.recv));
        transport_close(&s.transport, round == 1);
        await_closed(&s);
        for (u32 i = 0; i < LEASES; i++)
            ring_chain_return(s.ring, &hog[i]);
        subject_close(&s);
    }
}

static void closing_from_inside_a_delivery(void **state)
{
    struct subject s;
    for (u32 i = 0; i < 2; i++) {
        subject_open(&s, state);
        s.on_event = i == 0 ? AND_CLOSE : AND_RESET;
        transport_read(&s.transport, i == 0 ? RECV_STREAM : RECV_ONCE, 10);
        peer_sends(&s, 50000);
        await_closed(&s);
        assert_int_equal(s.deliveries, 1);
        assert_int_equal(s.ended + s.lost, 0);
        subject_close(&s);
    }
}

static void closing_from_inside_the_end_of_a_send(void **state)
{
    static char data[] = "bye";
    const struct iovec iov = {data, 3};
    const struct transport_message message = {.iov = &iov, .count = 1, .fixed = 1};
    struct subject s;
    subject_open(&s, state);
    s.on_event = AND_CLOSE;
    transport_read(&s.transport, RECV_STREAM, 0);
    transport_send(&s.transport, &message);
    await_closed(&s);
    assert_int_equal(s.sent_events, 1);
    assert_int_equal(peer_reads_to_the_end(&s), 0);
    subject_close(&s);
}

static void many_close_in_one_turn(void **state)
{
    static struct subject subjects[20];
    struct ring *ring = ring_fixture_create(*state, LEASES);
    struct transport_reaper reaper;
    struct wheel wheel;
    u32 closed = 0;
    wheel_init(&wheel, ring_now_ns(ring));
    transport_reaper_init(&reaper, &wheel);
    for (u32 i = 0; i < ARRAY_COUNT(subjects); i++) {
        int pair[2];
        tcp_pair(pair);
        subjects[i] = (struct subject){.ring = ring, .peer = pair[1]};
        transport_open(&subjects[i].transport, ring, &reaper, pair[0], &events);
        transport_read(&subjects[i].transport, RECV_STREAM, 0);
    }
    ring_settle(ring);
    for (u32 i = 0; i < ARRAY_COUNT(subjects); i++)
        transport_close(&subjects[i].transport, i % 2);
    while (closed < ARRAY_COUNT(subjects)) {
        TURN_UNTIL(ring, !list_empty(&reaper.closed));
        transport_reap(&reaper);
        closed = 0;
        for (u32 i = 0; i < ARRAY_COUNT(subjects); i++)
            closed += subjects[i].closed;
    }
    for (u32 i = 0; i < ARRAY_COUNT(subjects); i++)
        close(subjects[i].peer);
    ring_destroy(ring);
}

/* ---- What the peer does ---- */

static void the_peer_that_has_finished_may_still_be_sent_to(void **state)
{
    static char data[] = "still";
    const struct iovec iov = {data, 5};
    const struct transport_message message = {.iov = &iov, .count = 1, .fixed = 1};
    struct subject s;
    char got[8];
    subject_open(&s, state);
    transport_read(&s.transport, RECV_STREAM, 0);
    shutdown(s.peer, SHUT_WR);
    TURN_UNTIL(s.ring, s.ended == 1);
    assert_false(transport_readable(&s.transport));
    transport_read(&s.transport, RECV_STREAM, 0); /* harmless */
    transport_read(&s.transport, RECV_ONCE, 10);
    transport_send(&s.transport, &message);
    TURN_UNTIL(s.ring, s.sent_events == 1);
    assert_int_equal(recv(s.peer, got, sizeof(got), 0), 5);
    transport_finish(&s.transport);
    transport_finish(&s.transport);
    assert_int_equal(peer_reads_to_the_end(&s), 0);
    subject_close(&s);
}

static void what_is_finished_can_still_be_read(void **state)
{
    struct subject s;
    subject_open(&s, state);
    transport_read(&s.transport, RECV_STREAM, 0);
    transport_finish(&s.transport);
    assert_int_equal(peer_reads_to_the_end(&s), 0);
    peer_sends(&s, 10000);
    TURN_UNTIL(s.ring, s.received == s.sent);
    subject_close(&s);
}

static void a_reset_by_the_peer_is_a_loss(void **state)
{
    struct subject s;
    subject_open(&s, state);
    transport_read(&s.transport, RECV_STREAM, 0);
    ring_settle(s.ring);
    close_with_reset(s.peer);
    s.peer = -1;
    TURN_UNTIL(s.ring, s.lost == 1);
    assert_int_equal(s.done.status, RING_RESET);
    assert_true(transport_is_open(&s.transport));
    subject_close(&s);
}

static void a_send_that_fails_says_so(void **state)
{
    struct subject s;
    struct held held;
    subject_open(&s, state);
    held_init(&held);
    send_held(&s, &held, 100);
    ring_settle(s.ring);
    close_with_reset(s.peer);
    s.peer = -1;
    TURN_UNTIL(s.ring, s.send_failed == 1);
    assert_int_equal(s.done.status, RING_RESET);
    assert_int_equal(ring_leases_held(s.ring), 0);
    assert_int_equal(held.hold.count, 0);
    transport_hold_release(&held.hold);
    assert_int_equal(held.frees, 1);
    subject_close(&s);
}

/* ---- Ways of reading ---- */

static void changing_the_way_of_reading_loses_nothing(void **state)
{
    struct subject s;
    subject_open(&s, state);
    for (u32 i = 0; i < 30; i++) {
        transport_read(&s.transport, RECV_STREAM, 0);
        peer_sends(&s, 1000);
        if (i % 2)
            TURN_UNTIL(s.ring, s.received == s.sent);
        u32 paused = s.paused;
        transport_read(&s.transport, RECV_ONCE, 100000);
        bool waits = s.transport.recv.mode == RECV_OFF;
        if (waits) {
            TURN_UNTIL(s.ring, s.paused == paused + 1);
            transport_read(&s.transport, RECV_ONCE, 100000);
        }
        assert_int_equal(s.transport.recv.mode, RECV_ONCE);
        peer_sends(&s, 1000);
        u32 deliveries = s.deliveries;
        TURN_UNTIL(s.ring, s.deliveries > deliveries);
    }
    transport_read(&s.transport, RECV_STREAM, 0);
    TURN_UNTIL(s.ring, s.received == s.sent);
    subject_close(&s);
}

static void what_is_off_stays_in_the_socket(void **state)
{
    struct subject s;
    subject_open(&s, state);
    transport_read(&s.transport, RECV_STREAM, 0);
    ring_settle(s.ring);
    transport_read(&s.transport, RECV_OFF, 0);
    transport_read(&s.transport, RECV_OFF, 0);
    TURN_UNTIL(s.ring, s.paused == 1);
    peer_sends(&s, 5000);
    ring_settle(s.ring);
    assert_int_equal(s.received, 0);
    transport_read(&s.transport, RECV_STREAM, 0);
    TURN_UNTIL(s.ring, s.received == 5000);
    assert_int_equal(s.paused, 1);
    subject_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hold_without_sends_is_free_at_once),
        cmocka_unit_test(what_is_sent_stays_until_the_kernel_has_it),
        cmocka_unit_test(a_reset_waits_for_the_send_that_reads_from_memory),
        cmocka_unit_test(a_close_waits_for_the_send_that_reads_from_memory),
        cmocka_unit_test(closing_what_waits_for_bytes_shows_a_proper_end),
        cmocka_unit_test(closing_what_was_never_used),
        cmocka_unit_test(a_reset_shows_no_end_before_it),
        cmocka_unit_test(bytes_behind_the_close_go_nowhere),
        cmocka_unit_test(closing_what_waits_for_leases),
        cmocka_unit_test(closing_from_inside_a_delivery),
        cmocka_unit_test(closing_from_inside_the_end_of_a_send),
        cmocka_unit_test(many_close_in_one_turn),
        cmocka_unit_test(the_peer_that_has_finished_may_still_be_sent_to),
        cmocka_unit_test(what_is_finished_can_still_be_read),
        cmocka_unit_test(a_reset_by_the_peer_is_a_loss),
        cmocka_unit_test(a_send_that_fails_says_so),
        cmocka_unit_test(changing_the_way_of_reading_loses_nothing),
        cmocka_unit_test(what_is_off_stays_in_the_socket),
    };
    return ring_variants_run("transport", tests, ARRAY_COUNT(tests));
}
