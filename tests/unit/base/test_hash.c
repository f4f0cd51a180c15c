/* Hashes and random numbers: fixed values, and that they spread. */
#include "base/hash.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_equal_bytes_hash_equal_at_any_alignment(void **state)
{
    static const char text[] = "the same bytes, whatever address they have, 0123456789";
    char buffer[sizeof(text) + 16];
    for (usize len = 0; len < sizeof(text); len++) {
        u64 hash = hash_bytes(text, len, 42);
        for (usize shift = 0; shift < 16; shift++) {
            memcpy(buffer + shift, text, len);
            assert_int_equal(hash_bytes(buffer + shift, len, 42), hash);
        }
    }
}

/* The value is stored by other instances (Redis keys, hash placement), so it must never change. */
static void test_values_are_fixed(void **state)
{
    assert_int_equal(hash_bytes("", 0, 0), 0xf1de2667b2f4cc09ull);
    assert_int_equal(hash_bytes("backend-1", 9, 0), 0x498d36c967e40664ull);
    assert_int_equal(hash_bytes("http://api1.example.com:8080/", 29, 7), 0xebb318844dda71e3ull);
}

static void test_lengths_of_zeroes_differ(void **state)
{
    static const char zeroes[256];
    u64 hashes[257];
    for (usize len = 0; len <= 256; len++) {
        hashes[len] = hash_bytes(zeroes, len, 0);
        for (usize other = 0; other < len; other++)
            assert_true(hashes[len] != hashes[other]);
    }
}

/* Each flipped input bit must flip every output bit about half of the time. */
static void test_avalanche(void **state)
{
    enum { ROUNDS = 2000, LEN_MAX = 40 };
    struct rng rng;
    rng_seed(&rng, 1);
    for (usize len = 1; len <= LEN_MAX; len += 3) {
        u32 flips[64] = {0};
        for (int round = 0; round < ROUNDS; round++) {
            u8 bytes[LEN_MAX];
            for (usize i = 0; i < len; i++)
                bytes[i] = (u8)rng_next(&rng);
            u64 before = hash_bytes(bytes, len, 0);
            u32 bit = rng_below(&rng, (u32)len * 8);
            bytes[bit / 8] ^= (u8)(1u << (bit % 8));
            u64 changed = before ^ hash_bytes(bytes, len, 0);
            for (int i = 0; i < 64; i++)
                flips[i] += (u32)(changed >> i) & 1;
        }
        for (int i = 0; i < 64; i++) /* within six standard deviations */
            assert_true(abs((int)flips[i] - ROUNDS / 2) < 6 * 23);
    }
}

static void test_seed_changes_everything(void **state)
{
    int differing = 0;
    for (u64 seed = 0; seed < 64; seed++)
        differing +=
            __builtin_popcountll(hash_bytes("key", 3, seed) ^ hash_bytes("key", 3, seed + 1));
    assert_in_range(differing, 64 * 28, 64 * 36);
}

/* Sequential names, the usual keys, must spread evenly over buckets. */
static void test_names_spread_evenly(void **state)
{
    enum { BUCKETS = 128, NAMES = 128 * 200 };
    u32 counts[BUCKETS] = {0};
    for (int i = 0; i < NAMES; i++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "10.0.%d.%d", i / 256, i % 256);
        counts[hash_bytes(name, (usize)len, 0) % BUCKETS]++;
    }
    double chi_square = 0;
    for (int i = 0; i < BUCKETS; i++)
        chi_square += pow(counts[i] - 200.0, 2) / 200.0;
    assert_true(chi_square < 127 + 5 * 16); /* 127 degrees of freedom, five standard deviations */
    assert_true(chi_square > 127 - 5 * 16);
}

static void test_mix_is_a_bijection_with_known_values(void **state)
{
    assert_int_equal(hash_mix64(0), 0);
    /* The first output of SplitMix64 seeded with 0, from the paper's reference code. */
    assert_int_equal(hash_mix64(0x9e3779b97f4a7c15ull), 0xe220a8397b1dcdafull);
}

static void test_rng_repeats_by_seed(void **state)
{
    struct rng a;
    struct rng b;
    struct rng c;
    rng_seed(&a, 9);
    rng_seed(&b, 9);
    rng_seed(&c, 10);
    int equal = 0;
    for (int i = 0; i < 1000; i++) {
        u64 value = rng_next(&a);
        assert_int_equal(value, rng_next(&b));
        equal += value == rng_next(&c);
    }
    assert_int_equal(equal, 0);
}

/* The first outputs of the authors' reference code from the state {1, 2, 3, 4}. */
static void test_rng_known_values(void **state)
{
    struct rng rng = {{1, 2, 3, 4}};
    assert_int_equal(rng_next(&rng), 11520);
    assert_int_equal(rng_next(&rng), 0);
    assert_int_equal(rng_next(&rng), 1509978240);
    assert_int_equal(rng_next(&rng), 1215971899390074240ull);
}

static void test_rng_below_is_uniform_and_bounded(void **state)
{
    static const u32 bounds[] = {1, 2, 3, 7, 64, 100};
    struct rng rng;
    rng_seed(&rng, 3);
    for (usize i = 0; i < ARRAY_COUNT(bounds); i++) {
        enum { PER_VALUE = 2000 };
        u32 counts[100] = {0};
        for (u32 n = 0; n < bounds[i] * PER_VALUE; n++) {
            u32 value = rng_below(&rng, bounds[i]);
            assert_true(value < bounds[i]);
            counts[value]++;
        }
        for (u32 value = 0; value < bounds[i]; value++)
            assert_in_range(counts[value], PER_VALUE - 6 * 45, PER_VALUE + 6 * 45);
    }
}

/* With a bound of 3 * 2^30 a plain multiply would give the first of each group of four twice. */
static void test_rng_below_large_bound_has_no_bias(void **state)
{
    struct rng rng;
    rng_seed(&rng, 4);
    u32 thirds[3] = {0};
    for (int i = 0; i < 30000; i++)
        thirds[rng_below(&rng, 3u << 30) % 3]++;
    for (int i = 0; i < 3; i++)
        assert_in_range(thirds[i], 10000 - 6 * 82, 10000 + 6 * 82);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_bytes_hash_equal_at_any_alignment),
        cmocka_unit_test(test_values_are_fixed),
        cmocka_unit_test(test_lengths_of_zeroes_differ),
        cmocka_unit_test(test_avalanche),
        cmocka_unit_test(test_seed_changes_everything),
        cmocka_unit_test(test_names_spread_evenly),
        cmocka_unit_test(test_mix_is_a_bijection_with_known_values),
        cmocka_unit_test(test_rng_repeats_by_seed),
        cmocka_unit_test(test_rng_known_values),
        cmocka_unit_test(test_rng_below_is_uniform_and_bounded),
        cmocka_unit_test(test_rng_below_large_bound_has_no_bias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
