/*
 * Error pages: small, in the form the client prefers, and silent about the inside. A template may
 * hold {status}, {reason}, {message} and {request_id}; everything else in it is copied as it is.
 */
#include "proxy/proxy_internal.h"

static const struct slice html_template = {
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<title>{status} {reason}</title></head>\n"
    "<body><h1>{status} {reason}</h1><p>{message}</p><p><small>Request {request_id}</small></p>"
    "</body></html>\n",
    0};
static const struct slice json_template = {
    "{\"status\":{status},\"error\":\"{reason}\",\"message\":\"{message}\","
    "\"requestId\":\"{request_id}\"}\n",
    0};

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

static void write_placeholder(struct slice name, const struct page *page,
                              struct http_writer *writer)
{
    if (slice_equal(name, SLICE("{status}")))
        http_write_u64(writer, page->status);
    else if (slice_equal(name, SLICE("{reason}")))
        http_write(writer, http_reason(page->status));
    else if (slice_equal(name, SLICE("{message}")))
        write_value(page->message, page->html, writer);
    else if (slice_equal(name, SLICE("{request_id}")))
        write_value(page->request_id, page->html, writer);
    else
        http_write(writer, name);
}

/* "{status}" and the like at the front of the text, or an empty slice: any other brace is text. */
static struct slice placeholder_at(struct slice text)
{
    static const struct slice names[] = {
        {"{status}", 8}, {"{reason}", 8}, {"{message}", 9}, {"{request_id}", 12}};
    for (usize i = 0; i < ARRAY_COUNT(names); i++)
        if (slice_starts_with(text, names[i]))
            return slice_of(text.data, names[i].len);
    return (struct slice){0};
}

void page_write(const struct config_error_templates *templates, const struct page *page,
                struct http_writer *writer)
{
    struct slice text = page->html ? templates->html : templates->json;
    if (text.len == 0)
        text = slice_of_string(page->html ? html_template.data : json_template.data);
    while (text.len > 0) {
        const char *brace = memchr(text.data, '{', text.len);
        u32 plain_len = brace ? (u32)(brace - text.data) : text.len;
        http_write(writer, slice_of(text.data, plain_len));
        text = slice_of(text.data + plain_len, text.len - plain_len);
        if (text.len == 0)
            break;
        struct slice name = placeholder_at(text);
        if (name.len == 0)
            name = slice_of(text.data, 1);
        write_placeholder(name, page, writer);
        text = slice_of(text.data + name.len, text.len - name.len);
    }
}
