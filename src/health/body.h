/*
 * Whether a response's body contains a text: bytes go in as they come, chunked or not, and nothing
 * is kept of them. Pure.
 */
#ifndef NEXTPROXY_HEALTH_BODY_H
#define NEXTPROXY_HEALTH_BODY_H

#include "config.h"

/* How much of a body is looked at. */
enum { BODY_BYTES_MAX = 65536 };

enum body_verdict {
    BODY_MORE, /* nothing can be said yet */
    BODY_FOUND,
    BODY_MISSING, /* it is not there, or further on than is looked at */
    BODY_BAD,     /* wrong chunks */
};

struct body_search {
    struct http_chunked chunked;
    struct slice wanted;
    u64 remaining; /* of the body; chunked: what is looked at */
    u32 matched;   /* how many of the first bytes of `wanted` the last bytes seen are */
    bool is_chunked;
    /* By number of bytes that match: the longest shorter part of those that begins `wanted`, which
     * is what the next byte is compared behind (Knuth, Morris and Pratt 1977). */
    u8 fallback[CONFIG_PROBE_BODY_BYTES_MAX + 1];
};

/* `wanted` is of 1 to CONFIG_PROBE_BODY_BYTES_MAX bytes, and must outlive the search. The framing
 * is that of a response which was not rejected. */
enum body_verdict body_search_begin(struct body_search *search, struct slice wanted,
                                    struct http_framing framing);
/* Takes the next bytes of the connection, and may change them. Not after a verdict. */
enum body_verdict body_search_take(struct body_search *search, char *data, u32 len);

#endif
