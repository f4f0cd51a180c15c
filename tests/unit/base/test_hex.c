/* Bytes as hexadecimal digits, and back. */
#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_every_byte_comes_back(void **state)
{
    for (u32 i = 0; i < 256; i++) {
        const u8 byte = (u8)i;
        u8 back[1];
        char text[3], expected[3];
        hex_write(&byte, 1, text);
        (void)snprintf(expected, sizeof(expected), "%02x", i);
        assert_memory_equal(text, expected, 2);
        assert_true(hex_read(slice_of(text, 2), back, 1));
        assert_int_equal(back[0], i);
    }
}

static void test_order(void **state)
{
    static const u8 bytes[] = {0x01, 0xab, 0xf0};
    u8 back[3];
    char text[6];
    hex_write(bytes, sizeof(bytes), text);
    assert_memory_equal(text, "01abf0", sizeof(text));
    assert_true(hex_read(slice_of(text, sizeof(text)), back, sizeof(back)));
    assert_memory_equal(back, bytes, sizeof(bytes));
}

static void test_what_is_refused(void **state)
{
    static const char *const texts[] = {"", "0", "000", "0g", "g0", "0A", "F0", " 0", "0/", ":0"};
    u8 out[1];
    for (u32 i = 0; i < ARRAY_COUNT(texts); i++)
        assert_false(hex_read(slice_of_string(texts[i]), out, 1));
    assert_true(hex_read((struct slice){0}, out, 0));
}

static void test_values(void **state)
{
    static const char digits[] = "0123456789abcdef";
    for (u32 i = 0; i < 256; i++) {
        const char *at = i == 0 ? NULL : strchr(digits, (char)i);
        assert_int_equal(hex_value((char)i), at ? (u32)(at - digits) : HEX_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_comes_back),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
