/*
 * The request head (RFC 9112 §3): one pass over the bytes, then the few fields that say something
 * about the whole message. Where the body ends is a verdict of its own, in framing.c.
 */
#include "http/bytes.h"
#include "http/head.h"
#include "http/target.h"

struct method_row {
    struct slice name;
    bool idempotent; /* RFC 9110 §9.2.2 */
};

#define METHOD(text, is_idempotent)                                                                \
    {                                                                                              \
        .name = {text, sizeof(text) - 1}, .idempotent = is_idempotent                              \
    }

static const struct method_row methods[HTTP_METHOD_COUNT] = {
    [HTTP_METHOD_OTHER] = METHOD("", false),
    [HTTP_METHOD_GET] = METHOD("GET", true),
    [HTTP_METHOD_HEAD] = METHOD("HEAD", true),
    [HTTP_METHOD_POST] = METHOD("POST", false),
    [HTTP_METHOD_PUT] = METHOD("PUT", true),
    [HTTP_METHOD_DELETE] = METHOD("DELETE", true),
    [HTTP_METHOD_CONNECT] = METHOD("CONNECT", false),
    [HTTP_METHOD_OPTIONS] = METHOD("OPTIONS", true),
    [HTTP_METHOD_TRACE] = METHOD("TRACE", true),
    [HTTP_METHOD_PATCH] = METHOD("PATCH", false),
};

bool http_method_idempotent(enum http_method method)
{
    ASSERT((u32)method < HTTP_METHOD_COUNT);
    return methods[method].idempotent;
}

/* Method names are compared with case (RFC 9110 §9.1): `get` is another method. */
static enum http_method method_find(struct slice name)
{
    for (u32 i = HTTP_METHOD_GET; i < HTTP_METHOD_COUNT; i++)
        if (slice_equal(name, methods[i].name))
            return (enum http_method)i;
    return HTTP_METHOD_OTHER;
}

/* Reads the method and the single space behind it. */
static enum http_parse read_method(struct http_head *head, struct http_request *request)
{
    const char *name = head->at;
    u32 len = 0;
    for (;; len++) {
        if (name + len == head->end)
            return HTTP_PARSE_PARTIAL;
        if (!http_byte_is(name[len], HTTP_BYTE_TOKEN))
            break;
        if (len == HTTP_METHOD_BYTES_MAX)
            return http_head_reject(head, HTTP_REJECT_METHOD);
    }
    /* The CR of an empty line whose LF has not come; see http_skip_empty_lines. */
    if (len == 0 && *name == '\r' && name + 1 == head->end)
        return HTTP_PARSE_PARTIAL;
    if (len == 0 || name[len] != ' ')
        return http_head_reject(head, HTTP_REJECT_METHOD);
    request->method_name = slice_of(name, len);
    request->method = method_find(request->method_name);
    head->at = name + len + 1;
    if (request->method == HTTP_METHOD_CONNECT)
        return http_head_reject(head, HTTP_REJECT_CONNECT);
    if (head->at < head->end && *head->at == ' ')
        return http_head_reject(head, HTTP_REJECT_METHOD);
    return HTTP_PARSE_DONE;
}

static enum http_parse read_line(struct http_head *head, struct http_request *request,
                                 struct http_origin *origin)
{
    enum http_parse parse = read_method(head, request);
    if (parse == HTTP_PARSE_DONE)
        parse = http_target_read(head, request, origin);
    if (parse == HTTP_PARSE_DONE)
        parse = http_head_version(head, &request->minor);
    if (parse == HTTP_PARSE_DONE)
        parse = http_head_line_end(head, HTTP_REJECT_VERSION_SYNTAX);
    return parse;
}

/* RFC 9112 §3.2: exactly one valid Host in HTTP/1.1. A Host that names another place than an
 * absolute-form target is refused, although §3.2.2 would let the target win: a backend may choose
 * the other. */
static bool read_host(struct http_request *request, const struct http_origin *origin)
{
    const struct http_fields *fields = &request->fields;
    if (fields->first[HTTP_FIELD_HOST] == 0) {
        request->host = origin->authority.host;
        return request->minor == 0;
    }
    struct http_authority authority;
    struct slice value = http_field_first(fields, HTTP_FIELD_HOST);
    if (!http_authority_parse(value, &authority))
        return false;
    if (origin->present) {
        request->host = origin->authority.host;
        return http_authority_equal(&origin->authority, &authority, origin->default_port);
    }
    request->authority = value;
    request->host = authority.host;
    return true;
}

/* RFC 9110 §10.1.1. HTTP/1.0 has no expectations. */
static bool read_expect(struct http_request *request)
{
    if (LIKELY(request->fields.first[HTTP_FIELD_EXPECT] == 0) || request->minor == 0)
        return true;
    struct slice value = http_field_first(&request->fields, HTTP_FIELD_EXPECT);
    request->expect_continue = slice_equal_nocase(value, SLICE("100-continue"));
    return request->expect_continue;
}

/* RFC 9110 §7.6.2: 1*DIGIT, and of no meaning for other methods. */
static bool read_max_forwards(const struct http_head *head, struct http_request *request)
{
    if (LIKELY(request->fields.first[HTTP_FIELD_MAX_FORWARDS] == 0) ||
        (request->method != HTTP_METHOD_TRACE && request->method != HTTP_METHOD_OPTIONS))
        return true;
    struct slice digits = http_field_first(&request->fields, HTTP_FIELD_MAX_FORWARDS);
    if (digits.len == 0 || (head->repeated & HTTP_FIELD_BIT(HTTP_FIELD_MAX_FORWARDS)) != 0)
        return false;
    u64 value = 0;
    for (u32 i = 0; i < digits.len; i++) {
        if (!http_byte_is(digits.data[i], HTTP_BYTE_DIGIT))
            return false;
        value = min_u64(value * 10 + (u64)(digits.data[i] - '0'), INT32_MAX);
    }
    request->max_forwards = (u32)value;
    request->has_max_forwards = true;
    return true;
}

static enum http_reject read_meaning(const struct http_head *head, struct http_request *request,
                                     const struct http_origin *origin)
{
    struct http_fields *fields = &request->fields;
    /* First: the refusals below are answered in the form that the client prefers, too. */
    if (fields->first[HTTP_FIELD_ACCEPT] != 0)
        request->accepts_html = http_accept_html(http_field_first(fields, HTTP_FIELD_ACCEPT));
    if (!read_host(request, origin))
        return HTTP_REJECT_HOST;
    if (fields->first[HTTP_FIELD_UNDERSCORED] != 0)
        return HTTP_REJECT_UNDERSCORED;
    if (!read_expect(request))
        return HTTP_REJECT_EXPECT;
    if (!read_max_forwards(head, request))
        return HTTP_REJECT_MAX_FORWARDS;
    struct http_connection connection;
    if (!http_connection_read(head, fields, &connection))
        return HTTP_REJECT_FIELD_COUNT;
    request->keep_alive = !connection.close && (request->minor > 0 || connection.keep_alive);
    request->upgrade = connection.upgrade && request->minor > 0 &&
                       http_field_first(fields, HTTP_FIELD_UPGRADE).len > 0;
    return HTTP_REJECT_NONE;
}

enum http_parse http_request_parse(struct slice data, const struct http_limits *limits,
                                   struct http_request *request)
{
    struct http_head head;
    struct http_origin origin = {0};
    http_head_begin(&head, data, limits, &request->fields);
    /* Not the fields: they are three kilobytes, and only `count` of them mean something. */
    memset(request, 0, offsetof(struct http_request, fields));
    request->minor = 1;
    enum http_parse parse = read_line(&head, request, &origin);
    if (parse == HTTP_PARSE_PARTIAL) {
        parse = http_head_partial(&head, data, HTTP_REJECT_TARGET_LENGTH);
    } else if (parse == HTTP_PARSE_DONE) {
        parse = http_head_fields(&head, HTTP_REQUEST_SINGLES, &request->fields);
        if (parse == HTTP_PARSE_PARTIAL)
            parse = http_head_partial(&head, data, HTTP_REJECT_HEAD_LENGTH);
    }
    if (parse != HTTP_PARSE_PARTIAL)
        request->head_bytes = (u32)(head.at - head.base);
    if (parse == HTTP_PARSE_DONE) {
        head.reject = read_meaning(&head, request, &origin);
        if (head.reject != HTTP_REJECT_NONE)
            parse = HTTP_PARSE_REJECTED;
    }
    request->reject = head.reject;
    return parse;
}

u32 http_skip_empty_lines(struct slice data)
{
    return slice_starts_with(data, SLICE("\r\n")) ? 2 : 0;
}
