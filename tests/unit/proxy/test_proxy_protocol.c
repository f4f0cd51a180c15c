/* PROXY protocol headers, whole and byte by byte, against a guard page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "guard_page.h"
#include "proxy/proxy_internal.h"

struct vector {
    const char *name;
    const char *bytes;
    u32 len;
    enum proxy_header verdict;
    u32 header_bytes;   /* with PROXY_HEADER_DONE */
    const char *source; /* NULL = not known */
    u16 port;
};

#define BYTES(literal) "" literal, sizeof(literal) - 1
#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define IP4                                                                                        \
    "\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb" /* 192.0.2.1:56324 198.51.100.7:443 */
#define IP6                                                                                        \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                                                   \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\xdc\x04\x01\xbb"
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

#define GOOD(title, literal, bytes, ip, number)                                                    \
    {                                                                                              \
        title, BYTES(literal), PROXY_HEADER_DONE, bytes, ip, number                                \
    }
#define BAD(title, literal)                                                                        \
    {                                                                                              \
        title, BYTES(literal), PROXY_HEADER_BAD, 0, NULL, 0                                        \
    }
#define PARTIAL(title, literal)                                                                    \
    {                                                                                              \
        title, BYTES(literal), PROXY_HEADER_PARTIAL, 0, NULL, 0                                    \
    }

static const struct vector vectors[] = {
    GOOD("v1 TCP4", "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET /", 45, "192.0.2.1", 56324),
    GOOD("v1 TCP6", "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", 36, "2001:db8::1", 1),
    GOOD("v1 TCP4 port 0", "PROXY TCP4 1.2.3.4 1.2.3.4 0 0\r\n", 32, "1.2.3.4", 0),
    GOOD("v1 UNKNOWN", "PROXY UNKNOWN\r\nGET /", 15, NULL, 0),
    GOOD("v1 UNKNOWN with addresses", "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", 43, NULL, 0),
    GOOD("v1 longest",
         "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         107, NULL, 0),
    BAD("v1 one byte too long", "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655350\r\n"),
    BAD("v1 without an end", "PROXY UNKNOWN " HUNDRED),
    BAD("v1 bare LF", "PROXY UNKNOWN\nGET / HTTP/1.1\r\n"),
    BAD("v1 CR without LF", "PROXY UNKNOWN\rx"),
    BAD("v1 lower case", "proxy TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"),
    BAD("v1 unknown protocol", "PROXY UDP4 192.0.2.1 198.51.100.7 56324 443\r\n"),
    BAD("v1 two spaces", "PROXY  TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"),
    BAD("v1 two spaces between addresses", "PROXY TCP4 192.0.2.1  198.51.100.7 56324 443\r\n"),
    BAD("v1 trailing space", "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 \r\n"),
    BAD("v1 trailing word", "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 1\r\n"),
    BAD("v1 missing port", "PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n"),
    BAD("v1 nothing", "PROXY \r\n"),
    BAD("v1 port too large", "PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n"),
    BAD("v1 port with leading zero", "PROXY TCP4 192.0.2.1 198.51.100.7 080 443\r\n"),
    BAD("v1 port with sign", "PROXY TCP4 192.0.2.1 198.51.100.7 +80 443\r\n"),
    BAD("v1 destination port", "PROXY TCP4 192.0.2.1 198.51.100.7 80 x\r\n"),
    BAD("v1 IPv6 for TCP4", "PROXY TCP4 ::1 ::1 80 80\r\n"),
    BAD("v1 IPv4 for TCP6", "PROXY TCP6 192.0.2.1 198.51.100.7 80 80\r\n"),
    BAD("v1 bad octet", "PROXY TCP4 256.0.2.1 198.51.100.7 80 80\r\n"),
    BAD("v1 bad destination", "PROXY TCP4 192.0.2.1 198.51.100 80 80\r\n"),
    BAD("v1 NUL in an address", "PROXY TCP4 192.0.2.1\0 198.51.100.7 80 80\r\n"),
    BAD("HTTP instead", "GET / HTTP/1.1\r\n"),
    BAD("TLS instead", "\x16\x03\x01\x02\x00\x01"),
    PARTIAL("nothing yet", ""),
    PARTIAL("v1 without LF yet", "PROXY UNKNOWN\r"),
    GOOD("v2 PROXY IPv4", V2 "\x21\x11\x00\x0c" IP4 "GET /", 28, "192.0.2.1", 56324),
    GOOD("v2 PROXY IPv6", V2 "\x21\x21\x00\x24" IP6 "GET /", 52, "2001:db8::1", 56324),
    GOOD("v2 LOCAL", V2 "\x20\x00\x00\x00", 16, NULL, 0),
    GOOD("v2 LOCAL with an address", V2 "\x20\x11\x00\x0c" IP4, 28, NULL, 0),
    GOOD("v2 LOCAL with TLVs", V2 "\x20\x00\x00\x07\x04\x00\x04pads", 23, NULL, 0),
    GOOD("v2 UNSPEC", V2 "\x21\x00\x00\x00", 16, NULL, 0),
    GOOD("v2 UDP over IPv4", V2 "\x21\x12\x00\x0c" IP4, 28, NULL, 0),
    GOOD("v2 TLVs behind the address", V2 "\x21\x11\x00\x13" IP4 "\x03\x00\x04\x01\x02\x03\x04", 35,
         "192.0.2.1", 56324),
    GOOD("v2 unix sockets", V2 "\x21\x31\x00\xd8" HUNDRED HUNDRED TEN "012345", 232, NULL, 0),
    GOOD("v2 the longest", V2 "\x20\x00\x02\x08" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED TEN TEN,
         536, NULL, 0),
    BAD("v2 too long", V2 "\x20\x00\x02\x09"),
    BAD("v2 far too long", V2 "\x21\x11\xff\xff" IP4),
    BAD("v2 version 1", V2 "\x11\x11\x00\x0c" IP4),
    BAD("v2 version 3", V2 "\x31\x11\x00\x0c" IP4),
    BAD("v2 unknown command", V2 "\x22\x11\x00\x0c" IP4),
    BAD("v2 short IPv4 address", V2 "\x21\x11\x00\x0b" IP4),
    BAD("v2 short IPv6 address", V2 "\x21\x21\x00\x23" IP6),
    BAD("v2 wrong signature", "\r\n\r\n\0\r\nQUIT\r\x21\x11\x00\x0c" IP4),
    BAD("an empty line", "\r\nGET / HTTP/1.1\r\n"),
};

static void check_source(const struct vector *vector, const struct proxy_header_info *info)
{
    char text[64];
    assert_int_equal(info->bytes, vector->header_bytes);
    assert_int_equal(info->known, vector->source != NULL);
    if (!vector->source)
        return;
    u32 len = address_format_ip(&info->source, text);
    assert_int_equal(len, strlen(vector->source));
    assert_memory_equal(text, vector->source, len);
    in_port_t port = info->source.any.sa_family == AF_INET ? info->source.v4.sin_port
                                                           : info->source.v6.sin6_port;
    assert_int_equal(ntohs(port), vector->port);
}

static void check_vector(void **state)
{
    const struct vector *vector = *state;
    struct guard_page page = guard_page_create(vector->len + 1);
    struct proxy_header_info info;
    bool decided = false;
    for (u32 len = 0; len <= vector->len; len++) {
        const char *data = guard_page_copy(&page, vector->bytes, len);
        enum proxy_header verdict = proxy_header_parse(slice_of(data, len), &info);
        bool complete = vector->verdict == PROXY_HEADER_DONE && len >= vector->header_bytes;
        if (complete) {
            assert_int_equal(verdict, PROXY_HEADER_DONE);
            check_source(vector, &info);
        } else if (verdict != PROXY_HEADER_PARTIAL) {
            assert_int_equal(verdict, PROXY_HEADER_BAD);
            assert_int_equal(vector->verdict, PROXY_HEADER_BAD);
            decided = true;
        } else {
            assert_false(decided); /* once bad, always bad */
        }
        if (len == vector->len)
            assert_int_equal(verdict, vector->verdict);
    }
    guard_page_destroy(&page);
}

int main(void)
{
    static struct CMUnitTest tests[ARRAY_COUNT(vectors)];
    for (usize i = 0; i < ARRAY_COUNT(vectors); i++)
        tests[i] = (struct CMUnitTest){.name = vectors[i].name,
                                       .test_func = check_vector,
                                       .initial_state = (void *)(uintptr_t)&vectors[i]};
    return cmocka_run_group_tests_name("PROXY protocol", tests, NULL, NULL);
}
