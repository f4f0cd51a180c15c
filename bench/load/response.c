#include "load/response.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/pattern.h"

enum { DIGITS_MAX = 12 };

static const char status_line[] = "HTTP/1.1 ";
static const char length_name[] = "content-length:";
static const char close_line[] = "connection: close";

void response_start(struct response *response, u64 body_bytes)
{
    response->body_bytes = body_bytes;
    response->body_left = body_bytes;
    response->head_done = false;
    response->last = false;
    response->refused = false;
    response->head_len = 0;
}

static bool parse_length(const u8 *at, const u8 *end, u64 *out)
{
    u64 value = 0;
    while (at < end && *at == ' ')
        at++;
    const u8 *digits = at;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (u64)(*at - '0');
    *out = value;
    return at == end && at > digits && at - digits <= DIGITS_MAX;
}

static bool begins_with(const u8 *line, usize len, const char *text, usize text_len)
{
    return (*line | 0x20) == 'c' && len >= text_len &&
           strncasecmp((const char *)line, text, text_len) == 0;
}

/* The one Content-Length of the fields between `at` and `end`; false without one or with two. And
 * whether the connection is to end. */
static bool read_fields(struct response *response, const u8 *at, const u8 *end, u64 *out)
{
    usize name_len = sizeof(length_name) - 1;
    bool found = false;
    while (at < end) {
        const u8 *line_end = memchr(at, '\r', (usize)(end - at));
        if (line_end == NULL)
            return false;
        usize len = (usize)(line_end - at);
        bool match = begins_with(at, len, length_name, name_len);
        response->last |= begins_with(at, len, close_line, sizeof(close_line) - 1);
        if (match && (found || !parse_length(at + name_len, line_end, out)))
            return false;
        found = found || match;
        at = line_end + 2;
    }
    return found;
}

static enum response_verdict check_head(struct response *response, const u8 *head, usize len)
{
    usize prefix = sizeof(status_line) - 1;
    u64 length = 0;
    if (len < prefix + 3 || memcmp(head, status_line, prefix) != 0)
        return RESPONSE_BAD_HEAD;
    response->refused = response->may_refuse && memcmp(head + prefix, "503", 3) == 0;
    if (!response->refused && memcmp(head + prefix, "200", 3) != 0)
        return RESPONSE_BAD_STATUS;
    const u8 *fields = memchr(head, '\n', len);
    if (fields == NULL || !read_fields(response, fields + 1, head + len - 2, &length))
        return RESPONSE_BAD_HEAD;
    if (response->refused)
        response->body_left = response->body_bytes = length;
    return length == response->body_bytes ? RESPONSE_MORE : RESPONSE_BAD_LENGTH;
}

static enum response_verdict feed_body(struct response *response, const u8 *block, const u8 *data,
                                       usize len)
{
    u64 offset = response->body_bytes - response->body_left;
    if (len > response->body_left)
        return RESPONSE_EXTRA;
    if (len > 0 && !response->refused && !pattern_matches(block, offset, data, len))
        return RESPONSE_BAD_BODY;
    response->body_left -= len;
    return response->body_left == 0 ? RESPONSE_COMPLETE : RESPONSE_MORE;
}

enum response_verdict response_skip(struct response *response, usize len)
{
    if (len > response->body_left)
        return RESPONSE_EXTRA;
    response->body_left -= len;
    return response->body_left == 0 ? RESPONSE_COMPLETE : RESPONSE_MORE;
}

static enum response_verdict keep_head(struct response *response, const u8 *data, usize len)
{
    if (response->head == NULL)
        response->head = malloc(RESPONSE_HEAD_BYTES_MAX);
    if (response->head == NULL || response->head_len + len > RESPONSE_HEAD_BYTES_MAX)
        return RESPONSE_BAD_HEAD;
    memcpy(response->head + response->head_len, data, len);
    response->head_len = (u16)(response->head_len + len);
    return RESPONSE_MORE;
}

/* `data` holds a head from its first byte; its end is looked for, and what follows is body. */
static enum response_verdict feed_head(struct response *response, const u8 *block, const u8 *data,
                                       usize len)
{
    const u8 *blank = memmem(data, len, "\r\n\r\n", 4);
    if (blank == NULL)
        return RESPONSE_MORE;
    usize head_len = (usize)(blank + 4 - data);
    enum response_verdict verdict = check_head(response, data, head_len);
    response->head_done = true;
    if (verdict != RESPONSE_MORE)
        return verdict;
    return feed_body(response, block, data + head_len, len - head_len);
}

enum response_verdict response_feed(struct response *response, const u8 *block, const u8 *data,
                                    usize len)
{
    if (response->head_done)
        return feed_body(response, block, data, len);
    if (response->head_len == 0) {
        enum response_verdict verdict = feed_head(response, block, data, len);
        return response->head_done ? verdict : keep_head(response, data, len);
    }
    /* A head in pieces: only as much as fits is joined; the rest can only be body. */
    usize kept_before = response->head_len;
    usize part = min_u64(len, RESPONSE_HEAD_BYTES_MAX - kept_before);
    if (part == 0 || keep_head(response, data, part) != RESPONSE_MORE)
        return RESPONSE_BAD_HEAD;
    enum response_verdict verdict = feed_head(response, block, response->head, response->head_len);
    if (verdict != RESPONSE_MORE || part == len)
        return verdict;
    return response->head_done ? feed_body(response, block, data + part, len - part)
                               : RESPONSE_BAD_HEAD;
}
