/* See state_restore.h. */
#include "control/state_restore.h"

#include "base/clock.h"

struct restoring {
    const struct state_restore *from;
    const struct snapshot *snapshot;
    struct health *health;
    struct state_restored restored;
};

/* ---- What is kept of a backend ---- */

/* Its entries, one for each address, which stand together. */
struct run {
    const struct config_kept_backend *at;
    u32 count;
};

static bool is_of(const struct config_kept_backend *entry, const struct config_backend *backend)
{
    return slice_equal(entry->id, backend->id) && slice_equal(entry->url, backend->url);
}

/* Looked for from `*at` on, where it is unless backends have come or gone. */
static struct run run_find(const struct config_kept *kept, const struct config_backend *backend,
                           u32 *at)
{
    for (u32 i = 0; i < kept->backend_count; i++) {
        u32 first = (*at + i) % kept->backend_count, end = first;
        while (end < kept->backend_count && is_of(&kept->backends[end], backend))
            end++;
        if (end == first)
            continue;
        *at = end;
        return (struct run){&kept->backends[first], end - first};
    }
    return (struct run){NULL, 0};
}

/* NULL when there is none, or it is not clear whose it is. `alone`: the backend has no other
 * address. */
static const struct config_kept_backend *
run_health(const struct run *run, const struct config_backend *backend, bool alone)
{
    char text[ADDRESS_TEXT_BYTES] = "";
    if (backend->name.len > 0 && backend->address.len > 0)
        address_format(&backend->address, text);
    for (u32 i = 0; i < run->count; i++) {
        struct slice address = run->at[i].address;
        if (address.len > 0 ? slice_equal(address, slice_of_string(text))
                            : alone && run->count == 1)
            return &run->at[i];
    }
    return NULL;
}

/* ---- Giving it ---- */

static void restore_marks(struct restoring *restoring, const struct run *run, u32 slot)
{
    struct state *state = restoring->snapshot->state;
    bool draining = false, maintenance = false;
    for (u32 i = 0; i < run->count; i++) {
        draining |= run->at[i].draining;
        maintenance |= run->at[i].maintenance;
    }
    if (draining)
        state_backend_mark(state, slot, STATE_DRAINING, true);
    if (maintenance)
        state_backend_mark(state, slot, STATE_MAINTENANCE, true);
    restoring->restored.marks += draining || maintenance;
}

static void restore_health(struct restoring *restoring, const struct config_kept_backend *kept,
                           u32 slot)
{
    static const enum health_state states[] = {
        [CONFIG_KEPT_UNKNOWN] = HEALTH_UNKNOWN,
        [CONFIG_KEPT_HEALTHY] = HEALTH_HEALTHY,
        [CONFIG_KEPT_UNHEALTHY] = HEALTH_UNHEALTHY,
    };
    const struct state_restore *from = restoring->from;
    u64 age_ms_max = from->health_age_ms_max;
    if (kept->health == CONFIG_KEPT_UNKNOWN)
        return;
    if (from->age_ms > age_ms_max || kept->health_age_ms > age_ms_max - from->age_ms) {
        restoring->restored.stale++;
        return;
    }
    health_restore(restoring->health, slot, states[kept->health],
                   (from->age_ms + kept->health_age_ms) * NS_PER_MS);
    restoring->restored.health++;
}

static bool is_alone(const struct config *config, u32 i)
{
    struct slice id = config->backends[i].id;
    bool follows = i > 0 && slice_equal(config->backends[i - 1].id, id);
    return !follows &&
           !(i + 1 < config->backend_count && slice_equal(config->backends[i + 1].id, id));
}

struct state_restored state_restore(const struct state_restore *from,
                                    const struct snapshot *snapshot, struct health *health)
{
    struct restoring restoring = {.from = from, .snapshot = snapshot, .health = health};
    const struct config *config = snapshot->config;
    struct run run = {NULL, 0};
    u32 at = 0;
    for (u32 i = 0; i < config->backend_count; i++) {
        const struct config_backend *backend = &config->backends[i];
        if (run.count == 0 || !is_of(run.at, backend))
            run = run_find(from->kept, backend, &at);
        const struct config_kept_backend *known = run_health(&run, backend, is_alone(config, i));
        restore_marks(&restoring, &run, snapshot->backend_slots[i]);
        if (known)
            restore_health(&restoring, known, snapshot->backend_slots[i]);
    }
    return restoring.restored;
}
