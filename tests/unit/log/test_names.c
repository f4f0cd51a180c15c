/* Timestamps, file names and errno names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "log.h"

static void assert_timestamp(struct log_clock *clock, u64 wall_ns, const char *expected)
{
    char out[25] = {0};
    log_timestamp(clock, wall_ns, out);
    assert_string_equal(out, expected);
}

static void test_timestamps(void **state)
{
    struct log_clock clock = {0};
    assert_timestamp(&clock, 0, "1970-01-01T00:00:00.000Z");
    assert_timestamp(&clock, 999999999, "1970-01-01T00:00:00.999Z");
    assert_timestamp(&clock, NS_PER_S, "1970-01-01T00:00:01.000Z");
    assert_timestamp(&clock, 1768300245123456789ull, "2026-01-13T10:30:45.123Z");
    assert_timestamp(&clock, 1768300245007000000ull, "2026-01-13T10:30:45.007Z");
    assert_timestamp(&clock, 951782399999999999ull, "2000-02-28T23:59:59.999Z");
    assert_timestamp(&clock, 951782400ull * NS_PER_S, "2000-02-29T00:00:00.000Z");
    assert_timestamp(&clock, 4107542400ull * NS_PER_S, "2100-03-01T00:00:00.000Z");
    assert_timestamp(&clock, UINT64_MAX, "2554-07-21T23:34:33.709Z");
}

/* Every day of 584 years, against the C library. */
static void test_every_day(void **state)
{
    for (u64 day = 0; day < 213503; day++) {
        u64 second = day * 86400 + day % 86400;
        time_t seconds = (time_t)second;
        struct tm utc;
        char expected[32];
        struct log_clock clock = {0};
        assert_non_null(gmtime_r(&seconds, &utc));
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000Z", &utc);
        assert_timestamp(&clock, second * NS_PER_S, expected);
    }
}

static void assert_file_name(const char *pattern, u64 second, const char *expected)
{
    char out[64];
    assert_true(log_file_name(slice_of_string(pattern), second * NS_PER_S, out, sizeof out));
    assert_string_equal(out, expected);
    assert_true(log_file_name_matches(slice_of_string(pattern), slice_of_string(out)));
}

static void zone(const char *name)
{
    setenv("TZ", name, 1);
    tzset();
}

static void test_file_names(void **state)
{
    zone("UTC");
    assert_file_name("log_yyyy_mm_dd_HH.log", 1768300245, "log_2026_01_13_10.log");
    assert_file_name("access_yyyy_mm_dd_HH.log", 1768300245, "access_2026_01_13_10.log");
    assert_file_name("yyyymmddHH", 1768300245, "2026011310");
    assert_file_name("HH-HH.dd", 1768300245, "10-10.13");
    assert_file_name("access.log", 1768300245, "access.log");
    assert_file_name("y_yyy_m_d_H_hh", 1768300245, "y_yyy_m_d_H_hh");
    assert_file_name("yyyyy_mmm", 1768300245, "2026y_01m");
    assert_file_name("common_HH.log", 1768300245, "co01on_10.log");
}

/* The hour is the operator's, also across a change of daylight saving. */
static void test_file_names_are_local(void **state)
{
    zone("CET-1CEST,M3.5.0,M10.5.0/3");
    assert_file_name("a_dd_HH", 1768300245, "a_13_11");
    assert_file_name("a_dd_HH", 1774745999, "a_29_01"); /* 2026-03-29 01:59:59 CET */
    assert_file_name("a_dd_HH", 1774746000, "a_29_03");
    zone("NPT-5:45");
    assert_file_name("a_dd_HH", 1768300245, "a_13_16");
    zone("UTC");
}

static void test_file_name_refused(void **state)
{
    const struct slice bad[] = {
        SLICE(""), SLICE("."), SLICE(".."), SLICE("../x_HH"), SLICE("a/b"), SLICE("a\0b"),
    };
    char out[64];
    for (usize i = 0; i < ARRAY_COUNT(bad); i++)
        assert_false(log_file_name(bad[i], 0, out, sizeof out));
    assert_true(log_file_name(SLICE("abc"), 0, out, 4));
    assert_false(log_file_name(SLICE("abc"), 0, out, 3));
}

static void test_file_name_shapes(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } rows[] = {
        {"a_yyyy_mm_dd_HH.log", "a_2026_01_13_10.log", true},
        {"a_yyyy_mm_dd_HH.log", "a_9999_99_99_99.log", true},
        {"a_yyyy_mm_dd_HH.log", "a_2026_01_13_1x.log", false},
        {"a_yyyy_mm_dd_HH.log", "b_2026_01_13_10.log", false},
        {"a_yyyy_mm_dd_HH.log", "a_2026_01_13_10.log.gz", false},
        {"a_yyyy_mm_dd_HH.log", "a_2026_01_13_10.lo", false},
        {"a_yyyy_mm_dd_HH.log", "a_yyyy_mm_dd_HH.log", false},
        {"a_yyyy_mm_dd_HH.log", "", false},
        {"access.log", "access.log", true},
        {"access.log", "accessxlog", false},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++)
        assert_int_equal(
            log_file_name_matches(slice_of_string(rows[i].pattern), slice_of_string(rows[i].name)),
            rows[i].matches);
}

static void test_errno_names(void **state)
{
    char scratch[16];
    assert_string_equal(log_errno_name(ETIMEDOUT, scratch), "ETIMEDOUT");
    assert_string_equal(log_errno_name(ECONNREFUSED, scratch), "ECONNREFUSED");
    assert_string_equal(log_errno_name(EPERM, scratch), "EPERM");
    assert_string_equal(log_errno_name(EAGAIN, scratch), "EAGAIN");
    assert_string_equal(log_errno_name(EHWPOISON, scratch), "EHWPOISON");
    assert_string_equal(log_errno_name(0, scratch), "E0");
    assert_string_equal(log_errno_name(41, scratch), "E41");
    assert_string_equal(log_errno_name(4096, scratch), "E4096");
    assert_string_equal(log_errno_name(-1, scratch), "E-1");
    assert_string_equal(log_errno_name(INT_MIN, scratch), "E-2147483648");
    assert_string_equal(log_errno_name(INT_MAX, scratch), "E2147483647");
}

#ifdef __GLIBC__
/* The C library's own table has no name that ours lacks or gives differently. */
static void test_errno_names_are_complete(void **state)
{
    for (int error = 1; error < 200; error++) {
        const char *name = strerrorname_np(error);
        char scratch[16];
        if (name != NULL)
            assert_string_equal(log_errno_name(error, scratch), name);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timestamps),
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_file_names),
        cmocka_unit_test(test_file_names_are_local),
        cmocka_unit_test(test_file_name_refused),
        cmocka_unit_test(test_file_name_shapes),
        cmocka_unit_test(test_errno_names),
#ifdef __GLIBC__
        cmocka_unit_test(test_errno_names_are_complete),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
