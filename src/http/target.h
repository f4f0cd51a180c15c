/* Request targets (RFC 9112 §3.2) and authorities (RFC 3986 §3.2). */
#ifndef NEXTPROXY_HTTP_TARGET_H
#define NEXTPROXY_HTTP_TARGET_H

#include "http/head.h"

enum { HTTP_HOST_BYTES_MAX = 255, HTTP_PORT_NONE = -1 };

/* host [ ":" port ] */
struct http_authority {
    struct slice host; /* with the brackets of an IPv6 literal */
    i32 port;          /* 0..65535, or HTTP_PORT_NONE when absent or empty */
};

/* False when `text` is not a host and an optional port. */
MUST_CHECK bool http_authority_parse(struct slice text, struct http_authority *authority);
/* True when both name the same place for a scheme with that default port. */
bool http_authority_equal(const struct http_authority *a, const struct http_authority *b,
                          u16 default_port);

/* What an absolute-form target says of where the request goes. */
struct http_origin {
    bool present;
    u16 default_port; /* of the scheme */
    struct http_authority authority;
};

/* Reads the target and the space behind it into request->{target,path,query}, and for an
 * absolute-form target request->authority and *origin. The method must have been read. */
enum http_parse http_target_read(struct http_head *head, struct http_request *request,
                                 struct http_origin *origin);

#endif
