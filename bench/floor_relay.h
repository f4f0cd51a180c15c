/*
 * The floor's data path: clients, upstreams, and the messages between them. It looks at no byte:
 * one receive completion is one message, and one message is one send.
 */
#ifndef NEXTPROXY_BENCH_FLOOR_RELAY_H
#define NEXTPROXY_BENCH_FLOOR_RELAY_H

#include <netinet/in.h>

#include "common/buffers.h"
#include "common/ring.h"

enum floor_send {
    FLOOR_SEND_OP,     /* a send operation with a completion */
    FLOOR_SEND_QUIET,  /* a send operation that only completes visibly when it fails */
    FLOOR_SEND_INLINE, /* send(2) at once */
};

struct floor_options {
    struct sockaddr_in listen;
    u64 reply_bytes; /* > 0: the upstream goes back to the pool after that many bytes; 0: it stays
                        with its client until the client closes */
    u32 buffer_bytes;
    u32 buffers;
    u32 publish;
    u32 wait_events;
    u32 min_wait_us;
    bool adaptive; /* the number of completions to wait for follows the load */
    enum floor_send send;
    bool single;            /* single-shot receives, for comparison */
    bool fixed;             /* descriptors are also put into the ring's table */
    const char *congestion; /* TCP_CONGESTION of all sockets; NULL: the system's default */
    struct bench_ring_setup ring;
    int cpu;
};

/* Where upstreams lead to; clients' requests go to one after the other. */
struct backend {
    struct sockaddr_in address;
    struct side *idle; /* upstreams without a client; the last one in is the first out */
};

/* One end of the forwarding: a client or an upstream. */
struct side {
    int fd;
    bool client;
    bool receiving; /* a receive is armed */
    bool sending;   /* a send is owed by the kernel */
    bool closing;
    bool quiet; /* the send in flight has no completion unless it fails */
    bool quiet_failed;
    i32 quiet_result; /* of the failed one: bytes sent, or a negative errno */
    u32 sent;         /* bytes of the first buffer in the queue that are gone */
    i32 queue_first;  /* buffers to be sent, linked by floor.next; -1: none */
    i32 queue_last;
    u64 reply_left;     /* upstream: bytes of the reply that are still to come */
    struct side *other; /* the side that bytes go to; NULL: none at the moment */
    struct backend *backend;
    struct side *idle_next; /* of the same backend */
};

enum { BACKENDS_MAX = 4096, QUIET_MAX = 16384, STARVED_MAX = 65536 };

struct floor {
    struct floor_options options;
    struct bench_ring ring;
    struct buffer_group group;
    int listener;
    i32 *next; /* per buffer: the one behind it in its queue, or -1 */
    u32 *len;  /* per buffer: the bytes in it */
    struct backend backends[BACKENDS_MAX];
    u32 backend_count;
    u32 backend_next; /* whose turn it is */
    /* Quiet sends made in this turn, and those of the turn before, which are over when the
     * completions of this turn have been handled. */
    struct side *quiet[2][QUIET_MAX];
    u32 quiet_count[2];
    u32 quiet_new;
    struct side *starved[STARVED_MAX]; /* receives that ended because no buffer was left */
    u32 starved_count;
};

void floor_accept_arm(struct floor *floor);

/* Sets the congestion control that was asked for; before a socket listens or connects. */
void floor_set_congestion(const struct floor_options *options, int fd);

/* Handles one completion. */
void floor_dispatch(struct floor *floor, const struct io_uring_cqe *cqe);

/* After all completions of a turn: quiet sends are over, starved receives are armed again. */
void floor_end_turn(struct floor *floor);

#endif
