/*
 * What the proxy says about the client to the backend: X-Forwarded-For, -Proto and -Host,
 * X-Real-IP, Via (RFC 9110 §7.6.3), X-Request-ID, and Max-Forwards (§7.6.2). A peer's own claims
 * are believed only when it is one of trustedProxies; otherwise they are replaced.
 */
#include <endian.h>

#include "proxy/proxy_internal.h"

/* All X-Forwarded-For lines of a trusted proxy as one list, then the peer, if it has an address. */
static void write_forwarded_for(const struct client *client, const struct http_fields *fields,
                                struct http_writer *writer)
{
    struct slice before = SLICE("X-Forwarded-For: ");
    if (LIKELY(!client->trusted && !client->local)) {
        http_write_field(writer, SLICE("X-Forwarded-For"), client_ip(client));
        return;
    }
    for (u32 i = 0; client->trusted && i < fields->count; i++) {
        if (fields->at[i].id != HTTP_FIELD_X_FORWARDED_FOR || fields->at[i].value_len == 0)
            continue;
        http_write(writer, before);
        http_write(writer, http_field_value(fields, i));
        before = SLICE(", ");
    }
    if (!client->local) {
        http_write(writer, before);
        http_write(writer, client_ip(client));
    } else if (before.len != 2) {
        return; /* nobody is known */
    }
    http_write(writer, SLICE("\r\n"));
}

/* The last address of the list that is not a trusted proxy's; an address further left could have
 * been written by anyone. `best` is the peer's, which stands behind the list. */
static struct slice last_untrusted(const struct client *client, const struct http_fields *fields,
                                   struct slice best)
{
    for (u32 i = fields->count; i-- > 0;) {
        if (fields->at[i].id != HTTP_FIELD_X_FORWARDED_FOR)
            continue;
        struct slice list = http_field_value(fields, i);
        while (list.len > 0) {
            const char *comma = memrchr(list.data, ',', list.len);
            u32 at = comma ? (u32)(comma + 1 - list.data) : 0;
            struct slice element = slice_trim(slice_of(list.data + at, list.len - at));
            struct address address;
            if (!address_parse_ip(element, 0, &address))
                return best;
            best = element;
            if (!network_list_contains(&client->proxy->config->trusted_proxies, &address))
                return best;
            list.len = at > 0 ? at - 1 : 0;
        }
    }
    return best;
}

/* Empty when the peer is at a unix socket. */
static inline struct slice peer_ip(const struct client *client)
{
    return client->local ? slice_of(NULL, 0) : client_ip(client);
}

/* What a trusted proxy says in its field, or else our own word. */
static struct slice believe(const struct client *client, const struct http_fields *fields,
                            enum http_field_id id, struct slice own)
{
    if (LIKELY(!client->trusted))
        return own;
    struct slice claimed = http_field_first(fields, id);
    return claimed.len > 0 ? claimed : own;
}

bool forwarding_client_secure(const struct client *client, const struct http_fields *fields)
{
    struct slice protocol = http_field_first(fields, HTTP_FIELD_X_FORWARDED_PROTO);
    return client->trusted && slice_equal_nocase(protocol, SLICE("https"));
}

static bool request_id_valid(struct slice id)
{
    enum { REQUEST_ID_MAX = 128 };
    if (id.len == 0 || id.len > REQUEST_ID_MAX)
        return false;
    for (u32 i = 0; i < id.len; i++) {
        char c = ascii_lower(id.data[i]);
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && !memchr("-_.~:+/=@,", c, 10))
            return false;
    }
    return true;
}

/* The client's own id when it is usable, otherwise a new one in `made`. */
static struct slice choose_request_id(struct proxy *proxy, const struct http_fields *fields,
                                      char made[REQUEST_ID_BYTES])
{
    struct slice id =
        fields ? http_field_first(fields, HTTP_FIELD_X_REQUEST_ID) : (struct slice){0};
    if (request_id_valid(id))
        return id;
    request_id_make(&proxy->rng, proxy_wall_ns(proxy), made);
    return slice_of(made, REQUEST_ID_BYTES);
}

/* Writes a value and tells where it lies in the block now. */
static struct slice write_noted(struct http_writer *writer, struct slice value)
{
    char *at = writer->at;
    http_write(writer, value);
    return writer->full ? slice_of(NULL, 0) : slice_of(at, value.len);
}

static void write_request_id(struct exchange *exchange, const struct http_fields *fields,
                             struct http_writer *writer)
{
    char made[REQUEST_ID_BYTES];
    struct slice id = choose_request_id(exchange->proxy, fields, made);
    http_write_field(writer, SLICE("X-Request-ID"), id);
    if (!writer->full)
        exchange->request_id = slice_of(writer->at - id.len - 2, id.len);
}

/* What the route has its own idea of is for us alone: it lies at the end of the block, which is so
 * much shorter for the message. Empty when there is no room. */
static struct slice keep(struct http_writer *writer, struct slice value)
{
    if (value.len == 0 || writer->full || (usize)(writer->end - writer->at) < value.len)
        return slice_of(NULL, 0);
    writer->end -= value.len;
    memcpy(writer->end, value.data, value.len);
    return slice_of(writer->end, value.len);
}

static void keep_request_id(struct exchange *exchange, const struct http_fields *fields,
                            struct http_writer *writer)
{
    char made[REQUEST_ID_BYTES];
    exchange->request_id = keep(writer, choose_request_id(exchange->proxy, fields, made));
}

/* Behind a trusted proxy: whom we log, and balance by. `ip` is in the block. */
static void note_real_ip(struct exchange *exchange, struct slice ip)
{
    exchange->client_ip = ip;
    exchange->key = hash_bytes(ip.data, ip.len, 0);
}

static void write_real_ip(struct exchange *exchange, const struct http_fields *fields,
                          struct http_writer *writer)
{
    const struct client *client = exchange->client;
    struct slice ip = peer_ip(client);
    if (UNLIKELY(client->trusted))
        ip = last_untrusted(client, fields, ip);
    if (ip.len == 0)
        return;
    http_write_field(writer, SLICE("X-Real-IP"), ip);
    if (UNLIKELY(client->trusted) && !writer->full)
        note_real_ip(exchange, slice_of(writer->at - ip.len - 2, ip.len));
}

static void keep_real_ip(struct exchange *exchange, const struct http_fields *fields,
                         struct http_writer *writer)
{
    const struct client *client = exchange->client;
    if (!client->trusted)
        return;
    struct slice ip = keep(writer, last_untrusted(client, fields, peer_ip(client)));
    if (ip.len > 0)
        note_real_ip(exchange, ip);
}

void forwarding_note_refused(struct exchange *exchange, const struct http_request *request)
{
    enum { TARGET_BYTES_MAX = 1024 };
    char made[REQUEST_ID_BYTES];
    struct proxy *proxy = exchange->proxy;
    struct http_writer writer = {
        .at = exchange->request_block,
        .end = exchange->request_block + proxy->exchange_block_bytes,
    };
    struct slice id = choose_request_id(proxy, request ? &request->fields : NULL, made);
    exchange->request_id = write_noted(&writer, id);
    if (!request)
        return;
    struct slice target = request->target;
    target.len = min_u32(target.len, TARGET_BYTES_MAX);
    exchange->method_name = write_noted(&writer, request->method_name);
    exchange->path = write_noted(&writer, target);
    exchange->host = write_noted(&writer, http_field_first(&request->fields, HTTP_FIELD_HOST));
}

/* What the route sets or removes itself is not said a second time by us. */
static bool says(const struct exchange *exchange, enum http_field_id id)
{
    const struct config_header_edits *edits = &exchange->route->request_headers;
    return edits->count == 0 || !header_edits_drop(edits, http_field_info(id)->name);
}

static void write_max_forwards(u32 received, struct http_writer *writer)
{
    http_write(writer, SLICE("Max-Forwards: "));
    http_write_u64(writer, received - (received > 0)); /* with 0 nothing is forwarded */
    http_write(writer, SLICE("\r\n"));
}

void forwarding_write(struct exchange *exchange, const struct http_request *request,
                      struct http_writer *writer)
{
    const struct client *client = exchange->client;
    const struct http_fields *fields = &request->fields;
    if (says(exchange, HTTP_FIELD_X_FORWARDED_FOR))
        write_forwarded_for(client, fields, writer);
    if (says(exchange, HTTP_FIELD_X_REAL_IP))
        write_real_ip(exchange, fields, writer);
    else
        keep_real_ip(exchange, fields, writer);
    if (says(exchange, HTTP_FIELD_X_FORWARDED_PROTO))
        http_write_field(writer, SLICE("X-Forwarded-Proto"),
                         believe(client, fields, HTTP_FIELD_X_FORWARDED_PROTO, SLICE("http")));
    if (request->authority.len > 0 && says(exchange, HTTP_FIELD_X_FORWARDED_HOST))
        http_write_field(writer, SLICE("X-Forwarded-Host"),
                         believe(client, fields, HTTP_FIELD_X_FORWARDED_HOST, request->authority));
    if (says(exchange, HTTP_FIELD_VIA))
        http_write(writer, request->minor == 0 ? SLICE("Via: 1.0 nextproxy\r\n")
                                               : SLICE("Via: 1.1 nextproxy\r\n"));
    if (says(exchange, HTTP_FIELD_X_REQUEST_ID))
        write_request_id(exchange, fields, writer);
    else
        keep_request_id(exchange, fields, writer);
    if (request->has_max_forwards && says(exchange, HTTP_FIELD_MAX_FORWARDS))
        write_max_forwards(request->max_forwards, writer);
}

typedef u8 u8x16 __attribute__((vector_size(16)));

/* 32 hexadecimal digits, all at once: a byte for each nibble, then from 0..15 to its digit. */
static void write_hex(char out[32], u64 first, u64 second)
{
    const u64 words[2] = {htobe64(first), htobe64(second)};
    u8x16 bytes, digits[2];
    memcpy(&bytes, words, sizeof(bytes));
    u8x16 high = bytes >> 4, low = bytes & 15;
    digits[0] =
        __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    digits[1] = __builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14,
                                        30, 15, 31);
    for (u32 i = 0; i < ARRAY_COUNT(digits); i++)
        digits[i] += '0' + ((u8x16)(digits[i] > 9) & ('a' - '0' - 10));
    memcpy(out, digits, sizeof(digits));
}

void request_id_make(struct rng *rng, u64 wall_ns, char out[REQUEST_ID_BYTES])
{
    const u64 version = 7u << 12, variant = 1ull << 63;
    u64 wall_ms = wall_ns / 1000000;
    u64 random = rng_next(rng);
    u64 more = rng_next(rng);
    char groups[32];
    write_hex(groups, wall_ms << 16 | version | (random & 0xfff), variant | more >> 2);
    memcpy(out, groups, 8);
    out[8] = '-';
    memcpy(out + 9, groups + 8, 4);
    out[13] = '-';
    memcpy(out + 14, groups + 12, 4);
    out[18] = '-';
    memcpy(out + 19, groups + 16, 4);
    out[23] = '-';
    memcpy(out + 24, groups + 20, 12);
}
