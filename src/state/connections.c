/* See include/state/connections.h. */
#include "state/connections.h"

#include "base/assert.h"
#include "state/places.h"
#include "state/state_internal.h"

static u32 *own_of(struct state *state, u32 worker, u32 slot)
{
    return &state->tallies[worker]->connections[slot];
}

void state_connection_opened(struct state *state, u32 worker, u32 slot)
{
    u32 *own = own_of(state, worker, slot);
    __atomic_store_n(own, *own + 1, __ATOMIC_SEQ_CST); /* one writer */
}

void state_connection_closed(struct state *state, u32 worker, u32 slot)
{
    u32 *own = own_of(state, worker, slot);
    ASSERT(*own > 0);
    __atomic_store_n(own, *own - 1, __ATOMIC_SEQ_CST);
}

static u32 of_worker(const struct state *state, u32 worker, u32 slot)
{
    struct tallies *tallies = __atomic_load_n(&state->tallies[worker], __ATOMIC_ACQUIRE);
    return tallies ? __atomic_load_n(&tallies->connections[slot], __ATOMIC_SEQ_CST) : 0;
}

u32 state_connections(const struct state *state, u32 slot)
{
    u32 sum = 0;
    u32 workers = __atomic_load_n(&state->workers, __ATOMIC_ACQUIRE);
    for (u32 worker = 0; worker < workers; worker++)
        sum += of_worker(state, worker, slot);
    return sum;
}

void state_connections_call(struct state *state, u32 worker, u32 slot)
{
    u32 workers = __atomic_load_n(&state->workers, __ATOMIC_ACQUIRE);
    for (u32 other = 0; other < workers; other++)
        if (other != worker && of_worker(state, other, slot) > 0)
            state_worker_call(state->routes, other);
}
