/*
 * supervisor: the process that an operator sees. It runs the engine, which is the same program in a
 * process of its own, holds a copy of its listening sockets, and
 *
 * - starts it again when it crashes: connections that come meanwhile wait in the sockets,
 * - replaces it by a new version of the program on SIGUSR2, the old one finishing what it has
 * begun,
 * - passes on signals, and what the engine has to say to a service manager,
 * - reaps whatever ends below it, so that it can be a container's first process.
 *
 * It needs no io_uring, reads no configuration and looks at no request: there is little that could
 * go wrong with it.
 */
#ifndef NEXTPROXY_SUPERVISOR_H
#define NEXTPROXY_SUPERVISOR_H

#include "handover.h"

/* An engine is started with the supervisor's own command line and this behind it. */
#define SUPERVISOR_ENGINE_OPTION "--engine"

/* Runs until the engine has ended as it was asked to, or cannot be kept running. `words` is the
 * command line, NULL at its end; `from` what was handed over to this process: a supervisor's state
 * after an upgrade, else sockets at most. Returns the process' exit status: of a first start that
 * failed, the engine's. */
MUST_CHECK int supervisor_run(char **words, const struct handover *from);

#endif
