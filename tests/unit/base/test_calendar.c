/* The calendar against the C library's. */
#include "base/calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#include "base/hash.h"

static const u64 YEAR_9999_END = 253402300799ull;

static void check(u64 seconds)
{
    time_t time = (time_t)seconds;
    struct tm expected;
    assert_non_null(gmtime_r(&time, &expected));
    struct calendar found = calendar_utc(seconds);
    assert_int_equal(found.year, expected.tm_year + 1900);
    assert_int_equal(found.month, expected.tm_mon + 1);
    assert_int_equal(found.day, expected.tm_mday);
    assert_int_equal(found.weekday, expected.tm_wday);
    assert_int_equal(found.hour, expected.tm_hour);
    assert_int_equal(found.minute, expected.tm_min);
    assert_int_equal(found.second, expected.tm_sec);
}

/* 400 years, after which the calendar repeats itself, and both ends of each day. */
static void test_every_day(void **state)
{
    for (u64 day = 0; day < 146097 + 366; day++) {
        check(day * 86400);
        check(day * 86400 + 86399);
    }
}

static void test_any_second(void **state)
{
    struct rng rng;
    rng_seed(&rng, 1970);
    for (u32 round = 0; round < 100000; round++)
        check(rng_next(&rng) % YEAR_9999_END);
    check(YEAR_9999_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_any_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
