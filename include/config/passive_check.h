/* config: when the requests themselves show that a backend is not well, and what follows. A part of
 * config.h. */
#ifndef NEXTPROXY_CONFIG_PASSIVE_CHECK_H
#define NEXTPROXY_CONFIG_PASSIVE_CHECK_H

#include "base/slice.h"

struct config_passive_check {
    struct slice statuses;  /* that count as failures, for config_status_in; none below 400 */
    u32 refused_max;        /* refused connections in a row that eject; 0 = just failures */
    u32 failures_max;       /* failures in a row that eject; 0 = never */
    u32 error_rate_percent; /* of failed requests within the window that ejects; 0 = never */
    u32 requests_min;       /* the window must have as many for that */
    u32 window_ms;          /* failures longer apart are in no row */
    u32 ejection_ms;        /* the first time; twice as long each time again ... */
    u32 ejection_max_ms;    /* ... up to this */
    u32 trials;             /* good ones in a row that end an ejection */
    bool enabled;
};

/* What holds for a pool as a whole, in percent of its backends. */
struct config_pool_limits {
    u32 ejected_max_percent; /* never more are ejected at once */
    u32 panic_percent;       /* with fewer usable ones, all are used; 0 = never */
};

enum { CONFIG_FAILURE_STATUS_MIN = 400 };

#endif
