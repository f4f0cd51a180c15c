/* See include/snapshot.h. */
#include "snapshot.h"

#include "base/hash.h"
#include "snapshot/names.h"
#include "snapshot/seats.h"
#include "snapshot/sessions.h"
#include "snapshot/tables.h"
#include "state/removal.h"

struct slice backend_key(struct arena *arena, const struct config_backend *backend)
{
    char address[ADDRESS_TEXT_BYTES] = "";
    if (backend->name.len > 0)
        address_format(&backend->address, address);
    return slice_of_string(arena_printf(arena, "%.*s %.*s %s", (int)backend->id.len,
                                        backend->id.data, (int)backend->url.len, backend->url.data,
                                        address));
}

static u32 take_backend(struct snapshot *snapshot, const struct config_backend *backend)
{
    u32 slot = state_take(snapshot->state, STATE_BACKEND, backend_key(&snapshot->arena, backend));
    if (slot != STATE_SLOT_NONE && backend->address.len == 0) /* for as long as it has this key */
        state_backend_mark(snapshot->state, slot, STATE_UNRESOLVED, true);
    return slot;
}

static u32 take_pattern(struct snapshot *snapshot, const struct config_route *route)
{
    const char *key = arena_printf(&snapshot->arena, "%s%.*s%.*s", route->wildcard ? "*" : "",
                                   (int)route->host.len, route->host.data, (int)route->path.len,
                                   route->path.data);
    return state_take(snapshot->state, STATE_PATTERN, slice_of_string(key));
}

/* False when one could not be had. */
static bool take_slots(struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    struct arena *arena = &snapshot->arena;
    u32 *backends = arena_alloc(arena, config->backend_count * sizeof(u32));
    u32 *urls = arena_alloc(arena, config->backend_count * sizeof(u32));
    u32 *routes = arena_alloc(arena, config->route_count * sizeof(u32));
    u32 *patterns = arena_alloc(arena, config->route_count * sizeof(u32));
    bool all = true;
    for (u32 i = 0; i < config->backend_count; i++) {
        backends[i] = take_backend(snapshot, &config->backends[i]);
        urls[i] = state_take(snapshot->state, STATE_URL, config->backends[i].url);
        all = all && backends[i] != STATE_SLOT_NONE && urls[i] != STATE_SLOT_NONE;
    }
    for (u32 i = 0; i < config->route_count; i++) {
        routes[i] = state_take(snapshot->state, STATE_ROUTE, config->routes[i].id);
        patterns[i] = take_pattern(snapshot, &config->routes[i]);
        all = all && routes[i] != STATE_SLOT_NONE && patterns[i] != STATE_SLOT_NONE;
    }
    snapshot->backend_slots = backends;
    snapshot->url_slots = urls;
    snapshot->route_slots = routes;
    snapshot->pattern_slots = patterns;
    return all;
}

static void release_kind(struct snapshot *snapshot, enum state_kind kind, const u32 *slots,
                         u32 count)
{
    for (u32 i = 0; i < count; i++)
        if (slots[i] != STATE_SLOT_NONE)
            state_release(snapshot->state, kind, slots[i]);
}

static void release_slots(struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    release_kind(snapshot, STATE_BACKEND, snapshot->backend_slots, config->backend_count);
    release_kind(snapshot, STATE_URL, snapshot->url_slots, config->backend_count);
    release_kind(snapshot, STATE_ROUTE, snapshot->route_slots, config->route_count);
    release_kind(snapshot, STATE_PATTERN, snapshot->pattern_slots, config->route_count);
}

/* Workers write to some of this: no line is shared with anything else. */
static void *alloc_lines(struct arena *arena, usize bytes)
{
    uintptr_t at = (uintptr_t)arena_alloc(arena, bytes + 2 * CACHE_LINE_BYTES);
    return (void *)((at + CACHE_LINE_BYTES - 1) & ~(uintptr_t)(CACHE_LINE_BYTES - 1));
}

static void create_load(struct snapshot *snapshot, const struct config_pool *config,
                        struct snapshot_pool *pool)
{
    u32 count = config->backend_count;
    u32 *slots = arena_alloc(&snapshot->arena, count * sizeof(u32));
    pool->usable = alloc_lines(&snapshot->arena, (count + 63) / 64 * sizeof(u64));
    for (u32 i = 0; i < count; i++)
        slots[i] = snapshot->backend_slots[config->backends[i]];
    pool->load = (struct balance_load){
        .slots = slots,
        .active = state_active(snapshot->state),
        .latency_us = state_latency_us(snapshot->state),
        .usable = pool->usable,
    };
}

static void note_watched(struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    bool *watched = arena_alloc(&snapshot->arena, config->backend_count * sizeof(bool));
    for (u32 i = 0; i < config->backend_count; i++)
        watched[i] = config->backends[i].connections_max > 0;
    for (u32 i = 0; i < config->pool_count; i++) {
        const struct config_pool *pool = &config->pools[i];
        for (u32 at = 0; balance_looks_at_load(pool->strategy) && at < pool->backend_count; at++)
            watched[pool->backends[at]] = true;
    }
    snapshot->watched = watched;
}

static struct balance_backend *list_members(struct snapshot *snapshot,
                                            const struct config_pool *config)
{
    u32 count = config->backend_count;
    struct balance_backend *members = arena_alloc(&snapshot->arena, count * sizeof(*members));
    for (u32 i = 0; i < count; i++) {
        const struct config_backend *backend = &snapshot->config->backends[config->backends[i]];
        members[i].weight = backend->weight;
        members[i].key = hash_bytes(backend->id.data, backend->id.len, 0);
        if (backend->name.len > 0)
            members[i].key =
                hash_bytes(&backend->address.any, backend->address.len, members[i].key);
    }
    return members;
}

/* `earlier` may have the table already. */
static void create_balances(struct snapshot *snapshot, const struct config_pool *config,
                            struct snapshot_pool *pool, const struct snapshot_tables *earlier)
{
    struct arena *arena = &snapshot->arena;
    u32 count = config->backend_count;
    const struct balance_backend *members = list_members(snapshot, config);
    pool->balances = arena_alloc(arena, snapshot->worker_count * sizeof(*pool->balances));
    if (config->strategy != BALANCE_IP_HASH) {
        for (u32 w = 0; w < snapshot->worker_count; w++)
            pool->balances[w] = balance_create(arena, config->strategy, members, count);
        return;
    }
    const struct balance_table *table = tables_take(&snapshot->tables, earlier, members, count);
    for (u32 w = 0; w < snapshot->worker_count; w++)
        pool->balances[w] = balance_create_over(arena, table);
}

static void create_pools(struct snapshot *snapshot, const struct snapshot *previous)
{
    const struct config *config = snapshot->config;
    u32 tables = 0;
    for (u32 p = 0; p < config->pool_count; p++)
        tables += config->pools[p].strategy == BALANCE_IP_HASH;
    tables_init(&snapshot->tables, &snapshot->arena, tables);
    snapshot->pools = arena_alloc(&snapshot->arena, config->pool_count * sizeof(*snapshot->pools));
    for (u32 p = 0; p < config->pool_count; p++) {
        create_load(snapshot, &config->pools[p], &snapshot->pools[p]);
        create_balances(snapshot, &config->pools[p], &snapshot->pools[p],
                        previous ? &previous->tables : NULL);
    }
}

struct snapshot *snapshot_create(const struct config *config, struct state *state, u32 worker_count,
                                 u64 version, const struct snapshot *previous)
{
    struct arena arena;
    arena_init(&arena);
    struct snapshot *snapshot = arena_alloc(&arena, sizeof(*snapshot));
    *snapshot = (struct snapshot){
        .config = config,
        .state = state,
        .version = version,
        .removed_since_ns = UINT64_MAX,
        .worker_count = worker_count,
        .arena = arena,
    };
    if (!take_slots(snapshot)) {
        release_slots(snapshot);
        arena = snapshot->arena;
        arena_deinit(&arena);
        return NULL;
    }
    snapshot->workers = alloc_lines(&snapshot->arena, worker_count * sizeof(*snapshot->workers));
    snapshot->sockets = arena_alloc(&snapshot->arena, worker_count * sizeof(*snapshot->sockets));
    note_watched(snapshot);
    create_pools(snapshot, previous);
    sessions_create(snapshot);
    seats_create(snapshot);
    return snapshot;
}

static struct state_members urls_of(const struct snapshot *snapshot)
{
    return (struct state_members){STATE_URL, snapshot->url_slots, snapshot->config->backend_count};
}

static struct state_members patterns_of(const struct snapshot *snapshot)
{
    return (struct state_members){STATE_PATTERN, snapshot->pattern_slots,
                                  snapshot->config->route_count};
}

void snapshot_begin(struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    for (u32 i = 0; i < config->backend_count; i++)
        state_backend_set_slow_start(snapshot->state, snapshot->backend_slots[i],
                                     config->backends[i].slow_start_ms);
    seats_return_surplus(snapshot);
    state_present(snapshot->state, urls_of(snapshot), snapshot->version);
    state_present(snapshot->state, patterns_of(snapshot), snapshot->version);
}

void snapshot_supersede(struct snapshot *snapshot, const struct snapshot *earlier, u64 now_ns)
{
    struct state *state = snapshot->state;
    u64 version = snapshot->version;
    u64 urls_ns = state_removed(state, urls_of(earlier), version, now_ns);
    u64 patterns_ns = state_removed(state, patterns_of(earlier), version, now_ns);
    u64 since_ns = min_u64(snapshot->removed_since_ns, min_u64(urls_ns, patterns_ns));
    __atomic_store_n(&snapshot->removed_since_ns, since_ns, __ATOMIC_RELAXED);
}

/* A worker that was started for this snapshot looks at once, and has nothing earlier. */
u64 snapshot_removed_since_ns(const struct snapshot *snapshot)
{
    return __atomic_load_n(&snapshot->removed_since_ns, __ATOMIC_RELAXED);
}

void snapshot_set_sockets(struct snapshot *snapshot, u32 worker, struct snapshot_sockets sockets)
{
    usize bytes = sockets.count * sizeof(*sockets.at);
    struct snapshot_socket *copy = arena_alloc(&snapshot->arena, bytes);
    ASSERT(worker < snapshot->worker_count);
    for (u32 i = 0; i < sockets.count; i++)
        copy[i] = sockets.at[i];
    snapshot->sockets[worker] = (struct snapshot_sockets){copy, sockets.count};
}

void snapshot_destroy(struct snapshot *snapshot)
{
    struct arena arena = snapshot->arena; /* the snapshot itself lives in it */
    ASSERT(!snapshot_pinned(snapshot));
    seats_destroy(snapshot);
    release_slots(snapshot);
    tables_release(&snapshot->tables);
    arena_deinit(&arena);
}

bool snapshot_pinned(const struct snapshot *snapshot)
{
    for (u32 w = 0; w < snapshot->worker_count; w++)
        if (__atomic_load_n(&snapshot->workers[w].pins, __ATOMIC_ACQUIRE) > 0)
            return true;
    return false;
}
