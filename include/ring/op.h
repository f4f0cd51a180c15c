/* Ops: one request to the kernel each, embedded in its owner, and how it ended. */
#ifndef NEXTPROXY_RING_OP_H
#define NEXTPROXY_RING_OP_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/types.h"

struct ring;
struct ring_op;

/* ---- Results ---- */

/* How an op ended. errno values stop here; `error` in struct ring_done keeps one for logs only. */
enum ring_status {
    RING_OK,
    RING_END,         /* receive: the peer has finished sending */
    RING_CANCELED,    /* as we asked */
    RING_REFUSED,     /* connect: ECONNREFUSED and the like: nobody listens there */
    RING_UNREACHABLE, /* no route, no host, no free local port */
    RING_RESET,       /* ECONNRESET, EPIPE: the connection is gone */
    RING_SHORT,       /* send: only `result` bytes were taken; the connection is gone, or its peer
                         has finished sending (see ring_send_now) */
    RING_TIMED_OUT,   /* ETIMEDOUT from the kernel */
    RING_EXHAUSTED,   /* EMFILE, ENFILE, ENOMEM, ENOBUFS: we ran out of something */
    RING_FAILED,      /* anything else */
    RING_STATUS_COUNT,
};

/* ---- Ops ---- */

struct ring_done {
    i32 result; /* bytes, or a new fd; valid with RING_OK and RING_SHORT */
    i32 error;  /* errno, for logs; 0 with RING_OK */
    enum ring_status status;
    bool more; /* the op stays armed: this was not its last call */
};

struct ring_op_class {
    const char *name;
    void (*on_done)(struct ring_op *op, struct ring_done done);
};

struct ring_op {
    const struct ring_op_class *class;
    u32 bytes; /* private to ring: how much a send must take */
    bool owed;
    bool canceling; /* private to ring: ring_cancel was called since it was armed */
    u8 kind;        /* private to ring */
};

void ring_op_init(struct ring_op *op, const struct ring_op_class *class);

/* Takes connections from a listening socket until it is canceled: `result` is a new non-blocking
 * fd each time, with `more` set; a ring_cancel always ends in RING_CANCELED. After RING_EXHAUSTED
 * or RING_FAILED with `more` false the owner arms it again. */
void ring_accept(struct ring *ring, struct ring_op *op, int fd);
/* `address` need not live beyond the call. */
void ring_connect(struct ring *ring, struct ring_op *op, int fd, const struct sockaddr *address,
                  socklen_t address_bytes);
/* Sends everything (RING_OK means all of it), a part (RING_SHORT), or fails. The bytes must live
 * until completion, the iovec array need not. count <= RING_IOV_MAX. One send at a time per socket.
 */
enum { RING_IOV_MAX = 64 };
void ring_send(struct ring *ring, struct ring_op *op, int fd, const struct iovec *iov, u32 count);
/* Sends what the socket has room for at the moment: RING_OK, or RING_SHORT with how much, which may
 * be nothing. For sockets whose peer has finished sending: io_uring polls them for its FIN as well
 * as for room, so waiting there ends at once, and after some trying in a thread or with a short
 * send.
 */
void ring_send_now(struct ring *ring, struct ring_op *op, int fd, const struct iovec *iov,
                   u32 count);
/* Waits until a socket takes bytes: RING_OK; or RING_SHORT when it does not yet, but its peer has
 * finished sending, because of which the kernel cannot wait (see ring_send_now); or RING_RESET when
 * the connection is gone. One of this and a send at a time. */
void ring_await_room(struct ring *ring, struct ring_op *op, int fd);
/* Waits until the fd is readable. */
void ring_poll_readable(struct ring *ring, struct ring_op *op, int fd);
/* Waits until the fd is writable. */
void ring_poll_writable(struct ring *ring, struct ring_op *op, int fd);
/* Writes to a file at its end (O_APPEND) or reads from the current position. */
void ring_write(struct ring *ring, struct ring_op *op, int fd, const void *data, u32 len);
void ring_read(struct ring *ring, struct ring_op *op, int fd, void *data, u32 len);
/* Asks for the end of an armed op; its handler is called with RING_CANCELED unless it completed
 * otherwise first. Harmless when the op is not owed. */
void ring_cancel(struct ring *ring, struct ring_op *op);

#endif
