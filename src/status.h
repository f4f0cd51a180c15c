/* status: `nextproxy status`, a client of the management API. */
#ifndef NEXTPROXY_STATUS_H
#define NEXTPROXY_STATUS_H

#include "config.h"

/* Asks the proxy that runs with this configuration and prints its answer. False with why on stderr
 * when there is none. */
MUST_CHECK bool status_print(const struct config *config);

#endif
