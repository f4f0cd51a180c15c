/* Who may wait on a route, and for how long it pays. */
#ifndef NEXTPROXY_CONFIG_ADMISSION_H
#define NEXTPROXY_CONFIG_ADMISSION_H

#include "base/slice.h"

/* A queue that stands is shortened: see limit.h. */
struct config_shedding {
    u32 target_ms;
    u32 interval_ms;
    bool enabled;
};

/* Higher ones first. */
enum config_priority_level {
    CONFIG_PRIORITY_HIGH,
    CONFIG_PRIORITY_NORMAL,
    CONFIG_PRIORITY_LOW,
    CONFIG_PRIORITY_COUNT,
};

struct config_values {
    const struct slice *at;
    u32 count;
};

struct config_priority {
    struct slice header;       /* the field that says it; "" = none does */
    struct config_values high; /* values of the field, without case */
    struct config_values low;
    u32 level;         /* of a request without such a value: enum config_priority_level */
    u32 head_start_ms; /* a request goes before one of the next level that came so much earlier */
    bool from_anyone;  /* the field is believed of all clients, not only of trusted proxies */
};

/* A limit that follows the latency: see limit.h. */
struct config_adaptive {
    u32 least;
    u32 most;
    u32 tolerance_percent;
    u32 probe_interval_ms;
    bool enabled;
};

struct config_admission {
    struct config_adaptive adaptive;
    struct config_shedding shedding;
    struct config_priority priority;
};

#endif
