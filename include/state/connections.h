/*
 * Connections that workers have to backends, by slot, idle ones included; so that a backend with a
 * limit (backends[].maxConnections) has no more of them than that, whichever workers they are of.
 *
 * Requests in progress are within the limit already (state_backend_enter()), and each has one
 * connection: as long as there are more connections than the limit, some are idle. Who has opened
 * one too many calls those who may have an idle one, and each worker closes idle ones of its own
 * while there are too many: when it is called, and instead of keeping another one. No excess is
 * overlooked, because both sides write first and read afterwards, sequentially consistent:
 *
 *   who opens                                  who keeps an idle one
 *     1. its connections + 1                     1. its connections hold it, since it was opened
 *     2. too many: calls all who have some       2. too many: closes it
 *
 * Either the second sees that there are too many; or the first is later, and calls it, and it looks
 * again when it is done with what it does.
 */
#ifndef NEXTPROXY_STATE_CONNECTIONS_H
#define NEXTPROXY_STATE_CONNECTIONS_H

#include "base/types.h"

struct state;

/* By the worker itself, which has asked for its tallies. */
void state_connection_opened(struct state *state, u32 worker, u32 slot);
/* It is being closed. */
void state_connection_closed(struct state *state, u32 worker, u32 slot);
/* Of all workers. */
u32 state_connections(const struct state *state, u32 slot);
/* Calls the other workers that have some, see state_worker_called(). */
void state_connections_call(struct state *state, u32 worker, u32 slot);

#endif
