/* See totals.h. */
#include "control/totals.h"

#include <stdio.h>

void totals_add(struct totals *totals, const struct proxy_counters *one)
{
    totals->connections += one->clients_accepted;
    totals->refused += one->clients_refused;
    totals->requests += one->requests;
    for (u32 i = FAULT_NONE + 1; i < FAULT_COUNT; i++)
        totals->failed += one->faults[i];
}

void totals_write(const struct totals *totals, char *out, usize bytes)
{
    (void)snprintf(out, bytes,
                   "Stopped after %llu connections and %llu requests, %llu of which failed; "
                   "%llu connections were refused",
                   (unsigned long long)totals->connections, (unsigned long long)totals->requests,
                   (unsigned long long)totals->failed, (unsigned long long)totals->refused);
}
