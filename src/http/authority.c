/*
 * host[:port], as in Host and in absolute-form targets (RFC 9110 §7.2, RFC 3986 §3.2.2).
 *
 * Of the registered names that RFC 3986 allows, only those made of unreserved characters are taken:
 * that is what DNS and hosts files hold. Percent-encoding and sub-delims are refused, because two
 * readers may compare such names differently, and routes are chosen by comparing names.
 */
#include "http/bytes.h"
#include "http/target.h"

enum { PORT_DIGITS_MAX = 5, IPV6_GROUPS = 8 };

static u32 run_bytes(struct slice s, u32 at, enum http_byte kind)
{
    u32 len = 0;
    while (at + len < s.len && http_byte_is(s.data[at + len], kind))
        len++;
    return len;
}

/* Dotted decimal, four octets, no leading zeros (which some read as octal). */
static bool ipv4_valid(struct slice s)
{
    u32 at = 0;
    for (u32 octet = 0; octet < 4; octet++) {
        u32 digits = run_bytes(s, at, HTTP_BYTE_DIGIT);
        if (digits == 0 || digits > 3 || (digits > 1 && s.data[at] == '0'))
            return false;
        u64 value;
        if (!slice_parse_number(slice_of(s.data + at, digits), UINT8_MAX, &value))
            return false;
        at += digits;
        if ((octet < 3 && (at == s.len || s.data[at++] != '.')))
            return false;
    }
    return at == s.len;
}

/* RFC 4291 §2.2: eight groups, one run of zero groups as "::", the last two possibly as IPv4. */
static bool ipv6_valid(struct slice s)
{
    u32 groups = 0;
    u32 at = 0;
    bool gap = slice_starts_with(s, SLICE("::"));
    if (gap)
        at = 2;
    while (at < s.len) {
        u32 digits = run_bytes(s, at, HTTP_BYTE_HEX);
        bool dotted = at + digits < s.len && s.data[at + digits] == '.';
        if (dotted && ipv4_valid(slice_of(s.data + at, s.len - at))) {
            groups += 2;
            break;
        }
        if (digits == 0 || digits > 4)
            return false;
        groups++;
        at += digits;
        if (at == s.len)
            break;
        if (s.data[at++] != ':' || at == s.len)
            return false;
        if (s.data[at] == ':') {
            if (gap)
                return false;
            gap = true;
            at++;
        }
    }
    return gap ? groups < IPV6_GROUPS : groups == IPV6_GROUPS;
}

/* The length of the host in front, 0 when there is no valid one. */
static u32 host_bytes(struct slice text)
{
    if (text.len == 0 || text.data[0] != '[')
        return run_bytes(text, 0, HTTP_BYTE_HOST);
    const char *bracket = memchr(text.data, ']', text.len);
    if (bracket == NULL)
        return 0;
    u32 inside = (u32)(bracket - text.data) - 1;
    return ipv6_valid(slice_of(text.data + 1, inside)) ? inside + 2 : 0;
}

/* The digits behind the colon. None at all is allowed and means the default (RFC 3986 §3.2.3). */
static bool port_parse(struct slice digits, i32 *port)
{
    u64 value;
    *port = HTTP_PORT_NONE;
    if (digits.len == 0)
        return true;
    if (digits.len > PORT_DIGITS_MAX || !slice_parse_number(digits, UINT16_MAX, &value))
        return false;
    *port = (i32)value;
    return true;
}

bool http_authority_parse(struct slice text, struct http_authority *authority)
{
    u32 len = host_bytes(text);
    if (len == 0 || len > HTTP_HOST_BYTES_MAX)
        return false;
    authority->host = slice_of(text.data, len);
    authority->port = HTTP_PORT_NONE;
    if (len == text.len)
        return true;
    return text.data[len] == ':' &&
           port_parse(slice_of(text.data + len + 1, text.len - len - 1), &authority->port);
}

bool http_authority_equal(const struct http_authority *a, const struct http_authority *b,
                          u16 default_port)
{
    i32 a_port = a->port == HTTP_PORT_NONE ? default_port : a->port;
    i32 b_port = b->port == HTTP_PORT_NONE ? default_port : b->port;
    return a_port == b_port && slice_equal_nocase(a->host, b->host);
}
