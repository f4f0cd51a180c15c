/*
 * What the workers of a process know of each other: how busy each is and how many more clients it
 * has room for, and a mailbox for each, into which the others put connections that it is to serve.
 *
 * A worker has a place, by its index. Everything that others may write there is one 64-bit word:
 * the count of connections that are on their way to it, the end of its mailbox, and whether that is
 * open. Beside it is what the worker says of itself. A connection that changes hands is at every
 * moment counted, for a moment twice.
 *
 * Who is less busy gets a new connection. Of those that are as busy the one with more room gets it,
 * which is the one with fewer idle clients: they will be busy one day.
 */
#ifndef NEXTPROXY_WORKER_TEAM_H
#define NEXTPROXY_WORKER_TEAM_H

#include "worker.h"

#define TEAM_NONE UINT32_MAX

/* A connection that changes hands. */
struct team_parcel {
    int fd;
    bool proxy_header; /* a PROXY protocol header comes first */
};

/* ---- By the worker at its own place ---- */

/* From now on others may give it connections. */
void team_join(struct team *team, u32 place);
/* They may not any more; what was given before is still to be taken. */
void team_leave(struct team *team, u32 place);
/* What it has to do now. Cheap when that has not changed. */
void team_publish(struct team *team, u32 place, struct proxy_load load);
/* The next connection that was given to it; it is counted as on its way until team_taken(). */
MUST_CHECK bool team_take(struct team *team, u32 place, struct team_parcel *out);
/* ... and now as a part of `load`, unless it was refused. */
void team_taken(struct team *team, u32 place, struct proxy_load load);
/* True when something is on its way, even if team_take() does not find it yet. */
bool team_expects(const struct team *team, u32 place);

/* ---- To others ---- */

/* Who is to serve a new connection, rather than the worker at `place` with its `load` and those on
 * their way to it: the least busy one of all that have room, or of some in a large team. TEAM_NONE:
 * the difference is not worth it. Somebody is worth it to a worker without room. */
u32 team_least_busy(struct team *team, u32 place, struct proxy_load load);
/* Gives it away; false, and it stays the caller's, when the other one's mailbox is full or closed,
 * or it has no room any more. The other one learns of it with the next team_wake_others(). */
MUST_CHECK bool team_give(struct team *team, u32 from, u32 to, struct team_parcel parcel);
/* Wakes those to whom the worker at `place` has given something since it did so last. */
void team_wake_others(struct team *team, u32 place);

/* ---- Waking: by anybody, at any time in the team's life ---- */

/* The eventfd that wakes the worker at this place; see ring_bell_open(). */
int team_bell(const struct team *team, u32 place);

/* ---- The budget, by worker ---- */

/* What control said last, see team_set_budget(). */
struct overload_budget team_budget(const struct team *team);

#endif
