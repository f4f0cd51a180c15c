/* The sockets that workers accept from. */
#ifndef NEXTPROXY_CONTROL_LISTENERS_H
#define NEXTPROXY_CONTROL_LISTENERS_H

#include "config.h"

/* Per worker one for each listener. NULL, with nothing left open, and the reason in `why`
 * (WORKER_WHY_BYTES) when one cannot be opened. */
MUST_CHECK int *listeners_open(const struct config *config, char *why, usize why_bytes);
/* `started` workers have closed their own, but for unix sockets. `fds` may be NULL. */
void listeners_close(const struct config *config, int *fds, u32 started);

#endif
