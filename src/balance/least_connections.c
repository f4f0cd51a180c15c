/* The fewest requests in flight per weight. Smooth round robin proposes a backend; if that is idle
 * nobody can be better, which is the whole cost at low load, and among equals it stays the choice.
 */
#include "balance/strategy.h"

static u32 least_connections_pick(struct balance *balance, const struct balance_request *request)
{
    struct least *least = container_of(balance, struct least, balance);
    u32 proposed = balance_pick(least->turn, request);
    if (proposed == BALANCE_NONE || balance_active(request->load, proposed) == 0)
        return proposed;
    return scan_least(&least->scan, request, SCAN_CONNECTIONS, proposed);
}

const struct strategy strategy_least_connections = {
    .name = "least-connections",
    .create = least_create,
    .pick = least_connections_pick,
    .looks_at_load = true,
};
