/*
 * When something runs out: each turn the worker compares what it has in use with bounds that were
 * worked out from the configuration, and moves to a stage. Up at once; down one stage at a time,
 * when so much less is in use that it will not be back in a moment.
 *
 * Clients and descriptors are the worker's own: descriptors are divided among the workers, which
 * have about as many clients each (worker/team.c), so nobody has to ask anybody. Memory is the
 * process'; control looks after it.
 *
 * Idle clients are closed by age without a list of them in order, which every request would have to
 * keep up: rounds over all clients, a few in each turn, close those older than a limit; a round
 * that does not find enough lowers the limit to a quarter. In the first round that is their
 * timeout, so that only those are closed that have begun a head and do not end it.
 */
#include <stdio.h>

#include "base/clock.h"
#include "proxy/proxy_internal.h"

enum {
    LIMIT_MIN = 20, /* below it, percentages say nothing: what is used up is used up */
    STEP_DOWN_MS = 100,
    TICK_MS = 10,
    LOOKED_AT_PER_TURN = 256,
    AGE_SHIFT = 2,
    FRESH_MS = 1000,
    MEMORY_SHARE_SHIFT = 5, /* of the idle clients, for want of memory, each time ... */
    MEMORY_MS = 200,        /* ... after which control has looked at it again */
    PERMILLE = 1000,
};
#define NEVER UINT32_MAX

static const struct {
    const char *name;
    const char *what; /* is done, for the log */
} stages[OVERLOAD_STAGES] = {
    [OVERLOAD_NONE] = {"none", "all is served as usual"},
    [OVERLOAD_NO_KEEP_ALIVE] = {"dropKeepAlive", "each response is its connection's last"},
    [OVERLOAD_CLOSE_IDLE] =
        {"closeIdle", "clients that do not end a head, or have been idle for longest, are closed"},
    [OVERLOAD_REFUSE] = {"refuse", "requests are answered 503"},
    [OVERLOAD_NO_ACCEPT] = {"stopAccepting", "new connections wait in the kernel's queue"},
};

static const char *const resources[OVERLOAD_RESOURCES] = {
    [OVERLOAD_CLIENTS] = "of limits.clients",
    [OVERLOAD_FILES] = "of this worker's file descriptors",
    [OVERLOAD_MEMORY] = "per mille of limits.memoryBytes",
};

const char *overload_stage_name(enum overload_stage stage)
{
    return stages[stage].name;
}

/* ---- Bounds ---- */

static u32 share(u32 limit, u32 percent)
{
    return (u32)(((u64)limit * percent + 99) / 100);
}

void overload_bounds_set(struct overload_bounds *bounds, const struct config_overload *config,
                         u32 limit)
{
    const u32 percent[OVERLOAD_STAGES] = {
        [OVERLOAD_NO_KEEP_ALIVE] = config->no_keep_alive,
        [OVERLOAD_CLOSE_IDLE] = config->close_idle,
        [OVERLOAD_REFUSE] = config->refuse,
        [OVERLOAD_NO_ACCEPT] = config->no_accept,
    };
    u32 gap = max_u32(1, share(limit, config->recovery));
    for (u32 stage = 1; stage < OVERLOAD_STAGES; stage++) {
        u32 enter = limit < LIMIT_MIN || percent[stage] == 0 ? NEVER : share(limit, percent[stage]);
        bounds->enter[stage] = enter;
        bounds->leave[stage] = enter == NEVER ? NEVER : enter > gap ? enter - gap : 1;
    }
}

u32 overload_bounds_stage(const struct overload_bounds *bounds, u32 stage, u32 used)
{
    u32 next = OVERLOAD_STAGES - 1;
    while (next > OVERLOAD_NONE &&
           used < (next > stage ? bounds->enter[next] : bounds->leave[next]))
        next--;
    return next;
}

static bool is_configured(const struct overload *overload, u32 stage)
{
    for (u32 i = 0; i < OVERLOAD_RESOURCES; i++)
        if (overload->bounds[i].enter[stage] != NEVER)
            return true;
    return false;
}

static void choose_measures(struct overload *overload)
{
    overload->measures = 0;
    for (u32 stage = 1; stage <= overload->stage; stage++)
        if (is_configured(overload, stage))
            overload->measures |= (u8)(1u << stage);
}

void overload_adopt(struct proxy *proxy)
{
    struct overload *overload = &proxy->overload;
    const u32 limits[OVERLOAD_RESOURCES] = {
        [OVERLOAD_CLIENTS] = proxy->clients.item_count,
        [OVERLOAD_FILES] = overload->budget.files,
        [OVERLOAD_MEMORY] = overload->budget.memory_permille > 0 ? PERMILLE : 0,
    };
    for (u32 i = 0; i < OVERLOAD_RESOURCES; i++) {
        struct overload_bounds *bounds = &overload->bounds[i];
        overload_bounds_set(bounds, &proxy->config->overload, limits[i]);
        overload->alarm[i] = NEVER;
        for (u32 stage = 1; stage < OVERLOAD_STAGES; stage++)
            overload->alarm[i] = min_u32(overload->alarm[i], bounds->enter[stage]);
    }
    choose_measures(overload);
}

void proxy_budget_changed(struct proxy *proxy, struct overload_budget budget)
{
    struct overload *overload = &proxy->overload;
    if (LIKELY(budget.files == overload->budget.files &&
               budget.memory_permille == overload->budget.memory_permille))
        return;
    overload->budget = budget;
    overload_adopt(proxy);
}

/* ---- Closing idle clients ---- */

static u32 used_of(const struct proxy *proxy, enum overload_resource resource)
{
    switch (resource) {
    case OVERLOAD_CLIENTS:
        return proxy->clients.in_use;
    case OVERLOAD_FILES:
        return proxy->clients.in_use + upstreams_count(proxy->upstreams) +
               2 * ring_pipes(proxy->ring);
    case OVERLOAD_MEMORY:
        return proxy->overload.budget.memory_permille;
    case OVERLOAD_RESOURCES:
        break;
    }
    ASSERT(false);
    return 0;
}

/* How much less is to be in use. */
static u32 excess(const struct proxy *proxy, enum overload_resource resource)
{
    u32 used = used_of(proxy, resource);
    u32 leave = proxy->overload.bounds[resource].leave[OVERLOAD_CLOSE_IDLE];
    return used >= leave ? used - leave + 1 : 0;
}

/* How many clients are to be closed now, besides those that are being closed. Connections to
 * backends that nobody uses are closed before them, where it is about descriptors. */
static u32 to_close(struct proxy *proxy)
{
    struct overload *overload = &proxy->overload;
    u32 files = excess(proxy, OVERLOAD_FILES);
    if (files > 0)
        files -= upstreams_shed(proxy->upstreams, files);
    u32 wanted = max_u32(files, excess(proxy, OVERLOAD_CLIENTS));
    u32 memory_leave = overload->bounds[OVERLOAD_MEMORY].leave[OVERLOAD_CLOSE_IDLE];
    if (overload->budget.memory_permille >= memory_leave &&
        proxy_now_ns(proxy) >= overload->memory_ns + MEMORY_MS * NS_PER_MS) {
        wanted = max_u32(wanted, (proxy->clients.in_use >> MEMORY_SHARE_SHIFT) + 1);
        overload->memory_ns = proxy_now_ns(proxy);
    }
    return wanted > overload->closing ? wanted - overload->closing : 0;
}

/* A client that has not asked for anything yet is given a moment: its request is on its way, and it
 * would be at a loss, while one that comes back to a closed connection opens another. So is a head
 * that has begun; but who takes longer for it has no claim to more. */
static bool waits_too_long(const struct client *client, u32 age_limit_ms)
{
    const struct config_timeouts *timeouts = &client->proxy->config->timeouts;
    bool begun = client->state == CLIENT_HEAD || client->state == CLIENT_PROXY_HEADER;
    bool fresh = client->state == CLIENT_IDLE && !client->asked;
    u64 timeout_ms = begun || fresh ? timeouts->request_head_ms : timeouts->keep_alive_ms;
    if (begun)
        age_limit_ms = FRESH_MS;
    else if (client->state != CLIENT_IDLE)
        return false;
    else if (fresh)
        age_limit_ms = max_u32(age_limit_ms, FRESH_MS);
    u64 now_ns = proxy_now_ns(client->proxy);
    u64 left_ns = client->timer.deadline_ns > now_ns ? client->timer.deadline_ns - now_ns : 0;
    return left_ns + age_limit_ms * NS_PER_MS <= timeout_ms * NS_PER_MS;
}

/* Who was looked at goes to the end of the list, so that the next turn goes on where this ends. */
static void sweep(struct proxy *proxy)
{
    struct overload *overload = &proxy->overload;
    u32 wanted = to_close(proxy);
    u32 looks = wanted > 0 ? min_u32(LOOKED_AT_PER_TURN, proxy->clients.in_use) : 0;
    for (u32 i = 0; i < looks && wanted > 0; i++) {
        struct list *node = list_pop_front(&proxy->connected);
        struct client *client = container_of(node, struct client, node);
        list_push_back(&proxy->connected, node);
        overload->looked_at++;
        if (!waits_too_long(client, overload->age_limit_ms) || !client_close_waiting(client))
            continue;
        client->shed = true;
        overload->closing++;
        proxy->counters.clients_shed++;
        wanted--;
    }
    if (overload->looked_at < proxy->clients.in_use)
        return;
    overload->looked_at = 0;
    if (wanted > 0)
        overload->age_limit_ms >>= AGE_SHIFT;
}

void overload_client_gone(struct proxy *proxy)
{
    ASSERT(proxy->overload.closing > 0);
    proxy->overload.closing--;
}

static void on_tick(struct wheel_timer *timer)
{
    struct overload *overload = container_of(timer, struct overload, timer);
    struct proxy *proxy = container_of(overload, struct proxy, overload);
    wheel_set(proxy->wheel, timer, proxy_now_ns(proxy) + TICK_MS * NS_PER_MS);
}

/* ---- Stages ---- */

/* One down, towards `stage`; what is configured never to be done is no stage. */
static u32 stage_below(const struct overload *overload, u32 stage)
{
    u32 next = overload->stage - 1u;
    while (next > stage && !is_configured(overload, next))
        next--;
    return next;
}

/* What is scarcest when a stage begins: of whatever has passed its bound. */
static enum overload_resource scarcest(const struct proxy *proxy, u32 stage)
{
    const struct overload_bounds *bounds = proxy->overload.bounds;
    for (u32 i = 0; i < OVERLOAD_RESOURCES; i++)
        if (used_of(proxy, (enum overload_resource)i) >= bounds[i].enter[stage])
            return (enum overload_resource)i;
    return OVERLOAD_CLIENTS;
}

static void move(struct proxy *proxy, u32 stage)
{
    struct overload *overload = &proxy->overload;
    char why[96] = "";
    if (stage > overload->stage) {
        enum overload_resource resource = scarcest(proxy, stage);
        (void)snprintf(why, sizeof(why), " (%u %s in use)", used_of(proxy, resource),
                       resources[resource]);
    }
    record_overload(proxy, (enum overload_stage)stage, stages[stage].what, why);
    if (stage > overload->stage)
        overload->age_limit_ms = proxy->config->timeouts.keep_alive_ms;
    overload->stage = (u8)stage;
    choose_measures(overload);
    overload->moved_ns = proxy_now_ns(proxy);
    proxy->counters.overload_changes++;
    if (stage == OVERLOAD_NONE)
        wheel_clear(proxy->wheel, &overload->timer);
    else if (overload->timer.deadline_ns == 0)
        on_tick(&overload->timer);
}

/* Nothing is near its first stage: what a turn usually finds. */
static bool is_calm(const struct proxy *proxy)
{
    const u32 *alarm = proxy->overload.alarm;
    u32 clients = proxy->clients.in_use;
    return proxy->overload.stage == OVERLOAD_NONE && clients < alarm[OVERLOAD_CLIENTS] &&
           used_of(proxy, OVERLOAD_FILES) < alarm[OVERLOAD_FILES] &&
           proxy->overload.budget.memory_permille < alarm[OVERLOAD_MEMORY];
}

void overload_after_turn(struct proxy *proxy)
{
    struct overload *overload = &proxy->overload;
    u32 stage = OVERLOAD_NONE;
    if (LIKELY(is_calm(proxy)))
        return;
    for (u32 i = 0; i < OVERLOAD_RESOURCES; i++)
        stage = max_u32(stage, overload_bounds_stage(&overload->bounds[i], overload->stage,
                                                     used_of(proxy, (enum overload_resource)i)));
    if (LIKELY(stage == OVERLOAD_NONE && overload->stage == OVERLOAD_NONE))
        return;
    u64 settled_ns = overload->moved_ns + STEP_DOWN_MS * NS_PER_MS;
    if (stage > overload->stage)
        move(proxy, stage);
    else if (stage < overload->stage && proxy_now_ns(proxy) >= settled_ns)
        move(proxy, stage_below(overload, stage));
    if (overload_does(overload, OVERLOAD_CLOSE_IDLE))
        sweep(proxy);
}

/* Memory is not among them: it says nothing of how many. */
u32 proxy_room(const struct proxy *proxy)
{
    static const enum overload_resource counted[] = {OVERLOAD_CLIENTS, OVERLOAD_FILES};
    u32 room = UINT32_MAX;
    for (u32 i = 0; i < ARRAY_COUNT(counted); i++) {
        u32 bound = proxy->overload.bounds[counted[i]].enter[OVERLOAD_NO_ACCEPT];
        u32 used = used_of(proxy, counted[i]);
        if (bound != NEVER)
            room = min_u32(room, bound - min_u32(bound, used));
    }
    return room;
}

bool proxy_is_full(const struct proxy *proxy)
{
    return overload_does(&proxy->overload, OVERLOAD_NO_ACCEPT);
}

void overload_init(struct proxy *proxy)
{
    wheel_timer_init(&proxy->overload.timer, on_tick);
}

void overload_deinit(struct proxy *proxy)
{
    wheel_clear(proxy->wheel, &proxy->overload.timer);
}
