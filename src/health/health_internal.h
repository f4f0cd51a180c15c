/* What the parts of health share: a check, and all of them. */
#ifndef NEXTPROXY_HEALTH_INTERNAL_H
#define NEXTPROXY_HEALTH_INTERNAL_H

#include "health.h"
#include "health/machine.h"
#include "health/probe.h"

enum { HEALTH_BUCKETS = 1024 };

/* What cannot be had in the place of the other. */
enum { HEALTH_PROBER_CONNECTIONS, HEALTH_PROBER_SCRIPTS, HEALTH_PROBER_COUNT };

struct check {
    struct wheel_timer timer;
    struct list node; /* in health.checks */
    struct list due;  /* in its prober's list, while it waits for a free probe */
    u64 due_ns;       /* since when it does */
    struct list twin; /* a ring of the checks that ask the same; see twins.c */
    struct list link; /* in a bucket of health.questions; the first of each ring only */
    u64 question;     /* hash of what it asks */
    struct health *health;
    struct probe *probe; /* under way; NULL = none */
    u64 started_ns;      /* the last probe */
    struct health_machine machine;
    u32 backend; /* index into the snapshot's */
    u32 round;   /* health.round when it was last wanted */
    bool live;
    struct probe_result last; /* valid with probed_ns > 0 */
    u64 probed_ns;
    u64 changed_ns;
    u64 judged_ns; /* the last result that says something of the backend; of a restored state this
                    * may lie before the clock's beginning, and has wrapped around */
};

struct health {
    struct health_options with;
    struct snapshot *snapshot; /* NULL before the first, and after the end */
    struct wheel wheel;
    struct transport_reaper reaper;
    struct prober probers[HEALTH_PROBER_COUNT];
    struct rng rng;
    struct list checks;
    struct list questions[HEALTH_BUCKETS];
    u64 probes;
    u64 changes;
    u32 count;
    u32 round;
    bool waiting_told;                /* see waiting.h */
    u64 changes_seen;                 /* of the state's marks */
    u8 panic[STATE_SLOTS_MAX];        /* by slot of the route: what was logged last */
    struct check at[STATE_SLOTS_MAX]; /* by slot: touched where something is checked only */
};

static inline const struct config_backend *check_backend(const struct check *check)
{
    return &check->health->snapshot->config->backends[check->backend];
}

/* ---- Twins (src/health/twins.c) ---- */

/* A hash of what a backend is asked. */
u64 twins_question(const struct config_backend *backend);
/* Sorts the checks anew into rings of those that ask the same thing of the same address. */
void twins_find(struct health *health);

#endif
