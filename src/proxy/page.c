/*
 * Error pages: small, in the form the client prefers, and silent about the inside. A template may
 * hold {status}, {reason}, {message} and {request_id}; everything else in it is copied as it is.
 */
#include "proxy/proxy_internal.h"

static const char html_template[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<title>{status} {reason}</title></head>\n"
    "<body><h1>{status} {reason}</h1><p>{message}</p><p><small>Request {request_id}</small></p>"
    "</body></html>\n";
static const char json_template[] =
    "{\"status\":{status},\"error\":\"{reason}\",\"message\":\"{message}\","
    "\"requestId\":\"{request_id}\"}\n";

static bool plain(char c, bool html)
{
    if ((u8)c < 0x20 || (u8)c >= 0x7f)
        return false;
    return html ? !memchr("<>&\"'", c, 5) : c != '"' && c != '\\';
}

/* Values are our own sentences and a request id of printable ASCII; what could still end a string
 * or open a tag is replaced, which keeps the page valid whatever is put in. */
static void write_value(struct slice value, bool html, struct http_writer *writer)
{
    for (u32 i = 0; i < value.len; i++)
        http_write(writer, plain(value.data[i], html) ? slice_of(value.data + i, 1) : SLICE("?"));
}

enum placeholder { PLACE_STATUS, PLACE_REASON, PLACE_MESSAGE, PLACE_REQUEST_ID, PLACE_COUNT };

/* What a template may hold. */
static const struct slice placeholders[PLACE_COUNT] = {
    [PLACE_STATUS] = {"{status}", 8},
    [PLACE_REASON] = {"{reason}", 8},
    [PLACE_MESSAGE] = {"{message}", 9},
    [PLACE_REQUEST_ID] = {"{request_id}", 12},
};

/* The one at the front of the text; PLACE_COUNT: any other brace is text. */
static enum placeholder placeholder_at(struct slice text)
{
    enum placeholder place = PLACE_STATUS;
    while (place < PLACE_COUNT && !slice_starts_with(text, placeholders[place]))
        place++;
    return place;
}

static void write_place(enum placeholder place, const struct page *page, struct http_writer *writer)
{
    switch (place) {
    case PLACE_STATUS:
        http_write_u64(writer, page->status);
        return;
    case PLACE_REASON:
        http_write(writer, http_reason(page->status));
        return;
    case PLACE_MESSAGE:
        write_value(page->message, page->html, writer);
        return;
    case PLACE_REQUEST_ID:
        write_value(page->request_id, page->html, writer);
        return;
    case PLACE_COUNT:
        http_write(writer, SLICE("{"));
        return;
    }
}

void page_write(const struct config_error_templates *templates, const struct page *page,
                struct http_writer *writer)
{
    struct slice text = page->html ? templates->html : templates->json;
    if (text.len == 0)
        text = slice_of_string(page->html ? html_template : json_template);
    while (text.len > 0) {
        const char *brace = memchr(text.data, '{', text.len);
        u32 plain_len = brace ? (u32)(brace - text.data) : text.len;
        http_write(writer, slice_of(text.data, plain_len));
        text = slice_of(text.data + plain_len, text.len - plain_len);
        if (text.len == 0)
            break;
        enum placeholder place = placeholder_at(text);
        u32 taken = place < PLACE_COUNT ? placeholders[place].len : 1;
        write_place(place, page, writer);
        text = slice_of(text.data + taken, text.len - taken);
    }
}
