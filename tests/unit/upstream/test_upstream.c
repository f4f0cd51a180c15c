/* Connections to backends: reuse, idling, limits, and every way they end. */
#include "fixture.h"

static void settle(struct lab *lab)
{
    for (u32 i = 0; i < 5; i++) {
        ring_settle(lab->ring);
        transport_reap(&lab->reaper);
    }
}

/* ---- Reuse ---- */

static void a_released_connection_serves_the_next_user(void **state)
{
    struct lab lab;
    struct user first, second;
    lab_open(&lab, state, "");
    int peer = acquire_connected(&lab, 0, &first);
    assert_false(first.upstream->reused);
    assert_int_equal(first.upstream->requests, 1);
    upstream_release(first.upstream);
    assert_int_equal(first.upstream->state, UPSTREAM_IDLE);
    assert_int_equal(acquire_connected(&lab, 0, &second), -1);
    assert_ptr_equal(second.upstream, first.upstream);
    assert_true(second.upstream->reused);
    assert_int_equal(second.upstream->requests, 2);
    assert_ptr_equal(second.upstream->user, &second);
    assert_int_equal(send(peer, "answer", 6, 0), 6);
    UNTIL(&lab, second.received == 6);
    assert_int_equal(first.received + first.ended + first.lost, 0);
    upstream_release(second.upstream);
    lab_close(&lab);
    close(peer);
}

static void the_one_used_last_is_used_first(void **state)
{
    struct lab lab;
    struct user users[4], next[4];
    int peers[4];
    static const u32 order[] = {2, 0, 3, 1};
    lab_open(&lab, state, "");
    for (u32 i = 0; i < 4; i++)
        peers[i] = acquire_connected(&lab, 0, &users[i]);
    assert_int_equal(upstreams_count(lab.upstreams), 4);
    for (u32 i = 0; i < 4; i++)
        upstream_release(users[order[i]].upstream);
    for (u32 i = 0; i < 4; i++) {
        assert_int_equal(acquire_connected(&lab, 0, &next[i]), -1);
        assert_ptr_equal(next[i].upstream, users[order[3 - i]].upstream);
    }
    for (u32 i = 0; i < 4; i++)
        upstream_release(next[i].upstream);
    lab_close(&lab);
    for (u32 i = 0; i < 4; i++)
        close(peers[i]);
}

enum { BIG_BYTES = 8 << 20 }; /* more than a socket takes */

static void send_big(struct upstream *upstream)
{
    static char big[BIG_BYTES];
    const struct iovec iov = {big, BIG_BYTES};
    transport_send(&upstream->transport,
                   &(struct transport_message){.iov = &iov, .count = 1, .fixed = 1});
}

static void a_connection_idles_when_its_last_send_is_over(void **state)
{
    static char data[65536];
    struct lab lab;
    struct user first, second, third;
    lab_open(&lab, state, "");
    int peer = acquire_connected(&lab, 0, &first);
    send_big(first.upstream);
    upstream_release(first.upstream);
    assert_int_equal(first.upstream->state, UPSTREAM_SETTLING);
    int other = acquire_connected(&lab, 0, &second); /* it cannot be had yet */
    assert_true(other >= 0);
    for (u32 read = 0; read < BIG_BYTES;) {
        ssize_t got = recv(peer, data, sizeof(data), MSG_DONTWAIT);
        ring_turn(lab.ring, 0);
        read += got > 0 ? (u32)got : 0;
    }
    UNTIL(&lab, first.upstream->state == UPSTREAM_IDLE);
    assert_int_equal(acquire_connected(&lab, 0, &third), -1);
    assert_ptr_equal(third.upstream, first.upstream);
    upstream_release(second.upstream);
    upstream_release(third.upstream);
    lab_close(&lab);
    close(peer);
    close(other);
}

static void a_drain_does_not_wait_for_what_settles(void **state)
{
    struct lab lab;
    struct user user;
    lab_open(&lab, state, "");
    int peer = acquire_connected(&lab, 0, &user);
    send_big(user.upstream);
    upstream_release(user.upstream);
    upstreams_drain(lab.upstreams);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 0);
    lab_close(&lab);
    close(peer);
}

static void backends_do_not_share_connections(void **state)
{
    struct lab lab;
    struct user one, other;
    lab_open(&lab, state, "");
    int peer = acquire_connected(&lab, 0, &one);
    upstream_release(one.upstream);
    int second = acquire_connected(&lab, 1, &other);
    assert_true(second >= 0);
    upstream_release(other.upstream);
    lab_close(&lab);
    close(peer);
    close(second);
}

static void fresh_declines_what_is_idle(void **state)
{
    struct lab lab;
    struct user one, other = {.connected = 0};
    i32 error = 0;
    lab_open(&lab, state, "");
    int peer = acquire_connected(&lab, 0, &one);
    upstream_release(one.upstream);
    other.upstream = upstream_acquire(lab.upstreams, target(&lab, 0), true, &other, &error);
    assert_ptr_not_equal(other.upstream, one.upstream);
    UNTIL(&lab, other.connected == 1);
    assert_false(other.upstream->reused);
    upstream_release(other.upstream);
    lab_close(&lab);
    close(peer);
}

/* ---- What makes an idle connection unusable ---- */

static void a_backend_that_closes_is_noticed_at_once(void **state)
{
    struct lab lab;
    struct user user;
    for (u32 round = 0; round < 2; round++) {
        lab_open(&lab, state, "");
        int peer = acquire_connected(&lab, 0, &user);
        upstream_release(user.upstream);
        if (round == 0)
            close(peer);
        else
            close_with_reset(peer);
        UNTIL(&lab, upstreams_count(lab.upstreams) == 0);
        assert_int_equal(user.ended + user.lost, 0);
        close(acquire_connected(&lab, 0, &user)); /* a new one */
        upstream_discard(user.upstream, true);
        lab_close(&lab);
    }
}

/* The answer to a request that nobody sent must not become the answer to the next one. */
static void bytes_nobody_asked_for_end_the_connection(void **state)
{
    struct lab lab;
    struct user user;
    lab_open(&lab, state, "");
    int peer = acquire_connected(&lab, 0, &user);
    upstream_release(user.upstream);
    assert_int_equal(send(peer, "HTTP/1.1 200 OK\r\n\r\n", 19, 0), 19);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 0);
    assert_int_equal(user.received, 0);
    lab_close(&lab);
    close(peer);
}

static void what_ended_in_use_is_not_kept(void **state)
{
    struct lab lab;
    struct user user;
    lab_open(&lab, state, "");
    int peer = acquire_connected(&lab, 0, &user);
    shutdown(peer, SHUT_WR);
    UNTIL(&lab, user.ended == 1);
    upstream_release(user.upstream);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 0);
    lab_close(&lab);
    close(peer);
}

static void the_oldest_idle_ones_go_after_their_time(void **state)
{
    struct lab lab;
    struct user users[3];
    int peers[3];
    lab_open(&lab, state, "\"idleTimeout\":1");
    for (u32 i = 0; i < 3; i++)
        peers[i] = acquire_connected(&lab, i % 2, &users[i]);
    upstream_release(users[0].upstream);
    upstream_release(users[1].upstream);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 1); /* the one in use stays */
    assert_int_equal(users[2].upstream->state, UPSTREAM_ACTIVE);
    for (u32 i = 0; i < 2; i++) {
        char byte;
        assert_int_equal(recv(peers[i], &byte, 1, 0), 0);
    }
    upstream_release(users[2].upstream); /* the sweep begins anew */
    UNTIL(&lab, upstreams_count(lab.upstreams) == 0);
    assert_int_equal(wheel_next_ns(&lab.wheel), UINT64_MAX);
    lab_close(&lab);
    for (u32 i = 0; i < 3; i++)
        close(peers[i]);
}

/* ---- Limits ---- */

static void a_connection_is_retired_after_its_requests(void **state)
{
    struct lab lab;
    struct user user;
    lab_open(&lab, state, "\"maxRequests\":3");
    int peer = acquire_connected(&lab, 0, &user);
    for (u32 i = 1; i < 3; i++) {
        upstream_release(user.upstream);
        assert_int_equal(acquire_connected(&lab, 0, &user), -1);
    }
    assert_int_equal(user.upstream->requests, 3);
    upstream_release(user.upstream);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 0);
    lab_close(&lab);
    close(peer);
}

static void only_so_many_idle_ones_are_kept(void **state)
{
    struct lab lab;
    struct user users[5];
    int peers[5];
    lab_open(&lab, state, "\"idleConnections\":2");
    for (u32 i = 0; i < 5; i++)
        peers[i] = acquire_connected(&lab, 0, &users[i]);
    for (u32 i = 0; i < 5; i++)
        upstream_release(users[i].upstream);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 2);
    lab_close(&lab);
    for (u32 i = 0; i < 5; i++)
        close(peers[i]);
}

static void without_idle_ones_each_request_has_its_own(void **state)
{
    struct lab lab;
    struct user user;
    lab_open(&lab, state, "\"idleConnections\":0");
    for (u32 i = 0; i < 3; i++) {
        int peer = acquire_connected(&lab, 0, &user);
        assert_true(peer >= 0);
        upstream_release(user.upstream);
        UNTIL(&lab, upstreams_count(lab.upstreams) == 0);
        close(peer);
    }
    lab_close(&lab);
}

/* Idle ones of other backends make room, and of the same one for whoever wants none of them. */
static void idle_ones_make_room(void **state)
{
    struct lab lab;
    struct user users[6];
    int peers[6];
    lab_open(&lab, state, "\"maxConnections\":4,\"idleConnections\":4");
    for (u32 i = 0; i < 3; i++)
        peers[i] = acquire_connected(&lab, 0, &users[i]);
    for (u32 i = 0; i < 3; i++)
        upstream_release(users[i].upstream);
    acquire(&lab, 1, &users[3]); /* all at once: nothing that closes is gone yet */
    acquire(&lab, 1, &users[4]);
    acquire(&lab, 1, &users[5]);
    UNTIL(&lab, users[3].connected + users[4].connected + users[5].connected == 3);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 4);
    assert_int_equal(users[2].upstream->state, UPSTREAM_IDLE); /* the one used last */
    for (u32 i = 3; i < 6; i++) {
        peers[i] = accept(lab.listeners[1], NULL, NULL);
        assert_true(peers[i] >= 0);
    }
    i32 error = 0;
    users[0] = (struct user){.connected = 0};
    users[0].upstream = upstream_acquire(lab.upstreams, target(&lab, 0), true, &users[0], &error);
    assert_non_null(users[0].upstream);
    assert_int_equal(users[2].upstream->state, UPSTREAM_CLOSING);
    assert_null(upstream_acquire(lab.upstreams, target(&lab, 0), false, &users[1], &error));
    assert_int_equal(error, EMFILE);
    UNTIL(&lab, users[0].connected == 1);
    upstream_release(users[0].upstream);
    for (u32 i = 3; i < 6; i++)
        upstream_release(users[i].upstream);
    lab_close(&lab);
    for (u32 i = 0; i < 6; i++)
        close(peers[i]);
}

static void a_full_house_is_an_error(void **state)
{
    struct lab lab;
    struct user users[3] = {{.connected = 0}};
    i32 error = 0;
    lab_open(&lab, state, "\"maxConnections\":2");
    int one = acquire_connected(&lab, 0, &users[0]);
    int two = acquire_connected(&lab, 1, &users[1]);
    assert_null(upstream_acquire(lab.upstreams, target(&lab, 0), false, &users[2], &error));
    assert_int_equal(error, EMFILE);
    upstream_discard(users[0].upstream, false);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 1);
    int three = acquire_connected(&lab, 0, &users[2]);
    upstream_release(users[1].upstream);
    upstream_release(users[2].upstream);
    lab_close(&lab);
    close(one);
    close(two);
    close(three);
}

/* ---- Connecting and discarding ---- */

static void nobody_listens(void **state)
{
    struct lab lab;
    struct user user;
    lab_open(&lab, state, "");
    close(lab.listeners[0]);
    acquire(&lab, 0, &user);
    UNTIL(&lab, user.connected == 1);
    assert_int_equal(user.done.status, RING_REFUSED);
    assert_int_equal(user.upstream->state, UPSTREAM_CONNECTING);
    upstream_discard(user.upstream, true);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 0);
    lab.listeners[0] = tcp_listener(&lab.addresses[0]);
    lab_close(&lab);
}

/* A backlog that is full drops what comes: the connection stays under way. */
static u32 fill_backlog(struct lab *lab, int fds[FDS_MAX])
{
    assert_int_equal(listen(lab->listeners[0], 0), 0);
    for (u32 i = 0; i < FDS_MAX; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fds[i], (const struct sockaddr *)&lab->addresses[0],
                      sizeof(lab->addresses[0]));
    }
    return FDS_MAX;
}

static void discarding_while_connecting_leaves_nothing(void **state)
{
    struct lab lab;
    struct user users[3];
    int fds[FDS_MAX];
    lab_open(&lab, state, "");
    u32 count = fill_backlog(&lab, fds);
    for (u32 i = 0; i < 3; i++)
        acquire(&lab, 0, &users[i]);
    upstream_discard(users[0].upstream, true); /* before it was even submitted */
    settle(&lab);
    upstream_discard(users[1].upstream, false);
    upstream_discard(users[1].upstream, true); /* any number of times */
    assert_int_equal(users[1].upstream->state, UPSTREAM_CLOSING);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 1);
    upstream_discard(users[2].upstream, true);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 0);
    for (u32 i = 0; i < 3; i++)
        assert_int_equal(users[i].connected, 0);
    while (count > 0)
        close(fds[--count]);
    lab_close(&lab);
}

/* The connection is there when the cancellation arrives. */
static void discarding_what_has_just_been_connected(void **state)
{
    struct lab lab;
    struct user user;
    lab_open(&lab, state, "");
    for (u32 i = 0; i < 10; i++) {
        acquire(&lab, 0, &user);
        upstream_discard(user.upstream, i % 2);
        UNTIL(&lab, upstreams_count(lab.upstreams) == 0);
        assert_int_equal(user.connected, 0);
    }
    lab_close(&lab);
}

static void a_discarded_connection_tells_its_user_nothing(void **state)
{
    struct lab lab;
    struct user user;
    lab_open(&lab, state, "");
    for (u32 reset = 0; reset < 2; reset++) {
        int peer = acquire_connected(&lab, 0, &user);
        assert_int_equal(send(peer, "late", 4, 0), 4);
        upstream_discard(user.upstream, reset);
        UNTIL(&lab, upstreams_count(lab.upstreams) == 0);
        assert_int_equal(user.received + user.ended + user.lost, 0);
        close(peer);
    }
    lab_close(&lab);
}

static void draining_closes_the_idle_and_keeps_no_more(void **state)
{
    struct lab lab;
    struct user idle, busy;
    lab_open(&lab, state, "");
    int one = acquire_connected(&lab, 0, &idle);
    int two = acquire_connected(&lab, 1, &busy);
    upstream_release(idle.upstream);
    upstreams_drain(lab.upstreams);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 1);
    assert_int_equal(busy.upstream->state, UPSTREAM_ACTIVE);
    upstream_release(busy.upstream);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 0);
    lab_close(&lab);
    close(one);
    close(two);
}

static void connections_to_others_than_the_adopted_are_closed(void **state)
{
    struct lab lab;
    struct user idle, busy, kept;
    lab_open(&lab, state, "");
    int one = acquire_connected(&lab, 0, &busy);
    int two = acquire_connected(&lab, 0, &idle);
    int three = acquire_connected(&lab, 1, &kept);
    upstream_release(idle.upstream);
    upstream_release(kept.upstream);
    const u32 only_the_second = SLOT_FIRST + 1;
    upstreams_adopt(lab.upstreams, &lab.config->upstream, &only_the_second, 1);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 2); /* the idle one is gone */
    assert_int_equal(busy.upstream->state, UPSTREAM_ACTIVE);
    upstream_release(busy.upstream);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 1);
    assert_int_equal(kept.upstream->state, UPSTREAM_IDLE);
    lab_close(&lab);
    close(one);
    close(two);
    close(three);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_released_connection_serves_the_next_user),
        cmocka_unit_test(the_one_used_last_is_used_first),
        cmocka_unit_test(backends_do_not_share_connections),
        cmocka_unit_test(fresh_declines_what_is_idle),
        cmocka_unit_test(a_connection_idles_when_its_last_send_is_over),
        cmocka_unit_test(a_drain_does_not_wait_for_what_settles),
        cmocka_unit_test(a_backend_that_closes_is_noticed_at_once),
        cmocka_unit_test(bytes_nobody_asked_for_end_the_connection),
        cmocka_unit_test(what_ended_in_use_is_not_kept),
        cmocka_unit_test(a_connection_is_retired_after_its_requests),
        cmocka_unit_test(only_so_many_idle_ones_are_kept),
        cmocka_unit_test(without_idle_ones_each_request_has_its_own),
        cmocka_unit_test(idle_ones_make_room),
        cmocka_unit_test(a_full_house_is_an_error),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(discarding_while_connecting_leaves_nothing),
        cmocka_unit_test(discarding_what_has_just_been_connected),
        cmocka_unit_test(a_discarded_connection_tells_its_user_nothing),
        cmocka_unit_test(draining_closes_the_idle_and_keeps_no_more),
        cmocka_unit_test(connections_to_others_than_the_adopted_are_closed),
    };
    /* It waits for the sweep, seconds apart: once, on the kernel as it is. */
    const struct CMUnitTest slow_tests[] = {
        cmocka_unit_test_prestate(the_oldest_idle_ones_go_after_their_time,
                                  (void *)(uintptr_t)&ring_variants[0]),
    };
    int failed = cmocka_run_group_tests_name("upstream sweep", slow_tests, NULL, NULL);
    return failed + ring_variants_run("upstream", tests, ARRAY_COUNT(tests));
}
