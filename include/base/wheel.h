/*
 * A timer wheel: one turn of 256 slots of 8.4 ms. Every operation is O(1). (After Varghese and
 * Lauck, "Hashed and Hierarchical Timing Wheels", 1987; one level is enough because of the next
 * paragraph.)
 *
 * Deadlines move far more often than they fire. So a timer is never put further ahead than the
 * wheel's horizon (two seconds), and wheel_set() only stores a deadline that is later than the slot
 * its timer already sits in; when that slot comes up the timer moves on to the right one. A
 * connection that changes its deadline with every request therefore touches no list.
 * A timer is never early, and late by no more than one slot.
 */
#ifndef NEXTPROXY_BASE_WHEEL_H
#define NEXTPROXY_BASE_WHEEL_H

#include "base/list.h"

enum {
    WHEEL_SLOTS = 256,
    WHEEL_TICK_BITS = 23,      /* 2^23 ns = 8.4 ms */
    WHEEL_HORIZON_TICKS = 250, /* below WHEEL_SLOTS, so that a slot holds one turn's timers only */
};

struct wheel_timer {
    struct list node;
    u64 deadline_ns; /* 0 = not set */
    u64 slot_tick;   /* the tick at which the slot that holds it comes up; valid while linked */
    void (*on_expire)(struct wheel_timer *);
};

struct wheel {
    u64 tick; /* the last tick that was run */
    u64 occupied[WHEEL_SLOTS / 64];
    struct list slots[WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, u64 now_ns);
void wheel_timer_init(struct wheel_timer *timer, void (*on_expire)(struct wheel_timer *));
/* wheel_set() for a timer that may have to move. */
void wheel_place(struct wheel *wheel, struct wheel_timer *timer);
/* Sets the deadline (> 0), replacing an earlier one. May be called from the callback. */
static inline void wheel_set(struct wheel *wheel, struct wheel_timer *timer, u64 deadline_ns)
{
    ASSERT(deadline_ns > 0);
    timer->deadline_ns = deadline_ns;
    /* As a rule it sits in a slot that comes up before that, which will do. */
    if (UNLIKELY(list_empty(&timer->node) || timer->slot_tick > deadline_ns >> WHEEL_TICK_BITS))
        wheel_place(wheel, timer);
}
/* Forgets the deadline; the callback will not run. Must be called before the owner is freed. */
void wheel_clear(struct wheel *wheel, struct wheel_timer *timer);
/* Runs the callbacks of all timers whose deadline is at or before now_ns. */
void wheel_run(struct wheel *wheel, u64 now_ns);
/* When wheel_run needs to be called next, or UINT64_MAX when nothing is set. */
u64 wheel_next_ns(const struct wheel *wheel);

#endif
