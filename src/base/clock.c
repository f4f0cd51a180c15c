/* See include/base/clock.h. */
#include "base/clock.h"

#include <time.h>

#include "base/assert.h"

static u64 clock_read_ns(clockid_t clock)
{
    struct timespec time;
    int failed = clock_gettime(clock, &time);
    ASSERT(failed == 0);
    return (u64)time.tv_sec * NS_PER_S + (u64)time.tv_nsec;
}

u64 clock_monotonic_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

u64 clock_boot_ns(void)
{
    return clock_read_ns(CLOCK_BOOTTIME);
}

u64 clock_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}
