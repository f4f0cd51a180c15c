/* Places and turns: limits that hold exactly over all threads, and no wake-up that is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/hash.h"
#include "state/routes.h"

enum { SLOT = 5, OTHER_SLOT = 6 };

struct lab {
    struct state *state;
    struct state_routes *routes;
    u32 woken[3];
};

static void wake(void *context)
{
    (*(u32 *)context)++;
}

static int setup(void **state)
{
    static struct lab lab;
    lab = (struct lab){.state = state_create()};
    if (!lab.state)
        return -1;
    lab.routes = state_routes(lab.state);
    for (u32 worker = 0; worker < ARRAY_COUNT(lab.woken); worker++) {
        if (!state_route_tallies(lab.routes, worker))
            return -1;
        state_worker_listen(lab.routes, worker, wake, &lab.woken[worker]);
    }
    *state = &lab;
    return 0;
}

static int teardown(void **state)
{
    state_destroy(((struct lab *)*state)->state);
    return 0;
}

static void begin_to_wait(struct lab *lab, u32 worker, u64 turn_ms)
{
    assert_true(state_route_wait(lab->routes, SLOT, 100));
    state_route_tell(lab->routes, SLOT, worker, turn_ms * NS_PER_MS, false);
}

static void wait_no_more(struct lab *lab, u32 worker)
{
    state_route_unwait(lab->routes, SLOT);
    state_route_tell(lab->routes, SLOT, worker, 0, false);
}

/* ---- Limits ---- */

static void a_route_takes_exactly_as_many_as_it_may(void **state)
{
    struct state_routes *routes = ((struct lab *)*state)->routes;
    for (u32 i = 0; i < 3; i++)
        assert_true(state_route_enter(routes, SLOT, 3));
    assert_false(state_route_enter(routes, SLOT, 3));
    assert_true(state_route_enter(routes, OTHER_SLOT, 3)); /* another route's own */
    assert_int_equal(state_route_active(routes, SLOT), 3);
    state_route_leave(routes, SLOT);
    assert_true(state_route_enter(routes, SLOT, 3));
    assert_false(state_route_enter(routes, SLOT, 3));
}

static void a_queue_takes_exactly_as_many_as_it_may(void **state)
{
    struct state_routes *routes = ((struct lab *)*state)->routes;
    assert_true(state_route_wait(routes, SLOT, 2));
    assert_true(state_route_wait(routes, SLOT, 2));
    assert_false(state_route_wait(routes, SLOT, 2));
    assert_int_equal(state_route_waiting(routes, SLOT), 2);
    state_route_unwait(routes, SLOT);
    assert_true(state_route_wait(routes, SLOT, 2));
    assert_false(state_route_wait(routes, OTHER_SLOT, 0));
}

static void nobody_overtakes_who_waits(void **state)
{
    struct lab *lab = *state;
    begin_to_wait(lab, 0, 1);
    assert_false(state_route_enter(lab->routes, SLOT, 3));
    assert_true(state_route_enter_next(lab->routes, SLOT, 3));
    wait_no_more(lab, 0);
    assert_true(state_route_enter(lab->routes, SLOT, 3));
}

/* ---- Turns ---- */

static void without_waiters_it_is_nobodys_turn(void **state)
{
    struct lab *lab = *state;
    assert_false(state_route_turn(lab->routes, SLOT, 0, 1));
    assert_int_equal(lab->woken[0] + lab->woken[1] + lab->woken[2], 0);
}

static void the_worker_whose_waiter_came_first_is_called(void **state)
{
    struct lab *lab = *state;
    begin_to_wait(lab, 0, 300);
    begin_to_wait(lab, 1, 100);
    begin_to_wait(lab, 2, 200);
    assert_false(state_route_turn(lab->routes, SLOT, 0, 1));
    assert_int_equal(lab->woken[0], 0);
    assert_int_equal(lab->woken[1], 1);
    assert_int_equal(lab->woken[2], 0);
    assert_true(state_worker_called(lab->routes, 1));
    assert_false(state_worker_called(lab->routes, 1));
    assert_true(state_route_turn(lab->routes, SLOT, 1, 1));
    wait_no_more(lab, 1);
    assert_false(state_route_turn(lab->routes, SLOT, 1, 1)); /* it has nobody left: the next one */
    assert_int_equal(lab->woken[2], 1);
    assert_int_equal(lab->woken[0], 0);
}

static void who_was_called_and_has_not_looked_is_not_called_again(void **state)
{
    struct lab *lab = *state;
    begin_to_wait(lab, 1, 100);
    for (u32 i = 0; i < 5; i++)
        assert_false(state_route_turn(lab->routes, SLOT, 0, 1));
    assert_int_equal(lab->woken[1], 1);
    assert_true(state_worker_called(lab->routes, 1));
    assert_false(state_route_turn(lab->routes, SLOT, 0, 1));
    assert_int_equal(lab->woken[1], 2);
}

static void a_moment_earlier_is_not_worth_a_call(void **state)
{
    struct lab *lab = *state;
    assert_true(state_route_wait(lab->routes, SLOT, 100));
    state_route_tell(lab->routes, SLOT, 1, 100 * NS_PER_MS, false);
    assert_true(state_route_wait(lab->routes, SLOT, 100));
    state_route_tell(lab->routes, SLOT, 0, 100 * NS_PER_MS + 50000, false);
    assert_true(state_route_turn(lab->routes, SLOT, 0, 1));
    assert_true(state_route_turn(lab->routes, SLOT, 1, 1));
    assert_int_equal(lab->woken[0] + lab->woken[1], 0);
}

static void without_a_place_nobody_is_called(void **state)
{
    struct lab *lab = *state;
    assert_true(state_route_enter(lab->routes, SLOT, 1));
    begin_to_wait(lab, 1, 100);
    assert_false(state_route_turn(lab->routes, SLOT, 0, 1));
    assert_false(state_route_turn(lab->routes, SLOT, 1, 1));
    assert_int_equal(lab->woken[1], 0);
    assert_true(state_route_turn(lab->routes, SLOT, 1, 0)); /* there is no limit any more */
}

static void who_does_not_listen_is_not_woken(void **state)
{
    struct lab *lab = *state;
    begin_to_wait(lab, 1, 100);
    state_worker_deafen(lab->routes, 1);
    assert_false(state_route_turn(lab->routes, SLOT, 0, 1));
    assert_int_equal(lab->woken[1], 0);
}

static void who_waits_for_room_is_not_called_for_a_place(void **state)
{
    struct lab *lab = *state;
    begin_to_wait(lab, 0, 100);
    state_route_tell(lab->routes, SLOT, 0, 100 * NS_PER_MS, true);
    begin_to_wait(lab, 1, 200);
    assert_false(state_route_turn(lab->routes, SLOT, 1, 2)); /* it does not overtake, either */
    assert_true(state_route_turn(lab->routes, SLOT, 0, 2));
    assert_int_equal(lab->woken[0] + lab->woken[1], 0);
}

static void all_who_wait_for_room_look_in_turn(void **state)
{
    struct lab *lab = *state;
    assert_false(state_room_free(lab->routes, STATE_WORKER_NONE));
    state_room_tell(lab->routes, 0, 300);
    state_room_tell(lab->routes, 1, 100);
    state_room_tell(lab->routes, 2, 100);
    assert_false(state_room_free(lab->routes, 0));
    assert_int_equal(lab->woken[1], 1);
    assert_true(state_room_free(lab->routes, 1)); /* the first need not be called by itself */
    state_room_pass(lab->routes, 1, 100);
    assert_int_equal(lab->woken[2], 1);
    state_room_pass(lab->routes, 2, 100);
    assert_int_equal(lab->woken[0], 1);
    state_room_pass(lab->routes, 0, 300);
    assert_int_equal(lab->woken[0] + lab->woken[1] + lab->woken[2], 3); /* that was the round */
    for (u32 worker = 0; worker < 3; worker++)
        state_room_tell(lab->routes, worker, 0);
    assert_false(state_room_free(lab->routes, 0));
}

static void a_backend_takes_exactly_as_many_as_it_may(void **state)
{
    struct state *shared = ((struct lab *)*state)->state;
    for (u32 worker = 0; worker < 2; worker++)
        assert_non_null(state_tallies(shared, worker));
    state_backend_watch(shared, 0, 7, true);
    assert_true(state_backend_enter(shared, 0, 7, 2));
    state_backend_begin(shared, 1, 7); /* by a worker that does not know of the limit */
    assert_false(state_backend_enter(shared, 0, 7, 2));
    state_backend_end(shared, 1, 7);
    assert_true(state_backend_enter(shared, 0, 7, 2));
    state_backend_watch(shared, 1, 7, true);
    assert_false(state_backend_enter(shared, 1, 7, 2));
    state_backend_end(shared, 0, 7);
    assert_true(state_backend_enter(shared, 1, 7, 2));
    state_backend_end(shared, 0, 7);
    state_backend_end(shared, 1, 7);
    assert_int_equal(state_backend_active(shared, 7), 0);
    assert_int_equal(state_active(shared)[7], 0);
}

static void a_limit_that_was_abolished_leaves_nothing_behind(void **state)
{
    struct state *shared = ((struct lab *)*state)->state;
    assert_non_null(state_tallies(shared, 0));
    assert_true(state_backend_enter(shared, 0, 7, 1)); /* the exchange is older */
    assert_false(state_backend_enter(shared, 0, 7, 1));
    assert_int_equal(state_backend_active(shared, 7), 1);
    state_backend_end(shared, 0, 7);
    assert_int_equal(state_backend_active(shared, 7), 0);
    assert_int_equal(state_active(shared)[7], 0);
}

static void tallies_of_all_workers_are_added_up(void **state)
{
    struct lab *lab = *state;
    u32 slot = state_take(lab->state, STATE_ROUTE, SLICE("r"));
    state_tally_add(&state_route_tallies(lab->routes, 0)[slot].queued, 3);
    state_tally_add(&state_route_tallies(lab->routes, 2)[slot].queued, 4);
    state_tally_add(&state_route_tallies(lab->routes, 2)[slot].shed, 1);
    assert_int_equal(state_route_tally(lab->routes, slot).queued, 7);
    assert_int_equal(state_route_tally(lab->routes, slot).shed, 1);
    state_release(lab->state, STATE_ROUTE, slot);
    assert_int_equal(state_take(lab->state, STATE_ROUTE, SLICE("another")), slot);
    assert_int_equal(state_route_tally(lab->routes, slot).queued, 0);
    state_release(lab->state, STATE_ROUTE, slot);
    assert_null(state_route_tallies(lab->routes, STATE_WORKERS_MAX));
}

/* ---- Between threads ---- */

enum { THREADS = 3, LIMIT = 2, ROUNDS = 20000 };

/* A worker with one exchange at a time, that sleeps until it is called when it cannot go on. */
struct racer {
    struct lab *lab;
    pthread_mutex_t lock;
    pthread_cond_t called;
    bool awake;
    u32 worker;
    u32 waited;
    _Atomic u32 *inside;
    _Atomic u32 *too_many;
};

static void rouse(void *context)
{
    struct racer *racer = context;
    pthread_mutex_lock(&racer->lock);
    racer->awake = true;
    pthread_cond_signal(&racer->called);
    pthread_mutex_unlock(&racer->lock);
}

static void sleep_until_called(struct racer *racer)
{
    pthread_mutex_lock(&racer->lock);
    while (!racer->awake)
        pthread_cond_wait(&racer->called, &racer->lock);
    racer->awake = false;
    pthread_mutex_unlock(&racer->lock);
    (void)state_worker_called(racer->lab->routes, racer->worker);
}

static void wait_for_a_place(struct racer *racer)
{
    struct state_routes *routes = racer->lab->routes;
    assert_true(state_route_wait(routes, SLOT, THREADS));
    state_route_tell(routes, SLOT, racer->worker, clock_monotonic_ns(), false);
    racer->waited++;
    while (!state_route_turn(routes, SLOT, racer->worker, LIMIT) ||
           !state_route_enter_next(routes, SLOT, LIMIT))
        sleep_until_called(racer);
    state_route_unwait(routes, SLOT);
    state_route_tell(routes, SLOT, racer->worker, 0, false);
    (void)!state_route_turn(routes, SLOT, racer->worker, LIMIT);
}

static void *race(void *argument)
{
    struct racer *racer = argument;
    struct state_routes *routes = racer->lab->routes;
    for (u32 i = 0; i < ROUNDS; i++) {
        if (!state_route_enter(routes, SLOT, LIMIT))
            wait_for_a_place(racer);
        if (atomic_fetch_add(racer->inside, 1) >= LIMIT)
            atomic_fetch_add(racer->too_many, 1);
        (void)sched_yield(); /* so that the others come, whatever the machine */
        atomic_fetch_sub(racer->inside, 1);
        state_route_leave(routes, SLOT);
        (void)!state_route_turn(routes, SLOT, racer->worker, LIMIT);
    }
    return NULL;
}

/* Each sleeps without a timeout: one lost wake-up, and this does not end. */
static void no_place_is_given_twice_and_no_waiter_is_forgotten(void **state)
{
    struct lab *lab = *state;
    _Atomic u32 inside = 0, too_many = 0;
    struct racer racers[THREADS];
    pthread_t threads[THREADS];
    for (u32 i = 0; i < THREADS; i++) {
        racers[i] =
            (struct racer){.lab = lab, .worker = i, .inside = &inside, .too_many = &too_many};
        pthread_mutex_init(&racers[i].lock, NULL);
        pthread_cond_init(&racers[i].called, NULL);
        state_worker_listen(lab->routes, i, rouse, &racers[i]);
    }
    for (u32 i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    for (u32 i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(too_many, 0);
    assert_true(racers[0].waited + racers[1].waited + racers[2].waited > 0);
    assert_int_equal(state_route_active(lab->routes, SLOT), 0);
    assert_int_equal(state_route_waiting(lab->routes, SLOT), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_route_takes_exactly_as_many_as_it_may),
        TEST(a_queue_takes_exactly_as_many_as_it_may),
        TEST(nobody_overtakes_who_waits),
        TEST(without_waiters_it_is_nobodys_turn),
        TEST(the_worker_whose_waiter_came_first_is_called),
        TEST(who_was_called_and_has_not_looked_is_not_called_again),
        TEST(a_moment_earlier_is_not_worth_a_call),
        TEST(without_a_place_nobody_is_called),
        TEST(who_does_not_listen_is_not_woken),
        TEST(who_waits_for_room_is_not_called_for_a_place),
        TEST(all_who_wait_for_room_look_in_turn),
        TEST(a_backend_takes_exactly_as_many_as_it_may),
        TEST(a_limit_that_was_abolished_leaves_nothing_behind),
        TEST(tallies_of_all_workers_are_added_up),
        TEST(no_place_is_given_twice_and_no_waiter_is_forgotten),
    };
    return cmocka_run_group_tests_name("places of routes", tests, NULL, NULL);
}
