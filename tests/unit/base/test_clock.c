/* Both clocks are the kernel's. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

static u64 nanoseconds(clockid_t clock)
{
    struct timespec time;
    assert_int_equal(clock_gettime(clock, &time), 0);
    return (u64)time.tv_sec * 1000000000ull + (u64)time.tv_nsec;
}

static void test_monotonic_lies_between_two_readings(void **state)
{
    for (int i = 0; i < 1000; i++) {
        u64 before = nanoseconds(CLOCK_MONOTONIC);
        u64 now = clock_monotonic_ns();
        u64 after = nanoseconds(CLOCK_MONOTONIC);
        assert_true(before <= now);
        assert_true(now <= after);
    }
}

static void test_wall_is_the_time_of_day(void **state)
{
    /* The wall clock may be set back at any moment, so one agreeing round of several is enough. */
    bool agreed = false;
    for (int i = 0; i < 10 && !agreed; i++) {
        u64 before = nanoseconds(CLOCK_REALTIME);
        u64 now = clock_wall_ns();
        u64 after = nanoseconds(CLOCK_REALTIME);
        agreed = before <= now && now <= after;
    }
    assert_true(agreed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monotonic_lies_between_two_readings),
        cmocka_unit_test(test_wall_is_the_time_of_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
