/* What workers share: slots that stay, figures by slot, and limits that hold exactly over all
 * threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/hash.h"
#include "state/exchanges.h"
#include "state/removal.h"
#include "state/routes.h"

static int setup(void **state)
{
    *state = state_create();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    state_destroy(*state);
    return 0;
}

/* ---- Slots ---- */

static void a_key_keeps_its_slot_while_somebody_has_it(void **state)
{
    u32 a = state_take(*state, STATE_BACKEND, SLICE("a"));
    u32 b = state_take(*state, STATE_BACKEND, SLICE("b"));
    assert_int_not_equal(a, b);
    assert_int_equal(state_take(*state, STATE_BACKEND, SLICE("a")), a);
    assert_int_equal(state_slots(*state, STATE_BACKEND), 2);
    assert_int_equal(state_slots(*state, STATE_ROUTE), 0);
    state_release(*state, STATE_BACKEND, a);
    assert_int_equal(state_take(*state, STATE_BACKEND, SLICE("a")), a);
    state_release(*state, STATE_BACKEND, a);
    state_release(*state, STATE_BACKEND, a);
    assert_int_equal(state_slots(*state, STATE_BACKEND), 1);
    state_release(*state, STATE_BACKEND, b);
}

static void a_slot_that_was_free_has_fresh_figures(void **state)
{
    u32 slot = state_take(*state, STATE_BACKEND, SLICE("old"));
    state_backend_latency(*state, slot, 77, 1000);
    state_backend_mark(*state, slot, STATE_EJECTED, true);
    state_release(*state, STATE_BACKEND, slot);
    assert_int_equal(state_take(*state, STATE_BACKEND, SLICE("new")), slot);
    assert_int_equal(state_latency_us(*state)[slot], 0);
    assert_true(state_backend_usable(*state, slot));
    state_release(*state, STATE_BACKEND, slot);
}

static void tallies_of_all_workers_are_added_up(void **state)
{
    u32 slot = state_take(*state, STATE_BACKEND, SLICE("counted"));
    u32 other = state_take(*state, STATE_BACKEND, SLICE("other"));
    struct state_tally *first = state_tallies(*state, 0);
    struct state_tally *last = state_tallies(*state, STATE_WORKERS_MAX - 1);
    assert_non_null(first);
    assert_non_null(last);
    assert_ptr_equal(state_tallies(*state, 0), first);
    assert_null(state_tallies(*state, STATE_WORKERS_MAX));
    state_tally_add(&first[slot].requests, 3);
    state_tally_add(&last[slot].requests, 4);
    state_tally_add(&last[slot].failures, 1);
    state_tally_add(&first[slot].responses[1], 2);
    state_tally_add(&last[slot].latency_us_sum, 500);
    struct state_tally sum = state_backend_tally(*state, slot);
    assert_int_equal(sum.requests, 7);
    assert_int_equal(sum.failures, 1);
    assert_int_equal(sum.responses[1], 2);
    assert_int_equal(sum.latency_us_sum, 500);
    assert_int_equal(state_backend_tally(*state, other).requests, 0);
    state_release(*state, STATE_BACKEND, slot);
    assert_int_equal(state_take(*state, STATE_BACKEND, SLICE("fresh")), slot);
    assert_int_equal(state_backend_tally(*state, slot).requests, 0);
    assert_int_equal(state_backend_tally(*state, slot).latency_us_sum, 0);
    state_release(*state, STATE_BACKEND, slot);
    state_release(*state, STATE_BACKEND, other);
}

static void exchanges_of_all_workers_are_added_up(void **state)
{
    assert_non_null(state_tallies(*state, 0));
    assert_non_null(state_tallies(*state, 2));
    u32 slot = state_take(*state, STATE_ROUTE, SLICE("counted"));
    struct state_exchanges *first = &state_route_exchanges(*state, 0)[slot];
    struct state_exchanges *last = &state_route_exchanges(*state, 2)[slot];
    state_tally_add(&first->begun, 5);
    state_tally_add(&last->begun, 2);
    state_tally_add(&first->ended[2], 3);
    state_tally_add(&last->ended[0], 1);
    state_tally_add(&last->duration_us_sum, 700);
    state_latency_add(&state_route_durations(*state, 0)[slot], 300);
    state_latency_add(&state_route_durations(*state, 2)[slot], 400);
    struct state_exchanges sums = state_route_exchange_sums(*state, slot);
    struct state_latency_sums durations = state_route_duration_sums(*state, slot);
    assert_int_equal(sums.ended[2], 3);
    assert_int_equal(state_exchanges_ended(&sums), 4);
    assert_int_equal(state_exchanges_active(&sums), 3);
    assert_int_equal(sums.duration_us_sum, 700);
    assert_int_equal(state_latency_count(&durations), 2);
    state_tally_add(&sums.ended[5], 9); /* read a moment later than what had begun */
    assert_int_equal(state_exchanges_active(&sums), 0);
    state_release(*state, STATE_ROUTE, slot);
    assert_int_equal(state_take(*state, STATE_ROUTE, SLICE("fresh")), slot);
    sums = state_route_exchange_sums(*state, slot);
    durations = state_route_duration_sums(*state, slot);
    assert_int_equal(sums.begun + state_exchanges_ended(&sums) + sums.duration_us_sum, 0);
    assert_int_equal(state_latency_count(&durations), 0);
    state_release(*state, STATE_ROUTE, slot);
}

/* Takes and releases many keys in a random order: equal keys have equal slots, others do not. */
static void slots_are_what_a_list_of_keys_says(void **state)
{
    enum { KEYS = 500, STEPS = 20000 };
    static u32 takers[KEYS], slots[KEYS];
    struct rng rng;
    char key[16];
    u32 taken = 0;
    rng_seed(&rng, 3);
    for (u32 step = 0; step < STEPS; step++) {
        u32 i = rng_below(&rng, KEYS);
        (void)snprintf(key, sizeof(key), "key-%u", i);
        if (takers[i] > 0 && rng_below(&rng, 2) == 0) {
            state_release(*state, STATE_ROUTE, slots[i]);
            taken -= --takers[i] == 0;
        } else {
            u32 slot = state_take(*state, STATE_ROUTE, slice_of_string(key));
            assert_true(slot < KEYS); /* free ones are used again */
            assert_true(takers[i] == 0 || slots[i] == slot);
            taken += takers[i]++ == 0;
            slots[i] = slot;
        }
        assert_int_equal(state_slots(*state, STATE_ROUTE), taken);
    }
    for (u32 i = 0; i < KEYS; i++)
        for (u32 other = 0; other < i; other++)
            assert_true(takers[i] == 0 || takers[other] == 0 || slots[i] != slots[other]);
    for (u32 i = 0; i < KEYS; i++)
        for (; takers[i] > 0; takers[i]--)
            state_release(*state, STATE_ROUTE, slots[i]);
}

/* ---- What is removed ---- */

static void what_is_removed_is_known_since_then(void **state)
{
    const u32 slots[] = {3, 4, 5};
    const enum state_kind kind = STATE_URL;
    const struct state_members all = {kind, slots, 3}, first = {kind, slots, 1},
                               second = {kind, slots + 1, 1};
    state_present(*state, all, 1);
    state_present(*state, first, 2);
    assert_true(state_removed(*state, all, 2, 700) == 700);
    assert_true(state_removed_ns(*state, kind, 3) == UINT64_MAX);
    assert_true(state_removed_ns(*state, kind, 4) == 700);
    assert_true(state_removed_ns(*state, STATE_PATTERN, 4) == UINT64_MAX);
    /* one is back, the other keeps its time, and the third goes */
    state_present(*state, second, 3);
    assert_true(state_removed(*state, all, 3, 900) == 700);
    assert_true(state_removed_ns(*state, kind, 3) == 900);
    assert_true(state_removed_ns(*state, kind, 4) == UINT64_MAX);
    assert_true(state_removed_ns(*state, kind, 5) == 700);
    state_present(*state, all, 4);
    assert_true(state_removed(*state, all, 4, 1000) == UINT64_MAX);
}

static void a_slot_that_is_anothers_is_not_removed(void **state)
{
    u32 slot = state_take(*state, STATE_URL, SLICE("http://a"));
    const struct state_members one = {STATE_URL, &slot, 1};
    assert_true(state_removed(*state, one, 9, 700) == 700);
    state_release(*state, STATE_URL, slot);
    assert_int_equal(state_take(*state, STATE_URL, SLICE("http://b")), slot);
    assert_true(state_removed_ns(*state, STATE_URL, slot) == UINT64_MAX);
    state_release(*state, STATE_URL, slot);
}

/* ---- Figures ---- */

static void requests_are_counted_by_slot(void **state)
{
    assert_non_null(state_tallies(*state, 0));
    assert_non_null(state_tallies(*state, 3));
    state_backend_begin(*state, 0, 4);
    state_backend_begin(*state, 3, 4);
    state_backend_begin(*state, 0, 5);
    assert_int_equal(state_backend_active(*state, 4), 2);
    assert_int_equal(state_backend_active(*state, 5), 1);
    assert_int_equal(state_backend_active(*state, 6), 0);
    state_backend_end(*state, 3, 4);
    state_backend_end(*state, 0, 4);
    state_backend_end(*state, 0, 5);
    assert_int_equal(state_backend_active(*state, 4), 0);
}

static void who_watches_counts_for_all(void **state)
{
    const u32 *all = state_active(*state);
    assert_non_null(state_tallies(*state, 0));
    assert_non_null(state_tallies(*state, 1));
    state_backend_begin(*state, 0, 4);
    assert_int_equal(all[4], 0);
    state_backend_watch(*state, 0, 4, true); /* what began before counts as well */
    state_backend_watch(*state, 0, 4, true);
    state_backend_begin(*state, 0, 4);
    state_backend_begin(*state, 1, 4);
    assert_int_equal(all[4], 2);
    state_backend_watch(*state, 1, 4, true);
    assert_int_equal(all[4], 3);
    assert_int_equal(state_backend_active(*state, 4), 3);
    state_backend_end(*state, 0, 4);
    assert_int_equal(all[4], 2);
    state_backend_watch(*state, 0, 4, false);
    assert_int_equal(all[4], 1);
    assert_int_equal(state_backend_active(*state, 4), 2);
    state_backend_end(*state, 0, 4);
    state_backend_end(*state, 1, 4);
    assert_int_equal(all[4], 0);
    assert_int_equal(state_backend_active(*state, 4), 0);
}

static void latency_is_known_after_the_first_sample(void **state)
{
    const u32 *latency_us = state_latency_us(*state);
    assert_int_equal(latency_us[2], 0);
    state_backend_latency(*state, 2, 0, 1000); /* 0 would mean unknown */
    assert_int_equal(latency_us[2], 1);
    state_backend_latency(*state, 2, 5000, 2000);
    assert_int_equal(latency_us[2], 5000); /* slower counts at once */
    assert_int_equal(latency_us[3], 0);
    state_backend_latency(*state, 2, 10, 1000); /* a clock behind another's */
    assert_true(latency_us[2] > 10);
}

/* ---- Marks ---- */

struct listener {
    struct state_follower follower;
    u32 marks[4];
    u32 told;
};

static bool may_eject(struct state_follower *follower, u32 slot)
{
    (void)follower;
    (void)slot;
    return true;
}

static void on_marks(struct state_follower *follower, u32 slot, u32 marks)
{
    struct listener *listener = container_of(follower, struct listener, follower);
    if (slot >= ARRAY_COUNT(listener->marks))
        return;
    listener->marks[slot] = marks;
    listener->told++;
}

static void a_backend_is_usable_when_no_judge_is_against_it(void **state)
{
    static const enum state_mark marks[] = {STATE_DOWN, STATE_EJECTED, STATE_DRAINING,
                                            STATE_MAINTENANCE};
    for (u32 set = 0; set < 1u << ARRAY_COUNT(marks); set++) {
        for (u32 i = 0; i < ARRAY_COUNT(marks); i++)
            state_backend_mark(*state, 3, marks[i], set >> i & 1);
        assert_int_equal(state_backend_usable(*state, 3), set == 0);
        for (u32 i = 0; i < ARRAY_COUNT(marks); i++)
            assert_int_equal((state_backend_marks(*state, 3) & marks[i]) != 0, set >> i & 1);
    }
    assert_true(state_backend_usable(*state, 2));
    assert_string_equal(state_mark_name(STATE_DOWN), "down");
    assert_string_equal(state_mark_name(STATE_EJECTED), "ejected");
    assert_string_equal(state_mark_name(STATE_DRAINING), "draining");
    assert_string_equal(state_mark_name(STATE_MAINTENANCE), "maintenance");
}

static void followers_hear_of_changes_alone(void **state)
{
    struct listener listener = {.follower = {.on_marks = on_marks, .may_eject = may_eject}};
    const u32 slots[] = {1, 2};
    state_backend_mark(*state, 2, STATE_DRAINING, true);
    state_follow(*state, &listener.follower, slots, 2);
    assert_int_equal(listener.told, 2); /* how things stand */
    assert_int_equal(listener.marks[2], STATE_DRAINING);
    state_backend_mark(*state, 2, STATE_DRAINING, true);
    assert_int_equal(listener.told, 2);
    state_backend_mark(*state, 2, STATE_DOWN, true);
    assert_int_equal(listener.told, 3);
    assert_int_equal(listener.marks[2], STATE_DRAINING | STATE_DOWN);
    state_unfollow(*state, &listener.follower);
    state_backend_mark(*state, 2, STATE_DOWN, false);
    assert_int_equal(listener.told, 3);
}

struct judge {
    struct state *state;
    enum state_mark mark;
    _Atomic bool over;
};

static void *judge_at_random(void *argument)
{
    struct judge *judge = argument;
    struct rng rng;
    rng_seed(&rng, judge->mark);
    while (!atomic_load(&judge->over))
        state_backend_mark(judge->state, rng_below(&rng, 4), judge->mark, rng_below(&rng, 2) == 1);
    return NULL;
}

/* Whoever joins while two judges are at work has missed nothing when they stop. */
static void no_change_is_lost_on_those_who_join_meanwhile(void **state)
{
    enum { FOLLOWERS = 200 };
    static struct listener listeners[FOLLOWERS];
    const u32 slots[] = {0, 1, 2, 3};
    struct judge judges[2] = {{*state, STATE_DOWN, false}, {*state, STATE_EJECTED, false}};
    pthread_t threads[2];
    for (u32 i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, judge_at_random, &judges[i]), 0);
    for (u32 i = 0; i < FOLLOWERS; i++) {
        listeners[i].follower.on_marks = on_marks;
        state_follow(*state, &listeners[i].follower, slots, 4);
    }
    for (u32 i = 0; i < 2; i++)
        atomic_store(&judges[i].over, true);
    for (u32 i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (u32 i = 0; i < FOLLOWERS; i++) {
        for (u32 slot = 0; slot < 4; slot++)
            assert_int_equal(listeners[i].marks[slot], state_backend_marks(*state, slot));
        state_unfollow(*state, &listeners[i].follower);
    }
}

/* ---- Limits ---- */

enum { LIMIT = 3, ROUNDS = 200000 };

struct racer {
    struct state *state;
    u32 worker;
    _Atomic u32 *inside;
    _Atomic u32 *too_many;
    u64 entered;
};

static void *race(void *argument)
{
    struct racer *racer = argument;
    struct state *state = racer->state;
    struct state_routes *routes = state_routes(state);
    const u32 a = 9;
    for (u32 i = 0; i < ROUNDS; i++) {
        u32 places = 0;
        while (places < 2 && state_route_enter(routes, 0, LIMIT)) {
            if (atomic_fetch_add(racer->inside, 1) >= LIMIT)
                atomic_fetch_add(racer->too_many, 1);
            state_backend_begin(state, racer->worker, a);
            places++;
        }
        racer->entered += places;
        for (; places > 0; places--) {
            state_backend_end(state, racer->worker, a);
            atomic_fetch_sub(racer->inside, 1);
            state_route_leave(routes, 0);
        }
    }
    return NULL;
}

static void the_limit_and_the_counts_hold_between_threads(void **state)
{
    _Atomic u32 inside = 0, too_many = 0;
    struct racer racers[2] = {{*state, 0, &inside, &too_many, 0},
                              {*state, 1, &inside, &too_many, 0}};
    pthread_t threads[2];
    for (u32 i = 0; i < 2; i++)
        assert_non_null(state_tallies(*state, i));
    state_backend_watch(*state, 1, 9, true); /* both ways of counting */
    for (u32 i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    for (u32 i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(too_many, 0);
    assert_true(racers[0].entered > 0 && racers[1].entered > 0);
    assert_int_equal(state_backend_active(*state, 9), 0);
    for (u32 i = 0; i < LIMIT; i++) /* every place was given back */
        assert_true(state_route_enter(state_routes(*state), 0, LIMIT));
    assert_false(state_route_enter(state_routes(*state), 0, LIMIT));
}

static void retries_are_counted_by_backend(void **state)
{
    assert_false(state_retry_enter(*state, 3, 0));
    assert_true(state_retry_enter(*state, 3, 2));
    assert_true(state_retry_enter(*state, 3, 2));
    assert_false(state_retry_enter(*state, 3, 2));
    assert_true(state_retry_enter(*state, 4, 1));
    assert_int_equal(state_retries(*state, 3), 2);
    state_retry_leave(*state, 3);
    assert_int_equal(state_retries(*state, 3), 1);
    assert_true(state_retry_enter(*state, 3, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_keeps_its_slot_while_somebody_has_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_slot_that_was_free_has_fresh_figures, setup, teardown),
        cmocka_unit_test_setup_teardown(tallies_of_all_workers_are_added_up, setup, teardown),
        cmocka_unit_test_setup_teardown(exchanges_of_all_workers_are_added_up, setup, teardown),
        cmocka_unit_test_setup_teardown(slots_are_what_a_list_of_keys_says, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_removed_is_known_since_then, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slot_that_is_anothers_is_not_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(who_watches_counts_for_all, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_are_counted_by_slot, setup, teardown),
        cmocka_unit_test_setup_teardown(latency_is_known_after_the_first_sample, setup, teardown),
        cmocka_unit_test_setup_teardown(a_backend_is_usable_when_no_judge_is_against_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(followers_hear_of_changes_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(no_change_is_lost_on_those_who_join_meanwhile, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(retries_are_counted_by_backend, setup, teardown),
        cmocka_unit_test_setup_teardown(the_limit_and_the_counts_hold_between_threads, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
