/* One worker's data path: its memory, its clients, and its end. */
#include "proxy.h"

#include <stdio.h>

#include "base/clock.h"
#include "proxy/proxy_internal.h"
#include "state/hedges.h"

enum { WALL_REFRESH_MS = 500, EDITS_BYTES_MIN = 4096 };

/* ---- The memory plan ---- */

static usize edits_bytes(const struct config_header_edits *edits)
{
    usize bytes = 0;
    for (u32 i = 0; i < edits->count; i++)
        bytes += edits->at[i].name.len + edits->at[i].value.len + sizeof(": \r\n");
    return bytes;
}

/* A head of the largest size, what we and the route add to it, and a small body behind it; or the
 * largest error page. */
static u32 block_bytes(const struct config *config)
{
    usize edits = EDITS_BYTES_MIN; /* so that a later configuration may have some, too */
    for (u32 i = 0; i < config->route_count; i++) {
        usize request = edits_bytes(&config->routes[i].request_headers);
        usize response = edits_bytes(&config->routes[i].response_headers);
        edits = max_u64(edits, max_u64(request, response));
    }
    const struct config_error_templates *templates = &config->error_templates;
    usize page = 4096 + max_u32(templates->html.len, templates->json.len);
    usize head =
        config->limits.http.head_bytes_max + HEAD_BLOCK_EXTRA_BYTES + edits + INLINE_BODY_BYTES_MAX;
    return (u32)((max_u64(head, page) + CACHE_LINE_BYTES - 1) & ~(u64)(CACHE_LINE_BYTES - 1));
}

static usize exchange_bytes(const struct config *config)
{
    return sizeof(struct exchange) + block_bytes(config);
}

static usize replay_bytes(const struct config *config)
{
    return sizeof(struct replay) + config->limits.replay_bytes_max;
}

u32 proxy_leases(const struct config *config)
{
    enum { LEASES_MIN = 1024, LEASES_MAX = 32768 };
    u32 wanted = config->limits.exchanges_max;
    u32 leases = LEASES_MIN;
    while (leases < wanted && leases < LEASES_MAX)
        leases *= 2;
    return leases;
}

void proxy_budget(const struct config *config, struct proxy_budget_row rows[PROXY_BUDGET_ROWS])
{
    const struct config_limits *limits = &config->limits;
    const struct proxy_budget_row plan[PROXY_BUDGET_ROWS] = {
        {"clients", limits->clients_max, sizeof(struct client), "new connections wait"},
        /* One more each, for refusals. */
        {"exchanges", limits->exchanges_max + 1, exchange_bytes(config),
         "requests are answered 503"},
        {"blocks", limits->exchanges_max + 1, block_bytes(config), "requests are answered 503"},
        {"inboxes", limits->clients_max, limits->http.head_bytes_max,
         "clients that send heads in pieces are closed"},
        {"replays", limits->replays_max, replay_bytes(config),
         "requests with larger bodies are sent once only"},
        {"rivals", limits->exchanges_max, hedge_rival_bytes(), "there is one for each exchange"},
        {"upstreams", upstreams_places(config->upstream.connections_max), sizeof(struct upstream),
         "requests are answered 503"},
        {"leases", proxy_leases(config), LEASE_BYTES, "receiving waits until some are free"},
    };
    memcpy(rows, plan, sizeof(plan));
}

/* ---- Creation ---- */

static bool create_slabs(struct proxy *proxy)
{
    const struct config *config = proxy->config;
    return slab_init(&proxy->clients, sizeof(struct client), config->limits.clients_max) &&
           slab_init(&proxy->exchanges, exchange_bytes(config), config->limits.exchanges_max) &&
           slab_init(&proxy->blocks, block_bytes(config), config->limits.exchanges_max) &&
           slab_init(&proxy->replays, replay_bytes(config), config->limits.replays_max) &&
           slab_init(&proxy->rivals, hedge_rival_bytes(), config->limits.exchanges_max) &&
           slab_init(&proxy->inboxes, config->limits.http.head_bytes_max,
                     config->limits.clients_max);
}

static void create_spare(struct proxy *proxy)
{
    proxy->spare = arena_alloc(&proxy->arena, exchange_bytes(proxy->config));
    proxy->spare_block = arena_alloc(&proxy->arena, proxy->exchange_block_bytes);
}

static bool create_upstreams(struct proxy *proxy)
{
    const struct upstreams_environment environment = {
        .ring = proxy->ring,
        .wheel = proxy->wheel,
        .reaper = &proxy->reaper,
        .state = proxy->state,
        .worker = proxy->worker,
        .connections_max = proxy->config->upstream.connections_max,
        .events = &attempt_events,
    };
    proxy->upstreams = upstreams_create(&proxy->arena, &environment);
    return proxy->upstreams != NULL;
}

static u32 sample_threshold(double share)
{
    return share >= 1.0 ? UINT32_MAX : (u32)(share * 4294967295.0);
}

static void refresh_wall(struct proxy *proxy)
{
    proxy->wall_offset_ns = clock_wall_ns() - clock_monotonic_ns();
    proxy->wall_refresh_ns = proxy_now_ns(proxy) + WALL_REFRESH_MS * NS_PER_MS;
}

struct proxy *proxy_create(const struct proxy_environment *environment)
{
    struct arena arena;
    arena_init(&arena);
    struct proxy *proxy = arena_alloc(&arena, sizeof(*proxy));
    proxy->arena = arena;
    proxy->ring = environment->ring;
    proxy->wheel = environment->wheel;
    proxy->worker = environment->worker;
    proxy->config = environment->snapshot->config;
    proxy->state = environment->snapshot->state;
    proxy->tallies = state_tallies(proxy->state, environment->worker);
    memcpy(proxy->logs, environment->logs, sizeof(proxy->logs));
    proxy->exchange_block_bytes = block_bytes(proxy->config);
    proxy->replay_bytes_max = proxy->config->limits.replay_bytes_max;
    rng_seed(&proxy->rng, environment->seed);
    list_init(&proxy->connected);
    transport_reaper_init(&proxy->reaper, proxy->wheel);
    refresh_wall(proxy);
    overload_init(proxy);
    create_spare(proxy);
    if (proxy->tallies) {
        proxy->latencies = state_latencies(proxy->state, environment->worker);
        proxy->route_exchanges = state_route_exchanges(proxy->state, environment->worker);
        proxy->route_durations = state_route_durations(proxy->state, environment->worker);
        proxy->hedges = state_hedges(proxy->state, environment->worker);
    }
    if (!proxy->tallies || !queues_create(proxy) || !create_slabs(proxy) ||
        !create_upstreams(proxy))
        return NULL;
    removal_init(proxy);
    scarcity_init(proxy);
    uploads_init(proxy);
    proxy_adopt(proxy, environment->snapshot);
    return proxy;
}

static void watch_backends(struct proxy *proxy)
{
    const struct snapshot *snapshot = proxy->snapshot;
    for (u32 i = 0; i < snapshot->config->backend_count; i++)
        state_backend_watch(proxy->state, proxy->worker, snapshot->backend_slots[i],
                            snapshot->watched[i]);
}

static void limit_backends(struct proxy *proxy)
{
    const struct snapshot *snapshot = proxy->snapshot;
    for (u32 i = 0; i < snapshot->config->backend_count; i++)
        if (snapshot->config->backends[i].connections_max > 0)
            upstreams_limit(proxy->upstreams, snapshot->backend_slots[i],
                            snapshot->config->backends[i].connections_max);
}

bool proxy_adoptable(const struct config *first, const struct config *next)
{
    return block_bytes(next) <= block_bytes(first);
}

void proxy_adopt(struct proxy *proxy, struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    ASSERT(block_bytes(config) <= proxy->exchange_block_bytes);
    snapshot_pin(snapshot, proxy->worker);
    if (proxy->snapshot)
        snapshot_unpin(proxy->snapshot, proxy->worker);
    proxy->snapshot = snapshot;
    proxy->config = config;
    proxy->sample_threshold = sample_threshold(config->logging.access_sample);
    overload_adopt(proxy);
    upstreams_adopt(proxy->upstreams, &config->upstream, snapshot->backend_slots,
                    config->backend_count);
    watch_backends(proxy);
    limit_backends(proxy);
    queues_adopt(proxy);
    removal_adopt(proxy);
}

void proxy_destroy(struct proxy *proxy)
{
    ASSERT(proxy_quiet(proxy));
    removal_stop(proxy);
    scarcity_stop(proxy);
    uploads_stop(proxy);
    transport_reaper_stop(&proxy->reaper);
    overload_deinit(proxy);
    snapshot_unpin(proxy->snapshot, proxy->worker);
    upstreams_destroy(proxy->upstreams);
    queues_destroy(proxy);
    slab_deinit(&proxy->clients);
    slab_deinit(&proxy->exchanges);
    slab_deinit(&proxy->inboxes);
    slab_deinit(&proxy->blocks);
    slab_deinit(&proxy->replays);
    slab_deinit(&proxy->rivals);
    struct arena arena = proxy->arena; /* the proxy itself lives in it */
    arena_deinit(&arena);
}

/* ---- Running ---- */

void proxy_accept(struct proxy *proxy, int fd, const struct config_listener *listener)
{
    if (proxy->stopped)
        ring_close(proxy->ring, fd, true);
    else
        client_start(proxy, fd, listener, false);
}

void proxy_accept_given(struct proxy *proxy, int fd, bool proxy_header)
{
    proxy->counters.clients_taken++;
    if (proxy->stopped)
        ring_close(proxy->ring, fd, true);
    else
        client_start(proxy, fd, NULL, proxy_header);
}

void proxy_gave_away(struct proxy *proxy)
{
    proxy->counters.clients_given++;
}

struct proxy_load proxy_load(const struct proxy *proxy)
{
    u32 clients = proxy->clients.in_use;
    u32 slots = proxy->clients.item_count - clients;
    return (struct proxy_load){
        .busy = clients - proxy->asked + proxy->exchanges.in_use,
        .clients = clients,
        .room = UNLIKELY(proxy_is_full(proxy)) ? 0 : min_u32(slots, proxy_room(proxy)),
    };
}

void proxy_accept_failed(struct proxy *proxy, i32 error)
{
    char scratch[16], what[64];
    (void)snprintf(what, sizeof(what), "accepting a connection failed with %s",
                   log_errno_name(error, scratch));
    proxy->counters.accepts_failed++;
    record_refusal(proxy, what);
}

struct slice proxy_date(struct proxy *proxy)
{
    u64 second = proxy_wall_ns(proxy) / NS_PER_S;
    if (second != proxy->date_second) {
        proxy->date_second = second;
        http_date_format(second, proxy->date);
    }
    return slice_of(proxy->date, HTTP_DATE_BYTES);
}

void proxy_after_turn(struct proxy *proxy)
{
    queues_run(proxy);
    transport_reap(&proxy->reaper);
    overload_after_turn(proxy);
    scarcity_after_turn(proxy);
    proxy->last_responses =
        proxy->draining || overload_does(&proxy->overload, OVERLOAD_NO_KEEP_ALIVE);
    if (proxy_now_ns(proxy) >= proxy->wall_refresh_ns)
        refresh_wall(proxy);
    if (proxy->draining && proxy_now_ns(proxy) >= proxy->drain_deadline_ns)
        proxy_stop(proxy);
}

static void begin_end(struct proxy *proxy, u64 deadline_ns)
{
    proxy->draining = true;
    proxy->last_responses = true;
    proxy->drain_deadline_ns = deadline_ns;
    upstreams_drain(proxy->upstreams);
}

void proxy_drain(struct proxy *proxy, u64 deadline_ns)
{
    begin_end(proxy, deadline_ns);
    list_each (node, following, &proxy->connected)
        client_drain(container_of(node, struct client, node));
}

void proxy_retire(struct proxy *proxy, u64 deadline_ns)
{
    begin_end(proxy, deadline_ns);
    proxy->retiring = true;
}

void proxy_stop(struct proxy *proxy)
{
    bool reset = !proxy->retiring; /* idle ones may only be late in going */
    begin_end(proxy, UINT64_MAX);
    proxy->retiring = false;
    proxy->stopped = true;
    list_each (node, following, &proxy->connected) {
        struct client *client = container_of(node, struct client, node);
        if (client->exchange)
            exchange_cancel(client->exchange, FAULT_STOPPING);
        else
            client_close(client, reset);
    }
}

bool proxy_quiet(const struct proxy *proxy)
{
    return proxy->clients.in_use == 0 && upstreams_count(proxy->upstreams) == 0;
}

/* The worker goes on writing, plainly, so that counting stays one instruction: a figure of 64 bits
 * is read whole, and volatile keeps the compiler from reading it twice. */
static void copy_figures(u64 *to, const u64 *from, usize bytes)
{
    for (usize i = 0; i < bytes / sizeof(u64); i++)
        to[i] = *(const volatile u64 *)&from[i];
}

static u64 in_use(const struct slab *slab)
{
    return *(const volatile u32 *)&slab->in_use;
}

/* What was handed out once, and what of that is not in use: ready to be used again. */
static void add_memory(struct proxy_figures *sum, const struct slab *slab)
{
    u64 fresh = *(const volatile u32 *)&slab->fresh;
    sum->touched_bytes += fresh * slab->item_bytes;
    sum->spare_bytes += (fresh - min_u64(in_use(slab), fresh)) * slab->item_bytes;
}

static void read_memory(const struct proxy *proxy, struct proxy_figures *out)
{
    const struct ring_stats *ring = &out->ring;
    u64 touched = ring->leases - min_u64(ring->leases_free_min, ring->leases);
    out->touched_bytes = touched * LEASE_BYTES;
    out->spare_bytes = (touched - min_u64(ring->leases_held, touched)) * LEASE_BYTES;
    add_memory(out, &proxy->clients);
    add_memory(out, &proxy->exchanges);
    add_memory(out, &proxy->blocks);
    add_memory(out, &proxy->inboxes);
}

void proxy_figures_read(const struct proxy *proxy, struct proxy_figures *out)
{
    copy_figures((u64 *)(void *)&out->counters, (const u64 *)(const void *)&proxy->counters,
                 sizeof(out->counters));
    ring_stats(proxy->ring, &out->ring);
    out->clients = in_use(&proxy->clients);
    out->exchanges = in_use(&proxy->exchanges);
    out->upstreams = upstreams_count(proxy->upstreams);
    out->overload = *(const volatile u8 *)&proxy->overload.stage;
    read_memory(proxy, out);
}

void proxy_counters_add(struct proxy_counters *sum, const struct proxy_counters *one)
{
    u64 *to = (u64 *)(void *)sum;
    const u64 *from = (const u64 *)(const void *)one;
    for (usize i = 0; i < sizeof(*sum) / sizeof(u64); i++)
        to[i] += from[i];
}

const struct proxy_counters *proxy_counters(const struct proxy *proxy)
{
    return &proxy->counters;
}
