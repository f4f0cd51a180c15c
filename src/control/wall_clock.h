/* The wall clock, which anybody may set at any time: its steps, and whether ages are believed. */
#ifndef NEXTPROXY_CONTROL_WALL_CLOCK_H
#define NEXTPROXY_CONTROL_WALL_CLOCK_H

#include "base/types.h"

/* All zero before the first look. */
struct wall_clock {
    u64 offset_ns;   /* wall clock minus time since boot, at the last look; 0 = there was none */
    u64 believed_ns; /* the offset by which files are as old as they say */
    u64 doubted_ns;  /* since when (of boot) another one holds; 0 = none does */
    u64 steps;       /* so far */
};

/* What another process on the same run of the machine may go on with. In milliseconds, as numbers
 * that any reader of JSON can hold; 0 = nothing, as above. */
struct wall_clock_belief {
    u64 believed_ms;
    u64 doubted_ms;
};
struct wall_clock_belief wall_clock_belief(const struct wall_clock *clock);
/* Goes on with it: before the first look. What cannot be, at this time of boot, is left out. */
void wall_clock_recall(struct wall_clock *clock, struct wall_clock_belief belief, u64 boot_ns);

/* Looks at both clocks, which must have been read together: CLOCK_BOOTTIME, which goes on while the
 * machine sleeps, and CLOCK_REALTIME. Returns by how much the wall clock was stepped since the last
 * look, in ns; 0 = not by a second or more. */
i64 wall_clock_look(struct wall_clock *clock, u64 boot_ns, u64 wall_ns);
/* After a step forward by an hour or more everything would look older than it is: no age is to be
 * believed until the clock has gone back, or has stayed there for a day. */
static inline bool wall_clock_doubted(const struct wall_clock *clock)
{
    return clock->doubted_ns > 0;
}

#endif
