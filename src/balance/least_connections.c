/* The fewest requests in flight per weight. Smooth round robin proposes a backend; if that is idle
 * nobody can be better, which is the whole cost at low load, and among equals it stays the choice.
 */
#include "strategy.h"

struct least_connections {
    struct balance balance;
    struct balance *turn;
    struct scan scan;
};

static struct balance *least_connections_create(struct arena *arena,
                                                const struct balance_backend *backends, u32 count)
{
    struct least_connections *least = arena_alloc(arena, sizeof(*least));
    least->turn = balance_create(arena, BALANCE_ROUND_ROBIN, backends, count);
    scan_init(&least->scan, arena, backends, count);
    return &least->balance;
}

static u32 least_connections_pick(struct balance *balance, const struct balance_request *request)
{
    struct least_connections *least = container_of(balance, struct least_connections, balance);
    u32 proposed = balance_pick(least->turn, request);
    if (proposed == BALANCE_NONE || balance_figure(request->load->active, proposed) == 0)
        return proposed;
    return scan_least(&least->scan, request, SCAN_CONNECTIONS, proposed);
}

const struct strategy strategy_least_connections = {
    .name = "least-connections",
    .create = least_connections_create,
    .pick = least_connections_pick,
};
