/* A transport that is not read from for a while: whether its peer goes meanwhile. */
#include "fixture.h"

/* For whoever rests: only the timers know that it has passed. */
static void let_time_pass(struct subject *s)
{
    while (wheel_next_ns(&s->wheel) != UINT64_MAX)
        wheel_run(&s->wheel, wheel_next_ns(&s->wheel));
}

/* It is watched, not only meant to be. */
static void watch(struct subject *s)
{
    transport_read(&s->transport, RECV_WATCH, 0);
    transport_read(&s->transport, RECV_WATCH, 0);
    TURN_UNTIL(s->ring, !transport_reading(&s->transport));
    let_time_pass(s);
    assert_true(transport_reading(&s->transport));
    assert_int_equal(s->transport.recv.mode, RECV_WATCH);
    assert_int_equal(wheel_next_ns(&s->wheel), UINT64_MAX);
}

static void end(struct subject *s)
{
    transport_close(&s->transport, true);
    if (s->closed == 0)
        await_closed(s);
    subject_close(s);
}

static void a_fin_is_told_once_and_the_bytes_stay(void **state)
{
    for (u32 before = 0; before < 2; before++) {
        struct subject s;
        subject_open(&s, state);
        if (!before)
            watch(&s);
        peer_sends(&s, 50000);
        shutdown(s.peer, SHUT_WR);
        transport_read(&s.transport, RECV_WATCH, 0);
        let_time_pass(&s);
        TURN_UNTIL(s.ring, s.finished == 1);
        assert_int_equal(s.received + s.ended + s.lost, 0);
        assert_true(transport_readable(&s.transport));
        assert_false(transport_unfinished(&s.transport));
        assert_true(s.transport.impatient);
        transport_read(&s.transport, RECV_WATCH, 0); /* there is nothing left to wait for */
        assert_int_equal(wheel_next_ns(&s.wheel), UINT64_MAX);
        assert_false(transport_reading(&s.transport));
        transport_read(&s.transport, RECV_STREAM, 0);
        TURN_UNTIL(s.ring, s.ended == 1);
        assert_int_equal(s.received, s.sent);
        assert_int_equal(s.finished, 1);
        end(&s);
    }
}

static void a_reset_is_a_loss(void **state)
{
    struct subject s;
    subject_open(&s, state);
    peer_sends(&s, 50000);
    watch(&s);
    close_with_reset(s.peer);
    s.peer = -1;
    TURN_UNTIL(s.ring, s.lost == 1);
    assert_int_equal(s.done.status, RING_RESET);
    assert_false(transport_readable(&s.transport));
    assert_int_equal(s.finished + s.ended + s.deliveries, 0);
    end(&s);
}

/* Only what lasts is told to the kernel. */
static void a_short_pause_costs_nothing(void **state)
{
    struct subject s;
    subject_open(&s, state);
    for (u32 i = 0; i < 100; i++) {
        transport_read(&s.transport, RECV_WATCH, 0);
        assert_false(transport_reading(&s.transport));
        peer_sends(&s, 100);
        transport_read(&s.transport, RECV_ONCE, 100);
        TURN_UNTIL(s.ring, s.received == s.sent);
    }
    assert_int_equal(s.paused, 0);
    end(&s);
}

/* First the stream has to end. */
static void a_stream_that_pauses_is_watched(void **state)
{
    struct subject s;
    subject_open(&s, state);
    transport_read(&s.transport, RECV_STREAM, 0);
    peer_sends(&s, 100);
    TURN_UNTIL(s.ring, s.received == s.sent);
    transport_read(&s.transport, RECV_WATCH, 0);
    TURN_UNTIL(s.ring, s.paused == 1);
    peer_sends(&s, 100);
    watch(&s);
    assert_int_equal(s.received, 100);
    transport_read(&s.transport, RECV_STREAM, 0);
    TURN_UNTIL(s.ring, s.received == s.sent);
    assert_int_equal(s.paused, 1);
    transport_read(&s.transport, RECV_WATCH, 0);
    TURN_UNTIL(s.ring, s.paused == 2);
    watch(&s);
    transport_read(&s.transport, RECV_READY, 0);
    peer_sends(&s, 100);
    TURN_UNTIL(s.ring, s.paused == 3);
    watch(&s);
    transport_read(&s.transport, RECV_OFF, 0);
    TURN_UNTIL(s.ring, s.paused == 4);
    assert_false(transport_reading(&s.transport));
    end(&s);
}

static void closing_while_it_rests_or_is_watched(void **state)
{
    for (u32 way = 0; way < 6; way++) {
        struct subject s;
        subject_open(&s, state);
        transport_read(&s.transport, RECV_WATCH, 0);
        if (way >= 2)
            watch(&s);
        if (way >= 4) { /* both at once */
            shutdown(s.peer, SHUT_WR);
            s.on_event = way % 2 ? AND_RESET : AND_CLOSE;
            TURN_UNTIL(s.ring, s.finished == 1);
        }
        transport_close(&s.transport, way % 2);
        if (way >= 2 && s.closed == 0)
            await_closed(&s);
        assert_int_equal(s.ended + s.lost, 0);
        subject_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fin_is_told_once_and_the_bytes_stay),
        cmocka_unit_test(a_reset_is_a_loss),
        cmocka_unit_test(a_short_pause_costs_nothing),
        cmocka_unit_test(a_stream_that_pauses_is_watched),
        cmocka_unit_test(closing_while_it_rests_or_is_watched),
    };
    return ring_variants_run("watch", tests, ARRAY_COUNT(tests));
}
