/* The field table and the lookup of names in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "guard_page.h"
#include "http/head.h"
#include "vectors.h"

static void test_every_id_has_a_row_and_is_found(void **state)
{
    struct guard_page page = guard_page_create(64);
    for (u32 i = HTTP_FIELD_UNDERSCORED + 1; i < HTTP_FIELD_COUNT; i++) {
        struct slice name = http_field_info((enum http_field_id)i)->name;
        assert_true(name.len > 0);
        char lower[64];
        char upper[64];
        for (u32 j = 0; j < name.len; j++) {
            lower[j] = ascii_lower(name.data[j]);
            bool letter = lower[j] >= 'a' && lower[j] <= 'z';
            upper[j] = letter ? (char)(lower[j] - 0x20) : lower[j];
        }
        const char *spellings[] = {name.data, lower, upper};
        for (usize s = 0; s < ARRAY_COUNT(spellings); s++) {
            char *at = guard_page_copy(&page, spellings[s], name.len);
            assert_int_equal(http_field_find(slice_of(at, name.len)), i);
            assert_int_equal(http_field_find_token(at, name.len), i);
        }
    }
    guard_page_destroy(&page);
}

static void test_near_misses_are_other(void **state)
{
    char name[64];
    for (u32 i = HTTP_FIELD_UNDERSCORED + 1; i < HTTP_FIELD_COUNT; i++) {
        struct slice known = http_field_info((enum http_field_id)i)->name;
        assert_int_equal(http_field_find(slice_of(known.data, known.len - 1)), HTTP_FIELD_OTHER);
        memcpy(name, known.data, known.len);
        name[known.len] = 's';
        assert_int_equal(http_field_find(slice_of(name, known.len + 1)), HTTP_FIELD_OTHER);
        for (u32 at = 0; at < known.len; at++) {
            for (u32 bit = 0; bit < 8; bit++) {
                memcpy(name, known.data, known.len);
                name[at] = (char)(name[at] ^ (char)(1u << bit));
                bool same = ascii_lower(name[at]) == ascii_lower(known.data[at]);
                assert_int_equal(http_field_find(slice_of(name, known.len)),
                                 same ? i : HTTP_FIELD_OTHER);
            }
        }
    }
    assert_int_equal(http_field_find((struct slice){0}), HTTP_FIELD_OTHER);
    assert_int_equal(http_field_find(SLICE("x")), HTTP_FIELD_OTHER);
    assert_int_equal(http_field_info(HTTP_FIELD_OTHER)->flags, 0);
}

/* Those by which a backend frames a message or tells who sent it; the others may be anything. */
static void test_underscores(void **state)
{
    static const struct {
        const char *name;
        bool underscored;
    } rows[] = {
        {"X_Forwarded_For", true},     {"x-forwarded_for", true},   {"X_REAL-IP", true},
        {"X_Forwarded_Host", true},    {"content_length", true},    {"Transfer_Encoding", true},
        {"Proxy_Authorization", true}, {"X_Forwarded_Proto", true}, {"Keep_Alive", true},
        {"Content_Type", false},       {"User_Agent", false},       {"X_Forwarded_Fox", false},
        {"X__Forwarded_For", false},   {"X_Forwarded_", false},     {"_ost", false},
        {"X-Custom_Name", false},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        struct slice name = slice_of_string(rows[i].name);
        assert_int_equal(http_field_find_token(name.data, name.len),
                         rows[i].underscored ? HTTP_FIELD_UNDERSCORED : HTTP_FIELD_OTHER);
        assert_int_equal(http_field_find(name), HTTP_FIELD_OTHER);
    }
}

static void test_flags(void **state)
{
    static const enum http_field_id essentials[] = {
        HTTP_FIELD_HOST,      HTTP_FIELD_CONTENT_LENGTH,    HTTP_FIELD_AUTHORIZATION,
        HTTP_FIELD_COOKIE,    HTTP_FIELD_X_FORWARDED_FOR,   HTTP_FIELD_X_FORWARDED_HOST,
        HTTP_FIELD_X_REAL_IP, HTTP_FIELD_X_FORWARDED_PROTO,
    };
    for (usize i = 0; i < ARRAY_COUNT(essentials); i++) {
        u8 flags = http_field_info(essentials[i])->flags;
        assert_true((flags & HTTP_FIELD_END_TO_END) != 0);
        assert_true((flags & HTTP_FIELD_HOP_BY_HOP) == 0);
        assert_true((flags & HTTP_FIELD_NO_TRAILER) != 0);
    }
    static const enum http_field_id hops[] = {
        HTTP_FIELD_CONNECTION, HTTP_FIELD_KEEP_ALIVE,        HTTP_FIELD_PROXY_CONNECTION,
        HTTP_FIELD_TE,         HTTP_FIELD_TRANSFER_ENCODING, HTTP_FIELD_UPGRADE,
    };
    for (usize i = 0; i < ARRAY_COUNT(hops); i++)
        assert_true((http_field_info(hops[i])->flags & HTTP_FIELD_HOP_BY_HOP) != 0);
}

static void test_singles_agree_with_the_table(void **state)
{
    u32 singles = 0;
    for (u32 i = HTTP_FIELD_UNDERSCORED + 1; i < HTTP_FIELD_COUNT; i++)
        if ((http_field_info((enum http_field_id)i)->flags & HTTP_FIELD_SINGLE) != 0)
            singles |= HTTP_FIELD_BIT(i);
    assert_int_equal(singles, HTTP_REQUEST_SINGLES);
}

/* Positions: name, value without white space, end of line. */
static void test_positions(void **state)
{
    static const char head[] = "GET / HTTP/1.0\r\nA: \t b c \t\r\nEmpty:  \r\nCookie:x\r\n"
                               "cookie: y\r\n\r\n";
    static struct http_request request;
    assert_int_equal(http_request_parse(slice_of_string(head), &vector_limits, &request),
                     HTTP_PARSE_DONE);
    const struct http_fields *fields = &request.fields;
    static const char *const names[] = {"A", "Empty", "Cookie", "cookie"};
    static const char *const values[] = {"b c", "", "x", "y"};
    static const char *const rests[] = {"Empty:", "Cookie:x", "cookie: y", "\r\n"};
    assert_int_equal(fields->count, ARRAY_COUNT(names));
    for (u32 i = 0; i < ARRAY_COUNT(names); i++) {
        assert_true(slice_equal(http_field_name(fields, i), slice_of_string(names[i])));
        assert_true(slice_equal(http_field_value(fields, i), slice_of_string(values[i])));
        assert_memory_equal(head + fields->at[i].line_end, rests[i], strlen(rests[i]));
        assert_false(fields->at[i].named_by_connection);
    }
    assert_int_equal(fields->first[HTTP_FIELD_COOKIE], 3);
    assert_true(slice_equal(http_field_first(fields, HTTP_FIELD_COOKIE), SLICE("x")));
    assert_null(http_field_first(fields, HTTP_FIELD_HOST).data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_id_has_a_row_and_is_found),
        cmocka_unit_test(test_near_misses_are_other),
        cmocka_unit_test(test_underscores),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_singles_agree_with_the_table),
        cmocka_unit_test(test_positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
