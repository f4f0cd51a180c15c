/*
 * limit: how many requests may run at a time, and how many may wait. Pure: figures in, a number
 * out; the clock and what is shared between threads are the caller's.
 */
#ifndef NEXTPROXY_LIMIT_H
#define NEXTPROXY_LIMIT_H

#include "base/types.h"

/* ---- How many may wait: a queue that stands is shortened ----
 *
 * After CoDel (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 2012; RFC 8289): a queue
 * is not judged by its length, which a burst makes long for a moment, but by the least time that
 * anything has waited in it throughout an interval. When even that is above the target, the queue
 * stands: it absorbs no burst, and only makes everybody late.
 *
 * What is different, because these are requests and not packets: a TCP sender answers a single loss
 * by slowing down, so CoDel drops one at a time and slowly more, at the head. Clients that are
 * turned away do not slow down, and whoever has waited longest is closest to being served. So all
 * that is more than can be served within the target is turned away at once, the newest first; and
 * until the queue has been empty it stays that short (the condition of the controlled delay in
 * Maurer, "Fail at Scale", ACM Queue 2015). */

struct limit_codel_settings {
    u64 target_ns;
    u64 interval_ns;
};

/* Of one queue. All zero is an empty one. */
struct limit_codel {
    u64 interval_start_ns; /* 0 = none has begun since the queue was empty */
    u64 least_ns;          /* the least waiting time in this interval; of none when served is 0 */
    u64 served_ns;         /* how long the last whole interval took ... */
    u32 served_last;       /* ... and how many were served in it */
    u32 served;            /* in this one */
    bool standing;
};

/* One leaves the queue to be served, and has waited so long. */
void limit_codel_served(struct limit_codel *codel, const struct limit_codel_settings *settings,
                        u64 now_ns, u64 waited_ns);
/* How many may wait now; the one that came first has waited for oldest_ns. */
u32 limit_codel_room(struct limit_codel *codel, const struct limit_codel_settings *settings,
                     u64 now_ns, u64 oldest_ns);
/* Nobody waits any more. */
void limit_codel_emptied(struct limit_codel *codel);

/* ---- How many may run: as many as do not wait for each other ----
 *
 * A gradient, after TCP Vegas (Brakmo, O'Malley and Peterson, 1994) and those who brought it to
 * requests (Netflix's concurrency-limits, Envoy's adaptive concurrency): latency is measured in
 * windows, and compared with what it is without load. When it grows, requests wait for each other
 * at the backends, and the limit is lowered in proportion, to no less than half at a time. Some
 * waiting is wanted, or nobody would see that there is more to be had: the tolerance, and a square
 * root of the limit as headroom.
 *
 * What latency is without load is not known to somebody who starts under load, and changes with the
 * backends. So it is measured: now and then the limit is halved, window by window, for as long as
 * latency falls with it. An average over all windows would follow the load; a minimum would never
 * learn that a backend has become slower. */

struct limit_gradient_settings {
    u32 least; /* bounds of the limit, > 0 */
    u32 most;
    u32 tolerance_percent; /* of the latency without load: 150 = half as much again is no overload
                            */
    u64 probe_ns;          /* how often latency without load is measured, at least */
};

/* All zero: nothing is known yet. */
struct limit_gradient {
    double limit;
    double limit_after; /* the probe */
    double baseline_us; /* latency without load */
    double probe_us;    /* of the window before */
    u64 probe_at_ns;
    u64 probe_wait_ns; /* until the next one: short at first, then probe_ns */
    bool probing;
};

/* One window. */
struct limit_window {
    u64 now_ns;
    u32 latency_us;  /* the average of those that began and ended in it; > 0 */
    u32 most_active; /* requests at the same time */
    bool given_up;   /* so many did not wait for the answer that latency is only a lower bound */
};

/* The limit to begin with. */
u32 limit_gradient_begin(struct limit_gradient *gradient,
                         const struct limit_gradient_settings *settings, u64 now_ns);
/* The limit after this window. */
u32 limit_gradient_next(struct limit_gradient *gradient,
                        const struct limit_gradient_settings *settings,
                        const struct limit_window *window);

#endif
