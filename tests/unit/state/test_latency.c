/* The small histogram: every value is in the bucket that its bounds say, and quantiles are near. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "state/latency.h"

static void test_buckets(void **state)
{
    (void)state;
    u64 begin = 0;
    for (u32 bucket = 0; bucket < STATE_LATENCY_BUCKETS; bucket++) {
        u64 end = state_latency_bucket_end(bucket);
        assert_true(end > begin);
        assert_int_equal(state_latency_bucket(begin), bucket);
        assert_int_equal(state_latency_bucket(end - 1), bucket);
        if (bucket > 0)
            assert_true((end - begin) * 4 <= end);
        begin = end;
    }
    assert_int_equal(begin, 1u << STATE_LATENCY_LAST_BITS);
    assert_int_equal(state_latency_bucket(begin), STATE_LATENCY_BUCKETS - 1);
    assert_int_equal(state_latency_bucket(UINT64_MAX), STATE_LATENCY_BUCKETS - 1);
}

/* Values from 1 to 100000 us, each once. */
static struct state_latency_sums even(void)
{
    struct state_latencies one = {.counts = {0}};
    struct state_latency_sums sums;
    for (u64 us = 1; us <= 100000; us++)
        state_latency_add(&one, us);
    for (u32 i = 0; i < STATE_LATENCY_BUCKETS; i++)
        sums.counts[i] = one.counts[i];
    return sums;
}

static void test_quantiles(void **state)
{
    (void)state;
    static const double shares[] = {0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 1};
    const struct state_latency_sums sums = even();
    for (u32 i = 0; i < ARRAY_COUNT(shares); i++) {
        double found = (double)state_latency_quantile(&sums, shares[i]);
        double exact = shares[i] * 100000;
        if (found < exact * 0.85 || found > exact * 1.15)
            fail_msg("%g: %g", shares[i], found);
    }
    assert_int_equal(state_latency_count(&sums), 100000);
    const struct state_latency_sums none = {.counts = {0}};
    assert_int_equal(state_latency_quantile(&none, 0.99), 0);
}

static void test_counts_below(void **state)
{
    (void)state;
    const struct state_latency_sums sums = even();
    for (u32 bits = STATE_LATENCY_FIRST_BITS; bits <= 16; bits++)
        assert_int_equal(state_latency_below(&sums, bits), (1u << bits) - 1);
    assert_int_equal(state_latency_below(&sums, STATE_LATENCY_LAST_BITS), 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_counts_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
