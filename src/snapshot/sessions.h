/* What sticky sessions by cookie need of a snapshot. */
#ifndef NEXTPROXY_SNAPSHOT_SESSIONS_H
#define NEXTPROXY_SNAPSHOT_SESSIONS_H

#include "snapshot.h"

/* Sets the key, and gives the pools of routes with such sessions their handles. */
void sessions_create(struct snapshot *snapshot);

#endif
