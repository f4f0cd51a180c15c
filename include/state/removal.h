/*
 * Since when backends and routes are not in the configuration any more. A worker that has gone on
 * to it may still have exchanges that began with an earlier one: see timeouts.removedDrain.
 *
 * A backend is there while some backend has its URL, and a route while some route has its host and
 * path: ids may be numbers, which others get when one goes, and names lead here and there.
 */
#ifndef NEXTPROXY_STATE_REMOVAL_H
#define NEXTPROXY_STATE_REMOVAL_H

#include "state.h"

/* What a configuration has of a kind. */
struct state_members {
    enum state_kind kind;
    const u32 *slots;
    u32 count;
};

/* These are in the configuration of this version, which is the newest, and no other's. Control
 * only, as the next one. */
void state_present(struct state *state, struct state_members members, u64 version);
/* These are in an earlier one: what is not in that of `version` is removed from now on, if it was
 * not before. Returns the earliest time at which one of them was, or UINT64_MAX. */
u64 state_removed(struct state *state, struct state_members members, u64 version, u64 now_ns);
/* When it was removed; UINT64_MAX: it is there. From any thread. */
u64 state_removed_ns(const struct state *state, enum state_kind kind, u32 slot);

#endif
