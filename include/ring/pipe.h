/*
 * Pipes: the way from one socket to another that does not lead through our memory (splice(2)). The
 * kernel hands over the pages that it received into; nothing is copied. Plain system calls: as an
 * op each splice would go to a kernel thread.
 */
#ifndef NEXTPROXY_RING_PIPE_H
#define NEXTPROXY_RING_PIPE_H

#include "base/types.h"

struct ring;

struct ring_pipe {
    struct ring_pipe *next; /* private to ring, like all but `bytes` and `capacity_bytes` */
    int read_fd;
    int write_fd;
    u32 bytes; /* in it */
    u32 capacity_bytes;
};

/* As many pipes as a ring has at most. */
enum { RING_PIPES_MAX = 64 };

enum ring_moved {
    RING_MOVED_SOME,
    RING_MOVED_NONE, /* the socket has no bytes, or no room: wait for some, and try again */
    RING_MOVED_LOST, /* it has ended, has failed, or cannot do this: to receive or to send would
                        tell */
};

/* An empty pipe, to be given back. NULL when RING_PIPES_MAX are in use, no descriptors are left, or
 * the ring is without RING_CAP_SPLICE. */
struct ring_pipe *ring_pipe_take(struct ring *ring);
/* Pipes that are open: two descriptors each. */
u32 ring_pipes(const struct ring *ring);
/* With bytes in it they are lost. */
void ring_pipe_return(struct ring *ring, struct ring_pipe *pipe);
/* Moves up to bytes_max bytes from the socket, as far as there is room in the pipe: *bytes as many,
 * which is 0 unless RING_MOVED_SOME. The pipe must have room, and bytes_max must not be 0. */
MUST_CHECK enum ring_moved ring_pipe_fill(struct ring *ring, struct ring_pipe *pipe, int fd,
                                          u32 bytes_max, u32 *bytes);
/* Moves what there is, or as much as the socket has room for. The pipe must not be empty. */
MUST_CHECK enum ring_moved ring_pipe_drain(struct ring *ring, struct ring_pipe *pipe, int fd,
                                           u32 *bytes);

#endif
