/*
 * Rewriting heads: one pass over the fields, guided by the field table. What is forwarded is copied
 * in runs of whole lines, so order, case and bytes stay as they came; what is hop-by-hop or ours to
 * say is left out and written anew at the end.
 */
#include "proxy/proxy_internal.h"

/* A run of lines [from, to) of the head that are forwarded as they are. */
struct run {
    const char *base;
    u32 from;
    u32 to;
    const char *watched; /* a place in the head, or NULL; */
    const char *copied;  /* where it is now, once it was forwarded */
};

static void run_flush(struct run *run, struct http_writer *writer)
{
    const char *from = run->base + run->from;
    if (run->to == run->from)
        return;
    if (run->watched && run->watched >= from && run->watched < run->base + run->to)
        run->copied = writer->at + (run->watched - from);
    http_write(writer, slice_of(from, run->to - run->from));
}

static void run_extend(struct run *run, const struct http_field *field, struct http_writer *writer)
{
    if (run->to != field->name_at) {
        run_flush(run, writer);
        run->from = field->name_at;
    }
    run->to = field->line_end;
}

/* `left_out` is a set of ids. A field that Connection names goes as well, unless it is end-to-end;
 * but the body is forwarded in its framing, whatever Connection says of that. */
static bool leaves_out(const struct http_field *field, u32 left_out)
{
    const u32 stays = http_fields_end_to_end | HTTP_FIELD_BIT(HTTP_FIELD_TRANSFER_ENCODING);
    if (UNLIKELY(field->named_by_connection))
        left_out |= ~stays;
    return left_out >> field->id & 1;
}

/* ---- Requests ---- */

struct request_rewrite {
    const struct exchange *exchange;
    const struct http_request *request;
    bool own_host; /* the Host line is written by us */
    u32 left_out;  /* ids */
};

/* The ids of the fields that are not forwarded as they came. */
static u32 request_left_out(const struct request_rewrite *rewrite)
{
    u32 ids = http_fields_hop_by_hop | http_fields_forwarding;
    ids |= HTTP_FIELD_BIT(HTTP_FIELD_X_REQUEST_ID); /* forwarding.c writes it, anew or not */
    ids &= ~HTTP_FIELD_BIT(HTTP_FIELD_TRANSFER_ENCODING);
    ids &= ~HTTP_FIELD_BIT(HTTP_FIELD_VIA); /* only ever appended to */
    if (rewrite->own_host)
        ids |= HTTP_FIELD_BIT(HTTP_FIELD_HOST);
    if (rewrite->request->has_max_forwards) /* one less is written by forwarding.c */
        ids |= HTTP_FIELD_BIT(HTTP_FIELD_MAX_FORWARDS);
    if (rewrite->exchange->client->trusted) /* its forwarding fields are believed */
        ids &= ~HTTP_FIELD_BIT(HTTP_FIELD_FORWARDED);
    return ids;
}

static bool request_drops(const struct request_rewrite *rewrite, u32 index)
{
    const struct http_fields *fields = &rewrite->request->fields;
    const struct config_route *route = rewrite->exchange->route;
    if (UNLIKELY(route->request_headers.count > 0) &&
        header_edits_drop(&route->request_headers, http_field_name(fields, index)))
        return true;
    if (leaves_out(&fields->at[index], rewrite->left_out)) /* Connection names X-Forwarded-Port? */
        return fields->at[index].id != HTTP_FIELD_OTHER ||
               !http_field_is_x_forwarded(http_field_name(fields, index));
    return UNLIKELY(route->sticky_cookie) && fields->at[index].id == HTTP_FIELD_COOKIE &&
           sticky_holds(rewrite->exchange, http_field_value(fields, index));
}

static const struct slice line_end_1_1 = {" HTTP/1.1\r\n", 11};

static void write_request_line(struct exchange *exchange, const struct http_request *request,
                               struct http_writer *writer)
{
    char *at = writer->at;
    http_write(writer, request->method_name);
    http_write(writer, SLICE(" "));
    exchange->method_name = slice_of(at, request->method_name.len);
    at = writer->at;
    http_write(writer, request->path);
    http_write(writer, request->query);
    exchange->path = slice_of(at, (usize)(writer->at - at));
    http_write(writer, line_end_1_1);
}

static void write_host(struct exchange *exchange, struct slice authority,
                       struct http_writer *writer)
{
    const struct config *config = exchange->snapshot->config;
    bool named = authority.len > 0;
    if (!named) /* HTTP/1.0 without Host: HTTP/1.1 needs one (RFC 9112 §3.2) */
        authority = config->backends[config->pools[exchange->route->pool].backends[0]].authority;
    http_write(writer, SLICE("Host: "));
    exchange->host = slice_of(writer->at, named ? authority.len : 0); /* what is logged is theirs */
    http_write(writer, authority);
    http_write(writer, SLICE("\r\n"));
}

/* True when the line is in the head as we would write it, with the fields that are forwarded right
 * behind it. */
static bool request_line_stands(const struct request_rewrite *rewrite)
{
    const struct http_request *request = rewrite->request;
    const char *minor = request->target.data + request->target.len + line_end_1_1.len - 3;
    return !rewrite->own_host && *minor == '1';
}

/* Notes where the values lie in the block, for the log. */
static void write_request_fields(struct exchange *exchange, const struct request_rewrite *rewrite,
                                 struct http_writer *writer)
{
    const struct http_request *request = rewrite->request;
    const struct http_fields *fields = &request->fields;
    struct run run = {.base = fields->base, .watched = request->authority.data};
    if (LIKELY(request_line_stands(rewrite))) {
        u32 method_len = request->method_name.len, target_len = request->target.len;
        exchange->method_name = slice_of(writer->at, method_len);
        exchange->path = slice_of(writer->at + method_len + 1, target_len);
        run.to = method_len + 1 + target_len + line_end_1_1.len;
    } else {
        write_request_line(exchange, request, writer);
        if (rewrite->own_host)
            write_host(exchange, request->authority, writer);
    }
    for (u32 i = 0; i < fields->count; i++)
        if (!request_drops(rewrite, i))
            run_extend(&run, &fields->at[i], writer);
    run_flush(&run, writer);
    if (run.copied)
        exchange->host = slice_of(run.copied, request->authority.len);
}

bool rewrite_request(struct exchange *exchange, const struct http_request *request,
                     struct http_writer *writer)
{
    bool absolute =
        request->target.len > 0 && request->target.data[0] != '/' && request->target.data[0] != '*';
    struct request_rewrite rewrite = {
        .exchange = exchange,
        .request = request,
        .own_host = absolute || request->fields.first[HTTP_FIELD_HOST] == 0,
    };
    rewrite.left_out = request_left_out(&rewrite);
    write_request_fields(exchange, &rewrite, writer);
    if (UNLIKELY(exchange->route->sticky_cookie))
        sticky_write_cookies(exchange, &request->fields, writer);
    if (exchange->upgrade) {
        http_write(writer, SLICE("Connection: upgrade\r\n"));
        http_write_field(writer, SLICE("Upgrade"),
                         http_field_first(&request->fields, HTTP_FIELD_UPGRADE));
    }
    forwarding_write(exchange, request, writer);
    header_edits_write(&exchange->route->request_headers, writer);
    http_write(writer, SLICE("\r\n"));
    return !writer->full;
}

/* ---- Responses ---- */

/* The ids of the fields that are not forwarded. */
static u32 response_left_out(const struct exchange *exchange, const struct http_response *response)
{
    const u32 length = HTTP_FIELD_BIT(HTTP_FIELD_CONTENT_LENGTH);
    const u32 coding = HTTP_FIELD_BIT(HTTP_FIELD_TRANSFER_ENCODING);
    u32 ids = http_fields_hop_by_hop & ~coding;    /* also with HEAD: it says what GET would send */
    if (http_status_is_bodiless(response->status)) /* RFC 9110 §8.6: none where no body can be */
        ids |= length | coding;
    if (exchange->client_minor == 0)
        ids |= coding;
    return ids;
}

/* The status line, when it is not in the head as we would write it; else its length. */
static u32 write_status_line(const struct http_response *response, struct http_writer *writer)
{
    const char *base = response->fields.base;
    enum { MINOR_AT = 7, REASON_AT = 13 }; /* "HTTP/1.1 200 OK" */
    if (LIKELY(base[MINOR_AT] == '1' && base[REASON_AT - 1] == ' '))
        return REASON_AT + response->reason.len + 2;
    http_write_status_line(writer, response->status, response->reason);
    return 0;
}

static void write_connection(const struct exchange *exchange, const struct http_response *response,
                             struct http_framing framing, struct http_writer *writer)
{
    if (framing.body == HTTP_BODY_TUNNEL) {
        http_write(writer, SLICE("Connection: upgrade\r\n"));
        http_write_field(writer, SLICE("Upgrade"),
                         http_field_first(&response->fields, HTTP_FIELD_UPGRADE));
    } else if (response->status < HTTP_STATUS_OK) {
        return; /* an interim response says nothing about the connection */
    } else if (!exchange->keep_client) {
        http_write(writer, SLICE("Connection: close\r\n"));
    } else if (exchange->client_minor == 0) {
        http_write(writer, SLICE("Connection: keep-alive\r\n"));
    }
}

bool rewrite_response(struct exchange *exchange, const struct http_response *response,
                      struct http_framing framing, struct http_writer *writer)
{
    const struct http_fields *fields = &response->fields;
    const struct config_header_edits *edits = &exchange->route->response_headers;
    u32 left_out = response_left_out(exchange, response);
    struct run run = {.base = fields->base, .to = write_status_line(response, writer)};
    for (u32 i = 0; i < fields->count; i++)
        if (!leaves_out(&fields->at[i], left_out) &&
            !(UNLIKELY(edits->count > 0) && header_edits_drop(edits, http_field_name(fields, i))))
            run_extend(&run, &fields->at[i], writer);
    run_flush(&run, writer);
    if (fields->first[HTTP_FIELD_DATE] == 0 && response->status >= HTTP_STATUS_OK)
        http_write_field(writer, SLICE("Date"), proxy_date(exchange->proxy)); /* RFC 9110 §6.6.1 */
    write_connection(exchange, response, framing, writer);
    if (UNLIKELY(exchange->route->sticky_cookie) && http_status_is_final(response->status))
        sticky_write_session(exchange, writer);
    header_edits_write(edits, writer);
    http_write(writer, SLICE("\r\n"));
    return !writer->full;
}
