/* See machine.h; the diagram is in include/health.h. */
#include "health/machine.h"

#include "base/clock.h"

enum {
    BACKOFF_AFTER = 3, /* failed probes of a backend that is down: a restart takes as long */
    BACKOFF_DOUBLINGS_MAX = 20,
    SPREAD_MS = 10,
    SPREAD_STEPS = 1024,
    JITTER_SHARE = 8,
    BATCHES = 32,
};

static u32 needed(const struct health_machine *machine, const struct config_health_check *check,
                  bool good)
{
    if (!good)
        return check->unhealthy_threshold;
    return machine->state == HEALTH_UNKNOWN ? 1 : check->healthy_threshold;
}

static bool agrees(const struct health_machine *machine, bool good)
{
    return machine->state == (good ? HEALTH_HEALTHY : HEALTH_UNHEALTHY);
}

enum health_change health_machine_step(struct health_machine *machine,
                                       const struct config_health_check *check, bool good)
{
    if (agrees(machine, good)) {
        machine->against = 0;
        if (!good && machine->lasting < UINT32_MAX)
            machine->lasting++;
        return HEALTH_SAME;
    }
    machine->lasting = 0;
    machine->against++;
    if (machine->against < needed(machine, check, good))
        return HEALTH_SAME;
    *machine = (struct health_machine){.state = good ? HEALTH_HEALTHY : HEALTH_UNHEALTHY};
    return good ? HEALTH_WENT_UP : HEALTH_WENT_DOWN;
}

u32 health_machine_wait_ms(const struct health_machine *machine,
                           const struct config_health_check *check)
{
    if (machine->against > 0)
        return check->fast_interval_ms;
    if (machine->lasting <= BACKOFF_AFTER)
        return machine->state == HEALTH_UNHEALTHY ? check->fast_interval_ms : check->interval_ms;
    u32 doublings = min_u32(machine->lasting - BACKOFF_AFTER, BACKOFF_DOUBLINGS_MAX);
    u64 wait_ms = (u64)check->interval_ms << doublings;
    return (u32)min_u64(wait_ms, max_u32(check->interval_ms, check->interval_max_ms));
}

u64 health_next_ns(u64 started_ns, u64 wait_ns, struct rng *rng)
{
    u64 batch_ns = wait_ns / BATCHES;
    u64 earlier_ns = batch_ns * rng_below(rng, BATCHES / JITTER_SHARE);
    u64 next_ns = started_ns + wait_ns - earlier_ns;
    return next_ns - next_ns % batch_ns;
}

u64 health_spread_ns(u32 backends, u32 interval_ms, struct rng *rng)
{
    u64 spread_ms = min_u64((u64)backends * SPREAD_MS, interval_ms);
    return spread_ms * NS_PER_MS / SPREAD_STEPS * rng_below(rng, SPREAD_STEPS);
}
