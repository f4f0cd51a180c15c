/* What the files of src/upstream share. */
#ifndef NEXTPROXY_UPSTREAM_INTERNAL_H
#define NEXTPROXY_UPSTREAM_INTERNAL_H

#include "upstream.h"

struct idle_stack {
    struct list connections; /* front: used last; not initialised while `count` was always 0 */
    u32 count;
    u32 adopted;  /* upstreams.adoptions when this backend was last among those to serve */
    u32 idle_max; /* kept without another look: 0 for a backend with a limit */
    u32 limit;    /* connections of all workers; 0 = any number */
};

struct upstreams {
    struct upstreams_environment with;
    struct slab slab;
    struct wheel_timer sweep;
    struct config_upstream limits;
    struct idle_stack *idle; /* by slot: for all there may be, untouched where there is none */
    struct list settling;    /* front: released first */
    struct list waiting;     /* CONNECTING without a descriptor, front: first */
    u32 idle_end;            /* above the highest slot seen so far */
    u32 idle_total;          /* those that settle included */
    u32 adoptions;
    u32 closing;   /* of those in the slab */
    u32 next_shed; /* where the search for an idle one goes on */
    bool draining;
};

/* ---- upstream.c ---- */

/* The only writer of `state`. */
void upstream_move(struct upstream *upstream, enum upstream_state next);
/* From now on these are its user, and what that hears. */
void upstream_serve(struct upstream *upstream, const struct upstream_events *events, void *user);
/* Closes an idle connection; false when there is none. Backends take turns in giving one up: the
 * one that was idle for longest there. */
bool upstreams_shed_one(struct upstreams *upstreams);

/* ---- connect.c ---- */

/* It is CONNECTING. False with *error (errno) when there is no descriptor for it, and none to come.
 */
MUST_CHECK bool upstream_connect(struct upstream *upstream, const struct address *address,
                                 i32 *error);
/* A connection has been closed. Its descriptor is free, perhaps more than one: they are for those
 * that wait for one, the first of them first, unless somebody else was quicker. */
void upstreams_connect_waiting(struct upstreams *upstreams);

#endif
