/* What the origin understands of a request: enough to answer `GET /<bytes>` and to find its end. */
#ifndef NEXTPROXY_BENCH_ORIGIN_REQUEST_H
#define NEXTPROXY_BENCH_ORIGIN_REQUEST_H

#include "base/types.h"

enum request_verdict { REQUEST_PARTIAL, REQUEST_COMPLETE, REQUEST_BAD };

struct request {
    usize head_bytes; /* up to and including the empty line */
    u64 body_bytes;   /* Content-Length, 0 without one */
    u64 reply_bytes;  /* the number in the target */
    bool head_only;   /* the method is HEAD */
    bool close;       /* Connection: close, or HTTP/1.0 */
};

/* Looks for one whole request head at `data`. Pure; `out` is set only for REQUEST_COMPLETE. */
enum request_verdict request_parse(const u8 *data, usize len, struct request *out);

#endif
