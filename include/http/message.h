/* Heads of requests and responses, and where the bodies behind them end. */
#ifndef NEXTPROXY_HTTP_MESSAGE_H
#define NEXTPROXY_HTTP_MESSAGE_H

#include "http/fields.h"

enum http_method {
    HTTP_METHOD_OTHER, /* a valid token without a row of its own: forwarded as it is */
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_CONNECT,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_TRACE,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_COUNT,
};

/* Idempotent methods may be sent again when a connection dies (RFC 9110 §9.2.2). */
bool http_method_idempotent(enum http_method method);

/* Why a message was refused. Each has a row (status for a request, text) in src/http/reject.c. */
enum http_reject {
    HTTP_REJECT_NONE,
    HTTP_REJECT_METHOD,            /* not a token, or followed by more than one space */
    HTTP_REJECT_TARGET,            /* empty, a control or non-ASCII byte, a fragment, bad form */
    HTTP_REJECT_TARGET_LENGTH,     /* 414 */
    HTTP_REJECT_DOT_SEGMENT,       /* "." or ".." in a path by which a route is chosen */
    HTTP_REJECT_VERSION_SYNTAX,    /* not HTTP/d.d */
    HTTP_REJECT_VERSION,           /* 505: well formed but not 1.x */
    HTTP_REJECT_LINE_END,          /* bare CR or bare LF */
    HTTP_REJECT_FIELD_NAME,        /* empty, not a token, or white space before the colon */
    HTTP_REJECT_FIELD_VALUE,       /* NUL or another control byte */
    HTTP_REJECT_FOLDED,            /* obs-fold */
    HTTP_REJECT_HEAD_LENGTH,       /* 431 */
    HTTP_REJECT_FIELD_COUNT,       /* 431 */
    HTTP_REJECT_HOST,              /* missing (1.1), repeated, malformed, or unlike the target's */
    HTTP_REJECT_CONTENT_LENGTH,    /* malformed, repeated (even if equal), listed, or too large */
    HTTP_REJECT_TRANSFER_ENCODING, /* anything but exactly `chunked` as the final coding: 400;
                                      see HTTP_REJECT_CODING */
    HTTP_REJECT_CODING,            /* 501: a transfer coding before chunked that we do not do */
    HTTP_REJECT_FRAMING_CONFLICT,  /* Content-Length together with Transfer-Encoding, or
                                      Transfer-Encoding in an HTTP/1.0 message */
    HTTP_REJECT_CONNECT,           /* 501: CONNECT is for forward proxies */
    HTTP_REJECT_EXPECT,            /* 417: an expectation other than 100-continue */
    HTTP_REJECT_STATUS,            /* response: not three digits, 1xx..5xx as the RFC says */
    HTTP_REJECT_CHUNK,             /* malformed or overflowing chunk header, or missing CRLF */
    HTTP_REJECT_TRAILER,           /* malformed trailer section */
    HTTP_REJECT_SINGLE,            /* a field that may come once came twice */
    HTTP_REJECT_MAX_FORWARDS,      /* TRACE or OPTIONS: not a plain number, or repeated */
    HTTP_REJECT_UNDERSCORED,       /* X_Forwarded_For, Content_Length ...: see fields.h */
    HTTP_REJECT_COUNT,
};

struct http_reject_info {
    u16 status;       /* what a client is answered when its request is refused so */
    const char *name; /* snake_case, for logs and counters */
    const char *text; /* one sentence for people */
};

const struct http_reject_info *http_reject_info(enum http_reject reject);

/* Statuses by which a message is told apart (RFC 9110 §15). */
enum http_status {
    HTTP_STATUS_SWITCHING_PROTOCOLS = 101,
    HTTP_STATUS_OK = 200,
    HTTP_STATUS_NO_CONTENT = 204,
    HTTP_STATUS_NOT_MODIFIED = 304,
};

/* A response with this status is the last one to its request. */
static inline bool http_status_is_final(u32 status)
{
    return status >= HTTP_STATUS_OK || status == HTTP_STATUS_SWITCHING_PROTOCOLS;
}

/* It ends with its head whatever it says, and says nothing of a body (RFC 9112 §6.3, RFC 9110
 * §8.6). */
static inline bool http_status_is_bodiless(u32 status)
{
    return status < HTTP_STATUS_OK || status == HTTP_STATUS_NO_CONTENT;
}

struct http_limits {
    u32 head_bytes_max;   /* request or status line, fields and the empty line; <= 65535 */
    u32 target_bytes_max; /* >= HTTP_TARGET_BYTES_MIN; not used for responses and trailers */
    u32 fields_max;       /* <= HTTP_FIELDS_MAX */
};

enum http_parse {
    HTTP_PARSE_DONE,
    HTTP_PARSE_PARTIAL, /* so far valid; call again with more bytes from the same beginning */
    HTTP_PARSE_REJECTED,
};

/* A request head. Slices point into the bytes that were parsed. */
struct http_request {
    struct slice method_name;
    struct slice target;    /* as sent */
    struct slice authority; /* host[:port] without user information: from an absolute-form target,
                               else from Host; empty for HTTP/1.0 without Host */
    struct slice host;      /* authority without port, brackets kept for IPv6 */
    struct slice path;      /* begins with '/', or is "*" for OPTIONS; without the query. A constant
                               where an absolute-form target has none */
    struct slice query;     /* with its '?'; may be empty */
    u32 head_bytes;         /* of one that was refused: what was read of it */
    u32 max_forwards;       /* valid with has_max_forwards; what is larger counts as 2^31 - 1 */
    enum http_method method;
    enum http_reject reject; /* valid after HTTP_PARSE_REJECTED */
    u8 minor;                /* HTTP/1.minor: 0 or 1 (a higher minor counts as 1) */
    bool keep_alive;         /* what the client wants, from version and Connection */
    bool upgrade;            /* Connection names Upgrade and an Upgrade field is there (1.1 only) */
    bool expect_continue;
    bool has_max_forwards; /* TRACE and OPTIONS only: it means nothing elsewhere */
    bool accepts_html;     /* Accept prefers text/html: which form an error page takes */
    struct http_fields fields;
};

/* A response head. */
struct http_response {
    struct slice reason; /* may be empty */
    u32 head_bytes;
    u16 status;
    enum http_reject reject;
    u8 minor;
    bool keep_alive;
    bool upgrade;
    struct http_fields fields;
};

/* Parses the head at the beginning of data[0, len). Leading CRLFs before a request line must be
 * skipped by the caller (http_skip_empty_lines). Limits that are exceeded reject at once, even in a
 * partial head, and so does any byte that cannot belong to a valid head. After HTTP_PARSE_REJECTED
 * what was read before the fault is there (method_name, target, fields) and the rest is empty. */
MUST_CHECK enum http_parse http_request_parse(struct slice data, const struct http_limits *limits,
                                              struct http_request *request);
MUST_CHECK enum http_parse http_response_parse(struct slice data, const struct http_limits *limits,
                                               struct http_response *response);

/* ---- Paths, as backends may read them ---- */

enum http_path {
    HTTP_PATH_PLAIN, /* everybody reads it as it is written */
    HTTP_PATH_ODD,   /* has escapes, empty segments, parameters (";v=1"), or a leading dot */
    HTTP_PATH_DOTS,  /* has a segment that is, or may be read as, "." or ".." */
};

/* `path` is that of a request, which may hold any bytes. */
enum http_path http_path_judge(struct slice path);
/* True when the path is the prefix or below it: with escapes decoded, encoded slashes and
 * backslashes as slashes, several slashes as one, and without parameters. The prefix is written
 * so, without a slash at its end. */
bool http_path_below(struct slice path, struct slice prefix);
/* Writes the path with its escapes decoded, backslashes as slashes; `out` has room for path.len
 * bytes. Returns how many were written. */
u32 http_path_decode(struct slice path, char *out);

/* How many bytes of CRLF stand before a request line (RFC 9112 §2.2): at most one pair is allowed,
 * so 0 or 2. */
u32 http_skip_empty_lines(struct slice data);

/* ---- Framing: exactly one verdict per message (RFC 9112 §6.3) ---- */

enum http_body {
    HTTP_BODY_NONE,
    HTTP_BODY_LENGTH,
    HTTP_BODY_CHUNKED,
    HTTP_BODY_UNTIL_CLOSE, /* responses only */
    HTTP_BODY_TUNNEL,      /* 101: bytes both ways until both sides end */
    HTTP_BODY_REJECT,
};

struct http_framing {
    enum http_body body;
    enum http_reject reject; /* with HTTP_BODY_REJECT */
    u64 length;              /* with HTTP_BODY_LENGTH: > 0 */
};

MUST_CHECK struct http_framing http_request_framing(const struct http_request *request);
/* `method` is that of the request which is answered; `upgrade_sent` that it asked for an upgrade
 * (a 101 without that is rejected). */
MUST_CHECK struct http_framing http_response_framing(const struct http_response *response,
                                                     enum http_method method, bool upgrade_sent);

#endif
