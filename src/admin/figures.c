/* Figures of all workers, added up. */
#include "admin/admin_internal.h"

static void add(struct proxy_figures *sum, const struct proxy_figures *one)
{
    proxy_counters_add(&sum->counters, &one->counters);
    sum->ring.turns += one->ring.turns;
    sum->ring.completions += one->ring.completions;
    sum->ring.starved += one->ring.starved;
    sum->ring.overflows += one->ring.overflows;
    sum->ring.leases_free_min = min_u64(sum->ring.leases_free_min, one->ring.leases_free_min);
    sum->clients += one->clients;
    sum->exchanges += one->exchanges;
    sum->upstreams += one->upstreams;
    sum->overload = max_u64(sum->overload, one->overload);
}

void figures_sum(const struct admin *admin, const struct admin_view *view,
                 struct proxy_figures *sum)
{
    struct proxy_figures one;
    memset(sum, 0, sizeof(*sum));
    sum->ring.leases_free_min = UINT64_MAX;
    proxy_counters_add(&sum->counters, view->departed);
    for (u32 i = 0; i < view->workers; i++) {
        admin->source->figures(admin->source->context, i, &one);
        add(sum, &one);
    }
    if (view->workers == 0)
        sum->ring.leases_free_min = 0;
}
