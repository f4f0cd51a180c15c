/*
 * Passive checks, control's part: the time of an ejection, what probes have to do with it, and what
 * the log says of that and of panic. Workers open and close circuits themselves, see
 * src/proxy/outcome.c and include/state/circuit.h.
 */
#include "health/circuits.h"

#include <stdio.h>

#include "base/clock.h"

enum { MESSAGE_BYTES = 192 };

static bool wanted(const struct health *health, enum log_severity severity)
{
    return health->with.log && severity >= health->snapshot->config->logging.severity_min;
}

static void write_event(struct health *health, struct log_event event, const char *message)
{
    event.wall_ns = clock_wall_ns();
    event.message = slice_of_string(message);
    (void)log_event_write(health->with.log, &event); /* a full buffer counts what it drops */
}

static void say(struct health *health, u32 backend, const char *message)
{
    const struct config_backend *config = &health->snapshot->config->backends[backend];
    const struct log_event event = {
        .severity = LOG_INFO,
        .type = SLICE("passive_check"),
        .backend_id = config->id,
        .url = config->url,
    };
    if (wanted(health, LOG_INFO))
        write_event(health, event, message);
}

static void on_time_over(struct health *health, u32 slot)
{
    const struct snapshot *snapshot = health->snapshot;
    for (u32 i = 0; i < snapshot->config->backend_count; i++)
        if (snapshot->backend_slots[i] == slot)
            say(health, i, "Backend may be tried: the time of its ejection is over");
}

/* ---- Panic ---- */

static void say_panic(struct health *health, const struct config_route *route,
                      struct snapshot_tallies tallies)
{
    char message[MESSAGE_BYTES];
    enum log_severity severity = tallies.panic ? LOG_WARN : LOG_INFO;
    const struct log_event event = {
        .severity = severity,
        .type = SLICE("panic"),
        .route = route->id,
    };
    if (!wanted(health, severity))
        return;
    (void)snprintf(message, sizeof(message),
                   tallies.panic ? "%u of %u backends are usable, fewer than panicThreshold "
                                   "allows: all of them are used"
                                 : "%u of %u backends are usable: only these are used again",
                   tallies.up, tallies.judged);
    write_event(health, event, message);
}

static void watch_panic(struct health *health)
{
    const struct snapshot *snapshot = health->snapshot;
    u64 changes = state_changes(snapshot->state);
    if (changes == health->changes_seen)
        return;
    health->changes_seen = changes;
    for (u32 i = 0; i < snapshot->config->route_count; i++) {
        const struct config_route *route = &snapshot->config->routes[i];
        struct snapshot_tallies tallies = snapshot_pool_tallies(snapshot, route->pool);
        u8 *panic = &health->panic[snapshot->route_slots[i]];
        if (*panic == tallies.panic)
            continue;
        *panic = (u8)tallies.panic;
        say_panic(health, route, tallies);
    }
}

/* The slot of a route that is gone may be another's next, which never was in panic. */
static void forget_gone(struct health *health, const struct snapshot *next)
{
    enum { GONE = 2 };
    const struct snapshot *before = health->snapshot;
    u32 count = before ? before->config->route_count : 0;
    for (u32 i = 0; i < count; i++)
        health->panic[before->route_slots[i]] |= GONE;
    for (u32 i = 0; i < next->config->route_count; i++)
        health->panic[next->route_slots[i]] &= (u8)~GONE;
    for (u32 i = 0; i < count; i++)
        if (health->panic[before->route_slots[i]] & GONE)
            health->panic[before->route_slots[i]] = 0;
}

/* ---- Called by the checks ---- */

void circuits_move(struct health *health, struct snapshot *snapshot)
{
    forget_gone(health, snapshot);
    health->snapshot = snapshot;
}

void circuits_tick(struct health *health, u64 now_ns)
{
    if (!health->snapshot)
        return;
    struct state *state = health->snapshot->state;
    u32 slot;
    while ((slot = state_circuits_tick(state, now_ns)) != STATE_SLOT_NONE)
        on_time_over(health, slot);
    watch_panic(health);
}

u64 circuits_deadline_ns(const struct health *health)
{
    return health->snapshot ? state_circuits_deadline_ns(health->snapshot->state) : UINT64_MAX;
}

void circuits_probed(const struct check *check, bool good)
{
    struct health *health = check->health;
    u32 slot = (u32)(check - health->at);
    u32 needed = check_backend(check)->health_check.healthy_threshold;
    char message[MESSAGE_BYTES];
    if (!state_circuit_probe(health->snapshot->state, slot, good, needed))
        return;
    (void)snprintf(message, sizeof(message),
                   "Backend may be tried before the time of its ejection is over: %u good probe%s "
                   "in a row",
                   needed, needed == 1 ? "" : "s");
    say(health, check->backend, message);
}

void circuits_follow(struct health *health)
{
    const struct snapshot *snapshot = health->snapshot;
    char message[MESSAGE_BYTES];
    for (u32 i = 0; i < snapshot->config->backend_count; i++)
        if (!snapshot->config->backends[i].passive_check.enabled &&
            state_circuit_close(snapshot->state, snapshot->backend_slots[i]))
            say(health, i, "Backend was ejected, and counts as usable now: passiveCheck is off");
    if (snapshot->returned > 0 && wanted(health, LOG_INFO)) {
        const struct log_event event = {.severity = LOG_INFO, .type = SLICE("passive_check")};
        (void)snprintf(message, sizeof(message),
                       "%u ejected backends are back: maxEjectionPercent allows fewer now",
                       snapshot->returned);
        write_event(health, event, message);
    }
    health->changes_seen = UINT64_MAX; /* pools are others: look at all */
}
