/*
 * The checks, by slot: which backends are probed, when, and what follows from it. A check waits for
 * its timer, then in `due` for a free probe, then for its probe's result.
 */
#include "health.h"

#include "base/clock.h"
#include "health/machine.h"
#include "health/probe.h"
#include "health/record.h"

struct check {
    struct wheel_timer timer;
    struct list node; /* in health.checks */
    struct list due;  /* in health.due, while it waits for a free probe */
    struct health *health;
    struct probe *probe; /* under way; NULL = none */
    u64 started_ns;      /* the last probe */
    struct health_machine machine;
    u32 backend; /* index into the snapshot's */
    u32 round;   /* health.round when it was last wanted */
    bool live;
};

struct health {
    struct health_options with;
    struct snapshot *snapshot; /* NULL before the first, and after the end */
    struct wheel wheel;
    struct transport_reaper reaper;
    struct prober prober;
    struct rng rng;
    struct list checks;
    struct list due;
    u64 probes;
    u32 count;
    u32 round;
    struct check at[STATE_SLOTS_MAX]; /* by slot: touched where something is checked only */
};

static const struct config_backend *backend_of(const struct check *check)
{
    return &check->health->snapshot->config->backends[check->backend];
}

static enum log_severity severity_min(const struct health *health)
{
    return health->snapshot->config->logging.severity_min;
}

/* ---- Results ---- */

/* The next probe, counted from the beginning of the last. */
static void schedule(struct check *check)
{
    struct health *health = check->health;
    u64 wait_ms = health_machine_wait_ms(&check->machine, &backend_of(check)->health_check);
    wheel_set(&health->wheel, &check->timer,
              health_next_ns(check->started_ns, wait_ms * NS_PER_MS, &health->rng));
}

static void on_result(void *user, const struct probe_result *result)
{
    struct check *check = user;
    struct health *health = check->health;
    check->probe = NULL;
    if (result->outcome != PROBE_SKIPPED) {
        struct health_report report = {
            .backend = backend_of(check),
            .result = result,
            .first = check->machine.state == HEALTH_UNKNOWN,
        };
        report.change = health_machine_step(&check->machine, &report.backend->health_check,
                                            result->outcome == PROBE_GOOD);
        if (report.change != HEALTH_SAME)
            snapshot_set_usable(health->snapshot, check->backend, report.change == HEALTH_WENT_UP);
        health_record(health->with.log, severity_min(health), &report);
    }
    schedule(check);
}

/* ---- Probes ---- */

static void on_timer(struct wheel_timer *timer)
{
    struct check *check = container_of(timer, struct check, timer);
    list_push_back(&check->health->due, &check->due);
}

static void start_due(struct health *health, u64 now_ns)
{
    while (!list_empty(&health->due) && !prober_is_full(&health->prober)) {
        struct check *check = container_of(list_pop_front(&health->due), struct check, due);
        check->started_ns = now_ns;
        check->probe = probe_start(&health->prober, backend_of(check), check);
        if (check->probe)
            health->probes++;
        else
            schedule(check); /* out of descriptors: that is no fault of the backend */
    }
}

/* ---- Checks ---- */

static void check_begin(struct health *health, struct check *check)
{
    const struct config *config = health->snapshot->config;
    u32 interval_ms = config->backends[check->backend].health_check.interval_ms;
    check->live = true;
    check->health = health;
    check->machine = (struct health_machine){.state = HEALTH_UNKNOWN};
    list_init(&check->due);
    list_push_back(&health->checks, &check->node);
    health->count++;
    wheel_timer_init(&check->timer, on_timer);
    wheel_set(&health->wheel, &check->timer,
              ring_now_ns(health->with.ring) +
                  health_spread_ns(config->backend_count, interval_ms, &health->rng));
}

/* A shorter interval counts from now on, not after the longer one has passed. */
static void check_hasten(struct check *check)
{
    u64 next_ns = check->timer.deadline_ns;
    if (check->probe || next_ns == 0)
        return; /* is scheduled by the new settings when that is over */
    schedule(check);
    if (check->timer.deadline_ns > next_ns)
        wheel_set(&check->health->wheel, &check->timer, next_ns);
}

static void check_end(struct check *check)
{
    struct health *health = check->health;
    wheel_clear(&health->wheel, &check->timer);
    list_remove(&check->due);
    list_remove(&check->node);
    if (check->probe)
        probe_abandon(check->probe);
    health->count--;
    *check = (struct check){.live = false};
}

static void adopt(struct health *health, u32 backend)
{
    const struct snapshot *snapshot = health->snapshot;
    struct check *check = &health->at[snapshot->backend_slots[backend]];
    check->backend = backend;
    check->round = health->round;
    if (check->live)
        check_hasten(check);
    else
        check_begin(health, check);
}

/* The backend is there, and is not to be checked (any more). */
static void dismiss(struct health *health, u32 backend)
{
    struct check *check = &health->at[health->snapshot->backend_slots[backend]];
    if (!check->live)
        return;
    bool down = check->machine.state == HEALTH_UNHEALTHY;
    check_end(check);
    if (!down)
        return;
    snapshot_set_usable(health->snapshot, backend, true);
    health_record_unchecked(health->with.log, severity_min(health),
                            &health->snapshot->config->backends[backend]);
}

/* Ends the checks of backends that are gone. Nobody judges their slots any more, which may come
 * back while an older snapshot holds them. */
static void end_gone(struct health *health)
{
    list_each (node, following, &health->checks) {
        struct check *check = container_of(node, struct check, node);
        if (check->round == health->round)
            continue;
        if (check->machine.state == HEALTH_UNHEALTHY)
            state_backend_set_usable(health->snapshot->state, (u32)(check - health->at), true);
        check_end(check);
    }
}

void health_follow(struct health *health, struct snapshot *snapshot)
{
    health->snapshot = snapshot;
    health->round++;
    for (u32 i = 0; i < snapshot->config->backend_count; i++)
        if (snapshot->config->backends[i].health_check.enabled)
            adopt(health, i);
        else
            dismiss(health, i);
    end_gone(health);
}

/* ---- Running ---- */

void health_tick(struct health *health, u64 now_ns)
{
    wheel_run(&health->wheel, now_ns);
    transport_reap(&health->reaper);
    start_due(health, now_ns);
}

u64 health_deadline_ns(const struct health *health)
{
    return wheel_next_ns(&health->wheel);
}

void health_stop(struct health *health)
{
    list_each (node, following, &health->checks)
        check_end(container_of(node, struct check, node));
    health->snapshot = NULL;
    transport_reap(&health->reaper);
}

bool health_is_quiet(const struct health *health)
{
    return prober_is_quiet(&health->prober);
}

enum health_state health_state(const struct health *health, u32 slot)
{
    ASSERT(slot < STATE_SLOTS_MAX);
    return (enum health_state)health->at[slot].machine.state;
}

const char *health_state_name(enum health_state state)
{
    static const char *const names[] = {
        [HEALTH_UNKNOWN] = "unknown",
        [HEALTH_HEALTHY] = "healthy",
        [HEALTH_UNHEALTHY] = "unhealthy",
    };
    ASSERT(state < ARRAY_COUNT(names));
    return names[state];
}

u32 health_checks(const struct health *health)
{
    return health->count;
}

u64 health_probes(const struct health *health)
{
    return health->probes;
}

struct health *health_create(const struct health_options *options)
{
    struct health *health = region_reserve(sizeof(*health), false);
    if (!health)
        return NULL;
    health->with = *options;
    list_init(&health->checks);
    list_init(&health->due);
    rng_seed(&health->rng, options->seed);
    wheel_init(&health->wheel, ring_now_ns(options->ring));
    transport_reaper_init(&health->reaper, &health->wheel);
    health->prober = (struct prober){
        .ring = options->ring,
        .wheel = &health->wheel,
        .reaper = &health->reaper,
        .on_result = on_result,
    };
    if (prober_init(&health->prober))
        return health;
    region_release(health, sizeof(*health));
    return NULL;
}

void health_destroy(struct health *health)
{
    ASSERT(health_is_quiet(health));
    prober_deinit(&health->prober);
    region_release(health, sizeof(*health));
}
