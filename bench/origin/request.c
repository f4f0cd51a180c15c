#include "origin/request.h"

#include <string.h>
#include <strings.h>

enum { DIGITS_MAX = 12 };

static bool parse_number(const u8 *text, usize len, u64 *out)
{
    u64 value = 0;
    if (len == 0 || len > DIGITS_MAX)
        return false;
    for (usize i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (u64)(text[i] - '0');
    }
    *out = value;
    return true;
}

/* "GET /1024 HTTP/1.1": the target is '/' and a number; a query after it is ignored. */
static bool parse_line(const u8 *line, usize len, struct request *out)
{
    const u8 *slash = memchr(line, ' ', len);
    if (slash == NULL || (usize)(slash - line) + 2 > len || slash[1] != '/')
        return false;
    out->head_only = slash - line == 4 && memcmp(line, "HEAD", 4) == 0;
    const u8 *number = slash + 2;
    const u8 *end = memchr(number, ' ', len - (usize)(number - line));
    if (end == NULL)
        return false;
    const u8 *query = memchr(number, '?', (usize)(end - number));
    usize digits = (usize)((query != NULL ? query : end) - number);
    usize version_len = len - (usize)(end + 1 - line);
    if (version_len != 8 || memcmp(end + 1, "HTTP/1.", 7) != 0)
        return false;
    out->close = end[8] == '0';
    return parse_number(number, digits, &out->reply_bytes);
}

struct field {
    const u8 *name;
    const u8 *value;
    usize name_len;
    usize value_len;
};

static bool field_is(const struct field *field, const char *name)
{
    usize len = strlen(name);
    return field->name_len == len && strncasecmp((const char *)field->name, name, len) == 0;
}

static bool value_is(const struct field *field, const char *value)
{
    usize len = strlen(value);
    return field->value_len == len && strncasecmp((const char *)field->value, value, len) == 0;
}

/* The two fields that matter begin with C or T; all others are passed over after one byte. */
static bool apply_field(const struct field *field, struct request *out)
{
    u8 first = (u8)(field->name[0] | 0x20U);
    if (first != 'c' && first != 't')
        return true;
    if (field_is(field, "content-length"))
        return parse_number(field->value, field->value_len, &out->body_bytes);
    if (field_is(field, "connection") && value_is(field, "close"))
        out->close = true;
    return !field_is(field, "transfer-encoding");
}

static bool split_field(const u8 *line, usize len, struct field *out)
{
    const u8 *colon = memchr(line, ':', len);
    if (colon == NULL || colon == line)
        return false;
    const u8 *value = colon + 1;
    const u8 *end = line + len;
    while (value < end && *value == ' ')
        value++;
    *out = (struct field){.name = line,
                          .name_len = (usize)(colon - line),
                          .value = value,
                          .value_len = (usize)(end - value)};
    return true;
}

static bool parse_fields(const u8 *at, const u8 *end, struct request *out)
{
    while (at < end) {
        const u8 *line_end = memchr(at, '\r', (usize)(end - at));
        struct field field;
        if (line_end == NULL || !split_field(at, (usize)(line_end - at), &field) ||
            !apply_field(&field, out))
            return false;
        at = line_end + 2;
    }
    return true;
}

enum request_verdict request_parse(const u8 *data, usize len, struct request *out)
{
    const u8 *blank = memmem(data, len, "\r\n\r\n", 4);
    if (blank == NULL)
        return REQUEST_PARTIAL;
    const u8 *fields_end = blank + 2;
    const u8 *line_end = memchr(data, '\r', (usize)(fields_end - data));
    memset(out, 0, sizeof(*out));
    if (line_end == NULL || !parse_line(data, (usize)(line_end - data), out) ||
        !parse_fields(line_end + 2, fields_end, out))
        return REQUEST_BAD;
    out->head_bytes = (usize)(blank + 4 - data);
    return REQUEST_COMPLETE;
}
