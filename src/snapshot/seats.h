/* Where each backend sits, and whether it may be chosen there. */
#ifndef NEXTPROXY_SNAPSHOT_SEATS_H
#define NEXTPROXY_SNAPSHOT_SEATS_H

#include "snapshot.h"

/* With all pools there: from now on the usable bits are as the state's marks say. */
void seats_create(struct snapshot *snapshot);
/* Fewer may be ejected in this configuration than are: the last ones of each pool come back. No
 * worker serves by it yet, so none sees more. */
void seats_return_surplus(struct snapshot *snapshot);
void seats_destroy(struct snapshot *snapshot);

#endif
