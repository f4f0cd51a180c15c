/* The process has no descriptor left for a new connection: idle ones are closed for it. */
#include <sys/resource.h>

#include "fixture.h"

enum { IDLE_MAX = 2 };

/* Users of idle connections to the first backend, and those who want one to the second one. */
struct scarcity {
    struct lab lab;
    u32 count; /* of either */
    struct user idle[IDLE_MAX], next[IDLE_MAX];
    int peers[IDLE_MAX];
};

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

/* As many wait as there are idle connections, the first for that of idle[0]: it is the oldest, and
 * has the highest descriptor. */
static void scarcity_begin(struct scarcity *all, void **state, u32 count)
{
    *all = (struct scarcity){.count = count};
    lab_open(&all->lab, state, "");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    for (u32 i = count; i-- > 0;)
        all->peers[i] = acquire_connected(&all->lab, 0, &all->idle[i]);
    for (u32 i = 0; i < count; i++)
        upstream_release(all->idle[i].upstream);
    use_up();
    for (u32 i = 0; i < count; i++) {
        acquire(&all->lab, 1, &all->next[i]);
        assert_int_equal(all->idle[i].upstream->state, UPSTREAM_CLOSING);
        assert_int_equal(all->next[i].upstream->state, UPSTREAM_CONNECTING);
        assert_true(upstream_awaits_descriptor(all->next[i].upstream));
    }
}

static void scarcity_end(struct scarcity *all)
{
    for (u32 i = 0; i < all->count; i++)
        upstream_discard(all->next[i].upstream, false);
    lab_close(&all->lab);
    for (u32 i = 0; i < all->count; i++)
        close(all->peers[i]);
}

/* Who waited, and has one: it is told before it is connected. */
static void expect_served(const struct user *user)
{
    assert_int_equal(user->begun, 1);
    assert_int_equal(user->done.status, RING_OK);
    assert_int_equal(user->upstream->state, UPSTREAM_ACTIVE);
    assert_false(upstream_awaits_descriptor(user->upstream));
}

static void expect_refused(const struct user *user)
{
    assert_int_equal(user->begun, 0);
    assert_int_equal(user->done.status, RING_EXHAUSTED);
    assert_int_equal(user->done.error, EMFILE);
}

static void idle_ones_are_closed_for_new_ones(void **state)
{
    struct scarcity all;
    scarcity_begin(&all, state, 2);
    assert_int_equal(all.next[0].connected + all.next[1].connected, 0);
    UNTIL(&all.lab, all.next[0].connected == 1 && all.next[1].connected == 1);
    lift();
    expect_served(&all.next[0]);
    expect_served(&all.next[1]);
    scarcity_end(&all);
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
    struct scarcity all;
    scarcity_begin(&all, state, 1);
    upstream_discard(all.next[0].upstream, true);
    UNTIL(&all.lab, upstreams_count(all.lab.upstreams) == 0);
    lift();
    assert_int_equal(all.next[0].begun + all.next[0].connected, 0);
    all.count = 0;
    scarcity_end(&all);
    close(all.peers[0]);
}

static void who_waits_is_told_when_somebody_else_has_it(void **state)
{
    struct scarcity all;
    scarcity_begin(&all, state, 1);
    limit_to(all.idle[0].upstream->transport.fd);
    UNTIL(&all.lab, all.next[0].connected == 1);
    lift();
    expect_refused(&all.next[0]);
    scarcity_end(&all);
}

/* The first descriptor that comes free is of no use, the second one is for the first who waits. */
static void nobody_waits_for_what_will_not_come(void **state)
{
    struct scarcity all;
    scarcity_begin(&all, state, 2);
    limit_to(all.idle[0].upstream->transport.fd);
    UNTIL(&all.lab, all.next[0].connected == 1 && all.next[1].connected == 1);
    lift();
    expect_served(&all.next[0]);
    expect_refused(&all.next[1]);
    scarcity_end(&all);
}

/* Descriptors that come free meanwhile are for those who wait, and then for who came later. */
static void nobody_is_overtaken(void **state)
{
    struct scarcity all;
    struct user late;
    scarcity_begin(&all, state, 1);
    lift();
    acquire(&all.lab, 1, &late);
    assert_true(upstream_awaits_descriptor(late.upstream));
    UNTIL(&all.lab, all.next[0].begun == 1);
    assert_int_equal(late.begun, 1);
    assert_true(all.next[0].upstream->transport.fd < late.upstream->transport.fd);
    UNTIL(&all.lab, all.next[0].connected == 1 && late.connected == 1);
    expect_served(&all.next[0]);
    expect_served(&late);
    upstream_discard(late.upstream, false);
    scarcity_end(&all);
}

/* Who comes later is told like everybody else when there is none for it. */
static void who_comes_later_does_not_wait_in_vain(void **state)
{
    struct scarcity all;
    struct user late;
    scarcity_begin(&all, state, 1);
    acquire(&all.lab, 1, &late);
    UNTIL(&all.lab, all.next[0].connected == 1 && late.connected == 1);
    lift();
    expect_served(&all.next[0]);
    expect_refused(&late);
    upstream_discard(late.upstream, false);
    scarcity_end(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_ones_are_closed_for_new_ones),
        cmocka_unit_test(without_idle_ones_it_is_an_error),
        cmocka_unit_test(discarding_one_that_waits_leaves_nothing),
        cmocka_unit_test(who_waits_is_told_when_somebody_else_has_it),
        cmocka_unit_test(nobody_waits_for_what_will_not_come),
        cmocka_unit_test(nobody_is_overtaken),
        cmocka_unit_test(who_comes_later_does_not_wait_in_vain),
    };
    return ring_variants_run("descriptors", tests, ARRAY_COUNT(tests));
}
