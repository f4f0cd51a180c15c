/* See stop_clock.h. */
#include "control/stop_clock.h"

#include "base/clock.h"

enum {
    LOOK_MS = 250,
    COUNTED_MS_MAX = 1000, /* of the time between two looks: what a busy machine makes of one */
};

void stop_clock_init(struct stop_clock *clock)
{
    *clock = (struct stop_clock){.left_ns = UINT64_MAX};
}

void stop_clock_begin(struct stop_clock *clock, u64 now_ns, u64 time_ns)
{
    if (clock->left_ns == UINT64_MAX)
        clock->looked_ns = now_ns;
    clock->left_ns = min_u64(clock->left_ns, time_ns);
}

bool stop_clock_over(struct stop_clock *clock, u64 now_ns)
{
    if (clock->left_ns == UINT64_MAX)
        return false;
    u64 passed_ns = min_u64(now_ns - clock->looked_ns, COUNTED_MS_MAX * NS_PER_MS);
    clock->looked_ns = now_ns;
    clock->left_ns -= min_u64(clock->left_ns, passed_ns);
    return clock->left_ns == 0;
}

u64 stop_clock_deadline_ns(const struct stop_clock *clock)
{
    if (clock->left_ns == UINT64_MAX)
        return UINT64_MAX;
    return clock->looked_ns + min_u64(clock->left_ns, LOOK_MS * NS_PER_MS);
}
