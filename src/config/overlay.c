/* See include/config/overlay.h. Additions are kept as JSON: they are read anew, by the rows, for
 * each configuration that is derived. */
#include <stdlib.h>

#include "config/address.h"
#include "config/build.h"
#include "config/document.h"
#include "config/forms.h"
#include "config/overlay_internal.h"
#include "config/problems.h"
#include "config/rows.h"
#include "config/url.h"

static const char request_name[] = "request";

/* ---- Whole overlays ---- */

void config_overlay_init(struct config_overlay *overlay)
{
    *overlay = (struct config_overlay){.added = NULL};
    arena_init(&overlay->arena);
    overlay->added = arena_alloc(&overlay->arena, sizeof(*overlay->added));
    overlay->removed = arena_alloc(&overlay->arena, sizeof(*overlay->removed));
}

void config_overlay_deinit(struct config_overlay *overlay)
{
    arena_deinit(&overlay->arena);
    *overlay = (struct config_overlay){.added = NULL};
}

static struct config_addition addition_copy(struct arena *arena, const struct config_addition *from)
{
    return (struct config_addition){
        .id = arena_copy(arena, from->id),
        .url = arena_copy(arena, from->url),
        .route = arena_copy(arena, from->route),
        .json = arena_copy(arena, from->json),
    };
}

void config_overlay_copy(struct config_overlay *to, const struct config_overlay *from)
{
    struct arena *arena = &to->arena;
    *to = (struct config_overlay){
        .added_count = from->added_count,
        .removed_count = from->removed_count,
    };
    arena_init(arena);
    to->added = arena_alloc(arena, (from->added_count + 1u) * sizeof(*to->added));
    to->removed = arena_alloc(arena, (from->removed_count + 1u) * sizeof(*to->removed));
    for (u32 i = 0; i < from->added_count; i++)
        to->added[i] = addition_copy(arena, &from->added[i]);
    for (u32 i = 0; i < from->removed_count; i++)
        to->removed[i] = (struct config_removal){arena_copy(arena, from->removed[i].id),
                                                 arena_copy(arena, from->removed[i].url)};
}

/* ---- Looking things up ---- */

const struct config_backend *overlay_backend_find(const struct config *config, struct slice id)
{
    for (u32 i = 0; i < config->backend_count; i++)
        if (slice_equal(config->backends[i].id, id))
            return &config->backends[i];
    return NULL;
}

static const struct config_route *route_find(const struct config *config, struct slice id)
{
    struct slice wanted = id.len > 0 ? id : SLICE("default");
    for (u32 i = 0; i < config->route_count; i++)
        if (slice_equal(config->routes[i].id, wanted))
            return &config->routes[i];
    return NULL;
}

bool overlay_removes(const struct config_overlay *overlay, const struct config_backend *backend)
{
    for (u32 i = 0; i < overlay->removed_count; i++)
        if (slice_equal(overlay->removed[i].id, backend->id) &&
            slice_equal(overlay->removed[i].url, backend->url))
            return true;
    return false;
}

/* True when the route names its backends. */
static bool route_has_list(const struct config *config, struct slice id)
{
    const struct settings *settings = config->settings;
    for (u32 i = 0; i < settings->routes.count; i++)
        if (slice_equal(settings_route_at(settings, i)->id, id))
            return settings_route_at(settings, i)->backends.count > 0;
    return false;
}

/* An IPv6 address has several spellings. */
static bool same_host(const struct url *a, const struct url *b)
{
    struct address left;
    struct address right;
    if (!address_parse_ip(a->name, 0, &left) || !address_parse_ip(b->name, 0, &right))
        return slice_equal_nocase(a->name, b->name);
    return address_equal(&left, &right);
}

bool overlay_same_place(struct slice left, struct slice right)
{
    struct url a;
    struct url b;
    if (url_parse(left, &a) != NULL || url_parse(right, &b) != NULL)
        return slice_equal(left, right);
    return a.port == b.port && same_host(&a, &b) && slice_equal(a.path, b.path);
}

/* The backend with this URL that serves the route; NULL when there is none. */
static const struct config_backend *url_find(const struct config *config,
                                             const struct config_route *route, struct slice url)
{
    const struct config_pool *pool = &config->pools[route->pool];
    for (u32 i = 0; i < pool->backend_count; i++) {
        const struct config_backend *backend = &config->backends[pool->backends[i]];
        if (overlay_same_place(backend->url, url))
            return backend;
    }
    return NULL;
}

/* ---- Adding ---- */

struct adding {
    struct config_overlay *overlay;
    const struct config *served;
    struct config_problems *problems;
    struct source source;
    struct notes notes;
    struct reader reader; /* of the three above */
    json_t *root;
    const struct config_route *route;
    bool settled_later; /* what is there already is not looked for */
};

static enum config_overlay_verdict complain(struct adding *adding, const char *key,
                                            enum config_overlay_verdict verdict, const char *text)
{
    struct path path = {.depth = 0};
    path = path_key(&path, slice_of_string(key));
    reader_complain(&adding->reader, &path, "%s", text);
    return verdict;
}

/* "added-1", or the first number behind it that is free. */
static struct slice id_make(struct adding *adding)
{
    struct arena *arena = &adding->problems->arena;
    for (u32 number = 1;; number++) {
        struct slice id = slice_of_string(arena_printf(arena, "added-%u", number));
        if (overlay_backend_find(adding->served, id) == NULL)
            return id;
    }
}

/* Takes `route` out of the object, which then is an entry of `backends`. */
static enum config_overlay_verdict route_take(struct adding *adding)
{
    struct arena *arena = &adding->problems->arena;
    json_t *value = json_object_get(adding->root, "route");
    struct slice id = SLICE("");
    if (value != NULL && !json_is_string(value))
        return complain(adding, "route", CONFIG_OVERLAY_WRONG,
                        arena_printf(arena, "%s is not allowed: the id of a route",
                                     problem_value(arena, value)));
    if (value != NULL)
        id = slice_of(json_string_value(value), json_string_length(value));
    adding->route = route_find(adding->served, id);
    if (adding->route == NULL)
        return complain(
            adding, "route", CONFIG_OVERLAY_WRONG,
            arena_printf(arena, "%s is not the id of a route", problem_value(arena, value)));
    (void)json_object_del(adding->root, "route");
    return CONFIG_OVERLAY_GOOD;
}

/* What is left open is filled in, so that it means the same whenever it is read. */
static void object_complete(struct adding *adding)
{
    bool own_list = route_has_list(adding->served, adding->route->id);
    if (json_object_get(adding->root, "id") == NULL)
        json_object_set_new(adding->root, "id", json_string(id_make(adding).data));
    if (own_list && json_object_get(adding->root, "routesOnly") == NULL)
        json_object_set_new(adding->root, "routesOnly", json_true());
}

static enum config_overlay_verdict backend_judge(struct adding *adding,
                                                 const struct settings_backend *backend)
{
    struct arena *arena = &adding->problems->arena;
    const struct config *served = adding->served;
    if (adding->problems->count > 0)
        return CONFIG_OVERLAY_WRONG;
    if (adding->settled_later)
        return CONFIG_OVERLAY_GOOD;
    if (overlay_backend_find(served, backend->id) != NULL)
        return complain(
            adding, "id", CONFIG_OVERLAY_DUPLICATE,
            arena_printf(arena, "\"%s\" is the id of a backend already", backend->id.data));
    const struct config_backend *same = url_find(served, adding->route, backend->url);
    if (same != NULL)
        return complain(adding, "url", CONFIG_OVERLAY_DUPLICATE,
                        arena_printf(arena, "\"%s\" is the URL of the backend \"%s\" already",
                                     backend->url.data, same->id.data));
    if (backend->routes_only && !route_has_list(served, adding->route->id))
        return complain(adding, "routesOnly", CONFIG_OVERLAY_WRONG,
                        "true is not allowed: no route would use the backend; name one that has "
                        "`backends` of its own");
    if (served->backend_count >= SETTINGS_BACKENDS_MAX)
        return complain(adding, "url", CONFIG_OVERLAY_WRONG,
                        arena_printf(arena, "there are %d backends: no more are allowed",
                                     SETTINGS_BACKENDS_MAX));
    return CONFIG_OVERLAY_GOOD;
}

static void addition_keep(struct adding *adding, const struct settings_backend *backend)
{
    struct config_overlay *overlay = adding->overlay;
    bool own_list = route_has_list(adding->served, adding->route->id);
    char *json = json_dumps(adding->root, JSON_COMPACT);
    ASSERT(json != NULL);
    const struct config_addition addition = {
        .id = backend->id,
        .url = backend->url,
        .route = own_list ? adding->route->id : SLICE(""),
        .json = slice_of_string(json),
    };
    overlay->added[overlay->added_count++] = addition_copy(&overlay->arena, &addition);
    free(json);
}

static void check_judge(struct adding *adding, const struct settings_health_check *check)
{
    struct path path = {.depth = 0};
    path = path_key(&path, SLICE("healthCheck"));
    health_check_judge(&adding->reader, NULL, &path, check);
}

static enum config_overlay_verdict object_add(struct adding *adding)
{
    struct settings_backend backend = {.weight = 0};
    enum config_overlay_verdict verdict = route_take(adding);
    if (verdict != CONFIG_OVERLAY_GOOD)
        return verdict;
    object_complete(adding);
    table_read(&adding->reader, &settings_backends, adding->root, &backend);
    check_judge(adding, &backend.health_check);
    verdict = backend_judge(adding, &backend);
    if (verdict == CONFIG_OVERLAY_GOOD)
        addition_keep(adding, &backend);
    return verdict;
}

static enum config_overlay_verdict text_add(struct adding *adding, struct slice json)
{
    struct config_problems *problems = adding->problems;
    problems_init(problems);
    adding->source = (struct source){.text = json, .name = request_name};
    adding->reader = (struct reader){&problems->arena, &adding->source, problems, &adding->notes};
    adding->root = document_parse(&adding->source, problems);
    if (adding->root == NULL)
        return CONFIG_OVERLAY_WRONG;
    enum config_overlay_verdict verdict = object_add(adding);
    json_decref(adding->root);
    return verdict;
}

enum config_overlay_verdict config_overlay_add(struct config_overlay *overlay,
                                               const struct config *served, struct slice json,
                                               struct config_problems *problems)
{
    struct adding adding = {.overlay = overlay, .served = served, .problems = problems};
    return text_add(&adding, json);
}

/* ---- Removing ---- */

static void request_problem(struct config_problems *problems, struct slice id, const char *text)
{
    problem_add(problems, (struct problem_at){request_name, ""}, "\"%.*s\" %s", (int)id.len,
                id.data, text);
}

/* Whether the pool has something left to choose without this backend. */
static bool pool_can_spare(const struct config *config, const struct config_pool *pool,
                           const struct config_backend *backend)
{
    bool in_it = false;
    bool others = false;
    for (u32 i = 0; i < pool->backend_count; i++) {
        const struct config_backend *at = &config->backends[pool->backends[i]];
        in_it |= at == backend;
        others |= at != backend && at->weight > 0;
    }
    return !in_it || others;
}

static enum config_overlay_verdict removal_judge(const struct config *served,
                                                 const struct config_backend *backend,
                                                 struct config_problems *problems)
{
    for (u32 i = 0; i < served->route_count; i++) {
        const struct config_route *route = &served->routes[i];
        if (pool_can_spare(served, &served->pools[route->pool], backend))
            continue;
        request_problem(
            problems, backend->id,
            arena_printf(&problems->arena,
                         "is the last backend of the route \"%.*s\" that may be chosen: add "
                         "another one first",
                         (int)route->id.len, route->id.data));
        return CONFIG_OVERLAY_NEEDED;
    }
    return CONFIG_OVERLAY_GOOD;
}

static void addition_drop(struct config_overlay *overlay, u32 place)
{
    overlay->added_count--;
    memmove(&overlay->added[place], &overlay->added[place + 1],
            (overlay->added_count - place) * sizeof(*overlay->added));
}

static void removal_drop(struct config_overlay *overlay, u32 place)
{
    overlay->removed_count--;
    memmove(&overlay->removed[place], &overlay->removed[place + 1],
            (overlay->removed_count - place) * sizeof(*overlay->removed));
}

enum config_overlay_verdict config_overlay_remove(struct config_overlay *overlay,
                                                  const struct config *served, struct slice id,
                                                  struct config_problems *problems)
{
    problems_init(problems);
    const struct config_backend *backend = overlay_backend_find(served, id);
    if (backend == NULL) {
        request_problem(problems, id, "is not the id of a backend");
        return CONFIG_OVERLAY_UNKNOWN;
    }
    enum config_overlay_verdict verdict = removal_judge(served, backend, problems);
    if (verdict != CONFIG_OVERLAY_GOOD)
        return verdict;
    for (u32 i = 0; i < overlay->added_count; i++)
        if (slice_equal(overlay->added[i].id, id)) {
            addition_drop(overlay, i);
            return CONFIG_OVERLAY_GOOD;
        }
    overlay->removed[overlay->removed_count++] = (struct config_removal){
        arena_copy(&overlay->arena, id), arena_copy(&overlay->arena, backend->url)};
    return CONFIG_OVERLAY_GOOD;
}

/* ---- Settling ---- */

/* NULL: it still holds. */
static const char *removal_overtaken(const struct config_removal *removal,
                                     const struct config *base)
{
    const struct config_backend *backend = overlay_backend_find(base, removal->id);
    if (backend == NULL)
        return "it is not in the file any more";
    return slice_equal(backend->url, removal->url) ? NULL : "it has another URL in the file";
}

static const char *addition_overtaken(const struct config_overlay *overlay, u32 place,
                                      const struct config *base)
{
    const struct config_addition *addition = &overlay->added[place];
    const struct config_backend *named = overlay_backend_find(base, addition->id);
    const struct config_route *route = route_find(base, addition->route);
    if (named != NULL && !overlay_removes(overlay, named))
        return "a backend of the file has this id";
    if (route == NULL)
        return "its route is not in the file any more";
    if (addition->route.len > 0 && !route_has_list(base, addition->route))
        return "its route has no backends of its own any more";
    const struct config_backend *same = url_find(base, route, addition->url);
    if (same != NULL && !overlay_removes(overlay, same))
        return "a backend of the file has this URL";
    return NULL;
}

static void say_given_up(struct config_overlay *overlay, struct config_overlay_listener listener,
                         const char *what, struct slice id, const char *why)
{
    listener.say(listener.context,
                 arena_printf(&overlay->arena, "Backend \"%.*s\", %s at run time: given up, %s",
                              (int)id.len, id.data, what, why));
}

void config_overlay_settle(struct config_overlay *overlay, const struct config *base,
                           struct config_overlay_listener listener)
{
    for (u32 i = overlay->removed_count; i-- > 0;) {
        const char *why = removal_overtaken(&overlay->removed[i], base);
        if (why == NULL)
            continue;
        say_given_up(overlay, listener, "removed", overlay->removed[i].id, why);
        removal_drop(overlay, i);
    }
    for (u32 i = overlay->added_count; i-- > 0;) {
        const char *why = addition_overtaken(overlay, i, base);
        if (why == NULL)
            continue;
        say_given_up(overlay, listener, "added", overlay->added[i].id, why);
        addition_drop(overlay, i);
    }
}

/* ---- Restoring ---- */

static void addition_restore(struct config_overlay *overlay, struct slice json,
                             const struct config *base, struct config_overlay_listener listener)
{
    struct config_problems problems = {.count = 0};
    struct adding adding = {
        .overlay = overlay,
        .served = base,
        .problems = &problems,
        .settled_later = true,
    };
    if (text_add(&adding, json) != CONFIG_OVERLAY_GOOD && problems.count > 0)
        listener.say(listener.context,
                     arena_printf(&overlay->arena, "Backend of the state file left out: %s: %s",
                                  problems.at[0].path, problems.at[0].text));
    config_problems_deinit(&problems);
}

void config_overlay_restore(struct config_overlay *overlay, const struct config_kept *kept,
                            const struct config *base, struct config_overlay_listener listener)
{
    struct arena *arena = &overlay->arena;
    overlay->added = arena_alloc(arena, (kept->added_count + 1u) * sizeof(*overlay->added));
    overlay->removed = arena_alloc(arena, (kept->removed_count + 1u) * sizeof(*overlay->removed));
    for (u32 i = 0; i < kept->removed_count; i++)
        overlay->removed[overlay->removed_count++] = (struct config_removal){
            arena_copy(arena, kept->removed[i].id), arena_copy(arena, kept->removed[i].url)};
    for (u32 i = 0; i < kept->added_count; i++)
        addition_restore(overlay, kept->added[i], base, listener);
    config_overlay_settle(overlay, base, listener);
}
