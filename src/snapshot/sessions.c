/* See sessions.h. A cookie names its backend by a handle: a keyed hash of what tells backends
 * apart, so that it says nothing to those without the key, and is the same for all instances with
 * it. */
#include "snapshot/sessions.h"

#include <stdlib.h>

#include "snapshot/names.h"

static struct siphash_key key_of(const struct snapshot *snapshot)
{
    static const struct siphash_key stretch = {"nextproxy sticky"};
    struct slice text = snapshot->config->sticky_key;
    struct siphash_key key = {{0}};
    if (text.len == 0)
        return state_sticky_key(snapshot->state);
    siphash_128(&stretch, text.data, text.len, key.bytes);
    return key;
}

static int handle_compare(const void *left, const void *right)
{
    const struct snapshot_handle *a = left;
    const struct snapshot_handle *b = right;
    return (a->value > b->value) - (a->value < b->value);
}

static u64 handle_of(struct snapshot *snapshot, const struct config_backend *backend)
{
    struct slice name = backend_key(&snapshot->arena, backend);
    u8 hash[SIPHASH_BYTES];
    u64 value;
    siphash_128(&snapshot->session_key, name.data, name.len, hash);
    memcpy(&value, hash, sizeof(value));
    return value;
}

static void create(struct snapshot *snapshot, u32 pool)
{
    const struct config_pool *config = &snapshot->config->pools[pool];
    struct snapshot_pool *to = &snapshot->pools[pool];
    u32 count = config->backend_count;
    struct snapshot_handle *sorted = arena_alloc(&snapshot->arena, count * sizeof(*sorted));
    u64 *by_member = arena_alloc(&snapshot->arena, count * sizeof(*by_member));
    for (u32 i = 0; i < count; i++) {
        by_member[i] = handle_of(snapshot, &snapshot->config->backends[config->backends[i]]);
        sorted[i] = (struct snapshot_handle){by_member[i], i};
    }
    qsort(sorted, count, sizeof(*sorted), handle_compare);
    to->handles = sorted;
    to->handle_of = by_member;
}

void sessions_create(struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    snapshot->session_key = key_of(snapshot);
    for (u32 i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        if (route->sticky_cookie && !snapshot->pools[route->pool].handles)
            create(snapshot, route->pool);
    }
}

u32 snapshot_member(const struct snapshot *snapshot, u32 pool, u64 handle)
{
    const struct snapshot_handle *handles = snapshot->pools[pool].handles;
    u32 low = 0, high = snapshot->config->pools[pool].backend_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (handles[middle].value == handle)
            return handles[middle].member;
        if (handles[middle].value < handle)
            low = middle + 1;
        else
            high = middle;
    }
    return BALANCE_NONE;
}
