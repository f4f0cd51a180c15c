/*
 * How long control waits for the workers when they are to end. They have a time of their own for
 * that, timeouts.drain; but one that is stuck does not look at any clock, so this one has the last
 * word.
 *
 * Only time in which control looks counts, more or less: a process that was stopped as a whole
 * (SIGSTOP, a machine that was moved) finds that much of it has passed, in which no worker could
 * have ended.
 */
#ifndef NEXTPROXY_CONTROL_STOP_CLOCK_H
#define NEXTPROXY_CONTROL_STOP_CLOCK_H

#include "base/types.h"

struct stop_clock {
    u64 left_ns; /* UINT64_MAX = nobody is to end */
    u64 looked_ns;
};

void stop_clock_init(struct stop_clock *clock);
/* The workers have so much time from now on. One that runs already is only made shorter. */
void stop_clock_begin(struct stop_clock *clock, u64 now_ns, u64 time_ns);
/* Whether it is over. To be asked after each turn of control's loop. */
MUST_CHECK bool stop_clock_over(struct stop_clock *clock, u64 now_ns);
/* When it must be asked at the latest. */
u64 stop_clock_deadline_ns(const struct stop_clock *clock);

#endif
