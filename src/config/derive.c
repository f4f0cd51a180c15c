/*
 * A configuration with an overlay: the settings of the file's with other lists of backends, from
 * which backends, pools and routes are built anew. All else is shared, and nothing is read or
 * resolved a second time but what was added.
 */
#include <stdlib.h>

#include "config/build.h"
#include "config/overlay_internal.h"
#include "config/problems.h"
#include "config/rows.h"

struct derivation {
    const struct config *base;
    const struct config_overlay *overlay;
    struct reader *reader;
    struct config *config;
    struct settings *settings;
    const struct config_backend **known; /* by place */
};

/* ---- Settings ---- */

static void addition_read(struct derivation *derivation, const struct config_addition *addition,
                          struct settings_backend *backend)
{
    /* It was read before, by the same rows. */
    json_t *root = json_loadb(addition->json.data, addition->json.len, 0, NULL);
    table_read(derivation->reader, &settings_backends, root, backend);
    json_decref(root);
}

/* Those of the file that stay, in their order, then those that were added. */
static void backends_merge(struct derivation *derivation)
{
    const struct config *base = derivation->base;
    const struct config_overlay *overlay = derivation->overlay;
    struct arena *arena = &derivation->config->arena;
    u32 room = base->backend_count + overlay->added_count;
    struct settings_backend *backends = arena_alloc(arena, room * sizeof(*backends));
    u32 count = 0;
    derivation->known = arena_alloc(arena, room * sizeof(struct config_backend *));
    for (u32 i = 0; i < base->backend_count; i++) {
        if (overlay_removes(overlay, &base->backends[i]))
            continue;
        derivation->known[count] = &base->backends[i];
        backends[count++] = *settings_backend_at(base->settings, i);
    }
    for (u32 i = 0; i < overlay->added_count; i++)
        addition_read(derivation, &overlay->added[i], &backends[count++]);
    derivation->settings->backends = (struct settings_list){backends, count};
}

/* A removal that is settled means the backend of this id, whatever its URL. */
static bool removed_by_id(const struct derivation *derivation, struct slice id)
{
    const struct config_overlay *overlay = derivation->overlay;
    for (u32 i = 0; i < overlay->removed_count; i++)
        if (slice_equal(overlay->removed[i].id, id))
            return true;
    return false;
}

static void names_merge(struct derivation *derivation, struct settings_route *route)
{
    const struct config_overlay *overlay = derivation->overlay;
    struct arena *arena = &derivation->config->arena;
    u32 room = route->backends.count + overlay->added_count;
    struct settings_strings names = {arena_alloc(arena, room * sizeof(struct slice)), 0};
    for (u32 i = 0; i < route->backends.count; i++)
        if (!removed_by_id(derivation, route->backends.at[i]))
            names.at[names.count++] = route->backends.at[i];
    for (u32 i = 0; i < overlay->added_count; i++)
        if (slice_equal(overlay->added[i].route, route->id))
            names.at[names.count++] = overlay->added[i].id;
    if (names.count == 0) {
        struct path path = {.depth = 0};
        path = path_key(&path, SLICE("routes"));
        path = path_key(&path, route->id);
        reader_complain(derivation->reader, &path,
                        "all backends of the route were removed at run time");
    }
    route->backends = names;
}

static void routes_merge(struct derivation *derivation)
{
    const struct settings_list *from = &derivation->base->settings->routes;
    struct settings_route *routes =
        arena_alloc(&derivation->config->arena, from->count * sizeof(*routes));
    if (from->count > 0)
        memcpy(routes, from->at, from->count * sizeof(*routes));
    for (u32 i = 0; i < from->count; i++)
        if (routes[i].backends.count > 0)
            names_merge(derivation, &routes[i]);
    derivation->settings->routes = (struct settings_list){routes, from->count};
}

/* ---- The configuration ---- */

static void derive(struct derivation *derivation)
{
    struct config *config = derivation->config;
    derivation->settings = arena_alloc(&config->arena, sizeof(*derivation->settings));
    *derivation->settings = *derivation->base->settings;
    backends_merge(derivation);
    routes_merge(derivation);
    settings_complete(derivation->settings, &config->arena);
    struct builder builder = {
        .reader = derivation->reader,
        .world = &config_world_system,
        .settings = derivation->settings,
        .config = config,
        .known = derivation->known,
    };
    config->settings = derivation->settings;
    config->pool_count = 0;
    config->routes_by_path = false;
    backends_build(&builder);
    routes_build(&builder);
}

struct config *config_derive(const struct config *base, const struct config_overlay *overlay,
                             struct config_problems *problems)
{
    problems_init(problems);
    struct config *config = calloc(1, sizeof(*config));
    ASSERT(config != NULL);
    *config = *base;
    arena_init(&config->arena);
    /* Paths name what is wrong; there is no text to point into. */
    struct source source = {.text = SLICE("{}"), .name = "added at run time"};
    struct notes notes = {.count = 0};
    struct reader reader = {&config->arena, &source, problems, &notes};
    derive(&(struct derivation){
        .base = base,
        .overlay = overlay,
        .reader = &reader,
        .config = config,
    });
    if (problems->count == 0)
        return config;
    config_destroy(config);
    return NULL;
}
