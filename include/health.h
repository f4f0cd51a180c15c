/*
 * health: active checks. Each backend that has one enabled is probed again and again (by an HTTP
 * request, by a connection alone, or by a program), and is not chosen while it is down. All of it
 * runs on control's ring; workers see nothing but the usable bits of their snapshot.
 *
 *              good                         unhealthyThreshold failed in a row
 *   UNKNOWN ---------> HEALTHY ------------------------------------------------> UNHEALTHY
 *      |                  ^                                                       |  ^
 *      |                  +---------------- healthyThreshold good in a row -------+  |
 *      +-------------------------- unhealthyThreshold failed in a row ---------------+
 *
 * UNKNOWN counts as usable: a backend is not to be missing just because the proxy has started.
 *
 * Backends that are asked the same thing at the same address, as often, share their probes; each
 * has its own state.
 *
 * What is known of a backend is kept by its slot, so it outlives a reload that keeps the backend.
 */
#ifndef NEXTPROXY_HEALTH_H
#define NEXTPROXY_HEALTH_H

#include "log.h"
#include "ring.h"
#include "snapshot.h"

enum health_state { HEALTH_UNKNOWN, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

/* Probes under way at once; further ones wait for one of these to end, first come, first served. */
enum {
    HEALTH_PROBES_MAX = 256, /* over connections */
    HEALTH_SCRIPTS_MAX = 16, /* programs, until they are reaped */
};

struct health;

struct health_options {
    struct ring *ring;      /* with leases; HEALTH_LEASES are plenty */
    struct log_buffer *log; /* for changes; this thread writes to it; NULL = none */
    u64 seed;               /* of the jitter */
};

/* What arrives is copied out of its lease at once. */
enum { HEALTH_LEASES = 64 };

/* NULL when memory is refused. Probes nothing before health_follow(). */
MUST_CHECK struct health *health_create(const struct health_options *options);
/* Only when it is quiet. */
void health_destroy(struct health *health);

/* From now on the backends of this snapshot are checked, as its configuration says, and marked as
 * STATE_DOWN while they are. What is known of backends that stay is kept; probes of others end
 * without a result. To be called as soon as the snapshot is there: between its creation and this
 * call there may be no health_tick(), and the snapshot followed before must still exist. This one
 * must exist until the next call, or until health_stop(). */
void health_follow(struct health *health, struct snapshot *snapshot);

/* To be called after each turn of the ring, with the time that the turn returned. */
void health_tick(struct health *health, u64 now_ns);
/* When the next turn has to end for it at the latest; UINT64_MAX = no matter. */
u64 health_deadline_ns(const struct health *health);

/* Ends all probes. It is quiet some turns and ticks later, when the kernel has let go. */
void health_stop(struct health *health);
bool health_is_quiet(const struct health *health);

/* Of a slot; HEALTH_UNKNOWN where nothing is checked. */
enum health_state health_state(const struct health *health, u32 slot);
/* "unknown", "healthy", "unhealthy"; static. */
const char *health_state_name(enum health_state state);
/* The last probe of a slot's backend, and since when its state is what it is: by the ring's clock.
 */
enum { HEALTH_REASON_BYTES = 32, HEALTH_DETAIL_BYTES = 256 };
struct health_last {
    u64 probed_ns;  /* when its result came */
    u64 changed_ns; /* 0: the state never changed */
    bool good;
    char reason[HEALTH_REASON_BYTES]; /* "status 503", "ECONNREFUSED"; "" when it was good */
    char detail[HEALTH_DETAIL_BYTES]; /* how it went, as the end of a sentence about a probe */
};
/* False when none has ended yet. */
bool health_last(const struct health *health, u32 slot, struct health_last *out);
/* How long ago a check last said what it is, in this process or before. Only when it is known. */
u64 health_age_ns(const struct health *health, u32 slot);
/* What is known of it from an earlier process: as if checks had found so this long ago. Only where
 * something is checked, and nothing is known yet. */
void health_restore(struct health *health, u32 slot, enum health_state state, u64 age_ns);
/* How often a backend's state has changed. */
u64 health_changes(const struct health *health);
/* Backends that are being checked. */
u32 health_checks(const struct health *health);
/* Probes that were started so far. */
u64 health_probes(const struct health *health);
/* Programs that check backends. */
struct health_programs {
    u32 there;   /* killed ones included; HEALTH_SCRIPTS_MAX at most */
    u32 killed;  /* of these: killed, and not ended yet */
    u32 waiting; /* checks that wait until one of them ends */
};
struct health_programs health_programs(const struct health *health);

#endif
