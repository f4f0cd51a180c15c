/* Writing a head: what it looks like, and what happens without room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "guard_page.h"
#include "http.h"

static void test_writes_a_head(void **state)
{
    char block[128];
    struct http_writer writer = {.at = block, .end = block + sizeof(block)};
    http_write(&writer, SLICE("HTTP/1.1 "));
    http_write_u64(&writer, 200);
    http_write(&writer, SLICE(" OK\r\n"));
    http_write_field(&writer, SLICE("Content-Length"), SLICE("0"));
    http_write_field(&writer, SLICE("Empty"), (struct slice){0});
    http_write(&writer, (struct slice){0});
    http_write(&writer, SLICE("\r\n"));
    static const char expected[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nEmpty: \r\n\r\n";
    assert_false(writer.full);
    assert_int_equal(writer.at - block, sizeof(expected) - 1);
    assert_memory_equal(block, expected, sizeof(expected) - 1);
}

static void test_numbers(void **state)
{
    static const u64 numbers[] = {0, 9, 10, 99, 100, 65535, 4294967296, INT64_MAX, UINT64_MAX};
    for (usize i = 0; i < ARRAY_COUNT(numbers); i++) {
        char block[32];
        char expected[32];
        struct http_writer writer = {.at = block, .end = block + sizeof(block)};
        http_write_u64(&writer, numbers[i]);
        int len = snprintf(expected, sizeof(expected), "%llu", (unsigned long long)numbers[i]);
        assert_int_equal(writer.at - block, len);
        assert_memory_equal(block, expected, (usize)len);
    }
}

/* In a block of any size either all is written, or `full` stays set and nothing follows. */
static void test_overflow_is_sticky(void **state)
{
    enum { WHOLE = 19 };
    struct guard_page page = guard_page_create(4096);
    for (u32 room = 0; room <= WHOLE + 1; room++) {
        char *block = page.end - room;
        struct http_writer writer = {.at = block, .end = page.end};
        http_write(&writer, SLICE("first"));
        http_write_field(&writer, SLICE("Name"), SLICE("v"));
        http_write_u64(&writer, 12345);
        assert_int_equal(writer.full, room < WHOLE);
        if (writer.full) {
            char *at = writer.at;
            http_write(&writer, SLICE("x"));
            http_write_field(&writer, SLICE("a"), SLICE("b"));
            http_write_u64(&writer, 1);
            assert_ptr_equal(writer.at, at);
            assert_true(writer.full);
        } else {
            assert_memory_equal(block, "firstName: v\r\n12345", WHOLE);
        }
    }
    guard_page_destroy(&page);
}

static void test_reasons(void **state)
{
    assert_true(slice_equal(http_reason(200), SLICE("OK")));
    assert_true(slice_equal(http_reason(100), SLICE("Continue")));
    assert_true(slice_equal(http_reason(502), SLICE("Bad Gateway")));
    assert_true(slice_equal(http_reason(414), SLICE("URI Too Long")));
    static const u32 unknown[] = {0, 99, 199, 299, 418, 499, 599, 600, 100000, UINT32_MAX};
    for (usize i = 0; i < ARRAY_COUNT(unknown); i++) {
        assert_int_equal(http_reason(unknown[i]).len, 0);
        assert_non_null(http_reason(unknown[i]).data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_a_head),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_overflow_is_sticky),
        cmocka_unit_test(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
