/* See include/snapshot.h. */
#include "snapshot.h"

#include "base/hash.h"
#include "snapshot/names.h"
#include "snapshot/seats.h"
#include "snapshot/sessions.h"
#include "snapshot/tables.h"

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

static bool take_slots(struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    struct arena *arena = &snapshot->arena;
    u32 *backends = arena_alloc(arena, config->backend_count * sizeof(u32));
    u32 *routes = arena_alloc(arena, config->route_count * sizeof(u32));
    bool all = true;
    for (u32 i = 0; i < config->backend_count; i++) {
        backends[i] = take_backend(snapshot, &config->backends[i]);
        all = all && backends[i] != STATE_SLOT_NONE;
    }
    for (u32 i = 0; i < config->route_count; i++) {
        routes[i] = state_take(snapshot->state, STATE_ROUTE, config->routes[i].id);
        all = all && routes[i] != STATE_SLOT_NONE;
    }
    snapshot->backend_slots = backends;
    snapshot->route_slots = routes;
    return all;
}

static void release_slots(struct snapshot *snapshot)
{
    for (u32 i = 0; i < snapshot->config->backend_count; i++)
        if (snapshot->backend_slots[i] != STATE_SLOT_NONE)
            state_release(snapshot->state, STATE_BACKEND, snapshot->backend_slots[i]);
    for (u32 i = 0; i < snapshot->config->route_count; i++)
        if (snapshot->route_slots[i] != STATE_SLOT_NONE)
            state_release(snapshot->state, STATE_ROUTE, snapshot->route_slots[i]);
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
    create_pools(snapshot, previous);
    for (u32 i = 0; i < config->backend_count; i++)
        state_backend_set_slow_start(state, snapshot->backend_slots[i],
                                     config->backends[i].slow_start_ms);
    sessions_create(snapshot);
    seats_create(snapshot);
    return snapshot;
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
