/* What the parser says of a valid head beyond its being valid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "vectors.h"

static struct http_request request;
static struct http_response response;

static void parse_request(const char *bytes)
{
    memset(&request, 0xa5, sizeof(request));
    enum http_parse parse = http_request_parse(slice_of_string(bytes), &vector_limits, &request);
    if (parse != HTTP_PARSE_DONE)
        fail_msg("%s: refused as %s", bytes, http_reject_info(request.reject)->name);
    assert_int_equal(request.head_bytes, strlen(bytes));
}

static void parse_response(const char *bytes)
{
    memset(&response, 0xa5, sizeof(response));
    enum http_parse parse = http_response_parse(slice_of_string(bytes), &vector_limits, &response);
    if (parse != HTTP_PARSE_DONE)
        fail_msg("%s: refused as %s", bytes, http_reject_info(response.reject)->name);
    assert_int_equal(response.head_bytes, strlen(bytes));
}

static void assert_slice(struct slice slice, const char *expected)
{
    if (!slice_equal(slice, slice_of_string(expected)))
        fail_msg("'%.*s', expected '%s'", (int)slice.len, slice.data == NULL ? "" : slice.data,
                 expected);
}

/* --- Request line --- */

static void test_methods(void **state)
{
    static const struct {
        const char *line;
        enum http_method method;
        bool idempotent;
    } rows[] = {
        {"GET / HTTP/1.0\r\n\r\n", HTTP_METHOD_GET, true},
        {"HEAD / HTTP/1.0\r\n\r\n", HTTP_METHOD_HEAD, true},
        {"POST / HTTP/1.0\r\n\r\n", HTTP_METHOD_POST, false},
        {"PUT / HTTP/1.0\r\n\r\n", HTTP_METHOD_PUT, true},
        {"DELETE / HTTP/1.0\r\n\r\n", HTTP_METHOD_DELETE, true},
        {"OPTIONS / HTTP/1.0\r\n\r\n", HTTP_METHOD_OPTIONS, true},
        {"TRACE / HTTP/1.0\r\n\r\n", HTTP_METHOD_TRACE, true},
        {"PATCH / HTTP/1.0\r\n\r\n", HTTP_METHOD_PATCH, false},
        {"PURGE / HTTP/1.0\r\n\r\n", HTTP_METHOD_OTHER, false},
        {"get / HTTP/1.0\r\n\r\n", HTTP_METHOD_OTHER, false},
        {"GETX / HTTP/1.0\r\n\r\n", HTTP_METHOD_OTHER, false},
        {"GE / HTTP/1.0\r\n\r\n", HTTP_METHOD_OTHER, false},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        parse_request(rows[i].line);
        assert_int_equal(request.method, rows[i].method);
        assert_int_equal(http_method_idempotent(request.method), rows[i].idempotent);
        assert_int_equal(request.method_name.len, strcspn(rows[i].line, " "));
    }
}

static void test_target_parts(void **state)
{
    static const struct {
        const char *target;
        const char *host_line;
        const char *parts[4]; /* authority, host, path, query */
    } rows[] = {
        {"/", "a", {"a", "a", "/", ""}},
        {"/b/c?d=e?f", "a:80", {"a:80", "a", "/b/c", "?d=e?f"}},
        {"/%2e%2E/?", "[::1]:80", {"[::1]:80", "[::1]", "/%2e%2E/", "?"}},
        {"/?", "A.Example", {"A.Example", "A.Example", "/", "?"}},
        {"http://A:80/b?c", "a", {"A:80", "A", "/b", "?c"}},
        {"https://a", "a", {"a", "a", "/", ""}},
        {"http://a?b", "a", {"a", "a", "/", "?b"}},
        {"http://[::1]:8080", "[::1]:8080", {"[::1]:8080", "[::1]", "/", ""}},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        char bytes[256];
        snprintf(bytes, sizeof(bytes), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", rows[i].target,
                 rows[i].host_line);
        parse_request(bytes);
        assert_slice(request.target, rows[i].target);
        assert_slice(request.authority, rows[i].parts[0]);
        assert_slice(request.host, rows[i].parts[1]);
        assert_slice(request.path, rows[i].parts[2]);
        assert_slice(request.query, rows[i].parts[3]);
    }
}

static void test_options_without_a_path(void **state)
{
    parse_request("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_slice(request.path, "*");
    parse_request("OPTIONS http://a?b HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_slice(request.path, "/");
    parse_request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_slice(request.path, "*");
    assert_slice(request.query, "");
}

static void test_no_host_in_1_0(void **state)
{
    parse_request("GET /a HTTP/1.0\r\n\r\n");
    assert_int_equal(request.minor, 0);
    assert_int_equal(request.authority.len, 0);
    assert_int_equal(request.host.len, 0);
    parse_request("GET http://b:1/a HTTP/1.0\r\n\r\n");
    assert_slice(request.authority, "b:1");
    assert_slice(request.host, "b");
}

static void test_refused_head_shows_what_was_read(void **state)
{
    static const char bytes[] = "GET /a HTTP/1.1\r\nHost: b\r\nX-Request-ID: c\r\nD : e\r\n";
    memset(&request, 0xa5, sizeof(request));
    assert_int_equal(http_request_parse(slice_of_string(bytes), &vector_limits, &request),
                     HTTP_PARSE_REJECTED);
    assert_slice(request.method_name, "GET");
    assert_slice(request.target, "/a");
    assert_int_equal(request.fields.count, 2);
    assert_slice(http_field_first(&request.fields, HTTP_FIELD_X_REQUEST_ID), "c");
    assert_int_equal(request.host.len, 0);

    memset(&request, 0xa5, sizeof(request));
    assert_int_equal(http_request_parse(slice_of_string("\001"), &vector_limits, &request),
                     HTTP_PARSE_REJECTED);
    assert_int_equal(request.fields.count, 0);
    assert_int_equal(request.method_name.len, 0);
    assert_null(http_field_first(&request.fields, HTTP_FIELD_HOST).data);
}

static void test_empty_lines_in_front(void **state)
{
    assert_int_equal(http_skip_empty_lines(slice_of_string("")), 0);
    assert_int_equal(http_skip_empty_lines(slice_of_string("\r")), 0);
    assert_int_equal(http_skip_empty_lines(slice_of_string("\r\n")), 2);
    assert_int_equal(http_skip_empty_lines(slice_of_string("\r\n\r\nGET")), 2);
    assert_int_equal(http_skip_empty_lines(slice_of_string("\nGET")), 0);
    assert_int_equal(http_skip_empty_lines(slice_of_string("GET")), 0);
    assert_int_equal(http_request_parse(SLICE("\r"), &vector_limits, &request), HTTP_PARSE_PARTIAL);
}

/* --- Connection --- */

static void test_keep_alive(void **state)
{
    static const struct {
        u32 minor;
        const char *fields;
        bool keep_alive;
    } rows[] = {
        {1, "", true},
        {0, "", false},
        {1, "Connection: close\r\n", false},
        {1, "connection: CLOSE\r\n", false},
        {1, "Connection: keep-alive\r\n", true},
        {0, "Connection: keep-alive\r\n", true},
        {0, "Connection: Keep-Alive\r\n", true},
        {0, "Connection: close\r\n", false},
        {1, "Connection: keep-alive, close\r\n", false},
        {0, "Connection: close, keep-alive\r\n", false},
        {1, "Connection: x\r\nConnection: close\r\n", false},
        {1, "Connection: x\r\nA: b\r\nConnection: y,, close\r\n", false},
        {0, "Connection: x , keep-alive , y\r\n", true},
        {1, "Connection: closed\r\n", true},
        {1, "Connection:\r\n", true},
        {1, "Proxy-Connection: close\r\n", true},
        {0, "Keep-Alive: timeout=5\r\n", false},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        char bytes[256];
        snprintf(bytes, sizeof(bytes), "GET / HTTP/1.%u\r\nHost: a\r\n%s\r\n", rows[i].minor,
                 rows[i].fields);
        parse_request(bytes);
        assert_int_equal(request.keep_alive, rows[i].keep_alive);
        snprintf(bytes, sizeof(bytes), "HTTP/1.%u 200 OK\r\nContent-Length: 0\r\n%s\r\n",
                 rows[i].minor, rows[i].fields);
        parse_response(bytes);
        assert_int_equal(response.keep_alive, rows[i].keep_alive);
    }
}

static void test_impossible_body_ends_the_connection(void **state)
{
    parse_response("HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n");
    assert_true(response.keep_alive);
    parse_response("HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n");
    assert_false(response.keep_alive);
    parse_response("HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_false(response.keep_alive);
    parse_response("HTTP/1.1 103 X\r\nContent-Length: 5\r\n\r\n");
    assert_false(response.keep_alive);
    parse_response("HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n");
    assert_true(response.keep_alive);
}

static bool named(const char *name)
{
    for (u32 i = 0; i < request.fields.count; i++)
        if (slice_equal(http_field_name(&request.fields, i), slice_of_string(name)))
            return request.fields.at[i].named_by_connection;
    fail_msg("no field %s", name);
    return false;
}

static void test_fields_named_by_connection(void **state)
{
    parse_request("GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nconnection: x-one, Keep-Alive,X-TWO\r\n"
                  "Keep-Alive: 1\r\nX-Two: 2\r\nx-two: 3\r\nCookie: c\r\nCOOKIE: d\r\nVia: v\r\n"
                  "X-Three: 3\r\nConnection: cookie\r\nX-On: 4\r\n\r\n");
    static const char *const yes[] = {"X-One", "Keep-Alive", "X-Two", "x-two", "Cookie", "COOKIE"};
    static const char *const no[] = {"Host", "connection", "Via", "X-Three", "Connection", "X-On"};
    for (usize i = 0; i < ARRAY_COUNT(yes); i++)
        assert_true(named(yes[i]));
    for (usize i = 0; i < ARRAY_COUNT(no); i++)
        assert_false(named(no[i]));
}

static void test_connection_names_are_bounded(void **state)
{
    char bytes[1024] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: ";
    usize start = strlen(bytes);
    for (u32 names = HTTP_CONNECTION_NAMES_MAX; names <= HTTP_CONNECTION_NAMES_MAX + 1; names++) {
        usize at = start;
        for (u32 i = 0; i < names; i++)
            at += (usize)snprintf(bytes + at, sizeof(bytes) - at, "n%u,,", i);
        snprintf(bytes + at, sizeof(bytes) - at, "\r\n\r\n");
        enum http_parse parse =
            http_request_parse(slice_of_string(bytes), &vector_limits, &request);
        bool fits = names <= HTTP_CONNECTION_NAMES_MAX;
        assert_int_equal(parse, fits ? HTTP_PARSE_DONE : HTTP_PARSE_REJECTED);
        assert_int_equal(request.reject, fits ? HTTP_REJECT_NONE : HTTP_REJECT_FIELD_COUNT);
    }
}

static void test_upgrade(void **state)
{
    static const struct {
        u32 minor;
        const char *fields;
        bool upgrade;
    } rows[] = {
        {1, "Connection: Upgrade\r\nUpgrade: websocket\r\n", true},
        {1, "Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\n", true},
        {1, "Upgrade: websocket\r\n", false},
        {1, "Connection: Upgrade\r\n", false},
        {1, "Connection: Upgrade\r\nUpgrade:\r\n", false},
        {0, "Connection: Upgrade\r\nUpgrade: websocket\r\n", false},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        char bytes[256];
        snprintf(bytes, sizeof(bytes), "GET / HTTP/1.%u\r\nHost: a\r\n%s\r\n", rows[i].minor,
                 rows[i].fields);
        parse_request(bytes);
        assert_int_equal(request.upgrade, rows[i].upgrade);
    }
}

/* --- Other fields --- */

static void test_expect(void **state)
{
    parse_request("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-CONTINUE\r\n\r\n");
    assert_true(request.expect_continue);
    parse_request("PUT / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_false(request.expect_continue);
    parse_request("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
    assert_false(request.expect_continue);
}

/* --- Max-Forwards --- */

static void test_max_forwards(void **state)
{
    (void)state;
    parse_request("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
    assert_true(request.has_max_forwards);
    assert_int_equal(request.max_forwards, 0);
    parse_request("OPTIONS * HTTP/1.1\r\nHost: a\r\nMAX-FORWARDS:  0012 \r\n\r\n");
    assert_int_equal(request.max_forwards, 12);
    parse_request("OPTIONS / HTTP/1.0\r\nMax-Forwards: 2147483648\r\n\r\n");
    assert_int_equal(request.max_forwards, INT32_MAX);
    parse_request("OPTIONS / HTTP/1.1\r\nHost: a\r\n"
                  "Max-Forwards: 18446744073709551616000000000000000\r\n\r\n");
    assert_int_equal(request.max_forwards, INT32_MAX);
    parse_request("OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_false(request.has_max_forwards);
    parse_request("GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: x\r\nMax-Forwards: 1\r\n\r\n");
    assert_false(request.has_max_forwards);
}

static void test_accept(void **state)
{
    static const struct {
        const char *accept;
        bool html;
    } rows[] = {
        {"text/html", true},
        {"TEXT/HTML", true},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true},
        {"*/*", false},
        {"", false},
        {"text/*", false},
        {"application/json", false},
        {"application/json, text/plain, */*", false},
        {"application/json, text/html", false},
        {"application/json;q=0.5, text/html", true},
        {"application/json; q=0.5, text/html; q=0.4", false},
        {"application/json; q=0.4, text/html; level=1; q=0.500", true},
        {"text/html;q=0", false},
        {"text/html;q=0.0, */*", false},
        {"text/html;q=0.001", true},
        {"text/html;q=1.000", true},
        {"text/html;q=nonsense", true},
        {"text/html;q", true},
        {"text/html;", true},
        {"text/html;Q=0", false},
        {"text/html\t; level=1\t; q=0\t;", false},
        {"text/html;level=1 q=0", true}, /* no parameter of its own */
        {"text/html2, */*", false},
        {"a/b;c=\"text/html, text/html\"", false},
        {"image/webp , text/html;q=0.1", true},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        char bytes[256];
        snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\nAccept: %s\r\n\r\n",
                 rows[i].accept);
        parse_request(bytes);
        if (request.accepts_html != rows[i].html)
            fail_msg("Accept: %s", rows[i].accept);
    }
}

static void test_response_line(void **state)
{
    parse_response("HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(response.status, 404);
    assert_int_equal(response.minor, 0);
    assert_slice(response.reason, "Not Found");
    parse_response("HTTP/1.1 599\r\nA: b\r\n\r\n");
    assert_int_equal(response.status, 599);
    assert_int_equal(response.minor, 1);
    assert_int_equal(response.reason.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_target_parts),
        cmocka_unit_test(test_options_without_a_path),
        cmocka_unit_test(test_no_host_in_1_0),
        cmocka_unit_test(test_refused_head_shows_what_was_read),
        cmocka_unit_test(test_empty_lines_in_front),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_impossible_body_ends_the_connection),
        cmocka_unit_test(test_fields_named_by_connection),
        cmocka_unit_test(test_connection_names_are_bounded),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_max_forwards),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_response_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
