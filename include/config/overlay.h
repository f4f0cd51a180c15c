/*
 * config: what was changed at run time, as a layer over the configuration of the file: backends
 * that were added, and backends of the file that were taken out. A part of config.h.
 *
 * The file stays what it is. A configuration with the layer is derived from that of the file, and
 * when the file is read again the layer is settled with it: what the file says wins.
 */
#ifndef NEXTPROXY_CONFIG_OVERLAY_H
#define NEXTPROXY_CONFIG_OVERLAY_H

#include "base/arena.h"

struct config;
struct config_problems;

struct config_addition {
    struct slice id;
    struct slice url;
    struct slice route; /* its id; "" = the top-level list */
    struct slice json;  /* the backend, as an entry of `backends` */
};

struct config_removal {
    struct slice id;
    struct slice url; /* with another one it is another backend */
};

/* Everything in it lives in its arena. */
struct config_overlay {
    struct arena arena;
    struct config_addition *added;
    struct config_removal *removed;
    u32 added_count;
    u32 removed_count;
};

/* An empty one. */
void config_overlay_init(struct config_overlay *overlay);
void config_overlay_deinit(struct config_overlay *overlay);
/* `to` is initialised by this. It has room for one change. */
void config_overlay_copy(struct config_overlay *to, const struct config_overlay *from);

enum config_overlay_verdict {
    CONFIG_OVERLAY_GOOD,
    CONFIG_OVERLAY_WRONG,     /* not a backend as it may be configured */
    CONFIG_OVERLAY_DUPLICATE, /* there is one with this id, or with this URL in this route */
    CONFIG_OVERLAY_UNKNOWN,   /* there is no such backend */
    CONFIG_OVERLAY_NEEDED,    /* a route would be left without a backend that may be chosen */
    CONFIG_OVERLAY_FULL,      /* for users: another configuration cannot be used now */
};

/* One change of a copy, judged by `served`: the configuration with the overlay as it was. On other
 * verdicts than GOOD `problems` says why, in the words of the configuration. The caller deinits
 * `problems` in any case. */

/* `json` is an object like an entry of `backends`, with the id of a route as `route` if it shall
 * serve that one. It becomes the last of `added`. */
MUST_CHECK enum config_overlay_verdict config_overlay_add(struct config_overlay *overlay,
                                                          const struct config *served,
                                                          struct slice json,
                                                          struct config_problems *problems);
MUST_CHECK enum config_overlay_verdict config_overlay_remove(struct config_overlay *overlay,
                                                             const struct config *served,
                                                             struct slice id,
                                                             struct config_problems *problems);

/* The id of a backend that somebody means, in the memory of `config`: by its URL, or by a JSON
 * object {"id": ...} or {"url": ...}. GOOD, WRONG, UNKNOWN, or DUPLICATE when several have this
 * URL; `problems` as above. */
MUST_CHECK enum config_overlay_verdict config_backend_by_url(const struct config *config,
                                                             struct slice url, struct slice *id,
                                                             struct config_problems *problems);
MUST_CHECK enum config_overlay_verdict config_backend_by_json(const struct config *config,
                                                              struct slice json, struct slice *id,
                                                              struct config_problems *problems);

/* Told of every entry that is given up, as a sentence. */
struct config_overlay_listener {
    void (*say)(void *context, const char *message);
    void *context;
};

/* Gives up what the file has overtaken: an addition whose id or, in its route, URL is in the file
 * now, or whose route is gone; a removal of what is gone, or has another URL. */
void config_overlay_settle(struct config_overlay *overlay, const struct config *base,
                           struct config_overlay_listener listener);

/* Puts what a state file holds on top of an empty overlay, for `base`: what is wrong with it is
 * told and left out, and so is what the file has overtaken. */
struct config_kept;
void config_overlay_restore(struct config_overlay *overlay, const struct config_kept *kept,
                            const struct config *base, struct config_overlay_listener listener);

/* The configuration `base` with an overlay that is settled with it. It shares memory with `base`,
 * which must outlive it; config_destroy() frees the rest. NULL and `problems` when something does
 * not go together. The caller deinits `problems` in either case. */
MUST_CHECK struct config *config_derive(const struct config *base,
                                        const struct config_overlay *overlay,
                                        struct config_problems *problems);

#endif
