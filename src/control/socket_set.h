/*
 * The sockets of one listener, from their opening, or from whoever has had them before, to their
 * end. src/control/listeners.c decides which listeners there are.
 */
#ifndef NEXTPROXY_CONTROL_SOCKET_SET_H
#define NEXTPROXY_CONTROL_SOCKET_SET_H

#include <sys/socket.h>

#include "config.h"
#include "handover.h"

/* The sockets of one listener. A unix socket, or one of the service manager's, is shared by all
 * workers as far as there is none for each. */
struct socket_set {
    struct config_listener listener; /* what its sockets were made from; the name is `name` */
    int *fds;
    u32 count;
    u32 adopted; /* the first ones were handed over */
    u32 served;  /* the first ones are some worker's */
    u32 told;    /* the supervisor has the first ones */
    bool given;  /* by a service manager: neither the file nor the number of sockets is ours */
    bool kept;   /* by the configuration that is looked at */
    u64 closing; /* the first snapshot without it; 0 = it is served */
    char name[HANDOVER_NAME_BYTES];
};

static inline bool socket_set_is_unix(const struct socket_set *set)
{
    return set->listener.address.any.sa_family == AF_UNIX;
}

/* Takes over what `from` has for the listener, and opens what is missing for so many workers. NULL
 * with the reason in `why` (WORKER_WHY_BYTES), and with nothing left open that was opened here. */
MUST_CHECK struct socket_set *socket_set_open(struct handover *from,
                                              const struct config_listener *listener, u32 workers,
                                              char *why, usize why_bytes);
/* Opens what is missing for so many workers. False with the reason in `why`. */
MUST_CHECK bool socket_set_fill(struct socket_set *set, u32 workers, char *why, usize why_bytes);
/* Its TCP port, also where the system chose it; 0 = it has none. */
u32 socket_set_port(const struct socket_set *set);
/* Closes what no worker was given yet, and removes a file that was made for it. */
void socket_set_undo(struct socket_set *set);
/* The file of a unix socket, unless it is a service manager's. */
void socket_set_remove_file(const struct socket_set *set);
/* Permission bits as this listener has them now. */
void socket_set_chmod(struct socket_set *set, u32 unix_mode);
/* Closes all of it. */
void socket_set_free(struct socket_set *set);

/* What a service manager gives was asked for: to leave it unserved would only be seen by clients.
 * False, with the reason in `why`, when some of it is for no listener. */
MUST_CHECK bool socket_sets_use_all_given(const struct handover *from, char *why, usize why_bytes);
/* Of a set that a service manager gave: it may be wanted again, and nobody could open it then. */
void socket_set_give_back(struct socket_set *set, struct handover *from);
/* What the operator should know of one that no listener uses. */
void socket_describe_unused(const struct handover_socket *socket, char *out, usize bytes);

#endif
