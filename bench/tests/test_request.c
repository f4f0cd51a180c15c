/* What the origin makes of requests. */
#include "tests/tests.h"

#include <string.h>

#include "origin/request.h"

static enum request_verdict parse(const char *text, struct request *out)
{
    return request_parse((const u8 *)text, strlen(text), out);
}

static void test_whole_requests(void **state)
{
    struct request request;
    (void)state;
    const char *get = "GET /1024?a=1 HTTP/1.1\r\nHost: x\r\ncontent-LENGTH:  7\r\n\r\n";
    assert_int_equal(parse(get, &request), REQUEST_COMPLETE);
    assert_int_equal(request.reply_bytes, 1024);
    assert_int_equal(request.body_bytes, 7);
    assert_int_equal(request.head_bytes, strlen(get));
    assert_false(request.close);
    assert_false(request.head_only);
    assert_int_equal(parse("HEAD /5 HTTP/1.0\r\n\r\n", &request), REQUEST_COMPLETE);
    assert_true(request.close);
    assert_true(request.head_only);
    assert_int_equal(parse("GET /0 HTTP/1.1\r\nConnection: Close\r\n\r\nrest", &request),
                     REQUEST_COMPLETE);
    assert_true(request.close);
    assert_int_equal(request.reply_bytes, 0);
}

static void test_every_beginning_is_partial(void **state)
{
    static const char text[] = "GET /65536 HTTP/1.1\r\nHost: a\r\nCookie: b\r\n\r\n";
    struct request request;
    (void)state;
    for (usize len = 0; len < sizeof(text) - 1; len++)
        assert_int_equal(request_parse((const u8 *)text, len, &request), REQUEST_PARTIAL);
}

static void test_bad_requests(void **state)
{
    static const char *const bad[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET /12a HTTP/1.1\r\n\r\n",
        "GET /9999999999999 HTTP/1.1\r\n\r\n",
        "GET /1 HTTP/2.0\r\n\r\n",
        "GET /1\r\n\r\n",
        "GET /1 HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /1 HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "GET /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    struct request request;
    (void)state;
    for (usize i = 0; i < ARRAY_COUNT(bad); i++)
        assert_int_equal(parse(bad[i], &request), REQUEST_BAD);
}

const struct CMUnitTest request_tests[REQUEST_TESTS] = {
    cmocka_unit_test(test_whole_requests),
    cmocka_unit_test(test_every_beginning_is_partial),
    cmocka_unit_test(test_bad_requests),
};
