/*
 * The sockets that clients and operators come to: opened here, or taken over from whoever has had
 * them before, and nowhere else.
 */
#ifndef NEXTPROXY_CONTROL_LISTENERS_H
#define NEXTPROXY_CONTROL_LISTENERS_H

#include "config.h"
#include "handover.h"

struct listeners;

/* Per worker one socket for each listener, and one of the management API. What `from` has for them
 * is used, and marked so there: from an earlier engine by the listener's name, from a service
 * manager by its address. NULL, with nothing left open that was opened here, and the reason in
 * `why` (WORKER_WHY_BYTES) when one cannot be opened, or the service manager gave one that is for
 * nobody. `config` and `from` outlive the listeners. */
MUST_CHECK struct listeners *listeners_open(const struct config *config, struct handover *from,
                                            char *why, usize why_bytes);
/* One descriptor for each listener of the configuration. */
const int *listeners_of_worker(const struct listeners *listeners, u32 worker);
/* -1 when the API is off. */
int listeners_management(const struct listeners *listeners);

/* Gives the supervisor at the other end of `channel` a copy of each socket that it does not have.
 */
void listeners_give(const struct listeners *listeners, int channel);
/* Lets go, here and there, of what was handed over and is of no use with this configuration. Once,
 * when the workers serve. */
void listeners_give_up_rest(const struct listeners *listeners, int channel);

/* `served` workers have accepted, and closed their own, but for unix sockets, whose files are
 * removed when nobody else is to use them. */
void listeners_close(struct listeners *listeners, u32 served, bool remove_files);

#endif
