/* The process has no descriptor left for a new connection: idle ones are closed for it. */
#include <sys/resource.h>

#include "fixture.h"

static struct rlimit usual;

/* Descriptors from this one on cannot be had. */
static void limit_to(int fd)
{
    const struct rlimit limit = {.rlim_cur = (rlim_t)fd, .rlim_max = usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* All that are there are in use. */
static void use_up(void)
{
    int lowest = dup(STDERR_FILENO);
    assert_true(lowest >= 0);
    close(lowest);
    limit_to(lowest);
}

static void lift(void)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
}

static void open_idle(struct lab *lab, struct user *users, int *peers, u32 count)
{
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    for (u32 i = 0; i < count; i++)
        peers[i] = acquire_connected(lab, 0, &users[i]);
    for (u32 i = 0; i < count; i++)
        upstream_release(users[i].upstream);
}

static void idle_ones_are_closed_for_new_ones(void **state)
{
    struct lab lab;
    struct user idle[2], next[2];
    int peers[2];
    lab_open(&lab, state, "");
    open_idle(&lab, idle, peers, 2);
    use_up();
    for (u32 i = 0; i < 2; i++) {
        acquire(&lab, 1, &next[i]);
        assert_int_equal(next[i].upstream->state, UPSTREAM_CONNECTING);
        assert_int_equal(idle[i].upstream->state, UPSTREAM_CLOSING);
        assert_int_equal(next[i].connected, 0);
    }
    UNTIL(&lab, next[0].connected == 1 && next[1].connected == 1);
    lift();
    for (u32 i = 0; i < 2; i++) {
        assert_int_equal(next[i].done.status, RING_OK);
        assert_int_equal(next[i].upstream->state, UPSTREAM_ACTIVE);
        upstream_release(next[i].upstream);
        close(peers[i]);
    }
    lab_close(&lab);
}

static void without_idle_ones_it_is_an_error(void **state)
{
    struct lab lab;
    struct user busy, next;
    i32 error = 0;
    lab_open(&lab, state, "");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    int peer = acquire_connected(&lab, 0, &busy);
    use_up();
    assert_null(upstream_acquire(lab.upstreams, target(&lab, 1), false, &next, &error));
    assert_int_equal(error, EMFILE);
    lift();
    upstream_release(busy.upstream);
    lab_close(&lab);
    close(peer);
}

static void discarding_one_that_waits_leaves_nothing(void **state)
{
    struct lab lab;
    struct user idle, next;
    int peer;
    lab_open(&lab, state, "");
    open_idle(&lab, &idle, &peer, 1);
    use_up();
    acquire(&lab, 1, &next);
    upstream_discard(next.upstream, true);
    UNTIL(&lab, upstreams_count(lab.upstreams) == 0);
    lift();
    assert_int_equal(next.connected, 0);
    lab_close(&lab);
    close(peer);
}

static void who_waits_is_told_when_somebody_else_has_it(void **state)
{
    struct lab lab;
    struct user idle, next;
    int peer;
    lab_open(&lab, state, "");
    open_idle(&lab, &idle, &peer, 1);
    use_up();
    acquire(&lab, 1, &next);
    limit_to(idle.upstream->transport.fd);
    UNTIL(&lab, next.connected == 1);
    lift();
    assert_int_equal(next.done.status, RING_EXHAUSTED);
    assert_int_equal(next.done.error, EMFILE);
    upstream_discard(next.upstream, true);
    lab_close(&lab);
    close(peer);
}

/* The first descriptor that comes free is of no use, the second one is for the first who waits. */
static void nobody_waits_for_what_will_not_come(void **state)
{
    struct lab lab;
    struct user idle[2], next[2];
    int peers[2];
    lab_open(&lab, state, "");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    for (u32 i = 0; i < 2; i++)
        peers[i] = acquire_connected(&lab, 0, &idle[i]);
    for (u32 i = 2; i-- > 0;)
        upstream_release(idle[i].upstream);
    use_up();
    for (u32 i = 0; i < 2; i++)
        acquire(&lab, 1, &next[i]);
    limit_to(idle[1].upstream->transport.fd);
    UNTIL(&lab, next[0].connected == 1 && next[1].connected == 1);
    lift();
    assert_int_equal(next[0].done.status, RING_OK);
    assert_int_equal(next[1].done.status, RING_EXHAUSTED);
    upstream_release(next[0].upstream);
    upstream_discard(next[1].upstream, true);
    lab_close(&lab);
    for (u32 i = 0; i < 2; i++)
        close(peers[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_ones_are_closed_for_new_ones),
        cmocka_unit_test(without_idle_ones_it_is_an_error),
        cmocka_unit_test(discarding_one_that_waits_leaves_nothing),
        cmocka_unit_test(who_waits_is_told_when_somebody_else_has_it),
        cmocka_unit_test(nobody_waits_for_what_will_not_come),
    };
    return ring_variants_run("descriptors", tests, ARRAY_COUNT(tests));
}
