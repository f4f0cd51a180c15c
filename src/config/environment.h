/* Settings from the environment: BACKENDS and NEXTPROXY_<PATH>. */
#ifndef NEXTPROXY_CONFIG_ENVIRONMENT_H
#define NEXTPROXY_CONFIG_ENVIRONMENT_H

#include "config/read.h"

/* Puts the values into the document, as if they stood in the file, and notes in `source` (whose
 * overrides live in the problems' arena) where they came from. */
void environment_apply(char **environment, json_t *root, struct source *source,
                       struct config_problems *problems);

#endif
