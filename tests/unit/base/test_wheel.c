/* Timers: when they fire, and what callbacks may do to others. */
#include "base/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"

#define TICK_NS (1ull << WHEEL_TICK_BITS)

struct probe {
    struct wheel_timer timer;
    u32 fired;
};

static void count_firing(struct wheel_timer *timer)
{
    struct probe *probe = container_of(timer, struct probe, timer);
    probe->fired++;
}

static void test_fires_once_never_early_at_most_one_slot_late(void **state)
{
    struct wheel wheel;
    struct probe probe = {0};
    u64 start = 1000 * NS_PER_S + 12345;
    wheel_init(&wheel, start);
    assert_int_equal(wheel_next_ns(&wheel), UINT64_MAX);
    wheel_timer_init(&probe.timer, count_firing);
    u64 deadline = start + 100 * NS_PER_MS;
    wheel_set(&wheel, &probe.timer, deadline);
    assert_in_range(wheel_next_ns(&wheel), deadline, deadline + TICK_NS);
    wheel_run(&wheel, deadline - 1);
    assert_int_equal(probe.fired, 0);
    wheel_run(&wheel, deadline + TICK_NS);
    assert_int_equal(probe.fired, 1);
    wheel_run(&wheel, deadline + 10 * NS_PER_S);
    assert_int_equal(probe.fired, 1);
    assert_int_equal(wheel_next_ns(&wheel), UINT64_MAX);
}

static void test_deadline_on_a_tick_fires_at_that_tick(void **state)
{
    struct wheel wheel;
    struct probe probe = {0};
    wheel_init(&wheel, 50 * TICK_NS);
    wheel_timer_init(&probe.timer, count_firing);
    wheel_set(&wheel, &probe.timer, 60 * TICK_NS);
    assert_int_equal(wheel_next_ns(&wheel), 60 * TICK_NS);
    wheel_run(&wheel, 60 * TICK_NS - 1);
    assert_int_equal(probe.fired, 0);
    wheel_run(&wheel, 60 * TICK_NS);
    assert_int_equal(probe.fired, 1);
}

static void test_past_deadline_fires_at_the_next_tick(void **state)
{
    struct wheel wheel;
    struct probe probe = {0};
    u64 now = 5000 * TICK_NS + 5;
    wheel_init(&wheel, now);
    wheel_timer_init(&probe.timer, count_firing);
    wheel_set(&wheel, &probe.timer, 1);
    assert_int_equal(wheel_next_ns(&wheel), 5001 * TICK_NS);
    wheel_run(&wheel, wheel_next_ns(&wheel));
    assert_int_equal(probe.fired, 1);
}

static void test_far_deadline_moves_on_slot_by_slot(void **state)
{
    struct wheel wheel;
    struct probe probe = {0};
    u64 now = 7 * TICK_NS;
    wheel_init(&wheel, now);
    wheel_timer_init(&probe.timer, count_firing);
    u64 deadline = now + 3600 * NS_PER_S;
    wheel_set(&wheel, &probe.timer, deadline);
    int turns = 0;
    for (; probe.fired == 0; turns++) {
        now = wheel_next_ns(&wheel);
        assert_int_not_equal(now, UINT64_MAX);
        wheel_run(&wheel, now);
    }
    assert_in_range(now, deadline, deadline + TICK_NS);
    assert_in_range(turns, 3600 / 3, 3600); /* about every two seconds */
}

/* The promise that makes per-request deadlines free. */
static void test_later_deadline_touches_no_list(void **state)
{
    struct wheel wheel;
    struct probe probe = {0};
    wheel_init(&wheel, TICK_NS);
    wheel_timer_init(&probe.timer, count_firing);
    wheel_set(&wheel, &probe.timer, 100 * TICK_NS);
    struct wheel before = wheel;
    struct list node = probe.timer.node;
    for (u64 i = 1; i < 100000; i++)
        wheel_set(&wheel, &probe.timer, (100 + i) * TICK_NS);
    assert_memory_equal(&before, &wheel, sizeof(wheel));
    assert_memory_equal(&node, &probe.timer.node, sizeof(node));
    wheel_run(&wheel, 50000 * TICK_NS);
    assert_int_equal(probe.fired, 0);
    wheel_run(&wheel, 100100 * TICK_NS);
    assert_int_equal(probe.fired, 1);
}

static void test_earlier_deadline_moves_forward(void **state)
{
    struct wheel wheel;
    struct probe probe = {0};
    wheel_init(&wheel, TICK_NS);
    wheel_timer_init(&probe.timer, count_firing);
    wheel_set(&wheel, &probe.timer, 200 * TICK_NS);
    wheel_set(&wheel, &probe.timer, 20 * TICK_NS);
    assert_int_equal(wheel_next_ns(&wheel), 20 * TICK_NS);
    wheel_run(&wheel, 20 * TICK_NS);
    assert_int_equal(probe.fired, 1);
    assert_int_equal(wheel_next_ns(&wheel), UINT64_MAX);
}

static void test_cleared_timer_is_forgotten(void **state)
{
    struct wheel wheel;
    struct probe probe = {0};
    wheel_init(&wheel, TICK_NS);
    wheel_timer_init(&probe.timer, count_firing);
    wheel_clear(&wheel, &probe.timer); /* harmless when not set */
    wheel_set(&wheel, &probe.timer, 9 * TICK_NS);
    wheel_clear(&wheel, &probe.timer);
    assert_int_equal(probe.timer.deadline_ns, 0);
    assert_int_equal(wheel_next_ns(&wheel), UINT64_MAX);
    wheel_run(&wheel, 1000 * TICK_NS);
    assert_int_equal(probe.fired, 0);
}

static void test_clock_that_stands_or_goes_back_is_harmless(void **state)
{
    struct wheel wheel;
    struct probe probe = {0};
    wheel_init(&wheel, 100 * TICK_NS);
    wheel_timer_init(&probe.timer, count_firing);
    wheel_set(&wheel, &probe.timer, 102 * TICK_NS);
    wheel_run(&wheel, 100 * TICK_NS);
    wheel_run(&wheel, 10 * TICK_NS);
    assert_int_equal(probe.fired, 0);
    wheel_run(&wheel, 102 * TICK_NS);
    assert_int_equal(probe.fired, 1);
}

/* --- Callbacks that meddle -------------------------------------------------------------------- */

struct meddler {
    struct wheel_timer timer;
    struct wheel *wheel;
    struct probe *clears;
    struct probe *sets;
    u64 sets_to_ns;
    u64 again_ns;
    u32 fired;
};

static void meddle(struct wheel_timer *timer)
{
    struct meddler *meddler = container_of(timer, struct meddler, timer);
    meddler->fired++;
    if (meddler->clears != NULL)
        wheel_clear(meddler->wheel, &meddler->clears->timer);
    if (meddler->sets != NULL)
        wheel_set(meddler->wheel, &meddler->sets->timer, meddler->sets_to_ns);
    if (meddler->again_ns != 0)
        wheel_set(meddler->wheel, timer, meddler->again_ns);
}

static void meddler_init(struct meddler *meddler, struct wheel *wheel)
{
    *meddler = (struct meddler){.wheel = wheel};
    wheel_timer_init(&meddler->timer, meddle);
}

static void test_callback_clears_a_timer_of_the_same_slot(void **state)
{
    struct wheel wheel;
    struct meddler meddler;
    struct probe victim = {0};
    struct probe bystander = {0};
    wheel_init(&wheel, TICK_NS);
    meddler_init(&meddler, &wheel);
    wheel_timer_init(&victim.timer, count_firing);
    wheel_timer_init(&bystander.timer, count_firing);
    wheel_set(&wheel, &meddler.timer, 10 * TICK_NS);
    wheel_set(&wheel, &victim.timer, 10 * TICK_NS);
    wheel_set(&wheel, &bystander.timer, 10 * TICK_NS);
    meddler.clears = &victim;
    wheel_run(&wheel, 10 * TICK_NS);
    assert_int_equal(meddler.fired, 1);
    assert_int_equal(victim.fired, 0);
    assert_int_equal(bystander.fired, 1);
    assert_int_equal(wheel_next_ns(&wheel), UINT64_MAX);
}

static void test_callback_moves_timers_of_the_same_slot(void **state)
{
    static const u64 targets[] = {1, 10, 11, 266,
                                  5000}; /* ticks; 266 is the same slot, one turn on */
    for (usize i = 0; i < ARRAY_COUNT(targets); i++) {
        struct wheel wheel;
        struct meddler meddler;
        struct probe moved = {0};
        wheel_init(&wheel, TICK_NS);
        meddler_init(&meddler, &wheel);
        wheel_timer_init(&moved.timer, count_firing);
        wheel_set(&wheel, &meddler.timer, 10 * TICK_NS);
        wheel_set(&wheel, &moved.timer, 10 * TICK_NS);
        meddler.sets = &moved;
        meddler.sets_to_ns = targets[i] * TICK_NS;
        wheel_run(&wheel, 10 * TICK_NS);
        assert_int_equal(moved.fired, targets[i] <= 10);
        for (u64 now = wheel_next_ns(&wheel); now != UINT64_MAX; now = wheel_next_ns(&wheel)) {
            wheel_run(&wheel, now);
            assert_int_equal(moved.fired, now >= targets[i] * TICK_NS);
        }
        assert_int_equal(moved.fired, 1);
    }
}

static void test_callback_sets_itself_into_the_past_without_looping(void **state)
{
    struct wheel wheel;
    struct meddler meddler;
    wheel_init(&wheel, TICK_NS);
    meddler_init(&meddler, &wheel);
    meddler.again_ns = 1;
    wheel_set(&wheel, &meddler.timer, 1);
    for (u64 tick = 2; tick < 100; tick++) {
        wheel_run(&wheel, tick * TICK_NS);
        assert_int_equal(meddler.fired, tick - 1);
    }
}

/* --- Property: like a naive model, whatever happens ------------------------------------------- */

enum { MODEL_TIMERS = 300, MODEL_STEPS = 20000 };

struct model_timer {
    struct wheel_timer timer;
    u64 deadline_ns; /* 0 = not set */
};

struct model {
    struct wheel wheel;
    struct rng rng;
    u64 now_ns;
    u64 run_before_ns; /* when wheel_run was called last */
    u64 fired;
    struct model_timer timers[MODEL_TIMERS];
};

static struct model model;

static u64 model_deadline(void)
{
    static const u64 spans_ns[] = {TICK_NS / 4, 4 * TICK_NS, NS_PER_S, 10 * NS_PER_S,
                                   100 * NS_PER_S};
    u64 span = spans_ns[rng_below(&model.rng, ARRAY_COUNT(spans_ns))];
    u64 ahead = rng_next(&model.rng) % span;
    if (rng_below(&model.rng, 10) == 0)
        return max_u64(model.now_ns - min_u64(model.now_ns, ahead), 1);
    return model.now_ns + ahead + 1;
}

static void model_change(void)
{
    struct model_timer *timer = &model.timers[rng_below(&model.rng, MODEL_TIMERS)];
    if (rng_below(&model.rng, 4) == 0) {
        timer->deadline_ns = 0;
        wheel_clear(&model.wheel, &timer->timer);
    } else {
        timer->deadline_ns = model_deadline();
        wheel_set(&model.wheel, &timer->timer, timer->deadline_ns);
    }
}

static void model_on_expire(struct wheel_timer *timer)
{
    struct model_timer *fired = container_of(timer, struct model_timer, timer);
    assert_int_not_equal(fired->deadline_ns, 0);     /* neither cleared nor fired before */
    assert_true(fired->deadline_ns <= model.now_ns); /* never early */
    assert_int_equal(timer->deadline_ns, 0);
    fired->deadline_ns = 0;
    model.fired++;
    for (u32 changes = rng_below(&model.rng, 3); changes > 0; changes--)
        model_change();
}

/* Whatever is set must be looked at in time, and nothing older than a slot may be left after a run.
 */
static void model_check(void)
{
    u64 earliest = UINT64_MAX;
    for (u32 i = 0; i < MODEL_TIMERS; i++) {
        u64 deadline = model.timers[i].deadline_ns;
        assert_int_equal(model.timers[i].timer.deadline_ns, deadline);
        if (deadline != 0)
            earliest = min_u64(earliest, deadline);
    }
    u64 next = wheel_next_ns(&model.wheel);
    assert_int_equal(next == UINT64_MAX, earliest == UINT64_MAX);
    if (earliest != UINT64_MAX)
        assert_true(next <= max_u64(earliest, model.run_before_ns) + TICK_NS);
}

static void model_advance(void)
{
    switch (rng_below(&model.rng, 4)) {
    case 0: /* within a slot or a few */
        model.now_ns += rng_next(&model.rng) % (3 * TICK_NS);
        break;
    case 1: /* as a worker does: sleep until the wheel wants to be run */
        if (wheel_next_ns(&model.wheel) != UINT64_MAX)
            model.now_ns = max_u64(model.now_ns, wheel_next_ns(&model.wheel));
        break;
    case 2: /* up to a turn */
        model.now_ns += rng_next(&model.rng) % (WHEEL_SLOTS * TICK_NS);
        break;
    default: /* rarely, many turns: the machine was asleep */
        if (rng_below(&model.rng, 50) == 0)
            model.now_ns += rng_next(&model.rng) % (20 * WHEEL_SLOTS * TICK_NS);
        break;
    }
}

static void model_overdue(u64 *deadlines)
{
    for (u32 i = 0; i < MODEL_TIMERS; i++) {
        u64 deadline = model.timers[i].deadline_ns;
        bool due =
            deadline != 0 && max_u64(deadline, model.run_before_ns) + TICK_NS <= model.now_ns;
        deadlines[i] = due ? deadline : 0;
    }
}

static void model_walk(u64 seed)
{
    u64 overdue[MODEL_TIMERS];
    rng_seed(&model.rng, seed);
    model.now_ns = rng_next(&model.rng) % (1ull << 50);
    model.run_before_ns = model.now_ns;
    model.fired = 0;
    wheel_init(&model.wheel, model.now_ns);
    for (u32 i = 0; i < MODEL_TIMERS; i++) {
        model.timers[i].deadline_ns = 0;
        wheel_timer_init(&model.timers[i].timer, model_on_expire);
    }
    for (int step = 0; step < MODEL_STEPS; step++) {
        for (u32 changes = rng_below(&model.rng, 8); changes > 0; changes--)
            model_change();
        model_advance();
        model_overdue(overdue);
        wheel_run(&model.wheel, model.now_ns);
        model.run_before_ns = model.now_ns;
        /* What was a slot overdue before must have fired or been changed by a callback since. */
        for (u32 i = 0; i < MODEL_TIMERS; i++)
            if (overdue[i] != 0 && model.timers[i].deadline_ns == overdue[i])
                fail_msg("seed %llu step %d: timer %u lost", (unsigned long long)seed, step, i);
        model_check();
    }
    assert_true(model.fired > MODEL_STEPS / 4);
}

static void test_random_walk_agrees_with_a_naive_model(void **state)
{
    for (u64 seed = 1; seed <= 8; seed++)
        model_walk(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fires_once_never_early_at_most_one_slot_late),
        cmocka_unit_test(test_deadline_on_a_tick_fires_at_that_tick),
        cmocka_unit_test(test_past_deadline_fires_at_the_next_tick),
        cmocka_unit_test(test_far_deadline_moves_on_slot_by_slot),
        cmocka_unit_test(test_later_deadline_touches_no_list),
        cmocka_unit_test(test_earlier_deadline_moves_forward),
        cmocka_unit_test(test_cleared_timer_is_forgotten),
        cmocka_unit_test(test_clock_that_stands_or_goes_back_is_harmless),
        cmocka_unit_test(test_callback_clears_a_timer_of_the_same_slot),
        cmocka_unit_test(test_callback_moves_timers_of_the_same_slot),
        cmocka_unit_test(test_callback_sets_itself_into_the_past_without_looping),
        cmocka_unit_test(test_random_walk_agrees_with_a_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
