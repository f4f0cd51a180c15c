/* What request.c, response.c and trailers share: a cursor over a head and the field section. */
#ifndef NEXTPROXY_HTTP_HEAD_H
#define NEXTPROXY_HTTP_HEAD_H

#include <assert.h>

#include "http.h"

/* One parse of one head. Lives on the stack of the parse function. */
struct http_head {
    const char *base; /* first byte of the head */
    const char *at;   /* next byte to read */
    const char *end;  /* behind what may be read: the data or the limit */
    const struct http_limits *limits;
    enum http_reject reject;
    u32 repeated; /* bit per enum http_field_id that came more than once */
};

static_assert(HTTP_FIELD_COUNT <= 32, "field ids are used as bits of a u32");

/* Field ids that may come only once. In a request those with HTTP_FIELD_SINGLE in the table (held
 * equal by tests/unit/http/test_fields.c); in a response, only what decides where it ends. */
enum {
    HTTP_REQUEST_SINGLES =
        HTTP_FIELD_BIT(HTTP_FIELD_HOST) | HTTP_FIELD_BIT(HTTP_FIELD_CONTENT_LENGTH) |
        HTTP_FIELD_BIT(HTTP_FIELD_TRANSFER_ENCODING) | HTTP_FIELD_BIT(HTTP_FIELD_EXPECT) |
        HTTP_FIELD_BIT(HTTP_FIELD_AUTHORIZATION) | HTTP_FIELD_BIT(HTTP_FIELD_PROXY_AUTHORIZATION),
    HTTP_RESPONSE_SINGLES =
        HTTP_FIELD_BIT(HTTP_FIELD_CONTENT_LENGTH) | HTTP_FIELD_BIT(HTTP_FIELD_TRANSFER_ENCODING),
};

static inline enum http_parse http_head_reject(struct http_head *head, enum http_reject reject)
{
    head->reject = reject;
    return HTTP_PARSE_REJECTED;
}

/* Also empties *fields. */
void http_head_begin(struct http_head *head, struct slice data, const struct http_limits *limits,
                     struct http_fields *fields);
/* What a parse that ran out of bytes means: more are needed, or the limit is reached. */
enum http_parse http_head_partial(struct http_head *head, struct slice data,
                                  enum http_reject when_full);
/* Reads `HTTP/1.x`. */
enum http_parse http_head_version(struct http_head *head, u8 *minor);
/* Reads CRLF. A byte that is neither CR nor LF is refused as `otherwise`. */
enum http_parse http_head_line_end(struct http_head *head, enum http_reject otherwise);
/* Reads field lines up to and with the empty line. A second field whose id is in `singles` is
 * refused. */
enum http_parse http_head_fields(struct http_head *head, u32 singles, struct http_fields *fields);

/* http_field_find for a name that is known to be a token: faster by not looking twice. May also
 * return HTTP_FIELD_UNDERSCORED. */
enum http_field_id http_field_find_token(const char *name, u32 len);

/* The options that Connection fields carry (RFC 9110 §7.6.1). */
struct http_connection {
    bool close;
    bool keep_alive;
    bool upgrade;
};

/* Reads all Connection fields and marks the fields they name. False when they name more than
 * HTTP_CONNECTION_NAMES_MAX. */
MUST_CHECK bool http_connection_read(const struct http_head *head, struct http_fields *fields,
                                     struct http_connection *connection);

/* Whether this Accept value prefers text/html to application/json. */
bool http_accept_html(struct slice accept);

#endif
