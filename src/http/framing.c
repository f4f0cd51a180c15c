/*
 * Where a message's body ends: one verdict, from one place (RFC 9112 §6.3). All that could make
 * two readers disagree is refused: both lengths together, a length that is not plain digits, a
 * transfer coding that is not exactly `chunked`. That neither field came twice was settled when
 * the head was parsed.
 */
#include "http.h"
#include "http/bytes.h"

static struct http_framing rejected(enum http_reject reject)
{
    return (struct http_framing){.body = HTTP_BODY_REJECT, .reject = reject};
}

static bool is_token(struct slice text)
{
    for (u32 i = 0; i < text.len; i++)
        if (!http_byte_is(text.data[i], HTTP_BYTE_TOKEN))
            return false;
    return text.len > 0;
}

/* Of a Transfer-Encoding other than `chunked`: 501 when it is a well-formed list of other codings
 * with chunked as the last (RFC 9112 §6.1), 400 when it does not say where the body ends. */
static enum http_reject coding_fault(struct slice codings)
{
    u32 others = 0;
    bool chunked_last = false;
    struct slice coding;
    while (http_list_next(&codings, &coding)) {
        if (chunked_last || !is_token(coding) || slice_equal_nocase(coding, SLICE("identity")))
            return HTTP_REJECT_TRANSFER_ENCODING;
        chunked_last = slice_equal_nocase(coding, SLICE("chunked"));
        others += !chunked_last;
    }
    return chunked_last && others > 0 ? HTTP_REJECT_CODING : HTTP_REJECT_TRANSFER_ENCODING;
}

static struct http_framing coding_framing(const struct http_fields *fields, u8 minor)
{
    if (minor == 0 || fields->first[HTTP_FIELD_CONTENT_LENGTH] != 0)
        return rejected(HTTP_REJECT_FRAMING_CONFLICT);
    /* A list of one, written as one: without empty elements around it. */
    struct slice codings = http_field_first(fields, HTTP_FIELD_TRANSFER_ENCODING);
    if (slice_equal_nocase(codings, SLICE("chunked")))
        return (struct http_framing){.body = HTTP_BODY_CHUNKED};
    return rejected(coding_fault(codings));
}

/* The verdict of the two framing fields alone; `absent` when there is neither. */
static struct http_framing fields_framing(const struct http_fields *fields, u8 minor,
                                          enum http_body absent)
{
    if (fields->first[HTTP_FIELD_TRANSFER_ENCODING] != 0)
        return coding_framing(fields, minor);
    if (fields->first[HTTP_FIELD_CONTENT_LENGTH] == 0)
        return (struct http_framing){.body = absent};
    u64 length;
    /* No longer than peers can count with. */
    if (!slice_parse_number(http_field_first(fields, HTTP_FIELD_CONTENT_LENGTH), INT64_MAX,
                            &length))
        return rejected(HTTP_REJECT_CONTENT_LENGTH);
    if (length == 0)
        return (struct http_framing){.body = HTTP_BODY_NONE};
    return (struct http_framing){.body = HTTP_BODY_LENGTH, .length = length};
}

struct http_framing http_request_framing(const struct http_request *request)
{
    return fields_framing(&request->fields, request->minor, HTTP_BODY_NONE);
}

struct http_framing http_response_framing(const struct http_response *response,
                                          enum http_method method, bool upgrade_sent)
{
    u16 status = response->status;
    struct http_framing framing =
        fields_framing(&response->fields, response->minor, HTTP_BODY_UNTIL_CLOSE);
    if (framing.body == HTTP_BODY_REJECT)
        return framing;
    if (status == HTTP_STATUS_SWITCHING_PROTOCOLS) {
        if (!upgrade_sent || !response->upgrade)
            return rejected(HTTP_REJECT_STATUS);
        return (struct http_framing){.body = HTTP_BODY_TUNNEL};
    }
    /* Whatever the fields announce: there they describe a body that is not sent. */
    if (http_status_is_bodiless(status) || status == HTTP_STATUS_NOT_MODIFIED ||
        method == HTTP_METHOD_HEAD)
        return (struct http_framing){.body = HTTP_BODY_NONE};
    return framing;
}
