/* The pure part: what probes say of a backend, and when the next one begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "health/machine.h"

static const struct config_health_check check = {
    .interval_ms = 10000,
    .fast_interval_ms = 2000,
    .interval_max_ms = 60000,
    .healthy_threshold = 2,
    .unhealthy_threshold = 3,
};

/* Feeds probes ('+' good, '-' failed) and compares with the state behind each of them: '?' unknown,
 * 'H' healthy, 'U' unhealthy. A change must be told exactly where the state differs. */
static void assert_states(const char *probes, const char *states)
{
    static const char letters[] = {
        [HEALTH_UNKNOWN] = '?', [HEALTH_HEALTHY] = 'H', [HEALTH_UNHEALTHY] = 'U'};
    struct health_machine machine = {.state = HEALTH_UNKNOWN};
    char before = '?';
    for (u32 i = 0; probes[i] != '\0'; i++) {
        enum health_change change = health_machine_step(&machine, &check, probes[i] == '+');
        char now = letters[machine.state];
        if (now != states[i])
            fail_msg("%s: %c behind probe %u, not %c", probes, now, i + 1, states[i]);
        enum health_change expected = now == before ? HEALTH_SAME
                                      : now == 'H'  ? HEALTH_WENT_UP
                                                    : HEALTH_WENT_DOWN;
        assert_int_equal(change, expected);
        before = now;
    }
}

static void thresholds(void **state)
{
    (void)state;
    assert_states("+", "H");
    assert_states("---", "??U");
    assert_states("--+", "??H");
    assert_states("+---", "HHHU");
    assert_states("+--+--+---", "HHHHHHHHHU");
    assert_states("---+", "??UU");
    assert_states("---++", "??UUH");
    assert_states("---+-+-++", "??UUUUUUH");
    assert_states("---++---++", "??UUHHHUUH");
}

static void thresholds_of_one(void **state)
{
    (void)state;
    struct config_health_check once = check;
    struct health_machine machine = {.state = HEALTH_UNKNOWN};
    once.healthy_threshold = once.unhealthy_threshold = 1;
    for (u32 i = 0; i < 5; i++) {
        assert_int_equal(health_machine_step(&machine, &once, false), HEALTH_WENT_DOWN);
        assert_int_equal(health_machine_step(&machine, &once, true), HEALTH_WENT_UP);
    }
}

/* ---- When ---- */

static void step(struct health_machine *machine, const char *probes)
{
    for (; *probes != '\0'; probes++)
        (void)health_machine_step(machine, &check, *probes == '+');
}

static u32 wait_after(const char *probes)
{
    struct health_machine machine = {.state = HEALTH_UNKNOWN};
    step(&machine, probes);
    return health_machine_wait_ms(&machine, &check);
}

static void a_change_is_confirmed_faster(void **state)
{
    (void)state;
    assert_int_equal(wait_after(""), 10000);
    assert_int_equal(wait_after("+"), 10000);
    assert_int_equal(wait_after("+-"), 2000);
    assert_int_equal(wait_after("+--"), 2000);
    assert_int_equal(wait_after("+--+"), 10000);
    assert_int_equal(wait_after("---"), 2000);
    assert_int_equal(wait_after("---+"), 2000);
    assert_int_equal(wait_after("---++"), 10000);
}

static void one_that_stays_down_is_asked_less_and_less(void **state)
{
    (void)state;
    static const u32 waits_ms[] = {2000, 2000, 2000, 2000, 20000, 40000, 60000, 60000};
    struct health_machine machine = {.state = HEALTH_UNKNOWN};
    step(&machine, "---");
    for (u32 i = 0; i < ARRAY_COUNT(waits_ms); i++) {
        assert_int_equal(health_machine_wait_ms(&machine, &check), waits_ms[i]);
        step(&machine, "-");
    }
    for (u32 i = 0; i < 100; i++)
        step(&machine, "-");
    assert_int_equal(health_machine_wait_ms(&machine, &check), 60000);
    machine.lasting = UINT32_MAX;
    step(&machine, "-");
    assert_int_equal(health_machine_wait_ms(&machine, &check), 60000);
    step(&machine, "+-");
    assert_int_equal(health_machine_wait_ms(&machine, &check), 2000);
}

static void without_room_to_back_off_the_interval_stays(void **state)
{
    (void)state;
    struct config_health_check steady = check;
    struct health_machine machine = {.state = HEALTH_UNHEALTHY, .lasting = 50};
    steady.interval_max_ms = 100;
    assert_int_equal(health_machine_wait_ms(&machine, &steady), 10000);
    steady.interval_max_ms = steady.interval_ms;
    assert_int_equal(health_machine_wait_ms(&machine, &steady), 10000);
    steady.interval_ms = 24 * 3600 * 1000; /* the longest there is: no overflow on the way */
    steady.interval_max_ms = UINT32_MAX;
    assert_int_equal(health_machine_wait_ms(&machine, &steady), UINT32_MAX);
}

/* Never later than the interval, never more than an eighth earlier, and over all of that; all at
 * few moments, which those with the same interval share. */
static void jitter_is_bounded_and_spread(void **state)
{
    (void)state;
    static const u32 intervals_ms[] = {100, 2000, 10000, 24 * 3600 * 1000};
    struct rng rng;
    rng_seed(&rng, 1);
    for (u32 k = 0; k < ARRAY_COUNT(intervals_ms); k++) {
        u64 whole_ns = intervals_ms[k] * NS_PER_MS, least = UINT64_MAX, most = 0;
        for (u32 i = 0; i < 10000; i++) {
            u64 started_ns = rng_next(&rng) >> 8;
            u64 next_ns = health_next_ns(started_ns, whole_ns, &rng);
            u64 wait_ns = next_ns - started_ns;
            assert_true(wait_ns <= whole_ns && wait_ns > whole_ns - whole_ns / 8);
            assert_true(next_ns % (whole_ns / 32) == 0);
            least = min_u64(least, wait_ns);
            most = max_u64(most, wait_ns);
        }
        assert_true(least < whole_ns - whole_ns / 9);
        assert_true(most > whole_ns - whole_ns / 1000);
    }
}

static void first_probes_are_spread(void **state)
{
    (void)state;
    static const struct {
        u32 backends, interval_ms;
        u64 most_ms;
    } rows[] = {{1, 10000, 10}, {3, 10000, 30}, {1000, 10000, 10000}, {4096, 100, 100}};
    struct rng rng;
    rng_seed(&rng, 2);
    for (u32 k = 0; k < ARRAY_COUNT(rows); k++) {
        u64 bound_ns = rows[k].most_ms * NS_PER_MS, least = UINT64_MAX, most = 0;
        for (u32 i = 0; i < 10000; i++) {
            u64 at_ns = health_spread_ns(rows[k].backends, rows[k].interval_ms, &rng);
            assert_true(at_ns < bound_ns);
            least = min_u64(least, at_ns);
            most = max_u64(most, at_ns);
        }
        assert_true(least < bound_ns / 100 && most > bound_ns / 100 * 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thresholds),
        cmocka_unit_test(thresholds_of_one),
        cmocka_unit_test(a_change_is_confirmed_faster),
        cmocka_unit_test(one_that_stays_down_is_asked_less_and_less),
        cmocka_unit_test(without_room_to_back_off_the_interval_stays),
        cmocka_unit_test(jitter_is_bounded_and_spread),
        cmocka_unit_test(first_probes_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
