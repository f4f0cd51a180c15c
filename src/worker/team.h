/*
 * What the workers of a process know of each other: how many clients each has, and a mailbox for
 * each, into which the others put connections that it is to serve.
 *
 * A worker has a place, by its index. Everything that others may write there is one 64-bit word:
 * the count of the clients that it serves, the count of those that are on their way to it, the end
 * of its mailbox, and whether that is open. So a connection that changes hands is at every moment
 * counted exactly once, and whoever compares loads needs a single load for each worker.
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
/* How many clients it serves now. Cheap when that has not changed, or when it is alone. */
void team_publish(struct team *team, u32 place, u32 clients);
/* The next connection that was given to it; it is counted as on its way until team_taken(). */
MUST_CHECK bool team_take(struct team *team, u32 place, struct team_parcel *out);
/* ... and now as one of `clients`, unless it was refused. */
void team_taken(struct team *team, u32 place, u32 clients);
/* True when something is on its way, even if team_take() does not find it yet. */
bool team_expects(const struct team *team, u32 place);

/* ---- To others ---- */

/* Who is to serve a new connection, rather than the worker at `place` with its `clients` and those
 * on their way to it: the least busy one of all, or of some in a large team. TEAM_NONE: the
 * difference is not worth it. */
u32 team_least_busy(struct team *team, u32 place, u32 clients);
/* Gives it away; false, and it stays the caller's, when the other one's mailbox is full or closed.
 * The other one learns of it with the next team_wake_others(). */
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
