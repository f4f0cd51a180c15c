/*
 * The configuration that the workers serve by, its replacement while they run, and the earlier ones
 * for as long as somebody uses them.
 */
#ifndef NEXTPROXY_CONTROL_LIVE_H
#define NEXTPROXY_CONTROL_LIVE_H

#include "log.h"
#include "resolve.h"
#include "snapshot.h"
#include "worker.h"

struct live;

/* What live says and asks. */
struct live_listener {
    /* What it did: one line of the error log. */
    void (*say)(void *context, enum log_severity severity, const char *message);
    /* Where a backend's name leads has changed. */
    void (*moved)(void *context, enum log_severity severity, const struct config_backend *backend,
                  const char *message);
    /* The resolver follows the names of what is to be served first: returns when it is time to
     * serve with what is known of them. */
    void (*await)(void *context);
    /* How many workers' places a snapshot of this configuration needs. */
    u32 (*places)(void *context, const struct config *config);
    /* Gives a snapshot what it needs besides, before anybody follows it. False, with the reason in
     * `why` and nothing changed, when that cannot be had. */
    bool (*furnish)(void *context, struct snapshot *snapshot, char *why, usize why_bytes);
    void *context;
};

/* Those that are to follow. */
struct live_workers {
    struct worker *const *at;
    u32 count;
};

struct live_options {
    const struct config *first;
    struct resolver *resolver;            /* follows nothing yet */
    const struct config_kept *kept;       /* of the state file; NULL = nothing is */
    const struct siphash_key *sticky_key; /* of an earlier process; NULL = one made by chance */
    struct live_listener listener;
};

/* Serves `first` with the backends that were added and removed according to `kept`: what cannot be
 * restored is told and left out. NULL when memory is refused. `first` and `resolver` stay the
 * caller's and outlive all; the rest is for this call. */
MUST_CHECK struct live *live_create(const struct live_options *options);
/* Only when no worker runs any more. */
void live_destroy(struct live *live);

/* What is served now. */
struct snapshot *live_snapshot(const struct live *live);
/* The configuration of the file that it was made from, without what was changed at run time. */
const struct config *live_base_config(const struct live *live);

enum live_reload {
    LIVE_REPLACED,
    LIVE_SAME,    /* the file says what it said before */
    LIVE_REFUSED, /* nothing has changed */
    LIVE_WAITING, /* the same, so far: the resolver looks for names that are new */
};

/* Reads the file again and has the workers follow it. When anything is wrong with it, or a setting
 * has changed that needs a restart, nothing changes; either way the log says what and why.
 * `same_severity` is for the case that the file says what it said before.
 *
 * With `patient` it is left as it is while names in it have not been looked for to an end: to be
 * called again when they have, or when it takes too long. */
enum live_reload live_reload(struct live *live, const struct live_workers *workers,
                             enum log_severity same_severity, bool patient);

/* The file is not served because of these: the log says so. */
void live_refuse(struct live *live, const struct config_problems *problems);

/* ---- Changes at run time ---- */

/* What is to be changed. One of the two. */
struct live_change {
    struct slice added;   /* the backend as JSON: see config_overlay_add() */
    struct slice removed; /* the id of a backend */
};

/* Has the workers follow the configuration with this change; a later reload keeps it, as long as
 * the file does not say otherwise. On other verdicts than GOOD nothing changes, and `problems` says
 * why. The caller deinits `problems` in either case. */
enum config_overlay_verdict live_change(struct live *live, const struct live_workers *workers,
                                        const struct live_change *change,
                                        struct config_problems *problems);
/* What was changed so far. Until the next change or reload. */
const struct config_overlay *live_overlay(const struct live *live);

/* ---- Names ---- */

/* Has the workers follow the same configuration when its names lead elsewhere than before, and the
 * log say so. When it is refused it is worth another call later. */
enum live_reload live_refresh(struct live *live, const struct live_workers *workers);
/* How long a reload may be patient. */
u32 live_patience_ms(const struct live *live);

/* Frees the earlier configurations that no worker uses any more. Returns how many are still used:
 * then it is to be called again after a while. */
u32 live_retire(struct live *live, const struct live_workers *workers);

#endif
