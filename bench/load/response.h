/*
 * The check of one response as its bytes arrive: status 200, the expected Content-Length, exactly
 * that many bytes, and the bytes that the origin sends; or, where that may be, a whole refusal
 * (503). Pure.
 */
#ifndef NEXTPROXY_BENCH_LOAD_RESPONSE_H
#define NEXTPROXY_BENCH_LOAD_RESPONSE_H

#include "base/types.h"

enum { RESPONSE_HEAD_BYTES_MAX = 4096 };

enum response_verdict {
    RESPONSE_MORE,       /* fine so far */
    RESPONSE_COMPLETE,   /* all of it, and nothing after it */
    RESPONSE_BAD_HEAD,   /* not HTTP/1.1, too long, or without a usable Content-Length */
    RESPONSE_BAD_STATUS, /* not 200, nor a refusal that may be */
    RESPONSE_BAD_LENGTH, /* a Content-Length that is not the expected one */
    RESPONSE_BAD_BODY,   /* bytes that the origin did not send */
    RESPONSE_EXTRA,      /* bytes after the end */
};

struct response {
    u64 body_left;
    u64 body_bytes;
    bool head_done;
    bool last;       /* the peer closes behind it: Connection: close */
    bool may_refuse; /* set by the owner, once */
    bool refused;    /* a 503; its body is only counted */
    u16 head_len;    /* of what is kept in `head` of a head in several pieces */
    u8 *head;        /* RESPONSE_HEAD_BYTES_MAX bytes, allocated by the first partial head */
};

/* Prepares for the next response with a body of `body_bytes`; keeps `head` and `may_refuse`. */
void response_start(struct response *response, u64 body_bytes);

/* Feeds the next bytes. `block` is what pattern_fill filled. After any verdict but RESPONSE_MORE
 * the response must be started again. */
enum response_verdict response_feed(struct response *response, const u8 *block, const u8 *data,
                                    usize len);

/* Counts bytes that the kernel discarded for us (they are part of the body, not looked at). */
enum response_verdict response_skip(struct response *response, usize len);

#endif
