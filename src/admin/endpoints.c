/* What the management API may be asked, one row each. */
#include "admin/admin_internal.h"

enum {
    METHODS_READ = 1u << HTTP_METHOD_GET | 1u << HTTP_METHOD_HEAD,
    METHODS_POST = 1u << HTTP_METHOD_POST,
};

void reply_error(struct admin_reply *reply, u32 status, const char *message)
{
    reply->status = status;
    reply->form = ADMIN_JSON;
    http_write(&reply->body, SLICE("{\"error\":"));
    write_json(&reply->body, http_reason(status));
    http_write(&reply->body, SLICE(",\"message\":"));
    write_json(&reply->body, slice_of_string(message));
    http_write(&reply->body, SLICE("}\n"));
}

static void answer_health(struct admin *admin, struct admin_reply *reply)
{
    (void)admin;
    http_write(&reply->body, SLICE("{\"alive\":true}\n"));
}

bool view_usable(const struct admin_view *view)
{
    const struct snapshot *snapshot = view->snapshot;
    for (u32 i = 0; i < snapshot->config->pool_count; i++)
        for (u32 at = 0; at < snapshot->config->pools[i].backend_count; at++)
            if (balance_bit(snapshot->pools[i].usable, at))
                return true;
    return false;
}

static void answer_ready(struct admin *admin, struct admin_reply *reply)
{
    struct admin_view view;
    admin->source->view(admin->source->context, &view);
    const char *reason = NULL;
    if (view.draining)
        reason = "draining";
    else if (!view_usable(&view))
        reason = "no usable backend";
    reply->status = reason ? 503 : 200;
    if (reason)
        write_format(&reply->body, "{\"ready\":false,\"reason\":\"%s\"}\n", reason);
    else
        http_write(&reply->body, SLICE("{\"ready\":true}\n"));
}

/* For people when they ask for it: `Accept: text/plain`. */
static bool wants_text(const struct http_request *request)
{
    struct slice accept = http_field_first(&request->fields, HTTP_FIELD_ACCEPT);
    return http_list_contains(accept, SLICE("text/plain"));
}

static void answer_status(struct admin *admin, struct admin_reply *reply)
{
    if (wants_text(&admin->request)) {
        reply->form = ADMIN_TEXT;
        status_text(admin, &reply->body);
    } else {
        status_json(admin, &reply->body);
    }
}

static void answer_metrics(struct admin *admin, struct admin_reply *reply)
{
    reply->form = ADMIN_METRICS;
    metrics_write(admin, &reply->body);
}

static void write_lines(struct http_writer *out, struct slice lines)
{
    bool first = true;
    http_write(out, SLICE("["));
    while (lines.len > 0) {
        const char *end = memchr(lines.data, '\n', lines.len);
        u32 len = end ? (u32)(end - lines.data) : lines.len;
        http_write(out, first ? SLICE("") : SLICE(","));
        write_json(out, slice_of(lines.data, len));
        u32 taken = min_u32(len + 1, lines.len);
        lines = slice_of(lines.data + taken, lines.len - taken);
        first = false;
    }
    http_write(out, SLICE("]"));
}

static void answer_reload(struct admin *admin, struct admin_reply *reply)
{
    static const struct {
        u32 status;
        struct slice verdict;
    } rows[] = {
        [ADMIN_RELOADED] = {200, {"reloaded", 8}},
        [ADMIN_RELOAD_UNCHANGED] = {200, {"unchanged", 9}},
        [ADMIN_RELOAD_REFUSED] = {422, {"refused", 7}},
        [ADMIN_RELOAD_STOPPING] = {409, {"stopping", 8}},
    };
    char report[ADMIN_RELOAD_REPORT_BYTES];
    struct http_writer lines = {.at = report, .end = report + sizeof(report)};
    enum admin_reload result = admin->source->reload(admin->source->context, &lines);
    struct admin_view view;
    admin->source->view(admin->source->context, &view);
    reply->status = rows[result].status;
    http_write(&reply->body, SLICE("{\"verdict\":"));
    write_json(&reply->body, rows[result].verdict);
    write_format(&reply->body,
                 ",\"snapshot\":%llu,\"report\":", (unsigned long long)view.snapshot->version);
    write_lines(&reply->body, slice_of(report, (usize)(lines.at - report)));
    http_write(&reply->body, SLICE("}\n"));
}

static const struct endpoint endpoints[] = {
    {{"/healthz", 8}, {"GET, HEAD", 9}, METHODS_READ, true, false, answer_health},
    {{"/readyz", 7}, {"GET, HEAD", 9}, METHODS_READ, true, false, answer_ready},
    {{"/status", 7}, {"GET, HEAD", 9}, METHODS_READ, false, true, answer_status},
    {{"/metrics", 8}, {"GET, HEAD", 9}, METHODS_READ, false, true, answer_metrics},
    {{"/reload", 7}, {"POST", 4}, METHODS_POST, false, true, answer_reload},
};

const struct endpoint *endpoint_find(struct slice path)
{
    for (u32 i = 0; i < ARRAY_COUNT(endpoints); i++)
        if (slice_equal(endpoints[i].path, path))
            return &endpoints[i];
    return NULL;
}
