/* What reading a configuration needs from outside, replaceable in tests. */
#ifndef NEXTPROXY_CONFIG_WORLD_H
#define NEXTPROXY_CONFIG_WORLD_H

#include "config.h"

struct config_world {
    /* Reads a whole file into the arena. NULL, or why not. */
    const char *(*file_read)(struct arena *arena, const char *file, usize bytes_max,
                             struct slice *content);
    /* NULL when the file may be executed, or why not. */
    const char *(*program_check)(const char *file);
};

/* The system's files. */
extern const struct config_world config_world_system;

/* config_parse in a world of one's own. */
MUST_CHECK struct config *config_parse_in(const struct config_world *world, struct slice json,
                                          const char *name, char **environment,
                                          struct config_problems *problems);

/* The token that the file holds. NULL, or what is wrong with the file. */
const char *world_token_read(const struct config_world *world, struct arena *arena,
                             const char *file, struct slice *token);

#endif
