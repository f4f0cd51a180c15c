/* The sockets that the supervisor holds for the next engine. */
#ifndef NEXTPROXY_SUPERVISOR_STORE_H
#define NEXTPROXY_SUPERVISOR_STORE_H

#include "handover.h"

struct stored {
    struct handover_socket socket;
    i32 pending; /* the engine that opened it and is not ready yet; 0 = for good */
};

struct store {
    u32 count;
    struct stored at[HANDOVER_SOCKETS_MAX];
};

/* All that were handed over to this process. */
void store_begin(struct store *store, const struct handover *from);
/* Takes `fd`, of the listener with that name. False, with it closed, when there is no room. */
MUST_CHECK bool store_keep(struct store *store, int fd, const char *name, i32 pending);
/* The engine is ready: what it opened is kept. */
void store_commit(struct store *store, i32 pid);
/* The engine was not ready when it ended: what it opened was never served. */
void store_discard(struct store *store, i32 pid);
/* Lets go of the sockets of this name from the from-th on. The file of a unix socket goes, too. */
void store_forget(struct store *store, const char *name, u32 from);
/* All but those on which operators ask until the engines have ended. */
void store_forget_clients(struct store *store);
void store_forget_all(struct store *store);
/* What is to be handed over. */
void store_add_to(const struct store *store, struct handover *out);

#endif
