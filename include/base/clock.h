/* Time. Monotonic nanoseconds for everything that measures or waits; wall time only for what
 * people read (logs, Date). Workers read the clock once per loop turn and pass `now_ns` down. */
#ifndef NEXTPROXY_BASE_CLOCK_H
#define NEXTPROXY_BASE_CLOCK_H

#include "base/types.h"

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

/* CLOCK_MONOTONIC in nanoseconds. */
u64 clock_monotonic_ns(void);
/* CLOCK_BOOTTIME in nanoseconds: it goes on while the machine sleeps. */
u64 clock_boot_ns(void);
/* CLOCK_REALTIME in nanoseconds since 1970. */
u64 clock_wall_ns(void);

#endif
