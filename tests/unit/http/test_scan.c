/* All versions of a scan give the same answer as the table, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "guard_page.h"
#include "http/scan.h"

enum { RUN_BYTES_MAX = 200, ROUNDS = 20000 };

typedef const char *(*scan_fn)(const char *at, const char *end);

struct version {
    const char *name;
    enum http_byte kind;
    scan_fn scan;
};

static const char *value(const char *at, const char *end)
{
    return http_scan_value(at, end);
}

static const char *name(const char *at, const char *end)
{
    return http_scan_name(at, end);
}

static const char *path(const char *at, const char *end)
{
    return http_scan_path(at, end);
}

static const char *query(const char *at, const char *end)
{
    return http_scan_query(at, end);
}

static const struct version versions[] = {
    {"value", HTTP_BYTE_VALUE, value},
    {"name", HTTP_BYTE_TOKEN, name},
    {"path", HTTP_BYTE_PATH, path},
    {"query", HTTP_BYTE_QUERY, query},
#ifdef __SSE2__
    {"value, SSE2", HTTP_BYTE_VALUE, http_scan_value_sse2},
    {"name, SSE2", HTTP_BYTE_TOKEN, http_scan_name_sse2},
#ifdef __x86_64__
    {"value, AVX2", HTTP_BYTE_VALUE, http_scan_value_avx2},
#endif
#endif
};

static bool runs_here(const struct version *version)
{
#if defined(__SSE2__) && defined(__x86_64__)
    return version->scan != http_scan_value_avx2 || http_scan_has_avx2();
#else
    return true;
#endif
}

static void check(const struct version *version, const char *data, u32 len)
{
    const char *expected = http_scan_scalar(data, data + len, version->kind);
    const char *found = version->scan(data, data + len);
    if (found != expected)
        fail_msg("%s: %td, expected %td of %u", version->name, found - data, expected - data, len);
}

/* Each byte at each place behind a run of good ones, with the end of the data at each place. */
static void test_every_byte_at_every_place(void **state)
{
    struct guard_page page = guard_page_create(RUN_BYTES_MAX);
    char bytes[RUN_BYTES_MAX];
    for (usize v = 0; v < ARRAY_COUNT(versions); v++) {
        if (!runs_here(&versions[v]))
            continue;
        for (u32 byte = 0; byte < 256; byte++) {
            for (u32 len = 1; len <= 100; len += 1 + len / 40) {
                memset(bytes, 'a', len);
                bytes[len - 1] = (char)byte;
                check(&versions[v], guard_page_copy(&page, bytes, len), len);
                bytes[len / 2] = (char)byte;
                check(&versions[v], guard_page_copy(&page, bytes, len), len);
            }
        }
    }
    guard_page_destroy(&page);
}

/* Paths made of what http_scan_odd looks for, with the end of the data at each place. */
static void test_odd_paths(void **state)
{
    struct guard_page page = guard_page_create(RUN_BYTES_MAX);
    struct rng rng;
    rng_seed(&rng, 20261121);
    for (u32 round = 0; round < ROUNDS; round++) {
        char bytes[RUN_BYTES_MAX];
        u32 len = rng_below(&rng, RUN_BYTES_MAX + 1);
        u32 strange = 1 + rng_below(&rng, 100);
        for (u32 i = 0; i < len; i++)
            bytes[i] = rng_below(&rng, strange) > 0 ? 'a' : "/./;%-0"[rng_below(&rng, 7)];
        const char *data = guard_page_copy(&page, bytes, len);
        assert_ptr_equal(http_scan_odd(data, data + len), http_scan_odd_scalar(data, data + len));
    }
    guard_page_destroy(&page);
}

/* Random bytes: all of them, and mostly good ones so that long runs come up too. */
static void test_random_bytes(void **state)
{
    struct guard_page page = guard_page_create(RUN_BYTES_MAX);
    struct rng rng;
    rng_seed(&rng, 20260113);
    for (u32 round = 0; round < ROUNDS; round++) {
        char bytes[RUN_BYTES_MAX];
        u32 len = rng_below(&rng, RUN_BYTES_MAX + 1);
        u32 strange = 1 + rng_below(&rng, 100);
        for (u32 i = 0; i < len; i++) {
            bool good = rng_below(&rng, strange) > 0;
            bytes[i] = good ? "abcXYZ019-_"[rng_below(&rng, 11)] : (char)rng_below(&rng, 256);
        }
        const char *data = guard_page_copy(&page, bytes, len);
        for (usize v = 0; v < ARRAY_COUNT(versions); v++)
            if (runs_here(&versions[v]))
                check(&versions[v], data, len);
    }
    guard_page_destroy(&page);
}

static void test_widest_version_is_chosen(void **state)
{
#if defined(__SSE2__) && defined(__x86_64__)
    assert_ptr_equal(http_scan_value_long,
                     http_scan_has_avx2() ? http_scan_value_avx2 : http_scan_value_sse2);
#else
    assert_false(http_scan_has_avx2());
#endif
}

/* The table against the grammar, written out once more in another way. */
static void test_table(void **state)
{
    static const char tokens[] = "!#$%&'*+-.^_`|~0123456789"
                                 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (u32 byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        bool token = byte != 0 && strchr(tokens, c) != NULL;
        bool visible = byte > 0x20 && byte < 0x7f;
        assert_int_equal(http_byte_is(c, HTTP_BYTE_TOKEN), token);
        assert_int_equal(http_byte_is(c, HTTP_BYTE_VALUE),
                         visible || byte >= 0x80 || c == ' ' || c == '\t');
        assert_int_equal(http_byte_is(c, HTTP_BYTE_QUERY), visible && c != '#');
        assert_int_equal(http_byte_is(c, HTTP_BYTE_PATH),
                         visible && c != '#' && c != '?' && c != '%' && c != '\\');
        bool digit = byte >= '0' && byte <= '9';
        assert_int_equal(http_byte_is(c, HTTP_BYTE_DIGIT), digit);
        bool hex = byte != 0 && strchr("0123456789abcdefABCDEF", c) != NULL;
        assert_int_equal(http_byte_is(c, HTTP_BYTE_HEX), hex);
        if (hex) {
            char text[2] = {c, '\0'};
            assert_int_equal(http_hex_value(c), strtoul(text, NULL, 16));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_at_every_place),
        cmocka_unit_test(test_odd_paths),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_widest_version_is_chosen),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
