/* c-ares' sockets on the ring: it says which ones it waits for, and hears when they are ready. */
#ifndef NEXTPROXY_RESOLVE_SOCKETS_H
#define NEXTPROXY_RESOLVE_SOCKETS_H

#include "ring.h"

/* One UDP and one TCP socket per server are in use, and some that the kernel has not let go of. */
enum { SOCKETS_MAX = 64 };

struct sockets;

struct sockets_side {
    struct ring_op op;
    bool wanted;
};

struct sockets_item {
    struct sockets *sockets;
    struct sockets_side read;
    struct sockets_side write;
    int fd;
    bool open; /* c-ares has it; without it waits for the kernel */
};

struct sockets {
    struct ring *ring;
    /* The fd is readable or writable; -1 where it is not. */
    void (*on_ready)(void *context, int readable_fd, int writable_fd);
    void *context;
    struct sockets_item at[SOCKETS_MAX];
};

void sockets_init(struct sockets *sockets);
/* What c-ares waits for on an fd from now on; neither: it is about to be closed. False when there
 * are too many: nobody will hear of this one. */
bool sockets_want(struct sockets *sockets, int fd, bool readable, bool writable);
/* True when the kernel owes nothing. */
bool sockets_are_quiet(const struct sockets *sockets);

#endif
