/* What state.c needs of routes.c. */
#ifndef NEXTPROXY_STATE_PLACES_H
#define NEXTPROXY_STATE_PLACES_H

#include "state/routes.h"

/* NULL when memory is refused. */
MUST_CHECK struct state_routes *state_routes_create(void);
void state_routes_destroy(struct state_routes *routes);
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
