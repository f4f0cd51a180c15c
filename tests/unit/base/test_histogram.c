/* Buckets without gaps or overlaps, and quantiles against a sorted list. */
#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static const u64 LARGEST = (1ull << HISTOGRAM_VALUE_BITS) - 1;

static void every_bucket_begins_where_the_one_before_ends(void **state)
{
    assert_int_equal(histogram_bucket(0), 0);
    for (u32 i = 0; i < HISTOGRAM_BUCKETS; i++) {
        u64 end = histogram_bucket_end(i);
        assert_int_equal(histogram_bucket(end - 1), i);
        if (i + 1 < HISTOGRAM_BUCKETS)
            assert_int_equal(histogram_bucket(end), i + 1);
    }
    assert_int_equal(histogram_bucket_end(HISTOGRAM_BUCKETS - 1), LARGEST + 1);
}

static void a_bucket_is_no_wider_than_an_eighth_of_its_values(void **state)
{
    for (u32 i = 1; i < HISTOGRAM_BUCKETS; i++) {
        u64 begin = histogram_bucket_end(i - 1);
        assert_true((histogram_bucket_end(i) - begin - 1) * 8 <= begin);
    }
}

static void what_is_too_large_counts_as_the_largest(void **state)
{
    assert_int_equal(histogram_bucket(LARGEST + 1), HISTOGRAM_BUCKETS - 1);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static int compare(const void *left, const void *right)
{
    u64 a = *(const u64 *)left, b = *(const u64 *)right;
    return (a > b) - (a < b);
}

static void quantiles_are_those_of_a_sorted_list(void **state)
{
    enum { VALUES = 10000 };
    static u64 values[VALUES];
    struct histogram histogram = {0};
    struct rng rng;
    rng_seed(&rng, 7);
    u64 sum = 0;
    for (u32 i = 0; i < VALUES; i++) {
        values[i] = rng_next(&rng) >> (28 + rng_next(&rng) % 36);
        sum += values[i];
        histogram_add(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), compare);
    assert_int_equal(histogram_count(&histogram), VALUES);
    assert_int_equal(histogram.sum, sum);
    for (u32 percent = 1; percent <= 100; percent++) {
        u64 exact = values[VALUES * percent / 100 - 1];
        u64 found = histogram_quantile(&histogram, (double)percent / 100);
        assert_true(found >= exact);
        assert_true(found - exact <= exact / 8);
    }
}

static void counts_below_a_power_of_two_are_exact(void **state)
{
    struct histogram histogram = {0};
    for (u64 value = 0; value < 5000; value++)
        histogram_add(&histogram, value);
    for (u32 bits = 0; bits <= 12; bits++)
        assert_int_equal(histogram_count_below(&histogram, 1ull << bits), 1ull << bits);
    assert_int_equal(histogram_count_below(&histogram, 1ull << 13), 5000);
}

static void an_empty_one_has_no_quantiles(void **state)
{
    struct histogram histogram = {0};
    assert_int_equal(histogram_quantile(&histogram, 0.99), 0);
    assert_int_equal(histogram_count(&histogram), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bucket_begins_where_the_one_before_ends),
        cmocka_unit_test(a_bucket_is_no_wider_than_an_eighth_of_its_values),
        cmocka_unit_test(what_is_too_large_counts_as_the_largest),
        cmocka_unit_test(quantiles_are_those_of_a_sorted_list),
        cmocka_unit_test(counts_below_a_power_of_two_are_exact),
        cmocka_unit_test(an_empty_one_has_no_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
