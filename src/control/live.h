/*
 * The configuration that the workers serve by, its replacement while they run, and the earlier ones
 * for as long as somebody uses them.
 */
#ifndef NEXTPROXY_CONTROL_LIVE_H
#define NEXTPROXY_CONTROL_LIVE_H

#include "log.h"
#include "snapshot.h"
#include "worker.h"

struct live;

/* Where live says what it did: one line of the error log. */
struct live_listener {
    void (*say)(void *context, enum log_severity severity, const char *message);
    void *context;
};

/* NULL when memory is refused. `first` stays the caller's and outlives all. */
MUST_CHECK struct live *live_create(const struct config *first, struct live_listener listener);
/* Only when no worker runs any more. */
void live_destroy(struct live *live);

/* What is served now. */
struct snapshot *live_snapshot(const struct live *live);

enum live_reload {
    LIVE_REPLACED,
    LIVE_SAME,    /* the file says what it said before */
    LIVE_REFUSED, /* nothing has changed */
};

/* Reads the file again and has the workers follow it. When anything is wrong with it, or a setting
 * has changed that needs a restart, nothing changes; either way the log says what and why.
 * `same_severity` is for the case that the file says what it said before. */
enum live_reload live_reload(struct live *live, struct worker *const *workers, u32 worker_count,
                             enum log_severity same_severity);

/* Frees the earlier configurations that no worker uses any more. Returns how many are still used:
 * then it is to be called again after a while. */
u32 live_retire(struct live *live, struct worker *const *workers, u32 worker_count);

#endif
