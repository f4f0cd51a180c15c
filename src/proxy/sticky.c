/*
 * Sticky sessions by cookie. The cookie names a backend and is signed, in hexadecimal digits:
 *
 *   version (1 byte) | handle (8) | valid until, seconds since 1970 (8) | SipHash of these (16)
 *
 * The handle is a keyed hash as well (snapshot/sessions.c): nothing of the backend can be seen. A
 * cookie that is forged, too old, or of a backend that is none of the route's is as none. It is the
 * proxy's own: it is not forwarded, and a response that sets it says to caches that it is one
 * client's (RFC 9111 §5.2.2.7).
 */
#include <endian.h>

#include "base/clock.h"
#include "base/hex.h"
#include "proxy/proxy_internal.h"

enum {
    VERSION = 1,
    PLAIN_BYTES = 1 + 8 + 8,
    COOKIE_BYTES = PLAIN_BYTES + SIPHASH_BYTES,
};

struct cookie {
    u64 handle;
    u64 until_s;
};

static u64 now_s(const struct exchange *exchange)
{
    return proxy_wall_ns(exchange->proxy) / NS_PER_S;
}

static u64 ttl_s(const struct exchange *exchange)
{
    return exchange->route->sticky.ttl_ms / 1000;
}

/* ---- The value ---- */

static void sign(const struct exchange *exchange, const u8 plain[PLAIN_BYTES],
                 u8 tag[SIPHASH_BYTES])
{
    siphash_128(&exchange->snapshot->session_key, plain, PLAIN_BYTES, tag);
}

static bool cookie_read(const struct exchange *exchange, struct slice text, struct cookie *cookie)
{
    u8 bytes[COOKIE_BYTES], tag[SIPHASH_BYTES];
    u64 handle, until;
    if (!hex_read(text, bytes, sizeof(bytes)) || bytes[0] != VERSION)
        return false;
    sign(exchange, bytes, tag);
    memcpy(&handle, bytes + 1, sizeof(handle));
    memcpy(&until, bytes + 9, sizeof(until));
    *cookie = (struct cookie){be64toh(handle), be64toh(until)};
    return siphash_equal(tag, bytes + PLAIN_BYTES);
}

static void cookie_write(const struct exchange *exchange, const struct cookie *cookie,
                         struct http_writer *writer)
{
    u8 bytes[COOKIE_BYTES];
    char text[2 * COOKIE_BYTES];
    u64 handle = htobe64(cookie->handle), until = htobe64(cookie->until_s);
    bytes[0] = VERSION;
    memcpy(bytes + 1, &handle, sizeof(handle));
    memcpy(bytes + 9, &until, sizeof(until));
    sign(exchange, bytes, bytes + PLAIN_BYTES);
    hex_write(bytes, sizeof(bytes), text);
    http_write(writer, slice_of(text, sizeof(text)));
}

/* ---- Requests ---- */

/* Takes the next `name=value` of a Cookie field (RFC 6265 §4.2.1). */
static bool pair_next(struct slice *rest, struct slice *pair)
{
    while (rest->len > 0) {
        *pair = slice_trim(slice_take_until(rest, ';'));
        if (pair->len > 0)
            return true;
    }
    return false;
}

static bool is_ours(const struct exchange *exchange, struct slice pair)
{
    struct slice name = exchange->route->sticky.cookie_name;
    return pair.len > name.len && pair.data[name.len] == '=' && slice_starts_with(pair, name);
}

/* True when it is good; then it is known whose client this is. */
static bool recognise(struct exchange *exchange, struct slice pair)
{
    u32 skip = exchange->route->sticky.cookie_name.len + 1;
    struct cookie cookie;
    if (!cookie_read(exchange, slice_of(pair.data + skip, pair.len - skip), &cookie) ||
        cookie.until_s <= now_s(exchange))
        return false;
    exchange->session = snapshot_member(exchange->snapshot, exchange->route->pool, cookie.handle);
    u64 left_s = cookie.until_s - now_s(exchange);
    exchange->session_renew = left_s < ttl_s(exchange) / 2 || left_s > ttl_s(exchange);
    return exchange->session != BALANCE_NONE;
}

static bool is_cookie(const struct http_fields *fields, u32 index)
{
    return fields->at[index].id == HTTP_FIELD_COOKIE;
}

void sticky_note(struct exchange *exchange, const struct http_request *request)
{
    const struct http_fields *fields = &request->fields;
    bool ignored = false;
    exchange->session = BALANCE_NONE;
    exchange->secure = forwarding_client_secure(exchange->client, fields);
    for (u32 i = 0; i < fields->count; i++) {
        struct slice pair, rest = http_field_value(fields, i);
        while (is_cookie(fields, i) && pair_next(&rest, &pair)) {
            if (!is_ours(exchange, pair))
                continue;
            if (recognise(exchange, pair))
                return;
            ignored = true;
        }
    }
    exchange->proxy->counters.sessions[SESSION_IGNORED] += ignored;
}

bool sticky_holds(const struct exchange *exchange, struct slice value)
{
    struct slice pair;
    while (pair_next(&value, &pair))
        if (is_ours(exchange, pair))
            return true;
    return false;
}

static void write_others(const struct exchange *exchange, struct slice value,
                         struct http_writer *writer)
{
    struct slice pair, before = SLICE("Cookie: ");
    while (pair_next(&value, &pair)) {
        if (is_ours(exchange, pair))
            continue;
        http_write(writer, before);
        http_write(writer, pair);
        before = SLICE("; ");
    }
    if (before.len == 2)
        http_write(writer, SLICE("\r\n"));
}

void sticky_write_cookies(const struct exchange *exchange, const struct http_fields *fields,
                          struct http_writer *writer)
{
    if (header_edits_drop(&exchange->route->request_headers, SLICE("Cookie")))
        return; /* the route has its own idea of them */
    for (u32 i = 0; i < fields->count; i++)
        if (is_cookie(fields, i) && sticky_holds(exchange, http_field_value(fields, i)))
            write_others(exchange, http_field_value(fields, i), writer);
}

/* ---- Responses ---- */

void sticky_write_session(struct exchange *exchange, struct http_writer *writer)
{
    const struct config_sticky *sticky = &exchange->route->sticky;
    u32 member = exchange->tried[exchange->tried_count];
    enum session_outcome outcome = exchange->session == member         ? SESSION_KEPT
                                   : exchange->session == BALANCE_NONE ? SESSION_NEW
                                                                       : SESSION_MOVED;
    exchange->proxy->counters.sessions[outcome]++;
    if (outcome == SESSION_KEPT && !exchange->session_renew)
        return;
    const struct cookie cookie = {
        .handle = exchange->snapshot->pools[exchange->route->pool].handle_of[member],
        .until_s = now_s(exchange) + ttl_s(exchange),
    };
    http_write(writer, SLICE("Set-Cookie: "));
    http_write(writer, sticky->cookie_name);
    http_write(writer, SLICE("="));
    cookie_write(exchange, &cookie, writer);
    http_write(writer, SLICE("; Path=/; Max-Age="));
    http_write_u64(writer, ttl_s(exchange));
    http_write(writer, SLICE("; HttpOnly; SameSite=Lax"));
    if (exchange->secure)
        http_write(writer, SLICE("; Secure"));
    http_write(writer, SLICE("\r\nCache-Control: private\r\n"));
}

const char *session_outcome_name(enum session_outcome outcome)
{
    static const char *const names[SESSION_OUTCOME_COUNT] = {
        [SESSION_KEPT] = "kept",
        [SESSION_NEW] = "new",
        [SESSION_MOVED] = "moved",
        [SESSION_IGNORED] = "ignored",
    };
    ASSERT(outcome < SESSION_OUTCOME_COUNT);
    return names[outcome];
}
