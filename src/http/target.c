/*
 * The request target (RFC 9112 §3.2): origin-form, absolute-form with http or https, and `*` for
 * OPTIONS. CONNECT, and with it authority-form, is refused before this is reached.
 *
 * What is taken beyond RFC 3986: every visible ASCII character but '#'. Browsers send several of
 * `"<>[]^`{|}` as they are, nginx and HAProxy take them too, and none of them can move the end of
 * the target. What is refused although it could be forwarded, because a backend may see another
 * path than the one that was routed by: in the path, a backslash (some read it as '/'), a '%' that
 * is not followed by two hexadecimal digits, and an encoded NUL. A query is opaque.
 */
#include "http/target.h"

#include "http/scan.h"

struct scheme {
    struct slice prefix;
    u16 default_port;
};

static const struct scheme schemes[] = {
    {{"https://", 8}, 443},
    {{"http://", 7}, 80},
};

/* Judges the run [target, at) and the byte that ended it. `taken` says that this byte would belong
 * to the target. Whether the target is too long is decided before what is wrong with it, so that
 * the verdict is the same for each prefix. */
static enum http_parse run_verdict(struct http_head *head, const char *target, const char *at,
                                   bool taken)
{
    usize len = (usize)(at - target) + (taken ? 1u : 0u);
    if (len > head->limits->target_bytes_max)
        return http_head_reject(head, HTTP_REJECT_TARGET_LENGTH);
    return at == head->end ? HTTP_PARSE_PARTIAL : HTTP_PARSE_DONE;
}

/* %XX in a path, `at` being at the '%'. */
static enum http_parse read_escape(struct http_head *head, const char *target, const char *at)
{
    for (u32 i = 1; i <= 2; i++) {
        if (at + i == head->end)
            return HTTP_PARSE_PARTIAL;
        if ((usize)(at + i - target) >= head->limits->target_bytes_max)
            return http_head_reject(head, HTTP_REJECT_TARGET_LENGTH);
        if (!http_byte_is(at[i], HTTP_BYTE_HEX))
            return http_head_reject(head, HTTP_REJECT_TARGET);
    }
    if (at[1] == '0' && at[2] == '0')
        return http_head_reject(head, HTTP_REJECT_TARGET);
    return HTTP_PARSE_DONE;
}

/* Reads to the end of the path: head->at is then at '?' or ' ', or at a byte that is neither. */
static enum http_parse read_path(struct http_head *head, const char *target)
{
    for (;;) {
        const char *at = http_scan_path(head->at, head->end);
        bool escape = at < head->end && *at == '%';
        enum http_parse parse = run_verdict(head, target, at, escape);
        if (parse != HTTP_PARSE_DONE)
            return parse;
        head->at = at;
        if (!escape)
            return HTTP_PARSE_DONE;
        parse = read_escape(head, target, at);
        if (parse != HTTP_PARSE_DONE)
            return parse;
        head->at = at + 3;
    }
}

static enum http_parse read_query(struct http_head *head, const char *target)
{
    const char *at = http_scan_query(head->at, head->end);
    enum http_parse parse = run_verdict(head, target, at, false);
    head->at = at;
    return parse;
}

/* Reads path and query from head->at, which may be at the '?' of a target without a path. */
static enum http_parse read_path_and_query(struct http_head *head, const char *target,
                                           struct http_request *request)
{
    const char *path = head->at;
    enum http_parse parse = read_path(head, target);
    if (parse != HTTP_PARSE_DONE)
        return parse;
    const char *query = head->at;
    request->path = slice_of(path, (usize)(query - path));
    if (*query == '?') {
        parse = read_query(head, target);
        if (parse != HTTP_PARSE_DONE)
            return parse;
    }
    request->query = slice_of(query, (usize)(head->at - query));
    return HTTP_PARSE_DONE;
}

/* A scheme's prefix, byte by byte so that a wrong one is refused at once. */
static enum http_parse read_scheme(struct http_head *head, const char *target, u16 *default_port)
{
    bool possible = false;
    for (u32 s = 0; s < ARRAY_COUNT(schemes); s++) {
        struct slice prefix = schemes[s].prefix;
        u32 i = 0;
        while (i < prefix.len && target + i < head->end && ascii_lower(target[i]) == prefix.data[i])
            i++;
        if (i == prefix.len) {
            head->at = target + i;
            *default_port = schemes[s].default_port;
            return HTTP_PARSE_DONE;
        }
        possible |= target + i == head->end;
    }
    if (!possible)
        return http_head_reject(head, HTTP_REJECT_TARGET);
    return run_verdict(head, target, head->end, false);
}

static bool authority_byte(char byte)
{
    return http_byte_is(byte, HTTP_BYTE_HOST) || byte == ':' || byte == '[' || byte == ']';
}

static enum http_parse read_absolute(struct http_head *head, struct http_request *request,
                                     struct http_origin *origin)
{
    const char *target = head->at;
    enum http_parse parse = read_scheme(head, target, &origin->default_port);
    if (parse != HTTP_PARSE_DONE)
        return parse;
    const char *authority = head->at;
    const char *at = authority;
    while (at < head->end && authority_byte(*at))
        at++;
    parse = run_verdict(head, target, at, false);
    if (parse != HTTP_PARSE_DONE)
        return parse;
    request->authority = slice_of(authority, (usize)(at - authority));
    bool ended = *at == '/' || *at == '?' || *at == ' ';
    if (!ended || !http_authority_parse(request->authority, &origin->authority))
        return http_head_reject(head, HTTP_REJECT_TARGET);
    origin->present = true;
    head->at = at;
    parse = read_path_and_query(head, target, request);
    if (parse == HTTP_PARSE_DONE && request->path.len == 0) {
        /* RFC 9112 §3.2.1 and §3.2.4: what an empty path stands for */
        bool asterisk = request->method == HTTP_METHOD_OPTIONS && request->query.len == 0;
        request->path = asterisk ? SLICE("*") : SLICE("/");
    }
    return parse;
}

static enum http_parse read_asterisk(struct http_head *head, struct http_request *request)
{
    if (request->method != HTTP_METHOD_OPTIONS)
        return http_head_reject(head, HTTP_REJECT_TARGET);
    request->path = slice_of(head->at, 1);
    enum http_parse parse = run_verdict(head, head->at, head->at + 1, false);
    head->at++;
    return parse;
}

static enum http_parse read_form(struct http_head *head, struct http_request *request,
                                 struct http_origin *origin)
{
    if (LIKELY(*head->at == '/'))
        return read_path_and_query(head, head->at, request);
    if (*head->at == '*')
        return read_asterisk(head, request);
    return read_absolute(head, request, origin);
}

enum http_parse http_target_read(struct http_head *head, struct http_request *request,
                                 struct http_origin *origin)
{
    ASSERT(head->limits->target_bytes_max >= HTTP_TARGET_BYTES_MIN);
    if (head->at == head->end)
        return HTTP_PARSE_PARTIAL;
    const char *target = head->at;
    enum http_parse parse = read_form(head, request, origin);
    if (parse != HTTP_PARSE_DONE)
        return parse;
    if (UNLIKELY(*head->at != ' ')) {
        /* A line that ends here is HTTP/0.9, or lacks its version. */
        bool line_ends = *head->at == '\r' || *head->at == '\n';
        return http_head_reject(head, line_ends ? HTTP_REJECT_VERSION_SYNTAX : HTTP_REJECT_TARGET);
    }
    request->target = slice_of(target, (usize)(head->at - target));
    head->at++;
    return HTTP_PARSE_DONE;
}
