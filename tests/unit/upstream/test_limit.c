/* Backends with a limit of connections: idle ones count, those of other workers, too. */
#include "fixture.h"
#include "state/routes.h"

enum { OTHER = 1 };

/* What the other worker has, or has no more. */
static void other_opens(struct lab *lab, u32 count)
{
    for (u32 i = 0; i < count; i++)
        state_connection_opened(lab->state, OTHER, SLOT_FIRST);
}

static void other_closes(struct lab *lab, u32 count)
{
    for (u32 i = 0; i < count; i++)
        state_connection_closed(lab->state, OTHER, SLOT_FIRST);
}

static void note_wake(void *context)
{
    (*(u32 *)context)++;
}

static void as_many_are_kept_as_there_may_be(void **state)
{
    struct lab lab;
    struct user users[3];
    int peers[3];
    lab_open(&lab, state, "");
    upstreams_limit(lab.upstreams, SLOT_FIRST, 3);
    for (u32 i = 0; i < 3; i++)
        peers[i] = acquire_connected(&lab, 0, &users[i]);
    upstream_release(users[0].upstream);
    assert_int_equal(users[0].upstream->state, UPSTREAM_IDLE);
    other_opens(&lab, 1); /* four: one too many */
    upstream_release(users[1].upstream);
    assert_int_equal(users[1].upstream->state, UPSTREAM_CLOSING);
    upstream_release(users[2].upstream);
    assert_int_equal(users[2].upstream->state, UPSTREAM_IDLE);
    assert_int_equal(state_connections(lab.state, SLOT_FIRST), 3);
    other_closes(&lab, 1);
    lab_close(&lab);
    for (u32 i = 0; i < 3; i++)
        close(peers[i]);
}

static void idle_ones_go_when_another_worker_calls(void **state)
{
    struct lab lab;
    struct user users[2];
    int peers[2];
    lab_open(&lab, state, "");
    upstreams_limit(lab.upstreams, SLOT_FIRST, 2);
    for (u32 i = 0; i < 2; i++)
        peers[i] = acquire_connected(&lab, 0, &users[i]);
    upstream_release(users[0].upstream);
    upstream_release(users[1].upstream);
    upstreams_called(lab.upstreams); /* about something else */
    assert_int_equal(users[0].upstream->state, UPSTREAM_IDLE);
    other_opens(&lab, 1);
    upstreams_called(lab.upstreams);
    assert_int_equal(users[0].upstream->state, UPSTREAM_CLOSING); /* the older one */
    assert_int_equal(users[1].upstream->state, UPSTREAM_IDLE);
    other_closes(&lab, 1);
    lab_close(&lab);
    close(peers[0]);
    close(peers[1]);
}

static void one_too_many_calls_those_who_have_some(void **state)
{
    struct lab lab;
    struct user user;
    u32 woken = 0;
    lab_open(&lab, state, "");
    struct state_routes *routes = state_routes(lab.state);
    state_worker_listen(routes, OTHER, note_wake, &woken);
    upstreams_limit(lab.upstreams, SLOT_FIRST, 1);
    int first = acquire_connected(&lab, 0, &user);
    assert_int_equal(woken, 0);
    upstream_discard(user.upstream, false);
    other_opens(&lab, 1);
    int second = acquire_connected(&lab, 0, &user);
    assert_int_equal(woken, 1);
    assert_true(state_worker_called(routes, OTHER));
    upstream_release(user.upstream); /* it was not quick enough: then this one goes */
    assert_int_equal(user.upstream->state, UPSTREAM_CLOSING);
    other_closes(&lab, 1);
    state_worker_deafen(routes, OTHER);
    lab_close(&lab);
    close(first);
    close(second);
}

static void a_fresh_one_comes_in_place_of_an_idle_one(void **state)
{
    struct lab lab;
    struct user idle, fresh = {.connected = 0};
    i32 error = 0;
    lab_open(&lab, state, "");
    upstreams_limit(lab.upstreams, SLOT_FIRST, 1);
    int peer = acquire_connected(&lab, 0, &idle);
    upstream_release(idle.upstream);
    fresh.upstream = upstream_acquire(lab.upstreams, target(&lab, 0), true, &fresh, &error);
    assert_int_equal(idle.upstream->state, UPSTREAM_CLOSING);
    UNTIL(&lab, fresh.connected == 1);
    upstream_release(fresh.upstream);
    assert_int_equal(fresh.upstream->state, UPSTREAM_IDLE);
    lab_close(&lab);
    close(peer);
}

static void a_lower_limit_holds_at_once_and_none_lets_all_be(void **state)
{
    struct lab lab;
    struct user users[4];
    int peers[4];
    static const u32 slots[BACKENDS] = {SLOT_FIRST, SLOT_FIRST + 1};
    lab_open(&lab, state, "");
    for (u32 i = 0; i < 4; i++)
        peers[i] = acquire_connected(&lab, 0, &users[i]);
    for (u32 i = 0; i < 3; i++)
        upstream_release(users[i].upstream);
    upstreams_limit(lab.upstreams, SLOT_FIRST, 2);
    assert_int_equal(state_connections(lab.state, SLOT_FIRST), 2);
    other_opens(&lab, 5);
    upstreams_adopt(lab.upstreams, &lab.config->upstream, slots, BACKENDS);
    upstream_release(users[3].upstream);
    assert_int_equal(users[3].upstream->state, UPSTREAM_IDLE);
    other_closes(&lab, 5);
    lab_close(&lab);
    for (u32 i = 0; i < 4; i++)
        close(peers[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_are_kept_as_there_may_be),
        cmocka_unit_test(idle_ones_go_when_another_worker_calls),
        cmocka_unit_test(one_too_many_calls_those_who_have_some),
        cmocka_unit_test(a_fresh_one_comes_in_place_of_an_idle_one),
        cmocka_unit_test(a_lower_limit_holds_at_once_and_none_lets_all_be),
    };
    return ring_variants_run("limit", tests, ARRAY_COUNT(tests));
}
