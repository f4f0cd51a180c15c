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

static bool named_away(const struct http_field *field, u8 flags)
{
    return field->named_by_connection && !(flags & HTTP_FIELD_END_TO_END);
}

/* ---- Requests ---- */

struct request_rewrite {
    const struct exchange *exchange;
    const struct http_request *request;
    bool keep_forwarding; /* from a trusted proxy: its forwarding fields are believed */
    bool own_host;        /* the Host line is written by us */
};

/* X-Forwarded-Port and the like, which Connection must not be able to remove. */
static bool is_forwarding(const struct http_request *request, u32 index)
{
    const struct slice prefix = SLICE("x-forwarded-");
    struct slice name = http_field_name(&request->fields, index);
    return name.len > prefix.len && slice_equal_nocase(slice_of(name.data, prefix.len), prefix);
}

static bool request_drops(const struct request_rewrite *rewrite, u32 index)
{
    const struct http_field *field = &rewrite->request->fields.at[index];
    const struct config_header_edits *edits = &rewrite->exchange->route->request_headers;
    if (edits->count > 0 &&
        header_edits_drop(edits, http_field_name(&rewrite->request->fields, index)))
        return true;
    enum http_field_id id = (enum http_field_id)field->id;
    if (id == HTTP_FIELD_OTHER)
        return field->named_by_connection && !is_forwarding(rewrite->request, index);
    u8 flags = http_field_info(id)->flags;
    /* The body is forwarded in this framing, whatever Connection says of it. */
    if (id == HTTP_FIELD_TRANSFER_ENCODING || id == HTTP_FIELD_CONTENT_LENGTH)
        return false;
    if (id == HTTP_FIELD_HOST)
        return rewrite->own_host;
    if (id == HTTP_FIELD_VIA) /* only ever appended to */
        return false;
    if (id == HTTP_FIELD_MAX_FORWARDS) /* one less is written by forwarding.c */
        return rewrite->request->has_max_forwards;
    if (id == HTTP_FIELD_FORWARDED)
        return !rewrite->keep_forwarding;
    if (id == HTTP_FIELD_COOKIE && rewrite->exchange->route->sticky_cookie)
        return sticky_holds(rewrite->exchange, http_field_value(&rewrite->request->fields, index));
    if (id == HTTP_FIELD_X_REQUEST_ID) /* forwarding.c writes it, as it came or anew */
        return true;
    return named_away(field, flags) || (flags & (HTTP_FIELD_HOP_BY_HOP | HTTP_FIELD_FORWARDING));
}

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
    http_write(writer, SLICE(" HTTP/1.1\r\n"));
}

/* Notes where the Host value lies in the block, for the log. */
static void write_request_fields(struct exchange *exchange, const struct request_rewrite *rewrite,
                                 struct http_writer *writer)
{
    const struct http_fields *fields = &rewrite->request->fields;
    struct slice authority = rewrite->request->authority;
    struct run run = {.base = fields->base, .watched = authority.data};
    for (u32 i = 0; i < fields->count; i++)
        if (!request_drops(rewrite, i))
            run_extend(&run, &fields->at[i], writer);
    run_flush(&run, writer);
    if (run.copied)
        exchange->host = slice_of(run.copied, authority.len);
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

bool rewrite_request(struct exchange *exchange, const struct http_request *request,
                     struct http_writer *writer)
{
    bool absolute =
        request->target.len > 0 && request->target.data[0] != '/' && request->target.data[0] != '*';
    struct request_rewrite rewrite = {
        .exchange = exchange,
        .request = request,
        .keep_forwarding = exchange->client->trusted,
        .own_host = absolute || request->fields.first[HTTP_FIELD_HOST] == 0,
    };
    write_request_line(exchange, request, writer);
    if (rewrite.own_host)
        write_host(exchange, request->authority, writer);
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

static bool response_drops(const struct exchange *exchange, const struct http_response *response,
                           u32 index)
{
    const struct http_field *field = &response->fields.at[index];
    const struct config_header_edits *edits = &exchange->route->response_headers;
    if (edits->count > 0 && header_edits_drop(edits, http_field_name(&response->fields, index)))
        return true;
    enum http_field_id id = (enum http_field_id)field->id;
    if (id == HTTP_FIELD_OTHER)
        return field->named_by_connection;
    u8 flags = http_field_info(id)->flags;
    bool bodiless = http_status_is_bodiless(response->status);
    if (id == HTTP_FIELD_CONTENT_LENGTH) /* RFC 9110 §8.6: none where no body can be */
        return bodiless;
    if (id == HTTP_FIELD_TRANSFER_ENCODING) /* also with HEAD: it says what GET would send */
        return bodiless || exchange->client_minor == 0;
    return named_away(field, flags) || (flags & HTTP_FIELD_HOP_BY_HOP);
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
    http_write_status_line(writer, response->status, response->reason);
    struct run run = {.base = response->fields.base};
    for (u32 i = 0; i < response->fields.count; i++)
        if (!response_drops(exchange, response, i))
            run_extend(&run, &response->fields.at[i], writer);
    run_flush(&run, writer);
    if (response->fields.first[HTTP_FIELD_DATE] == 0 && response->status >= HTTP_STATUS_OK)
        http_write_field(writer, SLICE("Date"), proxy_date(exchange->proxy)); /* RFC 9110 §6.6.1 */
    write_connection(exchange, response, framing, writer);
    if (UNLIKELY(exchange->route->sticky_cookie) && http_status_is_final(response->status))
        sticky_write_session(exchange, writer);
    header_edits_write(&exchange->route->response_headers, writer);
    http_write(writer, SLICE("\r\n"));
    return !writer->full;
}
