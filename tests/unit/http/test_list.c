/* Comma-separated lists in fields (RFC 9110 section 5.6.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "guard_page.h"
#include "http.h"

static void test_elements(void **state)
{
    static const struct {
        const char *list;
        const char *elements; /* joined by '|' */
    } rows[] = {
        {"", ""},
        {"a", "a"},
        {"a,b", "a|b"},
        {" a ,\tb\t", "a|b"},
        {",a,, b ,", "a|b"},
        {" , ,\t,", ""},
        {"a b, c", "a b|c"},
        {"a=\"b,c\",d", "a=\"b,c\"|d"},
        {"\"a\\\",b\",c", "\"a\\\",b\"|c"},
        {"\"a,b", "\"a,b"},
        {"\"a\\", "\"a\\"},
        {"a\\,b", "a\\|b"},
    };
    struct guard_page page = guard_page_create(4096);
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        usize len = strlen(rows[i].list);
        struct slice list = slice_of(guard_page_copy(&page, rows[i].list, len), len);
        char joined[64] = "";
        usize at = 0;
        struct slice element;
        while (http_list_next(&list, &element)) {
            if (at > 0)
                joined[at++] = '|';
            memcpy(joined + at, element.data, element.len);
            at += element.len;
        }
        joined[at] = '\0';
        assert_string_equal(joined, rows[i].elements);
        assert_int_equal(list.len, 0);
    }
    guard_page_destroy(&page);
}

static void test_contains(void **state)
{
    assert_true(http_list_contains(SLICE("a, Close ,b"), SLICE("close")));
    assert_true(http_list_contains(SLICE("close"), SLICE("CLOSE")));
    assert_false(http_list_contains(SLICE("closed, xclose, clo se"), SLICE("close")));
    assert_false(http_list_contains(SLICE(""), SLICE("close")));
    assert_false(http_list_contains((struct slice){0}, SLICE("close")));
    assert_false(http_list_contains(SLICE("\"a, close\""), SLICE("close")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_contains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
