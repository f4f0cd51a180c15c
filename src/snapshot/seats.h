/* Where each backend sits, and whether it may be chosen there. */
#ifndef NEXTPROXY_SNAPSHOT_SEATS_H
#define NEXTPROXY_SNAPSHOT_SEATS_H

#include "snapshot.h"

/* With all pools there: from now on the usable bits are as the state's marks say. */
void seats_create(struct snapshot *snapshot);
void seats_destroy(struct snapshot *snapshot);

#endif
