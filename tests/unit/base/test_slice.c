/* Slices: numbers, trimming, taking apart. */
#include "base/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        u64 max;
        u64 value;
    } rows[] = {
        {"0", 0, 0},
        {"7", 9, 7},
        {"00042", 65535, 42},
        {"65535", 65535, 65535},
        {"9223372036854775807", INT64_MAX, INT64_MAX},
        {"9999999999999999999", UINT64_MAX, 9999999999999999999u},
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        u64 value = 1;
        assert_true(slice_parse_number(slice_of_string(rows[i].text), rows[i].max, &value));
        assert_true(value == rows[i].value);
    }
}

static void test_what_is_no_number(void **state)
{
    static const char *const texts[] = {"",   "-1", "+1", " 1",   "1 ",  "1,1", "0x1",
                                        "1.", "/",  ":",  "\xff", "1\n", "10"};
    u64 value;
    for (u32 i = 0; i < ARRAY_COUNT(texts); i++)
        assert_false(slice_parse_number(slice_of_string(texts[i]), 9, &value));
    assert_false(slice_parse_number(SLICE("9223372036854775808"), INT64_MAX, &value));
    assert_false(slice_parse_number(SLICE("00000000000000000001"), UINT64_MAX, &value));
    assert_false(slice_parse_number(slice_of("1\0", 2), 9, &value));
    assert_false(slice_parse_number((struct slice){0}, 9, &value));
}

static void test_trim(void **state)
{
    assert_true(slice_equal(slice_trim(SLICE(" \ta b\t ")), SLICE("a b")));
    assert_true(slice_equal(slice_trim(SLICE("\r\n")), SLICE("\r\n")));
    assert_int_equal(slice_trim(SLICE(" \t ")).len, 0);
    assert_int_equal(slice_trim((struct slice){0}).len, 0);
}

static void test_take_until(void **state)
{
    struct slice rest = SLICE("a;;bc");
    assert_true(slice_equal(slice_take_until(&rest, ';'), SLICE("a")));
    assert_int_equal(slice_take_until(&rest, ';').len, 0);
    assert_true(slice_equal(slice_take_until(&rest, ';'), SLICE("bc")));
    assert_int_equal(rest.len, 0);
    assert_int_equal(slice_take_until(&rest, ';').len, 0);
    rest = (struct slice){0};
    assert_int_equal(slice_take_until(&rest, ';').len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_what_is_no_number),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_take_until),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
