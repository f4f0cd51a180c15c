#include "origin/pace.h"

bool pace_add(struct pace *pace, void *whose, u64 now_ns)
{
    if (pace->count == PACE_WAITING_MAX)
        return false;
    /* All take the same time, so the place that is free first is that of the oldest. */
    u64 *place = &pace->ends[pace->begun++ % pace->slots];
    *place = (*place > now_ns ? *place : now_ns) + pace->service_ns;
    u32 at = (pace->first + pace->count++) % PACE_WAITING_MAX;
    pace->waiting[at].whose = whose;
    pace->waiting[at].end_ns = *place;
    return true;
}

void *pace_take(struct pace *pace, u64 now_ns)
{
    if (pace->count == 0 || pace->waiting[pace->first].end_ns > now_ns)
        return NULL;
    void *whose = pace->waiting[pace->first].whose;
    pace->first = (pace->first + 1) % PACE_WAITING_MAX;
    pace->count--;
    return whose;
}

i64 pace_wait_ns(const struct pace *pace, u64 now_ns)
{
    if (pace->count == 0)
        return -1;
    u64 end_ns = pace->waiting[pace->first].end_ns;
    return end_ns > now_ns ? (i64)(end_ns - now_ns) : 0;
}
