/* What tells one backend from another while configurations come and go. */
#ifndef NEXTPROXY_SNAPSHOT_NAMES_H
#define NEXTPROXY_SNAPSHOT_NAMES_H

#include "base/arena.h"
#include "config.h"

/* Its id and URL: with another URL it is another backend, even under the same id. So is each
 * address of a name. In the arena. */
struct slice backend_key(struct arena *arena, const struct config_backend *backend);

#endif
