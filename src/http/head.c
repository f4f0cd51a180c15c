/*
 * The field section (RFC 9112 §5). A head is read from its first byte each time, so a head that
 * trickles in is read again with each piece; that costs less than the system calls that bring the
 * pieces, and in return no state is kept for a head that is not complete.
 *
 * Verdicts do not depend on how the bytes were cut: a byte is judged when it is read, never because
 * of one that comes later. So each prefix of a head is either incomplete or refused for the same
 * reason as the whole.
 */
#include "http/head.h"

#include "http/scan.h"

static const struct slice version_1_1 = {"HTTP/1.1", 8};

void http_head_begin(struct http_head *head, struct slice data, const struct http_limits *limits,
                     struct http_fields *fields)
{
    ASSERT(limits->head_bytes_max <= HTTP_HEAD_BYTES_MAX);
    ASSERT(limits->fields_max <= HTTP_FIELDS_MAX);
    u32 len = min_u32(data.len, limits->head_bytes_max);
    *head = (struct http_head){
        .base = data.data,
        .at = data.data,
        .end = len == 0 ? data.data : data.data + len,
        .limits = limits,
    };
    fields->base = data.data;
    fields->count = 0;
    memset(fields->first, 0, sizeof(fields->first));
}

enum http_parse http_head_partial(struct http_head *head, struct slice data,
                                  enum http_reject when_full)
{
    if (data.len < head->limits->head_bytes_max)
        return HTTP_PARSE_PARTIAL;
    return http_head_reject(head, when_full);
}

static enum http_parse version_bytes(struct http_head *head)
{
    for (u32 i = 0; i < version_1_1.len; i++) {
        if (head->at + i == head->end)
            return HTTP_PARSE_PARTIAL;
        char byte = head->at[i];
        bool digit = i == 5 || i == 7;
        if (digit ? !http_byte_is(byte, HTTP_BYTE_DIGIT) : byte != version_1_1.data[i])
            return http_head_reject(head, HTTP_REJECT_VERSION_SYNTAX);
    }
    if (head->at[5] != '1')
        return http_head_reject(head, HTTP_REJECT_VERSION);
    return HTTP_PARSE_DONE;
}

enum http_parse http_head_version(struct http_head *head, u8 *minor)
{
    usize left = (usize)(head->end - head->at);
    if (LIKELY(left >= version_1_1.len && memcmp(head->at, version_1_1.data, 8) == 0)) {
        *minor = 1;
        head->at += version_1_1.len;
        return HTTP_PARSE_DONE;
    }
    enum http_parse parse = version_bytes(head);
    if (parse != HTTP_PARSE_DONE)
        return parse;
    *minor = head->at[7] == '0' ? 0 : 1;
    head->at += version_1_1.len;
    return HTTP_PARSE_DONE;
}

enum http_parse http_head_line_end(struct http_head *head, enum http_reject otherwise)
{
    if (head->at == head->end)
        return HTTP_PARSE_PARTIAL;
    if (*head->at != '\r')
        return http_head_reject(head, *head->at == '\n' ? HTTP_REJECT_LINE_END : otherwise);
    if (head->at + 1 == head->end)
        return HTTP_PARSE_PARTIAL;
    if (head->at[1] != '\n')
        return http_head_reject(head, HTTP_REJECT_LINE_END);
    head->at += 2;
    return HTTP_PARSE_DONE;
}

/* Why [line, stop) followed by *stop is not a field name and its colon. */
static enum http_reject name_fault(const char *line, const char *stop)
{
    if (stop != line || *stop == ':')
        return HTTP_REJECT_FIELD_NAME;
    if (*stop == '\n')
        return HTTP_REJECT_LINE_END;
    return *stop == ' ' || *stop == '\t' ? HTTP_REJECT_FOLDED : HTTP_REJECT_FIELD_NAME;
}

static enum http_reject single_fault(enum http_field_id id)
{
    if (id == HTTP_FIELD_HOST)
        return HTTP_REJECT_HOST;
    if (id == HTTP_FIELD_CONTENT_LENGTH)
        return HTTP_REJECT_CONTENT_LENGTH;
    return id == HTTP_FIELD_TRANSFER_ENCODING ? HTTP_REJECT_TRANSFER_ENCODING : HTTP_REJECT_SINGLE;
}

/* Enters a known field into first[]; false when it may not come again. */
static inline bool note_known(struct http_head *head, u32 singles, struct http_fields *fields,
                              enum http_field_id id)
{
    if (LIKELY(fields->first[id] == 0)) {
        fields->first[id] = (u16)(fields->count + 1u);
        return true;
    }
    head->repeated |= HTTP_FIELD_BIT(id);
    return (singles & HTTP_FIELD_BIT(id)) == 0;
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* Of the bytes that a value may have only SP and HTAB are not above SP. */
static const char *trim_space(const char *value, const char *stop)
{
    while (stop > value && (u8)stop[-1] <= ' ')
        stop--;
    return stop;
}

static inline enum http_parse read_field(struct http_head *head, u32 singles,
                                         struct http_fields *fields)
{
    const char *line = head->at;
    const char *end = head->end;
    struct http_field *field = &fields->at[fields->count];
    const char *colon = http_scan_name(line, end);
    if (UNLIKELY(colon == end))
        return HTTP_PARSE_PARTIAL;
    if (UNLIKELY(*colon != ':' || colon == line))
        return http_head_reject(head, name_fault(line, colon));
    field->name_at = (u16)(line - head->base);
    field->name_len = (u16)(colon - line);
    const char *value = colon + 1;
    if (LIKELY(end - value > 1 && value[0] == ' ' && value[1] > ' ')) /* as nearly everybody */
        value++;
    else
        value = skip_space(value, end);
    field->value_at = (u16)(value - head->base);
    const char *stop = http_scan_value(value, end);
    if (UNLIKELY(end - stop < 2 || memcmp(stop, "\r\n", 2) != 0)) {
        head->at = stop;
        return http_head_line_end(head, HTTP_REJECT_FIELD_VALUE);
    }
    head->at = stop + 2;
    field->line_end = (u16)(head->at - head->base);
    if (UNLIKELY((u8)stop[-1] <= ' '))
        stop = trim_space(value, stop);
    field->value_len = (u16)(stop - value);
    enum http_field_id id = http_field_find_token(line, (u32)(colon - line));
    if (id != HTTP_FIELD_OTHER && UNLIKELY(!note_known(head, singles, fields, id)))
        return http_head_reject(head, single_fault(id));
    field->id = (u8)id;
    field->named_by_connection = false;
    fields->count++;
    return HTTP_PARSE_DONE;
}

enum http_parse http_head_fields(struct http_head *head, u32 singles, struct http_fields *fields)
{
    while (head->at < head->end) {
        if (*head->at == '\r')
            return http_head_line_end(head, HTTP_REJECT_LINE_END);
        if (UNLIKELY(fields->count == head->limits->fields_max))
            return http_head_reject(head, HTTP_REJECT_FIELD_COUNT);
        enum http_parse parse = read_field(head, singles, fields);
        if (UNLIKELY(parse != HTTP_PARSE_DONE))
            return parse;
    }
    return HTTP_PARSE_PARTIAL;
}

enum http_parse http_trailers_parse(struct slice data, const struct http_limits *limits,
                                    struct http_fields *fields, u32 *section_bytes)
{
    struct http_head head;
    http_head_begin(&head, data, limits, fields);
    enum http_parse parse = http_head_fields(&head, 0, fields);
    if (parse == HTTP_PARSE_PARTIAL)
        parse = http_head_partial(&head, data, HTTP_REJECT_TRAILER);
    *section_bytes = parse == HTTP_PARSE_DONE ? (u32)(head.at - head.base) : 0;
    return parse;
}
