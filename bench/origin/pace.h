/*
 * An origin with a capacity: so many requests are served at once, each for the same time, and the
 * others wait in line. One that is gone meanwhile is served all the same, as a program that has
 * begun would.
 */
#ifndef NEXTPROXY_BENCH_ORIGIN_PACE_H
#define NEXTPROXY_BENCH_ORIGIN_PACE_H

#include "base/types.h"

enum { PACE_SLOTS_MAX = 1024, PACE_WAITING_MAX = 65536 };

struct pace {
    u64 service_ns;
    u32 slots; /* 0: no limit, and nobody waits */
    u32 first;
    u32 count;
    u64 begun;                /* requests ever */
    u64 ends[PACE_SLOTS_MAX]; /* when the one in each place has been served */
    struct {
        void *whose;
        u64 end_ns;
    } waiting[PACE_WAITING_MAX]; /* in the order of their ends, which is that of their coming */
};

/* A request has come. False when there are too many. */
bool pace_add(struct pace *pace, void *whose, u64 now_ns) MUST_CHECK;

/* Whose request has been served by now, one at a time; NULL when there is none. */
void *pace_take(struct pace *pace, u64 now_ns);

/* How long until the next one is; negative when nobody waits. */
i64 pace_wait_ns(const struct pace *pace, u64 now_ns);

#endif
