/* Backends with names become as many backends as the names have addresses. */
#include <stdlib.h>

#include "config.h"

bool config_has_names(const struct config *config)
{
    for (u32 i = 0; i < config->backend_count; i++)
        if (config->backends[i].name.len > 0)
            return true;
    return false;
}

struct expansion {
    const struct config *from;
    const struct config_names *names;
    struct config *to;
    struct config_backend *backends;
    u32 *first; /* by index in `from`: where its endpoints begin; one more behind the last */
    u32 count;
};

static void endpoint_add(struct expansion *expansion, const struct config_backend *backend,
                         const struct config_endpoint *endpoint)
{
    struct config_backend *to = &expansion->backends[expansion->count++];
    u64 weight = (u64)backend->weight * endpoint->weight;
    *to = *backend;
    to->address = endpoint->address;
    to->weight = (u32)min_u64(weight, BALANCE_WEIGHT_MAX);
}

/* `room` is how many endpoints it may have. */
static void backend_expand(struct expansion *expansion, const struct config_backend *backend,
                           u32 room)
{
    struct config_endpoint found[CONFIG_ENDPOINTS_MAX];
    u32 count = 0;
    if (backend->name.len > 0)
        count = expansion->names->find(expansion->names->context, backend, found);
    for (u32 i = 0; i < min_u32(count, room); i++)
        endpoint_add(expansion, backend, &found[i]);
    if (count == 0)
        expansion->backends[expansion->count++] = *backend;
}

static void backends_expand(struct expansion *expansion)
{
    const struct config *from = expansion->from;
    u32 names = 0;
    for (u32 i = 0; i < from->backend_count; i++)
        names += from->backends[i].name.len > 0;
    u32 most =
        min_u32(from->backend_count + names * (CONFIG_ENDPOINTS_MAX - 1), CONFIG_ENDPOINTS_ALL_MAX);
    expansion->backends = arena_alloc(&expansion->to->arena, most * sizeof(struct config_backend));
    expansion->first = arena_alloc(&expansion->to->arena, (from->backend_count + 1) * sizeof(u32));
    for (u32 i = 0; i < from->backend_count; i++) {
        u32 others = from->backend_count - i - 1; /* each needs a place at least */
        expansion->first[i] = expansion->count;
        backend_expand(expansion, &from->backends[i], most - others - expansion->count);
    }
    expansion->first[from->backend_count] = expansion->count;
    expansion->to->backends = expansion->backends;
    expansion->to->backend_count = expansion->count;
}

static void pool_expand(struct expansion *expansion, struct config_pool *pool)
{
    const struct config_pool from = *pool;
    u32 count = 0;
    for (u32 i = 0; i < from.backend_count; i++)
        count += expansion->first[from.backends[i] + 1] - expansion->first[from.backends[i]];
    u32 *backends = arena_alloc(&expansion->to->arena, count * sizeof(u32));
    pool->backends = backends;
    pool->backend_count = count;
    for (u32 i = 0; i < from.backend_count; i++)
        for (u32 at = expansion->first[from.backends[i]];
             at < expansion->first[from.backends[i] + 1]; at++)
            *backends++ = at;
}

struct config *config_expand(const struct config *config, const struct config_names *names)
{
    struct config *to = calloc(1, sizeof(*to));
    ASSERT(to != NULL);
    *to = *config;
    arena_init(&to->arena);
    struct expansion expansion = {.from = config, .names = names, .to = to};
    backends_expand(&expansion);
    struct config_pool *pools = arena_alloc(&to->arena, config->pool_count * sizeof(*pools));
    for (u32 i = 0; i < config->pool_count; i++) {
        pools[i] = config->pools[i];
        pool_expand(&expansion, &pools[i]);
    }
    to->pools = pools;
    return to;
}
