/* When a verdict falls: limits and bad bytes are noticed at the first byte that shows them, however
 * long the rest of the head may take to arrive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "guard_page.h"
#include "vectors.h"

struct early {
    const char *bytes; /* up to and with the byte that decides */
    enum http_reject reject;
};

/* Small enough to be reached by a line of a table. */
static const struct http_limits tight = {
    .head_bytes_max = 96,
    .target_bytes_max = 16,
    .fields_max = 3,
};

#define LINE "GET / HTTP/1.1\r\n"
#define FIELDS_3 "Host: a\r\nA: b\r\nC: d\r\n"
/* 80 bytes of a head with 96 at most */
#define FIELDS_80 LINE "Host: a\r\nA: 0123456789abcdef0123456789abcdef0123456789abcdef01\r\n"

static const struct early earlies[] = {
    {"(", HTTP_REJECT_METHOD},
    {"\n", HTTP_REJECT_METHOD},
    {"GET\r", HTTP_REJECT_METHOD},
    {"GET  ", HTTP_REJECT_METHOD},
    {"CONNECT ", HTTP_REJECT_CONNECT},
    {"GET x", HTTP_REJECT_TARGET},
    {"GET hx", HTTP_REJECT_TARGET},
    {"GET http:/x", HTTP_REJECT_TARGET},
    {"GET http://@", HTTP_REJECT_TARGET},
    {"GET /#", HTTP_REJECT_TARGET},
    {"GET /\\", HTTP_REJECT_TARGET},
    {"GET /%x", HTTP_REJECT_TARGET},
    {"GET /%0x", HTTP_REJECT_TARGET},
    {"GET /%00", HTTP_REJECT_TARGET},
    {"GET /?\t", HTTP_REJECT_TARGET},
    {"GET *", HTTP_REJECT_TARGET},
    {"GET /0123456789abcdef", HTTP_REJECT_TARGET_LENGTH},
    {"GET /?123456789abcdef", HTTP_REJECT_TARGET_LENGTH},
    {"GET /0123456789abcd%4", HTTP_REJECT_TARGET_LENGTH},
    {"GET /0123456789abcd%x", HTTP_REJECT_TARGET_LENGTH},
    {"GET /0123456789abcde%", HTTP_REJECT_TARGET_LENGTH},
    {"GET http://a.example", HTTP_REJECT_NONE},
    {"GET http://a.example/", HTTP_REJECT_TARGET_LENGTH},
    {"GET /0123456789abcde ", HTTP_REJECT_NONE},
    {"GET / HX", HTTP_REJECT_VERSION_SYNTAX},
    {"GET / HTTP/2.0", HTTP_REJECT_VERSION},
    {"GET / HTTP/1.1\n", HTTP_REJECT_LINE_END},
    {"GET / HTTP/1.1 ", HTTP_REJECT_VERSION_SYNTAX},
    {"GET / HTTP/1.1\rX", HTTP_REJECT_LINE_END},
    {LINE " ", HTTP_REJECT_FOLDED},
    {LINE ":", HTTP_REJECT_FIELD_NAME},
    {LINE "A ", HTTP_REJECT_FIELD_NAME},
    {LINE "A\r", HTTP_REJECT_FIELD_NAME},
    {LINE "A: \001", HTTP_REJECT_FIELD_VALUE},
    {LINE "A: b\n", HTTP_REJECT_LINE_END},
    {LINE "A: b\rX", HTTP_REJECT_LINE_END},
    {LINE "A: b\r\n\t", HTTP_REJECT_FOLDED},
    {LINE "Host: a\r\nHost: b\r\n", HTTP_REJECT_HOST},
    {LINE FIELDS_3, HTTP_REJECT_NONE},
    {LINE FIELDS_3 "E", HTTP_REJECT_FIELD_COUNT},
    {LINE FIELDS_3 "\rX", HTTP_REJECT_LINE_END},
    {FIELDS_80 "0123456789abcd:", HTTP_REJECT_NONE},
    {FIELDS_80 "0123456789abcde:", HTTP_REJECT_HEAD_LENGTH},
};

static enum http_parse parse_prefix(const struct guard_page *page, const char *bytes, u32 len,
                                    enum http_reject *reject)
{
    static struct http_request request;
    char *data = guard_page_copy(page, bytes, len);
    enum http_parse parse = http_request_parse(slice_of(data, len), &tight, &request);
    *reject = request.reject;
    return parse;
}

static void test_verdict_falls_at_the_first_byte(void **state)
{
    struct guard_page page = guard_page_create(4096);
    for (usize i = 0; i < ARRAY_COUNT(earlies); i++) {
        const struct early *early = &earlies[i];
        u32 len = (u32)strlen(early->bytes);
        enum http_reject reject;
        for (u32 prefix = 0; prefix < len; prefix++)
            if (parse_prefix(&page, early->bytes, prefix, &reject) != HTTP_PARSE_PARTIAL)
                fail_msg("row %zu is judged at byte %u already", i, prefix);
        enum http_parse parse = parse_prefix(&page, early->bytes, len, &reject);
        bool rejected = early->reject != HTTP_REJECT_NONE;
        if (reject != early->reject)
            fail_msg("row %zu: %s, expected %s", i, http_reject_info(reject)->name,
                     http_reject_info(early->reject)->name);
        assert_int_equal(parse, rejected ? HTTP_PARSE_REJECTED : HTTP_PARSE_PARTIAL);
    }
    guard_page_destroy(&page);
}

static void test_head_of_exactly_the_limit(void **state)
{
    struct http_limits limits = vector_limits;
    static const struct vector whole = ACCEPTED("exact", LINE "Host: a\r\n\r\nmore");
    limits.head_bytes_max = sizeof(LINE "Host: a\r\n\r\n") - 1;
    vector_check_request(&whole, &limits);
    limits.head_bytes_max--;
    static const struct vector over =
        REJECTED("one byte over", LINE "Host: a\r\n\r\nmore", HEAD_LENGTH);
    vector_check_request(&over, &limits);
}

static void test_request_line_longer_than_a_head(void **state)
{
    struct http_limits limits = vector_limits;
    limits.head_bytes_max = 32;
    static const struct vector line = REJECTED(
        "long line", "GET /0123456789abcdef0123456789abcdef HTTP/1.1\r\n\r\n", TARGET_LENGTH);
    vector_check_request(&line, &limits);
}

static void test_response_limits(void **state)
{
    static const struct vector head =
        REJECTED("long head",
                 "HTTP/1.1 200 OK\r\nA: 0123456789abcdef0123456789abcdef0123456789"
                 "abcdef0123456789abcdef0123456789abcdef\r\n\r\n",
                 HEAD_LENGTH);
    vector_check_response(&head, &tight);
    static const struct vector fields = REJECTED(
        "many fields", "HTTP/1.1 200 OK\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", FIELD_COUNT);
    vector_check_response(&fields, &tight);
    static const struct vector line =
        REJECTED("endless reason",
                 "HTTP/1.1 200 0123456789abcdef0123456789abcdef0123456789abcdef"
                 "0123456789abcdef0123456789abcdef0123456789abcdef\r\n\r\n",
                 HEAD_LENGTH);
    vector_check_response(&line, &tight);
}

/* A head of the greatest size that positions can hold. */
static void test_largest_head(void **state)
{
    enum { BYTES = HTTP_HEAD_BYTES_MAX };
    static char head[BYTES];
    static const char start[] = LINE "Host: a\r\nA: ";
    memset(head, 'x', sizeof(head));
    memcpy(head, start, sizeof(start) - 1);
    memcpy(head + BYTES - 4, "\r\n\r\n", 4);
    struct http_limits limits = vector_limits;
    limits.head_bytes_max = BYTES;
    static struct http_request request;
    assert_int_equal(http_request_parse(slice_of(head, BYTES), &limits, &request), HTTP_PARSE_DONE);
    assert_int_equal(request.head_bytes, BYTES);
    assert_int_equal(http_field_value(&request.fields, 1).len, BYTES - sizeof(start) + 1 - 4);
    assert_int_equal(request.fields.at[1].line_end, BYTES - 2);
}

static void test_as_many_fields_as_there_can_be(void **state)
{
    static char head[4096];
    static struct http_request request;
    usize len = sizeof(LINE "Host: a\r\n") - 1;
    memcpy(head, LINE "Host: a\r\n", len);
    for (u32 i = 1; i < HTTP_FIELDS_MAX; i++, len += 5)
        memcpy(head + len, "A:b\r\n", 5);
    memcpy(head + len, "\r\n", 2);
    struct http_limits limits = vector_limits;
    limits.fields_max = HTTP_FIELDS_MAX;
    assert_int_equal(http_request_parse(slice_of(head, len + 2), &limits, &request),
                     HTTP_PARSE_DONE);
    assert_int_equal(request.fields.count, HTTP_FIELDS_MAX);
    memcpy(head + len, "A:b\r\n\r\n", 7);
    assert_int_equal(http_request_parse(slice_of(head, len + 7), &limits, &request),
                     HTTP_PARSE_REJECTED);
    assert_int_equal(request.reject, HTTP_REJECT_FIELD_COUNT);
}

static void test_every_reject_has_a_row(void **state)
{
    for (u32 i = 0; i < HTTP_REJECT_COUNT; i++) {
        const struct http_reject_info *info = http_reject_info((enum http_reject)i);
        assert_non_null(info->name);
        assert_non_null(info->text);
        assert_true(i == HTTP_REJECT_NONE || (info->status >= 400 && info->status <= 505));
        assert_true(i == HTTP_REJECT_NONE || http_reason(info->status).len > 0);
        for (u32 j = 0; j < i; j++)
            assert_string_not_equal(info->name, http_reject_info((enum http_reject)j)->name);
    }
    assert_int_equal(http_reject_info(HTTP_REJECT_TARGET_LENGTH)->status, 414);
    assert_int_equal(http_reject_info(HTTP_REJECT_HEAD_LENGTH)->status, 431);
    assert_int_equal(http_reject_info(HTTP_REJECT_FIELD_COUNT)->status, 431);
    assert_int_equal(http_reject_info(HTTP_REJECT_EXPECT)->status, 417);
    assert_int_equal(http_reject_info(HTTP_REJECT_CODING)->status, 501);
    assert_int_equal(http_reject_info(HTTP_REJECT_CONNECT)->status, 501);
    assert_int_equal(http_reject_info(HTTP_REJECT_VERSION)->status, 505);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdict_falls_at_the_first_byte),
        cmocka_unit_test(test_head_of_exactly_the_limit),
        cmocka_unit_test(test_request_line_longer_than_a_head),
        cmocka_unit_test(test_response_limits),
        cmocka_unit_test(test_largest_head),
        cmocka_unit_test(test_as_many_fields_as_there_can_be),
        cmocka_unit_test(test_every_reject_has_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
