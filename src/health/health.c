/*
 * The checks, by slot: which backends are probed, when, and what follows from it. A check waits for
 * its timer, then in `due` for a free probe, then for its probe's result.
 */
#include "health.h"

#include "base/clock.h"
#include "health/circuits.h"
#include "health/health_internal.h"
#include "health/record.h"
#include "health/waiting.h"

enum { LINGER_MS = 1000, LINGER_LOOK_MS = 50 };

static enum log_severity severity_min(const struct health *health)
{
    return health->snapshot->config->logging.severity_min;
}

/* ---- Results ---- */

/* The next probe, counted from the beginning of the last. */
static void schedule(struct check *check)
{
    struct health *health = check->health;
    u64 wait_ms = health_machine_wait_ms(&check->machine, &check_backend(check)->health_check);
    wheel_set(&health->wheel, &check->timer,
              health_next_ns(check->started_ns, wait_ms * NS_PER_MS, &health->rng));
}

static void take_in(struct check *check, const struct probe_result *result)
{
    struct health *health = check->health;
    struct health_report report = {
        .backend = check_backend(check),
        .result = result,
        .first = check->machine.state == HEALTH_UNKNOWN,
    };
    report.change = health_machine_step(&check->machine, &report.backend->health_check,
                                        result->outcome == PROBE_GOOD);
    check->last = *result;
    check->probed_ns = ring_now_ns(health->with.ring);
    check->judged_ns = check->probed_ns;
    if (report.change != HEALTH_SAME)
        check->changed_ns = check->probed_ns;
    health->changes += report.change != HEALTH_SAME;
    if (report.change != HEALTH_SAME)
        state_backend_mark(health->snapshot->state, (u32)(check - health->at), STATE_DOWN,
                           report.change == HEALTH_WENT_DOWN);
    health_record(health->with.log, severity_min(health), &report);
    circuits_probed(check, result->outcome == PROBE_GOOD);
}

/* Says nothing about the backend; but that it is so must not stay unseen. */
static void take_skip(struct check *check, const struct probe_result *result)
{
    struct health *health = check->health;
    struct health_report report = {
        .backend = check_backend(check),
        .result = result,
        .first = check->probed_ns == 0 || check->last.outcome != PROBE_SKIPPED,
    };
    check->last = *result;
    check->probed_ns = ring_now_ns(health->with.ring);
    health_record(health->with.log, severity_min(health), &report);
}

static void conclude(struct check *check, const struct probe_result *result)
{
    if (result->outcome == PROBE_SKIPPED)
        take_skip(check, result);
    else
        take_in(check, result);
    schedule(check);
}

/* What one asked, all its twins know. */
static void on_result(void *user, const struct probe_result *result)
{
    struct check *asker = user;
    asker->probe = NULL;
    list_each (node, following, &asker->twin) {
        struct check *twin = container_of(node, struct check, twin);
        twin->started_ns = asker->started_ns;
        list_remove(&twin->due); /* it may have waited to ask the same */
        conclude(twin, result);
    }
    conclude(asker, result);
}

/* ---- Probes ---- */

static struct prober *prober_of(const struct check *check)
{
    static const u8 probers[CONFIG_PROBE_COUNT] = {
        [CONFIG_PROBE_HTTP] = HEALTH_PROBER_CONNECTIONS,
        [CONFIG_PROBE_TCP] = HEALTH_PROBER_CONNECTIONS,
        [CONFIG_PROBE_SCRIPT] = HEALTH_PROBER_SCRIPTS,
    };
    return &check->health->probers[probers[check_backend(check)->health_check.type]];
}

/* True when the check must not ask, as its last program was killed and has not ended: another one
 * would only hang beside it. That counts as a failure, but not the moment that any end takes. */
static bool is_held_up(struct check *check)
{
    static const struct probe_result failed = {.outcome = PROBE_HELD_UP};
    struct health *health = check->health;
    u64 now_ns = ring_now_ns(health->with.ring);
    const struct probe *last = prober_lingering(prober_of(check), check->question);
    if (!last)
        return false;
    if (now_ns - last->killed_ns < LINGER_MS * NS_PER_MS) {
        wheel_set(&health->wheel, &check->timer, now_ns + LINGER_LOOK_MS * NS_PER_MS);
        return true;
    }
    check->started_ns = now_ns;
    on_result(check, &failed);
    return true;
}

static void on_timer(struct wheel_timer *timer)
{
    struct check *check = container_of(timer, struct check, timer);
    if (is_held_up(check))
        return;
    check->due_ns = ring_now_ns(check->health->with.ring);
    list_push_back(&prober_of(check)->due, &check->due);
}

/* It waits for a twin's probe. */
static void check_rest(struct check *check)
{
    wheel_clear(&check->health->wheel, &check->timer);
    list_remove(&check->due);
}

/* True when the answer to what the check asks is on its way. */
static bool is_asked(const struct check *check)
{
    list_each (node, following, &check->twin)
        if (container_of(node, struct check, twin)->probe)
            return true;
    return check->probe != NULL;
}

/* On behalf of all twins. */
static void ask(struct check *check, u64 now_ns)
{
    struct probe_result why;
    if (is_asked(check) || is_held_up(check))
        return;
    check->started_ns = now_ns;
    check->probe = probe_start(prober_of(check), check_backend(check),
                               (struct probe_asker){check, check->question}, &why);
    if (!check->probe) {
        conclude(check, &why);
        return;
    }
    check->health->probes++;
    list_each (node, following, &check->twin)
        check_rest(container_of(node, struct check, twin));
}

static void start_due(struct health *health, u64 now_ns)
{
    for (u32 i = 0; i < HEALTH_PROBER_COUNT; i++) {
        struct prober *prober = &health->probers[i];
        while (!list_empty(&prober->due) && !prober_is_full(prober))
            ask(container_of(list_pop_front(&prober->due), struct check, due), now_ns);
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
    list_init(&check->twin);
    list_push_back(&health->checks, &check->node);
    health->count++;
    wheel_timer_init(&check->timer, on_timer);
    wheel_set(&health->wheel, &check->timer,
              ring_now_ns(health->with.ring) +
                  health_spread_ns(config->backend_count, interval_ms, &health->rng));
}

/* A shorter interval counts from now on, not after the longer one has passed. First probes stay
 * spread as they are. */
static void check_hasten(struct check *check)
{
    u64 next_ns = check->timer.deadline_ns;
    if (check->probe || next_ns == 0 || check->started_ns == 0)
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
    list_remove(&check->twin);
    if (check->probe)
        probe_abandon(check->probe);
    health->count--;
    *check = (struct check){.live = false};
}

static void adopt(struct health *health, u32 backend)
{
    const struct snapshot *snapshot = health->snapshot;
    struct check *check = &health->at[snapshot->backend_slots[backend]];
    u64 question = twins_question(&snapshot->config->backends[backend]);
    check->backend = backend;
    check->round = health->round;
    if (check->probe && check->question != question) {
        probe_abandon(check->probe); /* the answer would be one to another question */
        check->probe = NULL;
    }
    if (check->live && check->question != question && !list_empty(&check->due)) {
        list_remove(&check->due); /* it may be for another prober now */
        list_push_back(&prober_of(check)->due, &check->due);
    }
    check->question = question;
    if (check->live)
        check_hasten(check);
    else
        check_begin(health, check);
}

/* The backend is there, and is not to be checked (any more). */
static void dismiss(struct health *health, u32 backend)
{
    u32 slot = health->snapshot->backend_slots[backend];
    struct check *check = &health->at[slot];
    if (!check->live)
        return;
    bool down = check->machine.state == HEALTH_UNHEALTHY;
    check_end(check);
    if (!down)
        return;
    state_backend_mark(health->snapshot->state, slot, STATE_DOWN, false);
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
            state_backend_mark(health->snapshot->state, (u32)(check - health->at), STATE_DOWN,
                               false);
        check_end(check);
    }
}

/* A check may have waited for a twin that is gone or asks something else now. */
static void revive(struct health *health)
{
    list_each (node, following, &health->checks) {
        struct check *check = container_of(node, struct check, node);
        if (check->timer.deadline_ns == 0 && list_empty(&check->due) && !is_asked(check))
            wheel_set(&health->wheel, &check->timer, ring_now_ns(health->with.ring));
    }
}

void health_follow(struct health *health, struct snapshot *snapshot)
{
    circuits_move(health, snapshot);
    health->round++;
    for (u32 i = 0; i < snapshot->config->backend_count; i++)
        if (snapshot->config->backends[i].health_check.enabled &&
            snapshot->config->backends[i].address.len > 0)
            adopt(health, i);
        else
            dismiss(health, i);
    end_gone(health);
    twins_find(health);
    revive(health);
    circuits_follow(health);
}

/* ---- Running ---- */

void health_tick(struct health *health, u64 now_ns)
{
    wheel_run(&health->wheel, now_ns);
    transport_reap(&health->reaper);
    start_due(health, now_ns);
    waiting_tick(health, now_ns);
    circuits_tick(health, now_ns);
}

u64 health_deadline_ns(const struct health *health)
{
    u64 deadline_ns = min_u64(wheel_next_ns(&health->wheel), circuits_deadline_ns(health));
    return min_u64(deadline_ns, waiting_deadline_ns(health));
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
    bool quiet = true;
    for (u32 i = 0; i < HEALTH_PROBER_COUNT; i++)
        quiet &= prober_is_quiet(&health->probers[i]);
    return quiet;
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

bool health_last(const struct health *health, u32 slot, struct health_last *out)
{
    const struct check *check = &health->at[slot];
    if (!check->live || check->probed_ns == 0)
        return false;
    *out = (struct health_last){
        .probed_ns = check->probed_ns,
        .changed_ns = check->changed_ns,
        .good = check->last.outcome == PROBE_GOOD,
    };
    char scratch[HEALTH_REASON_BYTES];
    health_detail(&check->last, out->detail);
    struct slice reason = slice_of_string(health_reason(&check->last, scratch));
    memcpy(out->reason, reason.data, min_u32(reason.len, sizeof(out->reason) - 1));
    return true;
}

u64 health_age_ns(const struct health *health, u32 slot)
{
    const struct check *check = &health->at[slot];
    ASSERT(check->machine.state != HEALTH_UNKNOWN);
    return ring_now_ns(health->with.ring) - check->judged_ns;
}

void health_restore(struct health *health, u32 slot, enum health_state state, u64 age_ns)
{
    struct check *check = &health->at[slot];
    if (!check->live || check->machine.state != HEALTH_UNKNOWN || state == HEALTH_UNKNOWN)
        return;
    check->machine.state = (u8)state;
    check->judged_ns = ring_now_ns(health->with.ring) - age_ns;
    if (state == HEALTH_UNHEALTHY)
        state_backend_mark(health->snapshot->state, slot, STATE_DOWN, true);
}

u64 health_changes(const struct health *health)
{
    return health->changes;
}

u32 health_checks(const struct health *health)
{
    return health->count;
}

u64 health_probes(const struct health *health)
{
    return health->probes;
}

struct health_programs health_programs(const struct health *health)
{
    const struct prober *prober = &health->probers[HEALTH_PROBER_SCRIPTS];
    struct health_programs programs = {
        .there = prober->slab.in_use,
    };
    list_each (node, following, &prober->lingering)
        programs.killed++;
    list_each (node, following, &prober->due)
        programs.waiting++;
    return programs;
}

static void probers_deinit(struct health *health, u32 count)
{
    while (count-- > 0)
        prober_deinit(&health->probers[count]);
}

static bool probers_init(struct health *health)
{
    static const struct probe_kind *const kinds[] = {
        [HEALTH_PROBER_CONNECTIONS] = &probe_by_connection,
        [HEALTH_PROBER_SCRIPTS] = &probe_by_script,
    };
    for (u32 i = 0; i < HEALTH_PROBER_COUNT; i++) {
        health->probers[i] = (struct prober){
            .ring = health->with.ring,
            .wheel = &health->wheel,
            .reaper = &health->reaper,
            .kind = kinds[i],
            .on_result = on_result,
        };
        if (!prober_init(&health->probers[i])) {
            probers_deinit(health, i);
            return false;
        }
    }
    return true;
}

struct health *health_create(const struct health_options *options)
{
    struct health *health = region_reserve(sizeof(*health));
    if (!health)
        return NULL;
    health->with = *options;
    list_init(&health->checks);
    rng_seed(&health->rng, options->seed);
    wheel_init(&health->wheel, ring_now_ns(options->ring));
    transport_reaper_init(&health->reaper, &health->wheel);
    if (probers_init(health))
        return health;
    region_release(health, sizeof(*health));
    return NULL;
}

void health_destroy(struct health *health)
{
    ASSERT(health_is_quiet(health));
    probers_deinit(health, HEALTH_PROBER_COUNT);
    region_release(health, sizeof(*health));
}
