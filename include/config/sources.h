/*
 * config: what a configuration was made from, so that the same one can be made again when its files
 * are not good any more: the text of its own file, and of those that it names (pages, tokens,
 * keys). A part of config.h.
 *
 * Not in it are the environment, which is that of the process that reads it, and programs, which
 * are taken to be what they were.
 */
#ifndef NEXTPROXY_CONFIG_SOURCES_H
#define NEXTPROXY_CONFIG_SOURCES_H

#include "base/slice.h"

struct config;
struct config_problems;

/* A file that was read. In the arena of its configuration. */
struct config_source {
    const struct config_source *next;
    struct slice name; /* NUL-terminated */
    struct slice content;
};

/* All of it as a sealed file in memory, the caller's, closed to further programs. It holds secrets.
 * -1 with errno. */
MUST_CHECK int config_sources_save(const struct config *config);
/* As config_load(), from such a file, whose name is still that of the configuration's own. */
MUST_CHECK struct config *config_sources_load(int fd, char **environment,
                                              struct config_problems *problems);

#endif
