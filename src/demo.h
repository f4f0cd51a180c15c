/* `nextproxy --demo`: three sample backends, so that the proxy can be tried with nothing else. */
#ifndef NEXTPROXY_DEMO_H
#define NEXTPROXY_DEMO_H

#include "base/types.h"

enum { DEMO_BACKENDS = 3 };

/* Serves on 127.0.0.1, on DEMO_BACKENDS ports from port_first on, until SIGINT or SIGTERM. Every
 * request is answered with a line of JSON about it. Returns the process' exit status: 0, or 1 with
 * a message on stderr when a port is taken or there can be no ring. */
int demo_run(u16 port_first);

#endif
