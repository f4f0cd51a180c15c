/*
 * Where a setting stands: as a path ("backends[1].url") and as line and column of the text.
 *
 * jansson keeps no positions, and most files have no error: so the text is searched for a path only
 * when a problem with it is reported.
 */
#ifndef NEXTPROXY_CONFIG_PLACE_H
#define NEXTPROXY_CONFIG_PLACE_H

#include "config/settings.h"

struct path_step {
    struct slice key; /* data NULL: an index */
    u32 index;
};

struct path {
    struct path_step steps[SETTINGS_DEPTH_MAX];
    u32 depth;
};

/* Each returns a longer copy; `key` must outlive it. */
struct path path_key(const struct path *path, struct slice key);
struct path path_index(const struct path *path, u32 index);
/* "backends[1].url", in the arena; keys that are no plain words as ["a key"]. */
const char *path_text(const struct path *path, struct arena *arena);

/* A value that came from the environment instead of the text. */
struct source_override {
    struct path path;
    const char *variable;
};

/* What is being read: a text with its name, and what replaced parts of it. */
struct source {
    struct slice text;
    const char *name;
    struct source_override *overrides;
    u32 override_count;
};

enum place_of { PLACE_OF_VALUE, PLACE_OF_KEY };

/* "config.json:5:36" of a path, or of the deepest part of it that is there; or
 * "environment BACKENDS". The text must be valid JSON. */
const char *source_place(const struct source *source, const struct path *path, enum place_of which,
                         struct arena *arena);
/* The same for a byte position. */
const char *source_place_at(const struct source *source, usize at, struct arena *arena);

#endif
