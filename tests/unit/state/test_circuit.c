/* The circuit breaker's machine: what opens it, for how long, and what closes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "state/circuit.h"

#define MS(count) ((u64)(count)*NS_PER_MS)

static const struct config_passive_check check = {
    .refused_max = 1,
    .failures_max = 5,
    .error_rate_percent = 50,
    .requests_min = 20,
    .window_ms = 1000,
    .ejection_ms = 100,
    .ejection_max_ms = 1000,
    .trials = 1,
    .enabled = true,
};
static const struct circuit_failure refused = {.what = "connect_refused", .refused = true};
static const struct circuit_failure reset = {.what = "upstream_reset"};
static const struct circuit_failure failed_trial = {.what = "upstream_reset", .trial = true};

/* A backend, its requests and its time. */
struct lab {
    struct circuit circuit;
    struct config_passive_check check;
    u64 now_ns, requests;
};

static struct lab lab_open(void)
{
    struct lab lab = {.check = check, .now_ns = MS(1000000)};
    circuit_init(&lab.circuit);
    return lab;
}

static enum circuit_reason fails(struct lab *lab, const struct circuit_failure *failure)
{
    lab->requests++;
    return circuit_fail(&lab->circuit, &lab->check, failure, lab->requests, lab->now_ns);
}

static bool succeeds_as(struct lab *lab, enum circuit_trial trial)
{
    lab->requests++;
    return circuit_succeed(&lab->circuit, &lab->check, trial, lab->requests, lab->now_ns);
}

static bool succeeds(struct lab *lab, bool trial)
{
    return succeeds_as(lab, trial ? CIRCUIT_TRIAL_HELD : CIRCUIT_TRIAL_NONE);
}

static void opens(struct lab *lab, enum circuit_reason reason)
{
    circuit_open(&lab->circuit, &lab->check, reason, lab->now_ns);
    assert_int_equal(lab->circuit.state, CIRCUIT_OPEN);
}

/* Passes the time of the ejection, and begins the trial; returns how long it was, in ms. */
static u64 waits_for_trial(struct lab *lab)
{
    u64 from_ns = lab->now_ns;
    lab->now_ns = lab->circuit.until_ns - 1;
    assert_false(circuit_tick(&lab->circuit, lab->now_ns));
    assert_false(circuit_try(&lab->circuit));
    lab->now_ns++;
    assert_true(circuit_tick(&lab->circuit, lab->now_ns));
    assert_int_equal(lab->circuit.state, CIRCUIT_HALF_OPEN);
    assert_true(circuit_try(&lab->circuit));
    assert_false(circuit_try(&lab->circuit)); /* there is one */
    return (lab->now_ns - from_ns) / NS_PER_MS;
}

/* ---- What opens it ---- */

static void one_refused_connection_is_enough(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    assert_int_equal(fails(&lab, &refused), CIRCUIT_BY_REFUSAL);
    assert_string_equal(lab.circuit.last.what, "connect_refused");
}

static void as_many_refused_ones_as_the_setting_says(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    lab.check.refused_max = 3;
    for (u32 i = 0; i < 2; i++)
        assert_int_equal(fails(&lab, &refused), CIRCUIT_NO_REASON);
    assert_int_equal(fails(&lab, &reset), CIRCUIT_NO_REASON); /* which ends that row */
    assert_int_equal(fails(&lab, &refused), CIRCUIT_NO_REASON);
    assert_int_equal(fails(&lab, &refused), CIRCUIT_BY_ROW); /* and is the fifth failure */
    lab = lab_open();
    lab.check.refused_max = lab.check.failures_max = lab.check.error_rate_percent = 0;
    for (u32 i = 0; i < 1000; i++)
        assert_int_equal(fails(&lab, &refused), CIRCUIT_NO_REASON);
}

static void failures_in_a_row(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    for (u32 round = 0; round < 3; round++) {
        for (u32 i = 0; i < 4; i++)
            assert_int_equal(fails(&lab, &reset), CIRCUIT_NO_REASON);
        for (u32 i = 0; i < 8; i++)
            assert_false(succeeds(&lab, false)); /* ends the row */
    }
    for (u32 i = 0; i < 4; i++)
        assert_int_equal(fails(&lab, &reset), CIRCUIT_NO_REASON);
    assert_int_equal(fails(&lab, &reset), CIRCUIT_BY_ROW);
}

static void failures_far_apart_are_no_row(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    lab.check.error_rate_percent = 0;
    for (u32 i = 0; i < 100; i++) {
        assert_int_equal(fails(&lab, &reset), CIRCUIT_NO_REASON);
        lab.now_ns += MS(1000) + 1;
    }
    for (u32 i = 0; i < 4; i++) {
        assert_int_equal(fails(&lab, &reset), CIRCUIT_NO_REASON);
        lab.now_ns += MS(1000);
    }
    assert_int_equal(fails(&lab, &reset), CIRCUIT_BY_ROW);
}

/* Requests at an even pace, every `period`-th of which fails: the reason for which it opens within
 * `count` of them. */
static enum circuit_reason paced(struct lab *lab, u32 count, u32 period)
{
    for (u32 i = 1; i <= count; i++) {
        lab->now_ns += MS(5);
        if (i % period != 0) {
            (void)succeeds(lab, false);
            continue;
        }
        enum circuit_reason reason = fails(lab, &reset);
        if (reason != CIRCUIT_NO_REASON)
            return reason;
    }
    return CIRCUIT_NO_REASON;
}

static void the_error_rate_looks_at_the_window_alone(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    assert_int_equal(paced(&lab, 2000, 3), CIRCUIT_NO_REASON); /* 33 % are not 50 % */
    u64 before = lab.requests;
    assert_int_equal(paced(&lab, 2000, 2), CIRCUIT_BY_RATE);
    /* The window has 200 requests: when nearly all of them are of the second kind, it is seen. */
    assert_in_range(lab.requests - before, 100, 260);
}

static void few_requests_have_no_rate(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    for (u32 i = 0; i < 200; i++) { /* two in three fail, but never 20 within the window */
        lab.now_ns += MS(60);
        if (i % 3 == 0)
            (void)succeeds(&lab, false);
        else
            assert_int_equal(fails(&lab, &reset), CIRCUIT_NO_REASON);
    }
}

/* After a long time without failures the many good requests before count, as far as they were
 * within the window. */
static void good_requests_before_the_first_failure_count(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    (void)fails(&lab, &reset);
    for (u32 i = 0; i < 100000; i++) { /* 1,000 in each window */
        lab.now_ns += MS(1);
        (void)succeeds(&lab, false);
    }
    for (u32 i = 0; i < 40; i++) { /* alternating, at once */
        assert_int_equal(fails(&lab, &reset), CIRCUIT_NO_REASON);
        (void)succeeds(&lab, false);
    }
}

static void a_clock_behind_anothers_breaks_no_row(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    for (u32 i = 0; i < 4; i++) {
        assert_int_equal(fails(&lab, &reset), CIRCUIT_NO_REASON);
        lab.now_ns -= MS(3);
    }
    assert_int_equal(fails(&lab, &reset), CIRCUIT_BY_ROW);
}

/* ---- For how long ---- */

static void each_failed_trial_doubles_the_time_up_to_the_limit(void **state)
{
    (void)state;
    static const u32 times_ms[] = {100, 200, 400, 800, 1000, 1000};
    struct lab lab = lab_open();
    (void)fails(&lab, &refused);
    opens(&lab, CIRCUIT_BY_REFUSAL);
    for (u32 i = 0; i < ARRAY_COUNT(times_ms); i++) {
        assert_int_equal(waits_for_trial(&lab), times_ms[i]);
        assert_int_equal(fails(&lab, &failed_trial), CIRCUIT_BY_TRIAL);
        opens(&lab, CIRCUIT_BY_TRIAL);
        assert_int_equal(lab.circuit.ejections, i + 2);
    }
}

static void a_backend_that_served_long_enough_begins_anew(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    opens(&lab, CIRCUIT_BY_ROW);
    (void)waits_for_trial(&lab);
    assert_true(succeeds(&lab, true));
    lab.now_ns += MS(99); /* less than it was ejected */
    opens(&lab, CIRCUIT_BY_ROW);
    assert_int_equal(waits_for_trial(&lab), 200);
    assert_true(succeeds(&lab, true));
    lab.now_ns += MS(200);
    opens(&lab, CIRCUIT_BY_ROW);
    assert_int_equal(waits_for_trial(&lab), 100);
}

static void a_limit_below_the_time_means_no_growth(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    lab.check.ejection_max_ms = 10;
    opens(&lab, CIRCUIT_BY_ROW);
    for (u32 i = 0; i < 3; i++) {
        assert_int_equal(waits_for_trial(&lab), 100);
        assert_int_equal(fails(&lab, &failed_trial), CIRCUIT_BY_TRIAL);
        opens(&lab, CIRCUIT_BY_TRIAL);
    }
}

/* ---- What closes it ---- */

static void a_good_trial_closes_it(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    opens(&lab, CIRCUIT_BY_ROW);
    assert_false(succeeds(&lab, false)); /* begun before */
    assert_int_equal(fails(&lab, &reset), CIRCUIT_NO_REASON);
    (void)waits_for_trial(&lab);
    assert_false(succeeds(&lab, false));
    assert_int_equal(fails(&lab, &reset), CIRCUIT_NO_REASON);
    assert_int_equal(lab.circuit.state, CIRCUIT_TRIAL);
    assert_true(succeeds(&lab, true));
    assert_int_equal(lab.circuit.state, CIRCUIT_CLOSED);
    for (u32 i = 0; i < 4; i++) /* nothing is left of the row */
        assert_int_equal(fails(&lab, &reset), CIRCUIT_NO_REASON);
}

static void as_many_trials_as_the_setting_says(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    lab.check.trials = 3;
    opens(&lab, CIRCUIT_BY_ROW);
    (void)waits_for_trial(&lab);
    assert_false(succeeds(&lab, true));
    assert_true(circuit_try(&lab.circuit));
    assert_int_equal(fails(&lab, &failed_trial), CIRCUIT_BY_TRIAL);
    opens(&lab, CIRCUIT_BY_TRIAL);
    (void)waits_for_trial(&lab);
    assert_false(succeeds(&lab, true));
    for (u32 i = 0; i < 2; i++) {
        assert_true(circuit_try(&lab.circuit));
        assert_int_equal(succeeds(&lab, true), i == 1);
    }
}

static void a_trial_that_says_nothing_is_followed_by_another(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    opens(&lab, CIRCUIT_BY_ROW);
    (void)waits_for_trial(&lab);
    circuit_untried(&lab.circuit);
    assert_int_equal(lab.circuit.state, CIRCUIT_HALF_OPEN);
    assert_true(circuit_try(&lab.circuit));
    circuit_close(&lab.circuit, lab.requests, lab.now_ns); /* the rules have changed meanwhile */
    circuit_untried(&lab.circuit);
    assert_int_equal(lab.circuit.state, CIRCUIT_CLOSED);
}

/* It goes well after all: that counts, whoever has the trial now, and does not end theirs. */
static void a_trial_that_was_passed_on_still_counts(void **state)
{
    (void)state;
    for (u32 next_began = 0; next_began < 2; next_began++) {
        struct lab lab = lab_open();
        lab.check.trials = 2;
        opens(&lab, CIRCUIT_BY_ROW);
        assert_false(succeeds_as(&lab, CIRCUIT_TRIAL_PASSED_ON)); /* of an earlier time */
        (void)waits_for_trial(&lab);
        circuit_untried(&lab.circuit);
        if (next_began)
            assert_true(circuit_try(&lab.circuit));
        u8 before = lab.circuit.state;
        assert_int_equal(fails(&lab, &reset), CIRCUIT_NO_REASON); /* and when it fails, does not */
        assert_false(succeeds_as(&lab, CIRCUIT_TRIAL_PASSED_ON));
        assert_int_equal(lab.circuit.state, before);
        assert_true(succeeds_as(&lab, next_began ? CIRCUIT_TRIAL_HELD : CIRCUIT_TRIAL_PASSED_ON));
        assert_int_equal(lab.circuit.state, CIRCUIT_CLOSED);
    }
}

static void good_probes_end_the_time_early(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    assert_false(circuit_probe(&lab.circuit, true, 1)); /* nothing to end */
    opens(&lab, CIRCUIT_BY_ROW);
    assert_false(circuit_probe(&lab.circuit, true, 2));
    assert_false(circuit_probe(&lab.circuit, false, 2));
    assert_false(circuit_probe(&lab.circuit, true, 2));
    assert_true(circuit_probe(&lab.circuit, true, 2));
    assert_int_equal(lab.circuit.state, CIRCUIT_HALF_OPEN);
    assert_true(circuit_try(&lab.circuit));
    assert_true(succeeds(&lab, true)); /* one good trial: probes are no trials */
}

static void a_spared_backend_is_asked_about_once_in_a_row(void **state)
{
    (void)state;
    struct lab lab = lab_open();
    for (u32 i = 0; i < 4; i++)
        (void)fails(&lab, &reset);
    assert_int_equal(fails(&lab, &reset), CIRCUIT_BY_ROW);
    circuit_spare(&lab.circuit);
    assert_true(lab.circuit.spared_now);
    for (u32 i = 0; i < 4; i++)
        assert_int_equal(fails(&lab, &reset), CIRCUIT_NO_REASON);
    assert_int_equal(fails(&lab, &reset), CIRCUIT_BY_ROW);
    (void)succeeds(&lab, false);
    assert_false(lab.circuit.spared_now);
    assert_int_equal(lab.circuit.spared, 1);
}

/* ---- Anything may happen ---- */

/* At random: it is only tried when half open, by one at a time, and each ejection ends. */
static void any_order_of_events_keeps_the_machine_sound(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 11);
    struct lab lab = lab_open();
    bool trial = false;
    u32 closed = 0;
    for (u32 i = 0; i < 200000; i++) {
        bool mine = trial && rng_below(&rng, 2) == 0;
        struct circuit_failure failure = reset;
        failure.trial = mine;
        enum circuit_reason reason = CIRCUIT_NO_REASON;
        lab.now_ns += MS(rng_below(&rng, 20));
        switch (rng_below(&rng, 5)) {
        case 0:
            reason = fails(&lab, &failure);
            trial = trial && !mine;
            break;
        case 1:
            closed += succeeds(&lab, mine);
            trial = trial && !mine;
            break;
        case 2:
            assert_true(!trial || !circuit_try(&lab.circuit));
            trial = trial || circuit_try(&lab.circuit);
            break;
        case 3:
            if (circuit_tick(&lab.circuit, lab.now_ns))
                assert_int_equal(lab.circuit.state, CIRCUIT_HALF_OPEN);
            break;
        default:
            if (trial)
                circuit_untried(&lab.circuit);
            trial = false;
        }
        if (reason != CIRCUIT_NO_REASON)
            opens(&lab, reason);
        assert_int_equal(lab.circuit.state == CIRCUIT_TRIAL, trial);
        if (lab.circuit.state == CIRCUIT_OPEN)
            assert_in_range(lab.circuit.open_ms, check.ejection_ms, check.ejection_max_ms);
    }
    assert_in_range(closed, 100, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_refused_connection_is_enough),
        cmocka_unit_test(as_many_refused_ones_as_the_setting_says),
        cmocka_unit_test(failures_in_a_row),
        cmocka_unit_test(failures_far_apart_are_no_row),
        cmocka_unit_test(the_error_rate_looks_at_the_window_alone),
        cmocka_unit_test(few_requests_have_no_rate),
        cmocka_unit_test(good_requests_before_the_first_failure_count),
        cmocka_unit_test(a_clock_behind_anothers_breaks_no_row),
        cmocka_unit_test(each_failed_trial_doubles_the_time_up_to_the_limit),
        cmocka_unit_test(a_backend_that_served_long_enough_begins_anew),
        cmocka_unit_test(a_limit_below_the_time_means_no_growth),
        cmocka_unit_test(a_good_trial_closes_it),
        cmocka_unit_test(as_many_trials_as_the_setting_says),
        cmocka_unit_test(a_trial_that_says_nothing_is_followed_by_another),
        cmocka_unit_test(a_trial_that_was_passed_on_still_counts),
        cmocka_unit_test(good_probes_end_the_time_early),
        cmocka_unit_test(a_spared_backend_is_asked_about_once_in_a_row),
        cmocka_unit_test(any_order_of_events_keeps_the_machine_sound),
    };
    return cmocka_run_group_tests_name("circuit", tests, NULL, NULL);
}
