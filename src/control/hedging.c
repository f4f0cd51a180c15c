/* When requests of hedged routes are late is worked out here, about once a second. */
#include "base/clock.h"
#include "control/control_internal.h"
#include "control/live.h"
#include "state/hedges.h"

enum { LOOK_MS = 1000 };

void control_hedging_tick(struct control *control, u64 now_ns)
{
    const struct snapshot *snapshot = live_snapshot(control->live);
    const struct config *config = snapshot->config;
    if (now_ns < control->hedging_ns)
        return;
    control->hedging_ns = now_ns + LOOK_MS * NS_PER_MS;
    for (u32 i = 0; i < config->route_count; i++)
        if (config->routes[i].hedged)
            state_hedge_look(snapshot->state, snapshot->route_slots[i],
                             config->routes[i].retry.hedge.percentile);
}

u64 control_hedging_deadline_ns(const struct control *control)
{
    const struct config *config = live_snapshot(control->live)->config;
    return config->hedged ? control->hedging_ns : UINT64_MAX;
}
