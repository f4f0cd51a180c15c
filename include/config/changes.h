/* config: what changed between two configurations. A part of config.h. */
#ifndef NEXTPROXY_CONFIG_CHANGES_H
#define NEXTPROXY_CONFIG_CHANGES_H

#include "base/arena.h"

struct config;

enum {
    CONFIG_CHANGES_MAX = 16384,         /* kept; all backends and all routes exchanged for others */
    CONFIG_CHANGE_PATH_BYTES_MAX = 300, /* longer ones end in "..." */
    CONFIG_CHANGE_VALUE_BYTES_MAX = 200, /* the same */
};

/* One difference between two configurations, as a log line may show it: printable ASCII, other
 * bytes as \xNN. Values that may be secret are "(not shown)", or "(changed, not shown)" when
 * there was another. */
struct config_change {
    const char *path;   /* "proxy.timeout", "backends[api-1].weight" */
    const char *before; /* "5000"; NULL = was not there, or empty */
    const char *after;  /* "3000"; NULL = is no more there, or empty */
    bool restart;       /* a process that runs cannot take it over */
};

struct config_changes {
    struct arena arena; /* of all strings */
    struct config_change *at;
    u32 count;
    u32 capacity;
    u32 more;     /* further changes, which are not kept */
    bool restart; /* of any change, kept or not */
};

/* What makes `after` another configuration than `before`. Effective values are compared: writing
 * out a default is no change. Backends and routes are matched by id, listeners by name; their order
 * has no effect and is not compared. One that is new or gone is one change: its URL, its host and
 * path, its name. Both configurations may be destroyed afterwards; the caller deinits `changes`. */
void config_diff(const struct config *before, const struct config *after,
                 struct config_changes *changes);
void config_changes_deinit(struct config_changes *changes);

#endif
