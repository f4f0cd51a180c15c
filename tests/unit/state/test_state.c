/* What workers share: figures per pool, and limits that hold exactly over all threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "state.h"

/* Three backends: all of them in the default pool, two in the route's. */
static const char two_pools[] = "{\"backends\":["
                                "{\"id\":\"a\",\"url\":\"http://127.0.0.1:1\"},"
                                "{\"id\":\"b\",\"url\":\"http://127.0.0.1:2\"},"
                                "{\"id\":\"c\",\"url\":\"http://127.0.0.1:3\"}],"
                                "\"routes\":[{\"path\":\"/x\",\"backends\":[\"c\",\"a\"],"
                                "\"reqActiveLength\":3}]}";

struct fixture {
    struct config *config;
    struct state *state;
    u32 all; /* the pool of all three */
    u32 two; /* the pool of c and a */
};

static int setup(void **state)
{
    static struct fixture fixture;
    struct config_problems problems;
    fixture.config = config_parse(slice_of_string(two_pools), "test", NULL, &problems);
    if (!fixture.config)
        config_problems_print(&problems, stderr);
    config_problems_deinit(&problems);
    assert_non_null(fixture.config);
    fixture.state = state_create(fixture.config);
    assert_non_null(fixture.state);
    for (u32 i = 0; i < fixture.config->pool_count; i++) {
        if (fixture.config->pools[i].backend_count == 3)
            fixture.all = i;
        else
            fixture.two = i;
    }
    assert_int_not_equal(fixture.all, fixture.two);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    state_destroy(fixture->state);
    config_destroy(fixture->config);
    return 0;
}

/* Where backend `id` is in a pool. */
static u32 member(const struct fixture *fixture, u32 pool, const char *id)
{
    const struct config_pool *it = &fixture->config->pools[pool];
    for (u32 i = 0; i < it->backend_count; i++)
        if (slice_equal(fixture->config->backends[it->backends[i]].id, slice_of_string(id)))
            return i;
    fail_msg("%s is not in the pool", id);
    return 0;
}

static u32 backend(const struct fixture *fixture, const char *id)
{
    return fixture->config->pools[fixture->all].backends[member(fixture, fixture->all, id)];
}

static u32 active(const struct fixture *fixture, u32 pool, const char *id)
{
    return balance_figure(state_load(fixture->state, pool)->active, member(fixture, pool, id));
}

static void a_request_counts_in_every_pool_of_its_backend(void **state)
{
    struct fixture *f = *state;
    state_backend_begin(f->state, backend(f, "a"));
    state_backend_begin(f->state, backend(f, "a"));
    state_backend_begin(f->state, backend(f, "b"));
    assert_int_equal(active(f, f->all, "a"), 2);
    assert_int_equal(active(f, f->two, "a"), 2);
    assert_int_equal(active(f, f->all, "b"), 1);
    assert_int_equal(active(f, f->all, "c"), 0);
    assert_int_equal(active(f, f->two, "c"), 0);
    assert_int_equal(state_backend_active(f->state, backend(f, "a")), 2);
    state_backend_end(f->state, backend(f, "a"));
    assert_int_equal(active(f, f->all, "a"), 1);
    assert_int_equal(active(f, f->two, "a"), 1);
    state_backend_end(f->state, backend(f, "a"));
    state_backend_end(f->state, backend(f, "b"));
    assert_int_equal(state_backend_active(f->state, backend(f, "a")), 0);
}

static void an_unusable_backend_is_so_in_every_pool(void **state)
{
    struct fixture *f = *state;
    for (u32 round = 0; round < 2; round++) {
        bool usable = round == 1;
        state_backend_set_usable(f->state, backend(f, "c"), usable);
        state_backend_set_usable(f->state, backend(f, "c"), usable);
        const struct balance_load *all = state_load(f->state, f->all);
        const struct balance_load *two = state_load(f->state, f->two);
        assert_int_equal(balance_bit(all->usable, member(f, f->all, "c")), usable);
        assert_int_equal(balance_bit(two->usable, member(f, f->two, "c")), usable);
        assert_true(balance_bit(all->usable, member(f, f->all, "a")));
        assert_true(balance_bit(two->usable, member(f, f->two, "a")));
    }
}

static void latency_is_known_after_the_first_sample(void **state)
{
    struct fixture *f = *state;
    const u32 *in_all = state_load(f->state, f->all)->latency_us;
    const u32 *in_two = state_load(f->state, f->two)->latency_us;
    assert_int_equal(balance_figure(in_all, member(f, f->all, "a")), 0);
    state_backend_latency(f->state, backend(f, "a"), 0, 1000); /* 0 would mean unknown */
    assert_int_equal(balance_figure(in_all, member(f, f->all, "a")), 1);
    state_backend_latency(f->state, backend(f, "a"), 5000, 2000);
    assert_int_equal(balance_figure(in_all, member(f, f->all, "a")),
                     5000); /* slower counts at once */
    assert_int_equal(balance_figure(in_two, member(f, f->two, "a")), 5000);
    assert_int_equal(balance_figure(in_all, member(f, f->all, "b")), 0);
    state_backend_latency(f->state, backend(f, "a"), 10, 1000); /* a clock behind another's */
    assert_true(balance_figure(in_all, member(f, f->all, "a")) > 10);
}

/* ---- Limits ---- */

static void a_route_without_a_limit_always_has_a_place(void **state)
{
    struct fixture *f = *state;
    for (u32 i = 0; i < 1000; i++)
        assert_true(state_route_enter(f->state, 0, 0));
    state_route_leave(f->state, 0, 0);
}

static void a_route_takes_exactly_as_many_as_it_may(void **state)
{
    struct fixture *f = *state;
    for (u32 i = 0; i < 3; i++)
        assert_true(state_route_enter(f->state, 0, 3));
    assert_false(state_route_enter(f->state, 0, 3));
    assert_true(state_route_enter(f->state, 1, 3)); /* another route's own */
    state_route_leave(f->state, 1, 3);
    state_route_leave(f->state, 0, 3);
    assert_true(state_route_enter(f->state, 0, 3));
    assert_false(state_route_enter(f->state, 0, 3));
    for (u32 i = 0; i < 3; i++)
        state_route_leave(f->state, 0, 3);
}

enum { LIMIT = 3, ROUNDS = 200000 };

struct racer {
    struct fixture *fixture;
    _Atomic u32 *inside;
    _Atomic u32 *too_many;
    u64 entered;
};

static void *race(void *argument)
{
    struct racer *racer = argument;
    struct state *state = racer->fixture->state;
    u32 a = backend(racer->fixture, "a");
    for (u32 i = 0; i < ROUNDS; i++) {
        u32 places = 0;
        while (places < 2 && state_route_enter(state, 0, LIMIT)) {
            if (atomic_fetch_add(racer->inside, 1) >= LIMIT)
                atomic_fetch_add(racer->too_many, 1);
            state_backend_begin(state, a);
            places++;
        }
        racer->entered += places;
        for (; places > 0; places--) {
            state_backend_end(state, a);
            atomic_fetch_sub(racer->inside, 1);
            state_route_leave(state, 0, LIMIT);
        }
    }
    return NULL;
}

static void the_limit_and_the_counts_hold_between_threads(void **state)
{
    struct fixture *f = *state;
    _Atomic u32 inside = 0, too_many = 0;
    struct racer racers[2] = {{f, &inside, &too_many, 0}, {f, &inside, &too_many, 0}};
    pthread_t threads[2];
    for (u32 i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    for (u32 i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(too_many, 0);
    assert_true(racers[0].entered > 0 && racers[1].entered > 0);
    assert_int_equal(active(f, f->all, "a"), 0);
    assert_int_equal(active(f, f->two, "a"), 0);
    for (u32 i = 0; i < LIMIT; i++) /* every place was given back */
        assert_true(state_route_enter(f->state, 0, LIMIT));
    assert_false(state_route_enter(f->state, 0, LIMIT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_counts_in_every_pool_of_its_backend, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_unusable_backend_is_so_in_every_pool, setup, teardown),
        cmocka_unit_test_setup_teardown(latency_is_known_after_the_first_sample, setup, teardown),
        cmocka_unit_test_setup_teardown(a_route_without_a_limit_always_has_a_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_route_takes_exactly_as_many_as_it_may, setup, teardown),
        cmocka_unit_test_setup_teardown(the_limit_and_the_counts_hold_between_threads, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
