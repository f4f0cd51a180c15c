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
    /* What these files hold, whatever file_read says; NULL = there are none. */
    const struct config_source *sources;
};

/* The system's files. */
extern const struct config_world config_world_system;

/* config_parse in a world of one's own. */
MUST_CHECK struct config *config_parse_in(const struct config_world *world, struct slice json,
                                          const char *name, char **environment,
                                          struct config_problems *problems);

/* The same of what was read from a file, which the configuration remembers. */
MUST_CHECK struct config *config_load_in(const struct config_world *world,
                                         const struct config_source *file, char **environment,
                                         struct config_problems *problems);

/* The token in what was read from a file, without its line end. NULL, or what is wrong with it. */
const char *world_token_judge(struct arena *arena, struct slice *token);

enum { TOKEN_FILE_BYTES_MAX = 4096 };

#endif
