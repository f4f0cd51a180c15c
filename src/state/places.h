/* What the files of src/state have of places: counts that may not pass a bound, and what state.c
 * needs of routes.c. */
#ifndef NEXTPROXY_STATE_PLACES_H
#define NEXTPROXY_STATE_PLACES_H

#include "base/assert.h"
#include "state/routes.h"

/* One more, unless there are `most` already: then false. Sequentially consistent, both: see
 * state/routes.h for why those that wait need it; for all others it costs the same on x86-64. */
MUST_CHECK static inline bool place_enter(u32 *taken, u32 most)
{
    u32 now = __atomic_load_n(taken, __ATOMIC_SEQ_CST);
    do {
        if (now >= most)
            return false;
    } while (!__atomic_compare_exchange_n(taken, &now, now + 1, true, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    return true;
}

static inline void place_leave(u32 *taken)
{
    u32 before = __atomic_fetch_sub(taken, 1, __ATOMIC_SEQ_CST);
    ASSERT(before > 0);
}

/* NULL when memory is refused. */
MUST_CHECK struct state_routes *state_routes_create(void);
void state_routes_destroy(struct state_routes *routes);
/* The worker is to look, see state_worker_listen(). From any thread. */
void state_worker_call(struct state_routes *routes, u32 worker);
/* The slot has another route now. */
void state_routes_forget(struct state_routes *routes, u32 slot);
/* True when nothing runs or waits in the slot. */
bool state_routes_quiet(const struct state_routes *routes, u32 slot);

/* adaptive.c; its figures lie in a region that routes.c reserves. */
struct adaptive_by_slot;
usize adaptive_region_bytes(void);
struct adaptive_by_slot *routes_adaptive(const struct state_routes *routes);
void adaptive_forget(struct state_routes *routes, u32 slot);

#endif
