/* What live.c and live_change.c share. */
#ifndef NEXTPROXY_CONTROL_LIVE_INTERNAL_H
#define NEXTPROXY_CONTROL_LIVE_INTERNAL_H

#include "control/live.h"

/* A configuration of the file. */
struct base {
    const struct config *config;
    struct config *owned; /* NULL for the first: the caller's */
    u32 users;            /* generations */
};

struct generation {
    struct generation *older;
    struct snapshot *snapshot;
    struct config
        *derived; /* from the base, with what was changed at run time; NULL: nothing was */
    struct base *base;
};

struct live {
    const struct config *first;
    struct live_listener listener;
    struct state *state;
    struct generation *newest;
    struct config_overlay overlay; /* what was changed at run time */
};

/* Tells the listener. */
void live_say(struct live *live, enum log_severity severity, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* A base that nobody uses yet; NULL when memory is refused. */
struct base *live_base_create(const struct config *config, struct config *owned);
/* One user less, or none yet: what nobody uses is freed. */
void live_base_leave(struct base *base);
/* A generation becomes the newest. It takes `derived` over when it returns true. */
MUST_CHECK bool live_begin(struct live *live, struct base *base, struct config *derived);

#endif
