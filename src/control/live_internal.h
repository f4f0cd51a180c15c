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
    struct config *expanded; /* that, with the addresses of names; NULL: there are none */
    struct base *base;
};

struct live {
    const struct config *first;
    struct live_listener listener;
    struct resolver *resolver;
    struct state *state;
    struct generation *newest;
    struct config_overlay overlay; /* what was changed at run time */
    struct config *awaited;        /* whose names a reload waits for; NULL = none does */
    u64 withheld;                  /* which addresses were, when that was said last; 0 = none */
    char why[WORKER_WHY_BYTES];    /* live_begin() has failed */
};

/* Tells the listener. */
void live_say(struct live *live, enum log_severity severity, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* What the newest generation serves, before names become addresses. */
const struct config *live_config(const struct live *live);

/* Of live_names.c: `config` with addresses; NULL when it has no names. The caller destroys it. An
 * address at which the management API listens is withheld: who answers DNS must not be able to
 * make operators of clients. */
struct config *live_expand(struct live *live, const struct config *config);
/* Tells the listener which these are, when others than before. */
void live_say_withheld(struct live *live, const struct config *config);
/* The operator's marks are those of a backend, whatever address it has: new ones
 * of a backend in `before` get them too. */
void live_inherit_marks(const struct snapshot *before, const struct snapshot *after);
/* The names of what is served, and of what a reload waits for, are looked for from now on. */
void live_follow_names(struct live *live);
/* True when these two lead to the same addresses. */
bool live_same_endpoints(const struct config *a, const struct config *b);
/* Tells the listener, backend by backend, how `after` differs. */
void live_say_moves(struct live *live, const struct config *before, const struct config *after);

/* Of live_change.c: `config` with what was changed at run time according to a state file, which
 * becomes the overlay; NULL when that is nothing. */
struct config *live_restore(struct live *live, const struct config *config,
                            const struct config_kept *kept);

/* A base that nobody uses yet; NULL when memory is refused. */
struct base *live_base_create(const struct config *config, struct config *owned);
/* One user less, or none yet: what nobody uses is freed. */
void live_base_leave(struct base *base);
/* A generation becomes the newest. It takes `derived` over when it returns true; live->why says why
 * not. */
MUST_CHECK bool live_begin(struct live *live, struct base *base, struct config *derived);

#endif
