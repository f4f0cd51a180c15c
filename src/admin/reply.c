/* Answers as bytes: the head, and the body of an error. */
#include "admin/admin_internal.h"
#include "base/clock.h"

void reply_error(struct admin_reply *reply, u32 status, const char *message)
{
    reply->status = status;
    reply->form = reply->text ? ADMIN_TEXT : ADMIN_JSON;
    if (reply->text) {
        http_write(&reply->body, slice_of_string(message));
        http_write(&reply->body, SLICE("\n"));
        return;
    }
    http_write(&reply->body, SLICE("{\"error\":"));
    write_json(&reply->body, http_reason(status));
    http_write(&reply->body, SLICE(",\"message\":"));
    write_json(&reply->body, slice_of_string(message));
    http_write(&reply->body, SLICE("}\n"));
}

static const struct slice form_types[] = {
    [ADMIN_JSON] = {"application/json", 16},
    [ADMIN_TEXT] = {"text/plain; charset=utf-8", 25},
    [ADMIN_METRICS] = {"text/plain; version=0.0.4; charset=utf-8", 40},
};

static void write_allow(u32 methods, struct http_writer *head)
{
    static const struct slice names[HTTP_METHOD_COUNT] = {
        [HTTP_METHOD_GET] = {"GET", 3},
        [HTTP_METHOD_HEAD] = {"HEAD", 4},
        [HTTP_METHOD_POST] = {"POST", 4},
        [HTTP_METHOD_DELETE] = {"DELETE", 6},
    };
    bool first = true;
    http_write(head, SLICE("Allow: "));
    for (u32 method = 0; method < HTTP_METHOD_COUNT; method++) {
        if (!(methods & 1u << method))
            continue;
        http_write(head, first ? SLICE("") : SLICE(", "));
        http_write(head, names[method]);
        first = false;
    }
    http_write(head, SLICE("\r\n"));
}

void reply_head(const struct admin_reply *reply, bool keep, u64 body_bytes,
                struct http_writer *head)
{
    char date[HTTP_DATE_BYTES];
    http_date_format(clock_wall_ns() / NS_PER_S, date);
    write_format(head, "HTTP/1.1 %u %s\r\n", reply->status, http_reason(reply->status).data);
    http_write_field(head, SLICE("Date"), slice_of(date, sizeof(date)));
    http_write_field(head, SLICE("Content-Type"), form_types[reply->form]);
    write_format(head, "Content-Length: %llu\r\n", (unsigned long long)body_bytes);
    http_write_field(head, SLICE("Cache-Control"), SLICE("no-store"));
    http_write_field(head, SLICE("X-Content-Type-Options"), SLICE("nosniff"));
    if (reply->status == 405)
        write_allow(reply->methods, head);
    if (reply->location[0] != '\0')
        http_write_field(head, SLICE("Location"), slice_of_string(reply->location));
    if (reply->status == 401)
        http_write_field(head, SLICE("WWW-Authenticate"), SLICE("Bearer realm=\"nextproxy\""));
    http_write_field(head, SLICE("Connection"), keep ? SLICE("keep-alive") : SLICE("close"));
    http_write(head, SLICE("\r\n"));
    ASSERT(!head->full);
}
