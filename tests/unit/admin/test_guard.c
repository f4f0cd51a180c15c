/* Who may ask: host names, origins and tokens, one row each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "admin/admin_internal.h"

struct row {
    const char *fields;
    const char *token; /* what is wanted; "" = none */
    enum guard expected;
    bool open;
};

static const struct row rows[] = {
    /* Host: addresses and localhost, with or without port */
    {"Host: 127.0.0.1:8081\r\n", "", GUARD_OK, false},
    {"Host: 127.0.0.1\r\n", "", GUARD_OK, false},
    {"Host: 192.0.2.7:1\r\n", "", GUARD_OK, false},
    {"Host: [::1]:8081\r\n", "", GUARD_OK, false},
    {"Host: LocalHost:8081\r\n", "", GUARD_OK, false},
    /* a name may lead here by DNS rebinding, on every path */
    {"Host: evil.example\r\n", "", GUARD_HOST, false},
    {"Host: evil.example\r\n", "", GUARD_HOST, true},
    {"Host: localhost.evil.example\r\n", "", GUARD_HOST, false},
    {"Host: 127.0.0.1.evil.example\r\n", "", GUARD_HOST, false},
    {"Host: 127.1\r\n", "", GUARD_HOST, false},
    {"Host: 0x7f000001\r\n", "", GUARD_HOST, false},
    {"Host: 2130706433\r\n", "", GUARD_HOST, false},
    {"Host: admin.internal\r\n", "secret-token", GUARD_HOST, false},
    {"Host: admin.internal\r\nAuthorization: Bearer secret-token\r\n", "secret-token", GUARD_OK,
     false},
    {"Host: admin.internal\r\nAuthorization: Bearer x\r\n", "", GUARD_HOST, false},
    /* Origin: our own, as the browser sees it */
    {"Host: 127.0.0.1:8081\r\nOrigin: http://127.0.0.1:8081\r\n", "", GUARD_OK, false},
    {"Host: 127.0.0.1:8081\r\nOrigin: http://127.0.0.1:80\r\n", "", GUARD_ORIGIN, false},
    {"Host: 127.0.0.1:8081\r\nOrigin: https://127.0.0.1:8081\r\n", "", GUARD_ORIGIN, false},
    {"Host: 127.0.0.1:8081\r\nOrigin: null\r\n", "", GUARD_ORIGIN, false},
    {"Host: 127.0.0.1:8081\r\nOrigin: \r\n", "", GUARD_ORIGIN, false},
    {"Host: 127.0.0.1:8081\r\nOrigin: http://evil.example\r\n", "", GUARD_ORIGIN, true},
    {"Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example\r\n", "",
     GUARD_ORIGIN, false},
    {"Host: localhost\r\nOrigin: http://evil.example\r\nAuthorization: Bearer secret-token\r\n",
     "secret-token", GUARD_ORIGIN, false},
    {"Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", "", GUARD_ORIGIN, false},
    {"Host: localhost\r\nSec-Fetch-Site: same-site\r\n", "", GUARD_ORIGIN, false},
    {"Host: localhost\r\nSec-Fetch-Site: same-origin\r\n", "", GUARD_OK, false},
    {"Host: localhost\r\nSec-Fetch-Site: none\r\n", "", GUARD_OK, false},
    /* the token */
    {"Host: localhost\r\n", "secret-token", GUARD_TOKEN, false},
    {"Host: localhost\r\n", "secret-token", GUARD_OK, true},
    {"Host: localhost\r\nAuthorization: Bearer secret-token\r\n", "secret-token", GUARD_OK, false},
    {"Host: localhost\r\nAuthorization: bearer  secret-token\r\n", "secret-token", GUARD_OK, false},
    {"Host: localhost\r\nAuthorization: Bearer secret-tokem\r\n", "secret-token", GUARD_TOKEN,
     false},
    {"Host: localhost\r\nAuthorization: Bearer secret-toke\r\n", "secret-token", GUARD_TOKEN,
     false},
    {"Host: localhost\r\nAuthorization: Bearer secret-token2\r\n", "secret-token", GUARD_TOKEN,
     false},
    {"Host: localhost\r\nAuthorization: Bearer \r\n", "secret-token", GUARD_TOKEN, false},
    {"Host: localhost\r\nAuthorization: Basic secret-token\r\n", "secret-token", GUARD_TOKEN,
     false},
    {"Host: localhost\r\nAuthorization: secret-token\r\n", "secret-token", GUARD_TOKEN, false},
    /* through a proxy: with the token alone, but for those paths that need none */
    {"Host: localhost\r\nVia: 1.1 nextproxy\r\n", "", GUARD_PROXIED, false},
    {"Host: localhost\r\nvia:\r\n", "", GUARD_PROXIED, false},
    {"Host: localhost\r\nForwarded: for=192.0.2.7\r\n", "", GUARD_PROXIED, false},
    {"Host: localhost\r\nX-Forwarded-For: 192.0.2.7\r\n", "", GUARD_PROXIED, false},
    {"Host: localhost\r\nx-forwarded-Anything: 1\r\n", "", GUARD_PROXIED, false},
    {"Host: localhost\r\nX-Real-IP: 192.0.2.7\r\n", "", GUARD_PROXIED, false},
    {"Host: localhost\r\nX-Forwarded: 1\r\n", "", GUARD_OK, false},
    {"Host: localhost\r\nX-Request-ID: 1\r\n", "", GUARD_OK, false},
    {"Host: localhost\r\nVia: 1.1 nextproxy\r\n", "", GUARD_OK, true},
    {"Host: localhost\r\nVia: 1.1 nextproxy\r\n", "secret-token", GUARD_TOKEN, false},
    {"Host: localhost\r\nVia: 1.1 nextproxy\r\nAuthorization: Bearer secret-token\r\n",
     "secret-token", GUARD_OK, false},
    {"Host: localhost\r\nVia: 1.1 nextproxy\r\nAuthorization: Bearer x\r\n", "", GUARD_PROXIED,
     false},
};

static void each_row_is_judged_as_it_says(void **state)
{
    static const struct http_limits limits = {
        .head_bytes_max = 8192, .target_bytes_max = 2048, .fields_max = 64};
    static struct http_request request;
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        char head[512];
        int len = snprintf(head, sizeof(head), "GET /status HTTP/1.1\r\n%s\r\n", rows[i].fields);
        assert_in_range(len, 1, sizeof(head) - 1);
        assert_int_equal(http_request_parse(slice_of(head, (usize)len), &limits, &request),
                         HTTP_PARSE_DONE);
        enum guard found = guard_judge(&request, slice_of_string(rows[i].token), rows[i].open);
        if (found != rows[i].expected)
            fail_msg("row %u, %s: %d instead of %d", i, rows[i].fields, (int)found,
                     (int)rows[i].expected);
    }
}

static void http_1_0_without_host_is_no_browser(void **state)
{
    static const struct http_limits limits = {
        .head_bytes_max = 8192, .target_bytes_max = 2048, .fields_max = 64};
    static struct http_request request;
    assert_int_equal(http_request_parse(SLICE("GET / HTTP/1.0\r\n\r\n"), &limits, &request),
                     HTTP_PARSE_DONE);
    assert_int_equal(guard_judge(&request, SLICE(""), false), GUARD_OK);
    assert_int_equal(guard_judge(&request, SLICE("secret-token"), false), GUARD_TOKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_judged_as_it_says),
        cmocka_unit_test(http_1_0_without_host_is_no_browser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
