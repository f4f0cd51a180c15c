/* When a crashed engine is started again. */
#ifndef NEXTPROXY_SUPERVISOR_RESTARTS_H
#define NEXTPROXY_SUPERVISOR_RESTARTS_H

#include "base/types.h"

enum {
    RESTARTS_SETTLED_MS = 60 * 1000, /* who runs that long does not crash "again" */
    RESTARTS_DELAY_FIRST_MS = 50,
    RESTARTS_DELAY_MAX_MS = 5000,
    RESTARTS_MAX = 10, /* in a row */
};

struct restarts {
    u32 in_a_row;
    u32 total;
};

/* The engine has ended after `ran_ms` and nobody had asked it to. The first time it is started
 * again at once, then after a delay that doubles up to RESTARTS_DELAY_MAX_MS. False when it has
 * ended RESTARTS_MAX times in a row and is not to be started any more: a proxy whose clients are
 * accepted but not served for seconds on end is worse than one that is seen to be gone. */
MUST_CHECK bool restarts_next(struct restarts *restarts, u64 ran_ms, u64 *delay_ms);

#endif
