/* Pools and routes of the snapshot, and the order in which routes are tried. */
#include "config/build.h"

#include <stdlib.h>

#include "config/suggest.h"

/* A route with where it stands in the file, for sorting and for messages. */
struct ranked_route {
    struct config_route route;
    u32 index;
};

/* ---- Pools ---- */

/* Clients that stay by their address are a matter of the strategy. */
static u32 strategy_of(u32 strategy, const struct config_sticky *sticky)
{
    bool by_ip = sticky->enabled && sticky->source == CONFIG_STICKY_CLIENT_IP;
    return by_ip ? (u32)BALANCE_IP_HASH : strategy;
}

/* How a pool is to be used. */
struct pool_kind {
    u32 strategy;
    struct config_pool_limits limits;
};

static bool pool_limited(const struct config *config, const u32 *backends, u32 count)
{
    for (u32 i = 0; i < count; i++)
        if (config->backends[backends[i]].connections_max > 0)
            return true;
    return false;
}

static u32 pool_add(struct builder *builder, const u32 *backends, u32 count, struct pool_kind kind)
{
    struct config *config = builder->config;
    struct config_pool *pools = builder->pools;
    pools[config->pool_count] = (struct config_pool){
        .backends = backends,
        .backend_count = count,
        .strategy = (enum balance_strategy)kind.strategy,
        .limits = kind.limits,
        .limited = pool_limited(config, backends, count),
    };
    return config->pool_count++;
}

static bool pool_is(const struct config_pool *pool, struct pool_kind kind)
{
    return (u32)pool->strategy == kind.strategy &&
           pool->limits.ejected_max_percent == kind.limits.ejected_max_percent &&
           pool->limits.panic_percent == kind.limits.panic_percent;
}

/* The pool of all backends (but those with routesOnly) of this kind: routes that do not name
 * backends share it, so that they share its place in the rotation too. */
static u32 pool_of_all(struct builder *builder, struct pool_kind kind)
{
    struct config *config = builder->config;
    for (u32 i = 0; i < config->pool_count; i++)
        if (builder->pools[i].backends == builder->all_backends &&
            pool_is(&builder->pools[i], kind))
            return i;
    return pool_add(builder, builder->all_backends, builder->all_count, kind);
}

static void backend_unknown(struct builder *builder, const struct path *path, struct slice id)
{
    const struct config *config = builder->config;
    struct suggestion suggestion;
    if (reader_full(builder->reader))
        return;
    suggest_begin(&suggestion, id);
    for (u32 i = 0; i < config->backend_count; i++)
        suggest_consider(&suggestion, config->backends[i].id);
    reader_complain(builder->reader, path, "\"%.*s\" is not the id of a backend%s", (int)id.len,
                    id.data, suggest_text(&suggestion, &builder->reader->problems->arena));
}

/* `seen` has one mark per backend: 1 + the index of the route that named it last. */
static u32 pool_of_route(struct builder *builder, u32 index, u32 *seen)
{
    const struct settings_route *route = settings_route_at(builder->settings, index);
    const struct config *config = builder->config;
    u32 *backends = arena_alloc(&builder->config->arena, route->backends.count * sizeof(u32));
    struct path list = path_member("routes", index, "backends");
    u32 count = 0;
    for (u32 i = 0; i < route->backends.count; i++) {
        struct slice id = route->backends.at[i];
        struct path path = path_index(&list, i);
        u32 found = names_find(builder->backends_by_id, config->backend_count, id);
        if (id.len == 0)
            continue; /* a problem already */
        if (found == UINT32_MAX) {
            backend_unknown(builder, &path, id);
        } else if (seen[found] == index + 1) {
            reader_complain(builder->reader, &path, "\"%.*s\" stands twice in this list",
                            (int)id.len, id.data);
        } else {
            seen[found] = index + 1;
            backends[count++] = found;
        }
    }
    return pool_add(
        builder, backends, count,
        (struct pool_kind){strategy_of(route->strategy, &route->sticky), route->limits});
}

static void pool_check(struct builder *builder, const struct path *path, u32 pool)
{
    const struct config_pool *checked = &builder->pools[pool];
    for (u32 i = 0; i < checked->backend_count; i++)
        if (builder->config->backends[checked->backends[i]].weight > 0)
            return;
    if (checked->backend_count > 0)
        reader_complain(builder->reader, path,
                        "only backends of weight 0, which are never chosen: "
                        "at least one needs more");
}

/* ---- Edits of fields ---- */

struct edits {
    struct builder *builder;
    struct config_header_edit *at;
    u32 count;
    struct path path; /* of the block: routes[0].requestHeaders */
};

static void edit_add(struct edits *edits, enum config_header_action action, const struct path *path,
                     struct settings_field field)
{
    if (field.name.len == 0)
        return; /* a problem already */
    for (u32 i = 0; i < edits->count; i++)
        if (slice_equal_nocase(edits->at[i].name, field.name)) {
            reader_complain(edits->builder->reader, path,
                            "the field \"%.*s\" is edited twice in this block", (int)field.name.len,
                            field.name.data);
            return;
        }
    edits->at[edits->count++] = (struct config_header_edit){action, field.name, field.value};
}

static void fields_add(struct edits *edits, enum config_header_action action, const char *key,
                       const struct settings_fields *fields)
{
    struct path path = path_key(&edits->path, slice_of_string(key));
    for (u32 i = 0; i < fields->count; i++) {
        struct path field = path_key(&path, fields->at[i].name);
        edit_add(edits, action, &field, fields->at[i]);
    }
}

static struct config_header_edits edits_build(struct builder *builder, struct path path,
                                              const struct settings_header_edits *from)
{
    u32 count = from->remove.count + from->set.count + from->add.count;
    struct edits edits = {
        .builder = builder,
        .at = arena_alloc(&builder->config->arena, count * sizeof(struct config_header_edit)),
        .path = path,
    };
    struct path removed = path_key(&path, SLICE("remove"));
    for (u32 i = 0; i < from->remove.count; i++) {
        struct path entry = path_index(&removed, i);
        edit_add(&edits, CONFIG_HEADER_REMOVE, &entry,
                 (struct settings_field){from->remove.at[i], {NULL, 0}});
    }
    fields_add(&edits, CONFIG_HEADER_SET, "set", &from->set);
    fields_add(&edits, CONFIG_HEADER_ADD, "add", &from->add);
    return (struct config_header_edits){edits.at, edits.count};
}

/* ---- Retries ---- */

/* `like` has the statuses of many routes already; NULL = of none. */
static struct config_retry retry_build(const struct settings_retry *from, u32 retries,
                                       const struct config_retry *like)
{
    struct config_retry retry = {
        .retries = retries,
        .backoff_ms = from->backoff_ms,
        .backoff_max_ms = from->backoff_max_ms,
        .budget_percent = from->budget_percent,
        .budget_min = from->budget_min,
        .methods = from->methods,
        .hedge = from->hedge,
    };
    if (like) {
        memcpy(retry.statuses, like->statuses, sizeof(retry.statuses));
        return retry;
    }
    for (u32 i = 0; i <= CONFIG_RETRY_STATUS_LAST - CONFIG_RETRY_STATUS_FIRST; i++)
        if (config_status_in(from->statuses, CONFIG_RETRY_STATUS_FIRST + i)) /* "none" has none */
            retry.statuses[i / 64] |= 1ull << (i % 64);
    return retry;
}

/* ---- Routes ---- */

static struct slice lower_copy(struct arena *arena, struct slice text)
{
    char *copy = arena_alloc(arena, text.len + 1u);
    for (u32 i = 0; i < text.len; i++)
        copy[i] = ascii_lower(text.data[i]);
    return slice_of(copy, text.len);
}

static void host_build(struct arena *arena, struct slice written, struct config_route *to)
{
    to->wildcard = slice_starts_with(written, SLICE("*."));
    if (to->wildcard)
        written = slice_of(written.data + 1, written.len - 1);
    if (!slice_equal(written, SLICE("*")))
        to->host = lower_copy(arena, written);
}

/* Requests are compared with their escapes decoded, and so is this. */
static struct slice path_decoded(struct arena *arena, struct slice written)
{
    char *decoded = arena_alloc(arena, written.len);
    return slice_of(decoded, http_path_decode(written, decoded));
}

static struct config_admission admission_build(const struct settings_admission *from)
{
    const struct settings_priority *priority = &from->priority;
    return (struct config_admission){
        .adaptive = from->adaptive,
        .shedding = from->shedding,
        .priority = {.header = priority->header,
                     .high = {priority->high.at, priority->high.count},
                     .low = {priority->low.at, priority->low.count},
                     .level = priority->level,
                     .head_start_ms = priority->head_start_ms,
                     .from_anyone = priority->from_anyone},
    };
}

static bool has_cookie(const struct config_sticky *sticky)
{
    return sticky->enabled && sticky->source == CONFIG_STICKY_COOKIE;
}

static void route_build(struct builder *builder, u32 index, u32 *seen, struct config_route *to)
{
    const struct settings_route *from = settings_route_at(builder->settings, index);
    struct path backends = path_member("routes", index, "backends");
    to->id = from->id;
    to->path = path_decoded(&builder->config->arena, from->path);
    to->timeouts = from->timeouts;
    to->active_max = from->active_max;
    to->queue_max = from->queue_max;
    to->body_rate_min = from->body_rate_min;
    to->admission = admission_build(&from->admission);
    bool inherited = from->retry.statuses.data == builder->settings->retry.statuses.data;
    to->retry = retry_build(&from->retry, from->retries, inherited ? builder->retry : NULL);
    to->sticky = from->sticky;
    to->sticky_cookie = has_cookie(&from->sticky);
    host_build(&builder->config->arena, from->host, to);
    if (from->backends.count == 0) {
        u32 strategy = strategy_of(from->strategy, &from->sticky);
        to->pool = pool_of_all(builder, (struct pool_kind){strategy, from->limits});
    } else {
        to->pool = pool_of_route(builder, index, seen);
        pool_check(builder, &backends, to->pool);
    }
    to->request_headers = edits_build(builder, path_member("routes", index, "requestHeaders"),
                                      &from->request_headers);
    to->response_headers = edits_build(builder, path_member("routes", index, "responseHeaders"),
                                       &from->response_headers);
}

/* 0: an exact host, 1: a wildcard, 2: any. */
static int host_rank(const struct config_route *route)
{
    return route->host.len == 0 ? 2 : route->wildcard;
}

static int longer_first(struct slice a, struct slice b)
{
    return (a.len < b.len) - (a.len > b.len);
}

/* The order of config.routes; 0 only for routes that match the same requests. */
static int route_compare(const struct config_route *a, const struct config_route *b)
{
    int order = host_rank(a) - host_rank(b);
    if (order == 0)
        order = longer_first(a->host, b->host);
    if (order == 0 && a->host.len > 0)
        order = memcmp(a->host.data, b->host.data, a->host.len);
    if (order == 0)
        order = longer_first(a->path, b->path);
    if (order == 0 && a->path.len > 0)
        order = memcmp(a->path.data, b->path.data, a->path.len);
    return order;
}

static int ranked_compare(const void *left, const void *right)
{
    const struct ranked_route *a = left;
    const struct ranked_route *b = right;
    int order = route_compare(&a->route, &b->route);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

/* False when host or path is a fallback for something wrong. */
static bool route_readable(const struct builder *builder, u32 index)
{
    struct path host = path_member("routes", index, "vHost");
    struct path path = path_member("routes", index, "path");
    return !reader_complained(builder->reader, &host) && !reader_complained(builder->reader, &path);
}

static void duplicates_check(struct builder *builder, const struct ranked_route *routes, u32 count)
{
    for (u32 i = 1; i < count; i++) {
        const struct ranked_route *first = &routes[i - 1];
        const struct ranked_route *second = &routes[i];
        if (route_compare(&first->route, &second->route) != 0 ||
            !route_readable(builder, first->index) || !route_readable(builder, second->index))
            continue;
        struct path path = path_member("routes", second->index, "path");
        reader_complain(builder->reader, &path, "routes[%u] has the same vHost and path",
                        first->index);
    }
}

static void ids_check(struct builder *builder)
{
    const struct settings *settings = builder->settings;
    u32 count = settings->routes.count;
    struct name_index *names = arena_alloc(&builder->config->arena, count * sizeof(*names));
    for (u32 i = 0; i < count; i++) {
        names[i] = (struct name_index){settings_route_at(settings, i)->id, i};
        struct path path = path_member("routes", i, "id");
        if (slice_equal(names[i].name, SLICE("default")))
            reader_complain(builder->reader, &path,
                            "\"default\" is not allowed: it is the route "
                            "of all requests that no other route matches");
    }
    names_sort(builder, "routes", names, count);
}

static void default_route_build(struct builder *builder, struct config_route *to)
{
    const struct settings_load_balancing *balancing = &builder->settings->load_balancing;
    struct path path = {.depth = 0};
    path = path_key(&path, SLICE("backends"));
    const struct config_sticky *sticky = &balancing->sticky.sticky;
    u32 strategy = strategy_of(balancing->strategy, sticky);
    *to = (struct config_route){
        .id = SLICE("default"),
        .path = SLICE("/"),
        .timeouts = builder->settings->timeouts,
        .active_max = builder->settings->active_max,
        .queue_max = builder->settings->queue_max,
        .body_rate_min = builder->settings->body_rate_min,
        .admission = admission_build(&builder->settings->admission),
        .pool = pool_of_all(builder, (struct pool_kind){strategy, balancing->limits}),
        .sticky = *sticky,
        .sticky_cookie = has_cookie(sticky),
        .retry = retry_build(&builder->settings->retry, builder->settings->proxy.retries, NULL),
    };
    if (builder->all_count == 0 && !reader_complained(builder->reader, &path))
        reader_complain(builder->reader, &path,
                        "no backends but such with routesOnly: the default route needs at least "
                        "one without");
    builder->retry = &to->retry;
    pool_check(builder, &path, to->pool);
}

static void all_backends_build(struct builder *builder)
{
    u32 count = builder->config->backend_count;
    u32 *all = arena_alloc(&builder->config->arena, count * sizeof(u32));
    builder->all_count = 0;
    for (u32 i = 0; i < count; i++)
        if (!settings_backend_at(builder->settings, i)->routes_only)
            all[builder->all_count++] = i;
    builder->all_backends = all;
}

/* What requests need not ask for one by one. */
static void route_work_out(struct config *config, struct config_route *route)
{
    route->limited = route->active_max > 0 || route->admission.adaptive.enabled ||
                     config->pools[route->pool].limited;
    /* A second backend's answer would move a client's session there. */
    route->hedged =
        route->retry.hedge.enabled && route->retry.retries > 0 && !route->sticky.enabled;
    config->hedged |= route->hedged;
    route->impatient = route->hedged || route->timeouts.per_try_ms > 0;
    route->sampled = route->hedged || route->limited;
}

void routes_build(struct builder *builder)
{
    struct config *config = builder->config;
    struct arena *arena = &config->arena;
    u32 count = builder->settings->routes.count;
    struct config_route *routes = arena_alloc(arena, (count + 1u) * sizeof(*routes));
    struct ranked_route *ranked = arena_alloc(arena, count * sizeof(*ranked));
    u32 *seen = arena_alloc(arena, config->backend_count * sizeof(u32));
    all_backends_build(builder);
    builder->pools = arena_alloc(arena, (count + 1u) * sizeof(struct config_pool));
    config->pools = builder->pools;

    ids_check(builder);
    default_route_build(builder, &routes[count]);
    for (u32 i = 0; i < count; i++) {
        ranked[i].index = i;
        route_build(builder, i, seen, &ranked[i].route);
    }
    if (count > 0)
        qsort(ranked, count, sizeof(*ranked), ranked_compare);
    duplicates_check(builder, ranked, count);
    for (u32 i = 0; i < count; i++) {
        routes[i] = ranked[i].route;
        config->routes_by_path |= routes[i].path.len > 1;
    }
    for (u32 i = 0; i <= count; i++)
        route_work_out(config, &routes[i]);
    config->routes = routes;
    config->route_count = count + 1;
}
