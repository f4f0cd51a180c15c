/* /backends: adding, removing and marking backends while the proxy runs. */
#include <stdio.h>

#include "admin/admin_internal.h"
#include "base/hex.h"

enum { REASON_BYTES = 4096 };
#define NONE UINT32_MAX

/* ---- Finding ---- */

static u32 find(const struct admin_view *view, struct slice id)
{
    const struct config *config = view->snapshot->config;
    for (u32 i = 0; i < config->backend_count; i++)
        if (slice_equal(config->backends[i].id, id))
            return i;
    return NONE;
}

static struct admin_view look(const struct admin *admin)
{
    struct admin_view view;
    admin->source->view(admin->source->context, &view);
    return view;
}

static void refuse_unknown(struct admin_reply *reply)
{
    reply_error(reply, 404, "there is no backend with this id");
}

/* Nothing is changed any more. True when it has been answered. */
static bool refuse_stopping(const struct admin_view *view, struct admin_reply *reply)
{
    if (view->draining)
        reply_error(reply, 409, "the proxy is being stopped");
    else if (view->held)
        reply_error(reply, 409, "another version is taking over: ask again in a moment");
    return view->draining || view->held;
}

/* ---- Why not ---- */

/* All of them in one line. */
static void reply_problems(struct admin_reply *reply, u32 status,
                           const struct config_problems *problems)
{
    char text[REASON_BYTES];
    struct http_writer out = {.at = text, .end = text + sizeof(text) - 1};
    for (u32 i = 0; i < problems->count && !out.full; i++) {
        const struct config_problem *problem = &problems->at[i];
        write_format(&out, "%s%s%s%s", i > 0 ? "; " : "", problem->path,
                     problem->path[0] != '\0' ? ": " : "", problem->text);
    }
    *out.at = '\0';
    reply_error(reply, status, text);
}

/* Returns true when there is nothing to refuse. Deinits `problems`. */
static bool judge(struct admin_reply *reply, enum config_overlay_verdict verdict,
                  struct config_problems *problems)
{
    static const u32 statuses[] = {
        [CONFIG_OVERLAY_GOOD] = 200,      [CONFIG_OVERLAY_WRONG] = 400,
        [CONFIG_OVERLAY_DUPLICATE] = 409, [CONFIG_OVERLAY_UNKNOWN] = 404,
        [CONFIG_OVERLAY_NEEDED] = 409,    [CONFIG_OVERLAY_FULL] = 503,
    };
    if (verdict != CONFIG_OVERLAY_GOOD)
        reply_problems(reply, statuses[verdict], problems);
    config_problems_deinit(problems);
    return verdict == CONFIG_OVERLAY_GOOD;
}

/* ---- Reading ---- */

void answer_backends(struct admin *admin, const struct admin_question *question,
                     struct admin_reply *reply)
{
    (void)question;
    const struct admin_view view = look(admin);
    if (reply->text) {
        reply->form = ADMIN_TEXT;
        status_backends_text(&view, &reply->body);
        return;
    }
    write_format(&reply->body,
                 "{\"snapshot\":%llu,\"backends\":", (unsigned long long)view.snapshot->version);
    status_backends_json(&view, &reply->body);
    http_write(&reply->body, SLICE("}\n"));
}

static void write_one(const struct admin_view *view, u32 index, struct admin_reply *reply)
{
    if (reply->text) {
        reply->form = ADMIN_TEXT;
        status_backend_text(view, index, &reply->body);
        return;
    }
    status_backend_json(view, index, &reply->body);
    http_write(&reply->body, SLICE("\n"));
}

void answer_backend(struct admin *admin, const struct admin_question *question,
                    struct admin_reply *reply)
{
    const struct admin_view view = look(admin);
    u32 index = find(&view, question->id);
    if (index == NONE)
        refuse_unknown(reply);
    else
        write_one(&view, index, reply);
}

/* ---- Changing ---- */

void answer_add(struct admin *admin, const struct admin_question *question,
                struct admin_reply *reply)
{
    struct config_problems problems;
    struct admin_view view = look(admin);
    if (refuse_stopping(&view, reply))
        return;
    enum config_overlay_verdict verdict =
        admin->source->add(admin->source->context, question->body, &problems);
    if (!judge(reply, verdict, &problems))
        return;
    view = look(admin);
    struct slice id = view.overlay->added[view.overlay->added_count - 1].id;
    (void)snprintf(reply->location, sizeof(reply->location), "/backends/%.*s", (int)id.len,
                   id.data);
    reply->status = 201;
    write_one(&view, find(&view, id), reply);
}

static void write_removed(const struct admin_view *view, u32 index, struct admin_reply *reply)
{
    if (reply->text) {
        write_one(view, index, reply);
        return;
    }
    http_write(&reply->body, SLICE("{\"removed\":"));
    status_backend_json(view, index, &reply->body);
}

/* `id` lives in the configuration that is served, or in the request. */
static void remove_one(struct admin *admin, struct slice id, struct admin_reply *reply)
{
    struct config_problems problems;
    struct admin_view view = look(admin);
    u32 index = find(&view, id);
    if (refuse_stopping(&view, reply))
        return;
    if (index == NONE) {
        refuse_unknown(reply);
        return;
    }
    /* As it was: who has added it, and what checks say, is forgotten with it. */
    const struct http_writer nothing = reply->body;
    write_removed(&view, index, reply);
    enum config_overlay_verdict verdict =
        admin->source->remove(admin->source->context, id, &problems);
    if (verdict != CONFIG_OVERLAY_GOOD)
        reply->body = nothing;
    if (!judge(reply, verdict, &problems) || reply->text)
        return;
    view = look(admin);
    write_format(&reply->body, ",\"snapshot\":%llu}\n", (unsigned long long)view.snapshot->version);
}

void answer_remove(struct admin *admin, const struct admin_question *question,
                   struct admin_reply *reply)
{
    remove_one(admin, question->id, reply);
}

/* Without escapes (RFC 3986 §2.1), into `out`, which has room for all of it. */
static struct slice decode(struct slice text, char *out)
{
    u32 len = 0;
    for (u32 i = 0; i < text.len; i++, len++) {
        out[len] = text.data[i];
        if (text.data[i] != '%' || text.len - i < 3)
            continue;
        u32 high = hex_value(ascii_lower(text.data[i + 1]));
        u32 low = hex_value(ascii_lower(text.data[i + 2]));
        if (high == HEX_NONE || low == HEX_NONE)
            continue;
        out[len] = (char)(high << 4 | low);
        i += 2;
    }
    return slice_of(out, len);
}

/* DELETE /backends?id=..., ?url=..., or the same as a JSON object in the body. */
void answer_remove_named(struct admin *admin, const struct admin_question *question,
                         struct admin_reply *reply)
{
    static const struct slice by_id = {"?id=", 4};
    static const struct slice by_url = {"?url=", 5};
    struct config_problems problems;
    const struct admin_view view = look(admin);
    const struct config *config = view.snapshot->config;
    struct slice query = admin->request.query;
    struct slice id;
    char text[ADMIN_TARGET_BYTES_MAX];
    enum config_overlay_verdict verdict = CONFIG_OVERLAY_GOOD;
    if ((query.len > 1) == (question->body.len > 0)) {
        reply_error(reply, 400, "which one? ?id=ID, ?url=URL, or one of them as a JSON object");
        return;
    }
    if (question->body.len > 0) {
        verdict = config_backend_by_json(config, question->body, &id, &problems);
    } else if (slice_starts_with(query, by_id)) {
        remove_one(admin, slice_of(query.data + by_id.len, query.len - by_id.len), reply);
        return;
    } else if (slice_starts_with(query, by_url)) {
        struct slice url = slice_of(query.data + by_url.len, query.len - by_url.len);
        verdict = config_backend_by_url(config, decode(url, text), &id, &problems);
    } else {
        reply_error(reply, 400, "the query may be ?id=ID or ?url=URL, and nothing else");
        return;
    }
    if (judge(reply, verdict, &problems))
        remove_one(admin, id, reply);
}

/* ---- Marking ---- */

static void mark(struct admin *admin, struct slice id, u32 marks, struct admin_reply *reply)
{
    const struct admin_view view = look(admin);
    u32 index = find(&view, id);
    if (index == NONE) {
        refuse_unknown(reply);
        return;
    }
    if (refuse_stopping(&view, reply))
        return;
    admin->source->mark(admin->source->context, index, marks);
    write_one(&view, index, reply);
}

void answer_drain(struct admin *admin, const struct admin_question *question,
                  struct admin_reply *reply)
{
    mark(admin, question->id, STATE_DRAINING, reply);
}

void answer_maintenance(struct admin *admin, const struct admin_question *question,
                        struct admin_reply *reply)
{
    mark(admin, question->id, STATE_MAINTENANCE, reply);
}

void answer_ready_again(struct admin *admin, const struct admin_question *question,
                        struct admin_reply *reply)
{
    mark(admin, question->id, 0, reply);
}
