/* The response head (RFC 9112 §4). What a backend sends is believed no more than what a client
 * sends: a response that is not exactly understood is refused whole. */
#include "http/bytes.h"
#include "http/head.h"
#include "http/scan.h"

enum { STATUS_DIGITS = 3 };

/* Reads ` ` and three digits, the first being 1..5 (RFC 9110 §15). */
static enum http_parse read_status(struct http_head *head, struct http_response *response)
{
    u32 status = 0;
    for (u32 i = 0; i <= STATUS_DIGITS; i++, head->at++) {
        if (head->at == head->end)
            return HTTP_PARSE_PARTIAL;
        char byte = *head->at;
        bool valid = i == 0   ? byte == ' '
                     : i == 1 ? byte >= '1' && byte <= '5'
                              : http_byte_is(byte, HTTP_BYTE_DIGIT);
        if (!valid)
            return http_head_reject(head, HTTP_REJECT_STATUS);
        if (i > 0)
            status = status * 10 + (u32)(byte - '0');
    }
    response->status = (u16)status;
    return HTTP_PARSE_DONE;
}

/* Reads the reason phrase and the line's end. The space in front of an empty phrase is required
 * of a sender, but several leave it out, and nothing depends on it. */
static enum http_parse read_reason(struct http_head *head, struct http_response *response)
{
    if (head->at == head->end)
        return HTTP_PARSE_PARTIAL;
    if (*head->at != ' ')
        return http_head_line_end(head, HTTP_REJECT_STATUS);
    const char *reason = head->at + 1;
    head->at = http_scan_value(reason, head->end);
    response->reason = slice_of(reason, (usize)(head->at - reason));
    return http_head_line_end(head, HTTP_REJECT_FIELD_VALUE);
}

static enum http_parse read_line(struct http_head *head, struct http_response *response)
{
    enum http_parse parse = http_head_version(head, &response->minor);
    if (parse == HTTP_PARSE_DONE)
        parse = read_status(head, response);
    if (parse == HTTP_PARSE_DONE)
        parse = read_reason(head, response);
    return parse;
}

/* When a head that has no body announces one all the same, one may follow, and the next response on
 * that connection could not be trusted. */
static bool announces_impossible_body(const struct http_response *response)
{
    if (!http_status_is_bodiless(response->status))
        return false;
    const struct http_fields *fields = &response->fields;
    if (fields->first[HTTP_FIELD_TRANSFER_ENCODING] != 0)
        return true;
    return fields->first[HTTP_FIELD_CONTENT_LENGTH] != 0 &&
           !slice_equal(http_field_first(fields, HTTP_FIELD_CONTENT_LENGTH), SLICE("0"));
}

static enum http_reject read_meaning(const struct http_head *head, struct http_response *response)
{
    struct http_fields *fields = &response->fields;
    struct http_connection connection;
    if (!http_connection_read(head, fields, &connection))
        return HTTP_REJECT_FIELD_COUNT;
    response->keep_alive = !connection.close && (response->minor > 0 || connection.keep_alive) &&
                           !announces_impossible_body(response);
    response->upgrade = connection.upgrade && response->minor > 0 &&
                        http_field_first(fields, HTTP_FIELD_UPGRADE).len > 0;
    return HTTP_REJECT_NONE;
}

enum http_parse http_response_parse(struct slice data, const struct http_limits *limits,
                                    struct http_response *response)
{
    struct http_head head;
    http_head_begin(&head, data, limits, &response->fields);
    memset(response, 0, offsetof(struct http_response, fields));
    enum http_parse parse = read_line(&head, response);
    if (parse == HTTP_PARSE_DONE)
        parse = http_head_fields(&head, HTTP_RESPONSE_SINGLES, &response->fields);
    if (parse == HTTP_PARSE_PARTIAL)
        parse = http_head_partial(&head, data, HTTP_REJECT_HEAD_LENGTH);
    if (parse == HTTP_PARSE_DONE) {
        response->head_bytes = (u32)(head.at - head.base);
        head.reject = read_meaning(&head, response);
        if (head.reject != HTTP_REJECT_NONE)
            parse = HTTP_PARSE_REJECTED;
    }
    response->reject = head.reject;
    return parse;
}
