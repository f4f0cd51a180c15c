/* What the management API may be asked, one row each. */
#include "admin/admin_internal.h"

enum {
    METHODS_READ = 1u << HTTP_METHOD_GET | 1u << HTTP_METHOD_HEAD,
    METHODS_POST = 1u << HTTP_METHOD_POST,
    METHODS_DELETE = 1u << HTTP_METHOD_DELETE,
};

static void answer_health(struct admin *admin, const struct admin_question *question,
                          struct admin_reply *reply)
{
    (void)question;
    struct admin_view view;
    admin->source->view(admin->source->context, &view);
    reply->status = view.workers_stuck > 0 ? 503 : 200;
    if (view.workers_stuck > 0)
        write_format(&reply->body, "{\"alive\":false,\"workersStuck\":%u}\n", view.workers_stuck);
    else
        http_write(&reply->body, SLICE("{\"alive\":true}\n"));
}

u32 view_route_limit(const struct snapshot *snapshot, u32 route)
{
    const struct config_route *config = &snapshot->config->routes[route];
    u32 slot = snapshot->route_slots[route];
    u32 known = config->admission.adaptive.enabled
                    ? state_route_limit_known(state_routes(snapshot->state), slot)
                    : 0;
    if (known == 0 || (config->active_max > 0 && config->active_max < known))
        return config->active_max;
    return known;
}

u64 view_route_active(const struct snapshot *snapshot, u32 route)
{
    const struct state_routes *routes = state_routes(snapshot->state);
    u32 slot = snapshot->route_slots[route];
    if (view_route_limit(snapshot, route) > 0)
        return state_route_active(routes, slot); /* exactly */
    struct state_exchanges sums = state_route_exchange_sums(snapshot->state, slot);
    u64 active = state_exchanges_active(&sums);
    return active - min_u64(state_route_waiting(routes, slot), active);
}

/* Whether some pool has a backend that may be chosen. */
static bool view_usable(const struct admin_view *view)
{
    const struct snapshot *snapshot = view->snapshot;
    for (u32 i = 0; i < snapshot->config->pool_count; i++)
        if (snapshot_pool_tallies(snapshot, i).up > 0)
            return true;
    return false;
}

static void answer_ready(struct admin *admin, const struct admin_question *question,
                         struct admin_reply *reply)
{
    (void)question;
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

static void answer_status(struct admin *admin, const struct admin_question *question,
                          struct admin_reply *reply)
{
    (void)question;
    if (reply->text) {
        reply->form = ADMIN_TEXT;
        status_text(admin, &reply->body);
    } else {
        status_json(admin, &reply->body);
    }
}

static void answer_metrics(struct admin *admin, const struct admin_question *question,
                           struct admin_reply *reply)
{
    (void)question;
    reply->form = ADMIN_METRICS;
    metrics_write(admin, &reply->body);
}

static const struct endpoint endpoints[] = {
    {"/healthz", METHODS_READ, ADMIN_BODY_NONE, true, ADMIN_BLOCK_NONE, answer_health},
    {"/readyz", METHODS_READ, ADMIN_BODY_NONE, true, ADMIN_BLOCK_NONE, answer_ready},
    {"/status", METHODS_READ, ADMIN_BODY_NONE, false, ADMIN_BLOCK_LARGE, answer_status},
    {"/metrics", METHODS_READ, ADMIN_BODY_NONE, false, ADMIN_BLOCK_LARGE, answer_metrics},
    {"/reload", METHODS_POST, ADMIN_BODY_NONE, false, ADMIN_BLOCK_VERDICT, answer_reload},
    {"/backends", METHODS_READ, ADMIN_BODY_NONE, false, ADMIN_BLOCK_LARGE, answer_backends},
    {"/backends", METHODS_POST, ADMIN_BODY_REQUIRED, false, ADMIN_BLOCK_LARGE, answer_add},
    {"/backends", METHODS_DELETE, ADMIN_BODY_OPTIONAL, false, ADMIN_BLOCK_LARGE,
     answer_remove_named},
    {"/backends/{id}", METHODS_READ, ADMIN_BODY_NONE, false, ADMIN_BLOCK_LARGE, answer_backend},
    {"/backends/{id}", METHODS_DELETE, ADMIN_BODY_NONE, false, ADMIN_BLOCK_LARGE, answer_remove},
    {"/backends/{id}/drain", METHODS_POST, ADMIN_BODY_NONE, false, ADMIN_BLOCK_LARGE, answer_drain},
    {"/backends/{id}/maintenance", METHODS_POST, ADMIN_BODY_NONE, false, ADMIN_BLOCK_LARGE,
     answer_maintenance},
    {"/backends/{id}/ready", METHODS_POST, ADMIN_BODY_NONE, false, ADMIN_BLOCK_LARGE,
     answer_ready_again},
};

/* Whether the path is the pattern's, with one segment that is not empty for {id}. */
static bool path_matches(struct slice pattern, struct slice path, struct slice *id)
{
    const char *hole = memchr(pattern.data, '{', pattern.len);
    if (!hole)
        return slice_equal(pattern, path);
    u32 before = (u32)(hole - pattern.data);
    u32 behind = before + (u32)strlen("{id}");
    struct slice tail = slice_of(pattern.data + behind, pattern.len - behind);
    if (path.len <= before + tail.len || memcmp(path.data, pattern.data, before) != 0)
        return false;
    *id = slice_of(path.data + before, path.len - before - tail.len);
    return memchr(id->data, '/', id->len) == NULL &&
           slice_equal(slice_of(id->data + id->len, tail.len), tail);
}

struct endpoint_match endpoint_find(struct slice path, enum http_method method)
{
    struct endpoint_match match = {.methods = 0};
    for (u32 i = 0; i < ARRAY_COUNT(endpoints); i++) {
        struct slice id = {NULL, 0};
        if (!path_matches(slice_of_string(endpoints[i].path), path, &id))
            continue;
        match.methods |= endpoints[i].methods;
        match.open = endpoints[i].open;
        match.id = id;
        if (endpoints[i].methods & 1u << method)
            match.endpoint = &endpoints[i];
    }
    return match;
}
