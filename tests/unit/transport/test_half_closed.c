/* Sending to a peer that has finished sending itself, on every kind of kernel. */
#include "base/clock.h"
#include "fixture.h"

/* Reads all that is sent, with the timer that the worker's loop would run. Of what the kernel still
 * has on its way to the peer (it may pace) the ring hears nothing: no turn waits for long. */
static void peer_reads_all(struct subject *s, u64 bytes)
{
    const u64 patience_ns = 5 * NS_PER_MS;
    static char data[65536];
    for (u64 read = 0; read < bytes;) {
        ssize_t got = recv(s->peer, data, sizeof(data), MSG_DONTWAIT);
        if (got < 0) {
            assert_int_equal(errno, EAGAIN);
            u64 until_ns = min_u64(wheel_next_ns(&s->wheel), ring_now_ns(s->ring) + patience_ns);
            wheel_run(&s->wheel, ring_turn(s->ring, until_ns));
            continue;
        }
        assert_true(got > 0);
        pattern_check(data, (usize)got, 1, read);
        read += (u64)got;
    }
}

enum { NOT_EVEN_TRIED = 0, WAITING = 1 };

/* io_uring cannot wait for room in the socket of a peer that has finished sending. */
static void all_is_sent_to_a_peer_that_has_finished(void **state, int when)
{
    enum { MORE = 3000, IDLE_TURNS = 5 };
    struct subject s;
    struct held held;
    subject_open(&s, state);
    held_init(&held);
    transport_read(&s.transport, RECV_STREAM, 0);
    if (when == WAITING) {
        send_held(&s, &held, MORE);
        ring_settle(s.ring);
    }
    peer_sends(&s, 100);
    shutdown(s.peer, SHUT_WR);
    TURN_UNTIL(s.ring, s.ended == 1 && s.received == 100);
    if (when == NOT_EVEN_TRIED)
        send_held(&s, &held, MORE);
    for (u32 i = 0; i < IDLE_TURNS; i++) /* the peer takes its time */
        wheel_run(&s.wheel, ring_turn(s.ring, ring_now_ns(s.ring) + 20 * NS_PER_MS));
    assert_true(s.transport.sending && s.transport.impatient);
    assert_int_equal(held.frees, 0);
    assert_int_equal(s.sent_events + s.send_failed, 0);
    peer_reads_all(&s, HELD_BYTES + MORE);
    TURN_UNTIL(s.ring, s.sent_events == 1);
    assert_int_equal(s.send_failed, 0);
    transport_hold_release(&held.hold);
    assert_int_equal(held.frees, 1);
    assert_int_equal(wheel_next_ns(&s.wheel), UINT64_MAX);
    transport_close(&s.transport, false);
    await_closed(&s);
    assert_int_equal(peer_reads_to_the_end(&s), 0);
    subject_close(&s);
}

static void what_finds_no_room_behind_a_fin_is_sent_later(void **state)
{
    all_is_sent_to_a_peer_that_has_finished(state, NOT_EVEN_TRIED);
    all_is_sent_to_a_peer_that_has_finished(state, WAITING);
}

/* A peer that has finished sending and takes nothing: a send waits for the timer. */
static void open_stalled(struct subject *s, void **state, struct held *held, u32 more)
{
    subject_open(s, state);
    held_init(held);
    transport_read(&s->transport, RECV_STREAM, 0);
    shutdown(s->peer, SHUT_WR);
    TURN_UNTIL(s->ring, s->ended == 1);
    send_held(s, held, more);
    TURN_UNTIL(s->ring, s->transport.stalled);
}

static void closing_while_there_is_no_room(void **state)
{
    struct subject s;
    struct held held;
    open_stalled(&s, state, &held, 5000);
    transport_close(&s.transport, true);
    assert_int_equal(ring_leases_held(s.ring), 0);
    transport_hold_release(&held.hold);
    assert_int_equal(held.frees, 1);
    assert_int_equal(wheel_next_ns(&s.wheel), UINT64_MAX);
    await_closed(&s);
    subject_close(&s);
}

static void a_peer_that_is_gone_ends_the_retries(void **state)
{
    struct subject s;
    struct held held;
    open_stalled(&s, state, &held, 0);
    close(s.peer); /* with unread bytes: RST */
    s.peer = -1;
    while (s.send_failed == 0)
        wheel_run(&s.wheel, ring_turn(s.ring, wheel_next_ns(&s.wheel)));
    assert_int_equal(s.done.status, RING_RESET);
    transport_hold_release(&held.hold);
    assert_int_equal(held.frees, 1);
    subject_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_finds_no_room_behind_a_fin_is_sent_later),
        cmocka_unit_test(closing_while_there_is_no_room),
        cmocka_unit_test(a_peer_that_is_gone_ends_the_retries),
    };
    return ring_variants_run("half-closed", tests, ARRAY_COUNT(tests));
}
