/* What an earlier process knew of backends, given to those of the first snapshot. */
#ifndef NEXTPROXY_CONTROL_STATE_RESTORE_H
#define NEXTPROXY_CONTROL_STATE_RESTORE_H

#include "config/kept.h"
#include "health.h"

struct state_restore {
    const struct config_kept *kept;
    u64 age_ms;            /* of it; UINT64_MAX = any */
    u64 health_age_ms_max; /* older health is left out */
};

struct state_restored {
    u32 marks;
    u32 health;
    u32 stale; /* health that is too old */
};

/* Marks are those of a backend, whatever its address; health is that of one address. An entry
 * without address says of a backend that has only one how it is. */
struct state_restored state_restore(const struct state_restore *from,
                                    const struct snapshot *snapshot, struct health *health);

#endif
