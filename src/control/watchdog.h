/* Control's watch over its workers: which of them are stuck, and what a service manager hears. */
#ifndef NEXTPROXY_CONTROL_WATCHDOG_H
#define NEXTPROXY_CONTROL_WATCHDOG_H

#include "base/types.h"

struct control;
struct watchdog;

/* Watches nobody before watchdog_start(). `manager_us` is how often a service manager wants to hear
 * of us, 0 = it does not. NULL when memory is refused. */
MUST_CHECK struct watchdog *watchdog_create(u64 manager_us);
void watchdog_destroy(struct watchdog *watchdog);
/* The workers serve. */
void watchdog_start(struct control *control, u64 now_ns);
/* After each turn of control's loop: looks, when it is time to. */
void watchdog_tick(struct control *control, u64 now_ns);
/* When tick must be called at the latest (CLOCK_MONOTONIC). */
u64 watchdog_deadline_ns(const struct watchdog *watchdog);
/* There is another worker at this place of control->workers; the one at this place has gone, and
 * the last one takes it. */
void watchdog_came(struct watchdog *watchdog, u32 at);
void watchdog_went(struct watchdog *watchdog, u32 at, u32 last);
/* How many workers do not turn. */
u32 watchdog_stuck(const struct watchdog *watchdog);

#endif
