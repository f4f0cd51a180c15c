/* Requests in flight. Each worker counts its own, which costs a store. Where all have to be looked
 * at for each request, by a strategy or for a limit, a worker watches the slot: then its requests
 * are in figures.active, too, at the price of two operations on a line that all workers write.
 *
 * Whether it watches is said in the same word as the count, so that somebody else sees both as they
 * were at one moment. While it changes, the requests are counted twice rather than not at all. */
#include "base/assert.h"
#include "state/places.h"
#include "state/state_internal.h"

enum { ACTIVE_WATCHED = 1, ACTIVE_ONE = 2 };

static u32 *own_of(struct state *state, u32 worker, u32 slot)
{
    return &state->tallies[worker]->active[slot];
}

static void own_set(u32 *own, u32 value)
{
    __atomic_store_n(own, value, __ATOMIC_RELAXED); /* one writer */
}

void state_backend_begin(struct state *state, u32 worker, u32 slot)
{
    u32 *own = own_of(state, worker, slot);
    if (UNLIKELY(*own & ACTIVE_WATCHED))
        __atomic_fetch_add(&state->figures->active[slot], 1, __ATOMIC_RELAXED);
    own_set(own, *own + ACTIVE_ONE);
}

void state_backend_end(struct state *state, u32 worker, u32 slot)
{
    u32 *own = own_of(state, worker, slot);
    ASSERT(*own >= ACTIVE_ONE);
    own_set(own, *own - ACTIVE_ONE);
    if (UNLIKELY(*own & ACTIVE_WATCHED))
        place_leave(&state->figures->active[slot]);
}

void state_backend_watch(struct state *state, u32 worker, u32 slot, bool watched)
{
    u32 *own = own_of(state, worker, slot);
    u32 *all = &state->figures->active[slot];
    if (((*own & ACTIVE_WATCHED) != 0) == watched)
        return;
    if (watched)
        __atomic_fetch_add(all, *own / ACTIVE_ONE, __ATOMIC_SEQ_CST);
    own_set(own, *own ^ ACTIVE_WATCHED);
    if (!watched)
        __atomic_fetch_sub(all, *own / ACTIVE_ONE, __ATOMIC_SEQ_CST);
}

/* `but`: with this not those of workers that have it. */
static u32 count(const struct state *state, u32 slot, u32 but)
{
    u32 sum = 0;
    u32 workers = __atomic_load_n(&state->workers, __ATOMIC_ACQUIRE);
    for (u32 worker = 0; worker < workers; worker++) {
        struct tallies *tallies = __atomic_load_n(&state->tallies[worker], __ATOMIC_ACQUIRE);
        u32 own = tallies ? __atomic_load_n(&tallies->active[slot], __ATOMIC_RELAXED) : 0;
        if ((own & but) == 0)
            sum += own / ACTIVE_ONE;
    }
    return sum;
}

bool state_backend_enter(struct state *state, u32 worker, u32 slot, u32 most)
{
    u32 *own = own_of(state, worker, slot);
    u32 *all = &state->figures->active[slot];
    /* Workers that have not adopted the limit yet. */
    u32 unwatched = count(state, slot, ACTIVE_WATCHED);
    if (!place_enter(all, most - min_u32(most, unwatched)))
        return false;
    if (UNLIKELY((*own & ACTIVE_WATCHED) == 0)) /* it was abolished, and this exchange is older */
        place_leave(all);
    own_set(own, *own + ACTIVE_ONE);
    return true;
}

const u32 *state_active(const struct state *state)
{
    return state->figures->active;
}

u32 state_backend_active(const struct state *state, u32 slot)
{
    return count(state, slot, 0);
}
