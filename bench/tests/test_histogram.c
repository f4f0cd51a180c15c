/* The histogram against the exact answer from the sorted values. */
#include "tests/tests.h"

#include <stdlib.h>

#include "common/histogram.h"

enum { VALUES = 20000 };

static u64 next_random(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int by_value(const void *left, const void *right)
{
    u64 a = *(const u64 *)left;
    u64 b = *(const u64 *)right;
    return (a > b) - (a < b);
}

static void test_buckets_cover_everything_in_order(void **state)
{
    (void)state;
    for (u32 bucket = 1; bucket < HISTOGRAM_BUCKETS; bucket++) {
        u64 below = histogram_bucket_max(bucket - 1);
        u64 top = histogram_bucket_max(bucket);
        assert_true(top > below);
        assert_int_equal(histogram_bucket_of(below + 1), bucket);
        assert_int_equal(histogram_bucket_of(top), bucket);
    }
}

static void test_values_above_the_range_count_as_the_largest(void **state)
{
    (void)state;
    assert_int_equal(histogram_bucket_of(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
    assert_int_equal(histogram_bucket_of(1ULL << HISTOGRAM_VALUE_BITS), HISTOGRAM_BUCKETS - 1);
}

static void test_percentiles_are_within_a_thousandth(void **state)
{
    static const u32 asked[] = {1, 10000, 250000, 500000, 900000, 990000, 999000, 1000000};
    static struct histogram histogram;
    static u64 values[VALUES];
    u64 seed = 88172645463325252U;
    (void)state;
    histogram_clear(&histogram);
    for (u32 i = 0; i < VALUES; i++) {
        /* Spread over all magnitudes, as latencies with a long tail are. */
        values[i] = next_random(&seed) >> (24 + next_random(&seed) % 36);
        histogram_record(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), by_value);
    for (usize i = 0; i < ARRAY_COUNT(asked); i++) {
        u64 rank = ((u64)VALUES * asked[i] + 999999) / 1000000;
        u64 exact = values[rank - 1];
        u64 got = histogram_percentile(&histogram, asked[i]);
        assert_in_range(got, exact, exact + exact / 1000);
    }
    assert_int_equal(histogram.max, values[VALUES - 1]);
}

static void test_empty_and_single(void **state)
{
    static struct histogram histogram;
    (void)state;
    histogram_clear(&histogram);
    assert_int_equal(histogram_percentile(&histogram, 500000), 0);
    histogram_record(&histogram, 123456789);
    assert_int_equal(histogram_percentile(&histogram, 1), 123456789);
    assert_int_equal(histogram_percentile(&histogram, 1000000), 123456789);
}

const struct CMUnitTest histogram_tests[HISTOGRAM_TESTS] = {
    cmocka_unit_test(test_buckets_cover_everything_in_order),
    cmocka_unit_test(test_values_above_the_range_count_as_the_largest),
    cmocka_unit_test(test_percentiles_are_within_a_thousandth),
    cmocka_unit_test(test_empty_and_single),
};
