/* The first line of a script's output, however it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "health/script_text.h"

static void assert_text(const char *output, const char *expected)
{
    struct slice whole = slice_of_string(output);
    char text[PROBE_TEXT_BYTES];
    for (u32 piece_bytes = 1; piece_bytes <= whole.len + 1; piece_bytes++) {
        struct script_text first = {.len = 0};
        for (u32 at = 0; at < whole.len; at += piece_bytes)
            script_text_add(&first,
                            slice_of(whole.data + at, min_u32(piece_bytes, whole.len - at)));
        script_text_copy(&first, text);
        if (strcmp(text, expected) != 0)
            fail_msg("\"%s\" in pieces of %u: \"%s\"", output, piece_bytes, text);
    }
    script_text_line(whole, text);
    assert_string_equal(text, expected);
}

static void the_first_line_that_says_something(void **state)
{
    assert_text("", "");
    assert_text("\n\r\n \t\n", "");
    assert_text("disk full", "disk full");
    assert_text("disk full\n", "disk full");
    assert_text("\n\n  disk full \t\r\nsecond\n", "disk full");
    assert_text("one\rtwo", "one");
}

static void controls_are_not_shown(void **state)
{
    assert_text("a\tb\033[31mc\007\177\b", "a b?[31mc???");
    assert_text("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
    char text[PROBE_TEXT_BYTES];
    script_text_line(slice_of("a\0b", 3), text);
    assert_string_equal(text, "a?b");
}

static void what_is_too_long_is_cut(void **state)
{
    char output[3 * PROBE_TEXT_BYTES], expected[PROBE_TEXT_BYTES];
    memset(output, 'x', sizeof(output));
    memset(expected, 'x', sizeof(expected));
    output[sizeof(output) - 1] = '\0';
    expected[sizeof(expected) - 1] = '\0';
    assert_text(output, expected);
    output[PROBE_TEXT_BYTES - 1] = '\n';
    assert_text(output, expected);
    output[PROBE_TEXT_BYTES - 2] = '\n';
    expected[PROBE_TEXT_BYTES - 2] = '\0';
    assert_text(output, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_that_says_something),
        cmocka_unit_test(controls_are_not_shown),
        cmocka_unit_test(what_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
