/* Replies made once and sent many times: one per body size that was ever asked for. */
#ifndef NEXTPROXY_BENCH_ORIGIN_REPLY_H
#define NEXTPROXY_BENCH_ORIGIN_REPLY_H

#include <sys/socket.h>

#include "base/types.h"

enum { REPLY_BODY_BYTES_MAX = 64 * 1024 * 1024 };

/* Never freed and never changed once made, so sends may refer to it for ever. Small replies are one
 * block (`flat`); large ones are a head and a block of the body that is repeated. */
struct reply {
    const u8 *flat; /* NULL: send `message` */
    struct msghdr message;
    usize bytes;
    u64 body_bytes;
    bool head_only;
};

/* The reply with a body of `body_bytes`, or only its head. NULL when there are too many different
 * sizes or the size is above the limit. */
const struct reply *reply_find(u64 body_bytes, bool head_only);

#endif
