/* Overload: one worker's stage, and what follows from it (overload.c). */
#ifndef NEXTPROXY_PROXY_OVERLOAD_STAGE_H
#define NEXTPROXY_PROXY_OVERLOAD_STAGE_H

#include "base/wheel.h"
#include "config.h"
#include "proxy/overload.h"

enum overload_resource {
    OVERLOAD_CLIENTS,
    OVERLOAD_FILES,
    OVERLOAD_MEMORY,
    OVERLOAD_RESOURCES,
};

/* How much of a resource is in use when a stage begins, and below how much it ends. */
struct overload_bounds {
    u32 enter[OVERLOAD_STAGES];
    u32 leave[OVERLOAD_STAGES];
};

struct overload {
    struct overload_bounds bounds[OVERLOAD_RESOURCES];
    u32 alarm[OVERLOAD_RESOURCES]; /* the first bound of each */
    struct overload_budget budget;
    struct wheel_timer timer; /* while idle clients are closed: the loop must go on */
    u64 moved_ns;             /* of the last change of stage */
    u64 memory_ns;            /* clients were last closed for want of memory */
    u32 age_limit_ms;         /* who has been idle for longer is closed */
    u32 looked_at;            /* in this round */
    u32 closing;              /* clients that are being closed */
    u8 stage;
    u8 measures; /* 1 << enum overload_stage: what is done */
};

static inline bool overload_does(const struct overload *overload, enum overload_stage measure)
{
    return overload->measures & 1u << measure;
}

/* The bounds of what there is `limit` of: none when it is too little to divide. */
void overload_bounds_set(struct overload_bounds *bounds, const struct config_overload *config,
                         u32 limit);
/* The stage that follows `stage` when so much is in use. */
u32 overload_bounds_stage(const struct overload_bounds *bounds, u32 stage, u32 used);

void overload_init(struct proxy *proxy);
/* Another configuration, or another budget. */
void overload_adopt(struct proxy *proxy);
void overload_after_turn(struct proxy *proxy);
void overload_deinit(struct proxy *proxy);
/* A client that was closed to make room is gone. */
void overload_client_gone(struct proxy *proxy);

#endif
