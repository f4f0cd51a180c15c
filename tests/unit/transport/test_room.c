/* A socket that is read and written without a receive or a send: when it may be, and how it ends.
 */
#include "fixture.h"

static void fill_socket(struct subject *s)
{
    char data[65536] = {0};
    while (send(s->transport.fd, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        continue;
    assert_int_equal(errno, EAGAIN);
}

static void drain_peer(struct subject *s)
{
    char data[65536];
    while (recv(s->peer, data, sizeof(data), MSG_DONTWAIT) > 0)
        continue;
}

static void end(struct subject *s)
{
    transport_close(&s->transport, true);
    await_closed(s);
    subject_close(s);
}

static void room_is_told_at_once_or_later(void **state)
{
    struct subject s;
    subject_open(&s, state);
    transport_await_room(&s.transport);
    TURN_UNTIL(s.ring, s.sent_events == 1);
    assert_false(s.transport.sending);
    fill_socket(&s);
    transport_await_room(&s.transport);
    ring_settle(s.ring);
    assert_int_equal(s.sent_events, 1);
    assert_true(s.transport.sending);
    drain_peer(&s);
    TURN_UNTIL(s.ring, s.sent_events == 2);
    end(&s);
}

/* The kernel does not wait for room when the peer has finished sending: the timer asks again. */
static void room_behind_a_fin(void **state)
{
    struct subject s;
    subject_open(&s, state);
    transport_read(&s.transport, RECV_STREAM, 0);
    fill_socket(&s);
    shutdown(s.peer, SHUT_WR);
    transport_await_room(&s.transport);
    TURN_UNTIL(s.ring, s.ended == 1 && s.transport.stalled);
    assert_int_equal(s.sent_events + s.send_failed, 0);
    drain_peer(&s);
    while (s.sent_events == 0)
        wheel_run(&s.wheel, ring_turn(s.ring, wheel_next_ns(&s.wheel)));
    assert_int_equal(wheel_next_ns(&s.wheel), UINT64_MAX);
    end(&s);
}

static void no_room_will_come_on_a_connection_that_is_gone(void **state)
{
    struct subject s;
    subject_open(&s, state);
    fill_socket(&s);
    transport_await_room(&s.transport);
    ring_settle(s.ring);
    close(s.peer); /* with unread bytes: RST */
    s.peer = -1;
    TURN_UNTIL(s.ring, s.send_failed == 1);
    assert_int_equal(s.done.status, RING_RESET);
    assert_int_equal(s.sent_events, 0);
    end(&s);
}

static void a_loss_is_told_whether_there_is_room_or_not(void **state)
{
    for (u32 full = 0; full < 2; full++) {
        struct subject s;
        subject_open(&s, state);
        if (full)
            fill_socket(&s);
        transport_lose(&s.transport);
        assert_int_equal(s.send_failed, 0);
        TURN_UNTIL(s.ring, s.send_failed == 1);
        assert_int_equal(s.sent_events, 0);
        end(&s);
    }
}

static void closing_while_room_is_awaited(void **state)
{
    for (u32 reset = 0; reset < 2; reset++) {
        struct subject s;
        subject_open(&s, state);
        fill_socket(&s);
        transport_await_room(&s.transport);
        ring_settle(s.ring);
        transport_close(&s.transport, reset);
        await_closed(&s);
        assert_int_equal(s.sent_events + s.send_failed, 0);
        subject_close(&s);
    }
}

/* Nothing is taken from the socket, and streaming may be wished for meanwhile or afterwards. */
static void readiness_is_told_and_the_bytes_stay(void **state)
{
    struct subject s;
    subject_open(&s, state);
    transport_read(&s.transport, RECV_READY, 0);
    ring_settle(s.ring);
    assert_int_equal(s.paused, 0);
    peer_sends(&s, 100);
    TURN_UNTIL(s.ring, s.paused == 1);
    assert_int_equal(s.received, 0);
    transport_read(&s.transport, RECV_READY, 0); /* they are still there */
    TURN_UNTIL(s.ring, s.paused == 2);
    transport_read(&s.transport, RECV_STREAM, 0);
    TURN_UNTIL(s.ring, s.received == 100);
    transport_read(&s.transport, RECV_READY, 0); /* first the stream has to end */
    TURN_UNTIL(s.ring, s.paused == 3);
    transport_read(&s.transport, RECV_READY, 0);
    ring_settle(s.ring);
    transport_read(&s.transport, RECV_STREAM, 0);
    peer_sends(&s, 100);
    TURN_UNTIL(s.ring, s.received == 200);
    assert_int_equal(s.paused, 3);
    end(&s);
}

static void the_end_is_something_to_read(void **state)
{
    struct subject s;
    subject_open(&s, state);
    transport_read(&s.transport, RECV_READY, 0);
    shutdown(s.peer, SHUT_WR);
    TURN_UNTIL(s.ring, s.paused == 1);
    assert_int_equal(s.ended, 0);
    transport_read(&s.transport, RECV_STREAM, 0);
    TURN_UNTIL(s.ring, s.ended == 1);
    end(&s);
}

static void closing_while_readiness_is_awaited(void **state)
{
    for (u32 reset = 0; reset < 2; reset++) {
        struct subject s;
        subject_open(&s, state);
        transport_read(&s.transport, RECV_READY, 0);
        ring_settle(s.ring);
        transport_close(&s.transport, reset);
        await_closed(&s);
        assert_int_equal(s.paused + s.ended + s.lost, 0);
        subject_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_is_told_at_once_or_later),
        cmocka_unit_test(room_behind_a_fin),
        cmocka_unit_test(no_room_will_come_on_a_connection_that_is_gone),
        cmocka_unit_test(a_loss_is_told_whether_there_is_room_or_not),
        cmocka_unit_test(closing_while_room_is_awaited),
        cmocka_unit_test(readiness_is_told_and_the_bytes_stay),
        cmocka_unit_test(the_end_is_something_to_read),
        cmocka_unit_test(closing_while_readiness_is_awaited),
    };
    return ring_variants_run("room", tests, ARRAY_COUNT(tests));
}
