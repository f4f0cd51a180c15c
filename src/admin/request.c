/* What a connection asks: read, judged, and answered by its endpoint or refused. */
#include "admin/connection.h"

enum { PARK_S_MAX = 25 }; /* `nextproxy reload` is patient for 30 seconds */

/* ---- Answering ---- */

static struct http_writer body_writer(struct connection *connection)
{
    char *body = connection->block ? connection->block : connection->small;
    usize bytes = connection->block ? admin_block_rows[connection->block_kind].bytes
                                    : sizeof(connection->small);
    return (struct http_writer){.at = body, .end = body + bytes};
}

/* An answer before or instead of an endpoint's; the connection ends behind it unless it may go on.
 */
static void refuse(struct connection *connection, u32 status, const char *message)
{
    bool head_only = connection->admin->request.method == HTTP_METHOD_HEAD;
    connection_release_block(connection);
    struct admin_reply reply = {.body = body_writer(connection), .text = connection->text};
    reply_error(&reply, status, message);
    connection_send(connection, &reply, head_only);
}

static void refuse_method(struct connection *connection, u32 methods)
{
    struct admin_reply reply = {
        .body = body_writer(connection), .text = connection->text, .methods = methods};
    reply_error(&reply, 405, "this method is not for this path");
    connection_send(connection, &reply, false);
}

/* NULL when there is none left, or others wait for one. */
static char *block_for(const struct connection *connection, enum admin_block kind)
{
    struct admin *admin = connection->admin;
    bool first = connection->state == CONNECTION_WAITING || list_empty(&admin->waiting[kind]);
    return first ? slab_acquire(&admin->blocks[kind]) : NULL;
}

enum taken { TAKEN, TAKEN_LATER, TAKEN_NEVER /* and said so */ };

static enum taken take_block(struct connection *connection, enum admin_block kind)
{
    if (kind == ADMIN_BLOCK_NONE)
        return TAKEN;
    connection->block = block_for(connection, kind);
    connection->block_kind = (u8)kind;
    if (connection->block)
        return TAKEN;
    if (!connection->waited && admin_block_rows[kind].wait_ms > 0) {
        connection_wait(connection, kind);
        return TAKEN_LATER;
    }
    refuse(connection, 503, admin_block_rows[kind].none_left);
    return TAKEN_NEVER;
}

/* Prefer: wait=SECONDS (RFC 7240 §4.3): for how long a verdict is worth waiting. */
static u32 patience_ms(const struct http_request *request)
{
    static const struct slice wait = {"wait=", 5};
    u64 seconds = PARK_S_MAX;
    for (u32 i = 0; i < request->fields.count; i++) {
        struct slice element, list = http_field_value(&request->fields, i);
        if (!slice_equal_nocase(http_field_name(&request->fields, i), SLICE("Prefer")))
            continue;
        while (http_list_next(&list, &element))
            if (slice_starts_with(element, wait) &&
                !slice_parse_number(slice_of(element.data + wait.len, element.len - wait.len),
                                    PARK_S_MAX, &seconds))
                seconds = PARK_S_MAX;
    }
    return (u32)seconds * 1000;
}

/* False when that is to come: the request is looked at again then. */
static bool answer(struct connection *connection, const struct endpoint *endpoint,
                   const struct admin_question *question)
{
    struct admin *admin = connection->admin;
    enum taken taken = take_block(connection, endpoint->block);
    if (taken == TAKEN_LATER)
        return false;
    admin->requests++;
    if (taken == TAKEN_NEVER)
        return true;
    struct admin_reply reply = {
        .body = body_writer(connection), .text = connection->text, .status = 200};
    endpoint->answer(admin, question, &reply);
    if (reply.later)
        connection_park(connection, patience_ms(&admin->request));
    else if (reply.body.full)
        refuse(connection, 500, "the answer is larger than there is room for");
    else
        connection_send(connection, &reply, admin->request.method == HTTP_METHOD_HEAD);
    return true;
}

void request_conclude(struct connection *connection, enum admin_reload verdict, struct slice report)
{
    struct admin_reply reply = {.body = body_writer(connection), .text = connection->text};
    verdict_write(connection->admin, verdict, report, &reply);
    ASSERT(!reply.body.full);
    connection_send(connection, &reply, false);
}

/* ---- Requests ---- */

static const struct {
    u32 status;
    const char *message;
} guard_rows[] = {
    [GUARD_OK] = {0, NULL},
    [GUARD_HOST] = {403,
                    "Host must be an address or localhost, or the request must bear the token"},
    [GUARD_ORIGIN] = {403, "requests from pages of other sites are refused"},
    [GUARD_TOKEN] = {401, "the token is missing or wrong: Authorization: Bearer TOKEN"},
    [GUARD_PROXIED] = {403, "requests that came through a proxy must bear a token"},
};

static void reject(struct connection *connection, enum http_reject reason)
{
    const struct http_reject_info *info = http_reject_info(reason);
    connection->keep = false;
    connection->text = false;
    connection->admin->request.method = HTTP_METHOD_OTHER; /* it may not have been read */
    refuse(connection, info->status, info->text);
}

/* The media type without its parameters (RFC 9110 §8.3.1). */
static bool body_is_json(const struct http_request *request)
{
    struct slice type = http_field_first(&request->fields, HTTP_FIELD_CONTENT_TYPE);
    struct slice media_type = slice_trim(slice_take_until(&type, ';'));
    return slice_equal_nocase(media_type, SLICE("application/json"));
}

/* True when the request is refused because of its body. */
static bool refuse_body(struct connection *connection, struct http_framing framing,
                        enum admin_body allowed)
{
    if (framing.body == HTTP_BODY_REJECT)
        refuse(connection, http_reject_info(framing.reject)->status,
               http_reject_info(framing.reject)->text);
    else if (framing.body == HTTP_BODY_CHUNKED)
        refuse(connection, 411, "bodies without a length are not taken");
    else if (framing.body == HTTP_BODY_LENGTH && allowed == ADMIN_BODY_NONE)
        refuse(connection, 413, "this takes no body");
    else if (framing.body == HTTP_BODY_LENGTH && framing.length > ADMIN_BODY_BYTES_MAX)
        refuse(connection, 413, "the body is too large: at most 8192 bytes");
    else if (framing.body == HTTP_BODY_LENGTH && !body_is_json(&connection->admin->request))
        refuse(connection, 415, "the body must be JSON: Content-Type: application/json");
    else if (framing.body == HTTP_BODY_NONE && allowed == ADMIN_BODY_REQUIRED)
        refuse(connection, 400, "a body is needed: one JSON object");
    else
        return false;
    return true;
}

/* What is judged before a byte of the body is waited for. True when the request is refused. */
static bool refuse_head(struct connection *connection, const struct endpoint_match *match,
                        struct http_framing framing)
{
    const struct http_request *request = &connection->admin->request;
    const struct admin_source *source = connection->admin->source;
    enum guard guard = guard_judge(request, source->token(source->context), match->open);
    if (guard != GUARD_OK)
        refuse(connection, guard_rows[guard].status, guard_rows[guard].message);
    else if (match->methods == 0)
        refuse(connection, 404, "there is no such path");
    else if (!match->endpoint)
        refuse_method(connection, match->methods);
    else
        return refuse_body(connection, framing, match->endpoint->body);
    return true;
}

/* RFC 9110 §10.1.1: who waits for it is told to go on. */
static void send_continue(struct connection *connection)
{
    static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct iovec iov = {text, sizeof(text) - 1};
    connection->continued = true;
    connection->continuing = true;
    transport_send(&connection->transport,
                   &(struct transport_message){.iov = &iov, .count = 1, .fixed = 1});
}

static void await_body(struct connection *connection, u32 needed)
{
    bool asked = connection->admin->request.expect_continue && !connection->continued;
    connection->needed = needed;
    connection_await_rest(connection);
    if (asked && connection->state == CONNECTION_HEAD)
        send_continue(connection);
}

/* For people when they ask for it. */
static bool wants_text(const struct http_request *request)
{
    struct slice accept = http_field_first(&request->fields, HTTP_FIELD_ACCEPT);
    return http_list_contains(accept, SLICE("text/plain"));
}

/* Returns how much of the inbox is done with; 0 while the body is awaited, or a block. */
static u32 serve(struct connection *connection, u32 head_end)
{
    struct admin *admin = connection->admin;
    const struct http_request *request = &admin->request;
    struct http_framing framing = http_request_framing(request);
    struct endpoint_match match = endpoint_find(request->path, request->method);
    bool has_body = framing.body != HTTP_BODY_NONE;
    connection->text = wants_text(request);
    /* A body that nobody reads must not be taken for the next request. */
    connection->keep = request->keep_alive && !connection->spilled && !has_body;
    if (refuse_head(connection, &match, framing)) {
        admin->requests++;
        return head_end;
    }
    u32 body_bytes = has_body ? (u32)framing.length : 0;
    if (connection->inbox_len - head_end < body_bytes) {
        await_body(connection, head_end + body_bytes);
        return 0;
    }
    const struct admin_question question = {
        .id = match.id,
        .body = slice_of(connection->inbox + head_end, body_bytes),
    };
    connection->keep = request->keep_alive && !connection->spilled;
    return answer(connection, match.endpoint, &question) ? head_end + body_bytes : 0;
}

static void drop_served(struct connection *connection, u32 bytes)
{
    connection->inbox_len -= bytes;
    connection->needed = 0;
    connection->continued = false;
    connection->waited = false;
    memmove(connection->inbox, connection->inbox + bytes, connection->inbox_len);
}

void request_read(struct connection *connection)
{
    static const struct http_limits limits = {.head_bytes_max = ADMIN_REQUEST_HEAD_BYTES_MAX,
                                              .target_bytes_max = ADMIN_TARGET_BYTES_MAX,
                                              .fields_max = ADMIN_FIELDS_MAX};
    struct http_request *request = &connection->admin->request;
    struct slice inbox = slice_of(connection->inbox, connection->inbox_len);
    u32 skip = http_skip_empty_lines(inbox);
    u32 served;
    if (inbox.len < connection->needed) {
        connection_await_rest(connection);
        return;
    }
    switch (http_request_parse(slice_of(inbox.data + skip, inbox.len - skip), &limits, request)) {
    case HTTP_PARSE_PARTIAL: /* a head that is too long is refused before the inbox is full */
        connection_await_rest(connection);
        break;
    case HTTP_PARSE_REJECTED:
        reject(connection, request->reject);
        break;
    case HTTP_PARSE_DONE:
        served = serve(connection, skip + request->head_bytes);
        if (served > 0)
            drop_served(connection, served);
        break;
    }
}

void request_give_up(struct connection *connection)
{
    connection->keep = false;
    connection->text = false;
    connection->admin->request.method = HTTP_METHOD_OTHER;
    refuse(connection, 408, "the request took too long to arrive");
}
