/*
 * Who may ask. Four dangers, besides a stranger without a token:
 *  - a page of another site makes the operator's browser send a request (CSRF): browsers say so in
 *    Origin or Sec-Fetch-Site (Fetch Standard §3.1; Fetch Metadata §2.3);
 *  - it has its own name resolve to our address, so that it may read the answers too (DNS
 *    rebinding): Host then holds that name. An address cannot be rebound, and neither can
 *    localhost; other names are good only together with the token, which no page knows;
 *  - a proxy on this machine, or this very one, is led here by whoever answers DNS for a name among
 *    its backends: its clients then come from the loopback, too. Proxies say what they are;
 *  - the time a comparison takes tells how much of a guessed token was right.
 */
#include "admin/admin_internal.h"

/* Looks at every byte of the wanted token, whatever was given. */
static bool token_equal(struct slice given, struct slice wanted)
{
    volatile u32 difference = given.len ^ wanted.len;
    for (u32 i = 0; i < wanted.len; i++)
        difference |= (u32)(u8)wanted.data[i] ^ (u8)(i < given.len ? given.data[i] : 0);
    return difference == 0;
}

/* RFC 6750 §2.1; a scheme is compared without case (RFC 9110 §11.1). */
static bool bears_token(const struct http_request *request, struct slice token)
{
    static const struct slice scheme = {"Bearer ", 7};
    struct slice value = http_field_first(&request->fields, HTTP_FIELD_AUTHORIZATION);
    if (token.len == 0 || value.len < scheme.len ||
        !slice_equal_nocase(slice_of(value.data, scheme.len), scheme))
        return false;
    return token_equal(slice_trim(slice_of(value.data + scheme.len, value.len - scheme.len)),
                       token);
}

static bool is_address(struct slice host)
{
    struct address address;
    bool v6 = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
    if (v6)
        host = slice_of(host.data + 1, host.len - 2);
    return address_parse_ip(host, 0, &address) &&
           address.any.sa_family == (v6 ? AF_INET6 : AF_INET);
}

/* Without Host (HTTP/1.0) no browser asks. */
static bool host_is_safe(const struct http_request *request)
{
    return request->host.len == 0 || is_address(request->host) ||
           slice_equal_nocase(request->host, SLICE("localhost"));
}

static bool origin_is_ours(struct slice origin, struct slice authority)
{
    static const struct slice scheme = {"http://", 7};
    return authority.len > 0 && slice_starts_with(origin, scheme) &&
           slice_equal_nocase(slice_of(origin.data + scheme.len, origin.len - scheme.len),
                              authority);
}

/* Every such field has to be good: a second one is no way around the first. */
static bool origin_is_safe(const struct http_request *request)
{
    for (u32 i = 0; i < request->fields.count; i++) {
        struct slice name = http_field_name(&request->fields, i);
        struct slice value = http_field_value(&request->fields, i);
        if (slice_equal_nocase(name, SLICE("Origin")) && !origin_is_ours(value, request->authority))
            return false;
        if (slice_equal_nocase(name, SLICE("Sec-Fetch-Site")) &&
            !slice_equal(value, SLICE("same-origin")) && !slice_equal(value, SLICE("none")))
            return false;
    }
    return true;
}

/* Via and Forwarded: RFC 9110 §7.6.3, RFC 7239 §4; the others are what proxies have in common. */
static bool came_through_a_proxy(const struct http_request *request)
{
    for (u32 i = 0; i < request->fields.count; i++) {
        struct slice name = http_field_name(&request->fields, i);
        if (slice_equal_nocase(name, SLICE("Via")) ||
            slice_equal_nocase(name, SLICE("Forwarded")) ||
            slice_equal_nocase(name, SLICE("X-Real-IP")) || http_field_is_x_forwarded(name))
            return true;
    }
    return false;
}

enum guard guard_judge(const struct http_request *request, struct slice token, bool open)
{
    bool bears = bears_token(request, token);
    if (!bears && !host_is_safe(request))
        return GUARD_HOST;
    if (!origin_is_safe(request))
        return GUARD_ORIGIN;
    if (!open && token.len > 0 && !bears)
        return GUARD_TOKEN;
    if (!open && !bears && came_through_a_proxy(request))
        return GUARD_PROXIED;
    return GUARD_OK;
}
