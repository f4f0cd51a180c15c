/* Trying out what io_uring does, one function for each feature that cannot be read from a bit. */
#ifndef NEXTPROXY_RING_BEHAVIOUR_H
#define NEXTPROXY_RING_BEHAVIOUR_H

#include "ring/compat.h"

/* Each takes a working ring with nothing in flight, leaves it so, and never waits long. 0 when the
 * feature does what it should, otherwise an errno: EPROTO when it was accepted but did something
 * else, ETIME when nothing came back. */
i32 behaviour_wait_timeout(struct io_uring *ring);
i32 behaviour_thread_limit(struct io_uring *ring);
i32 behaviour_registered_ring(struct io_uring *ring);
i32 behaviour_buffer_ring(struct io_uring *ring);
i32 behaviour_multishot_accept(struct io_uring *ring);
i32 behaviour_multishot_recv(struct io_uring *ring);
i32 behaviour_bundle(struct io_uring *ring);
/* Needs no ring. */
i32 behaviour_splice(struct io_uring *ring);

/* Makes a ring of its own with the setup flags of `ring`. */
i32 behaviour_restrictions(struct io_uring *ring);

#endif
