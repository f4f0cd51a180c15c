/* What is written fits or shows that it does not, and no value ends a JSON string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/admin_internal.h"

static char block[256];

static struct http_writer writer_of(usize bytes)
{
    memset(block, '#', sizeof(block));
    return (struct http_writer){.at = block, .end = block + bytes};
}

static void assert_written(const struct http_writer *out, const char *expected)
{
    assert_false(out->full);
    assert_int_equal(out->at - block, strlen(expected));
    assert_memory_equal(block, expected, strlen(expected));
}

static void strings_are_escaped(void **state)
{
    struct http_writer out = writer_of(sizeof(block));
    write_json(&out, SLICE("a\"b\\c\n\x01\xc3\xa9 /"));
    assert_written(&out, "\"a\\\"b\\\\c\\u000a\\u0001?? /\"");
}

static void paths_are_escaped_as_in_a_url(void **state)
{
    struct http_writer out = writer_of(sizeof(block));
    write_json_path(&out, SLICE("/a b\"\\%?#\xff/c"));
    assert_written(&out, "\"/a%20b%22%5C%25%3F%23%FF/c\"");
}

static void overflow_stays_and_writes_nothing_beyond(void **state)
{
    for (usize room = 0; room <= 12; room++) {
        struct http_writer out = writer_of(room);
        write_format(&out, "%s", "hello, world");
        /* printf needs room for its terminator, too */
        assert_int_equal(out.full, true);
        assert_int_equal(block[room], '#');
        http_write(&out, SLICE("x"));
        assert_int_equal(out.at - block, 0);
    }
    struct http_writer out = writer_of(13);
    write_format(&out, "%s", "hello, world");
    assert_written(&out, "hello, world");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(paths_are_escaped_as_in_a_url),
        cmocka_unit_test(overflow_stays_and_writes_nothing_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
