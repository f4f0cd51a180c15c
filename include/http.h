/*
 * http: HTTP/1.1 as pure functions over bytes (RFC 9110, RFC 9112). No I/O, no clock, no globals,
 * no allocation. Strict: what is ambiguous is rejected with a reason, never repaired.
 *
 * Reading order: http_request_parse -> http_request_framing -> (http_chunked_scan) and the same for
 * responses; http_field_info says what a proxy must do with each known field; struct http_writer
 * builds heads.
 */
#ifndef NEXTPROXY_HTTP_H
#define NEXTPROXY_HTTP_H

#include "base/assert.h"
#include "base/slice.h"

/* ---- Fields ---- */

enum {
    HTTP_HEAD_BYTES_MAX = 65535, /* field positions are u16 */
    HTTP_FIELDS_MAX = 256,       /* hard limit; the configured one may be lower */
    HTTP_METHOD_BYTES_MAX = 32,
    HTTP_TARGET_BYTES_MIN = 16,     /* the least that a configured limit may be */
    HTTP_CONNECTION_NAMES_MAX = 32, /* listed by all Connection fields of one head together */
};

/* Every field name the proxy treats specially. HTTP_FIELD_OTHER is everything else.
 * The rows are in src/http/fields.c. */
enum http_field_id {
    HTTP_FIELD_OTHER,
    HTTP_FIELD_ACCEPT,
    HTTP_FIELD_AUTHORIZATION,
    HTTP_FIELD_CONNECTION,
    HTTP_FIELD_CONTENT_LENGTH,
    HTTP_FIELD_CONTENT_TYPE,
    HTTP_FIELD_COOKIE,
    HTTP_FIELD_DATE,
    HTTP_FIELD_EXPECT,
    HTTP_FIELD_FORWARDED,
    HTTP_FIELD_HOST,
    HTTP_FIELD_KEEP_ALIVE,
    HTTP_FIELD_MAX_FORWARDS,
    HTTP_FIELD_PROXY_AUTHENTICATE,
    HTTP_FIELD_PROXY_AUTHORIZATION,
    HTTP_FIELD_PROXY_CONNECTION,
    HTTP_FIELD_SERVER,
    HTTP_FIELD_SET_COOKIE,
    HTTP_FIELD_TE,
    HTTP_FIELD_TRACEPARENT,
    HTTP_FIELD_TRAILER,
    HTTP_FIELD_TRANSFER_ENCODING,
    HTTP_FIELD_UPGRADE,
    HTTP_FIELD_USER_AGENT,
    HTTP_FIELD_VIA,
    HTTP_FIELD_X_FORWARDED_FOR,
    HTTP_FIELD_X_FORWARDED_HOST,
    HTTP_FIELD_X_FORWARDED_PROTO,
    HTTP_FIELD_X_REAL_IP,
    HTTP_FIELD_X_REQUEST_ID,
    HTTP_FIELD_COUNT,
};

enum http_field_flags {
    HTTP_FIELD_HOP_BY_HOP = 1 << 0, /* never forwarded as it came (RFC 9110 §7.6.1) */
    HTTP_FIELD_END_TO_END = 1 << 1, /* `Connection: name` cannot remove it */
    HTTP_FIELD_SINGLE = 1 << 2,     /* a second one makes a request invalid */
    HTTP_FIELD_NO_TRAILER = 1 << 3, /* never taken from a trailer section (RFC 9110 §6.5.1) */
    HTTP_FIELD_FORWARDING = 1 << 4, /* says who forwarded: rewritten by the proxy */
};

struct http_field_info {
    struct slice name; /* canonical spelling */
    u8 flags;          /* of enum http_field_flags */
};

/* What is known of a field; valid for every id but HTTP_FIELD_OTHER (whose flags are 0). */
const struct http_field_info *http_field_info(enum http_field_id id);
/* The id of a name, compared without case. */
enum http_field_id http_field_find(struct slice name);

/* One field line: `name` ":" OWS value OWS CRLF, as positions in the head. */
struct http_field {
    u16 name_at;
    u16 name_len;
    u16 value_at; /* without the white space around it */
    u16 value_len;
    u16 line_end; /* just behind the line's CRLF */
    u8 id;        /* enum http_field_id */
    bool named_by_connection; /* listed in a Connection field of the same head */
};

/* The fields of one head, in order. `base` is where positions count from: the head's first byte.
 * `first[id]` is 1 + the index of the first field with that id, 0 when absent. */
struct http_fields {
    const char *base;
    u16 count;
    u16 first[HTTP_FIELD_COUNT];
    struct http_field at[HTTP_FIELDS_MAX];
};

static inline struct slice http_field_name(const struct http_fields *fields, u32 index)
{
    const struct http_field *field = &fields->at[index];
    return slice_of(fields->base + field->name_at, field->name_len);
}

static inline struct slice http_field_value(const struct http_fields *fields, u32 index)
{
    const struct http_field *field = &fields->at[index];
    return slice_of(fields->base + field->value_at, field->value_len);
}

/* The value of the first field with that id; an empty slice with NULL data when there is none. */
static inline struct slice http_field_first(const struct http_fields *fields, enum http_field_id id)
{
    u16 first = fields->first[id];
    struct slice none = {0};
    return first == 0 ? none : http_field_value(fields, first - 1u);
}

/* ---- Reading heads ---- */

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
    HTTP_REJECT_COUNT,
};

struct http_reject_info {
    u16 status;      /* what a client is answered when its request is refused so */
    const char *name; /* snake_case, for logs and counters */
    const char *text; /* one sentence for people */
};

const struct http_reject_info *http_reject_info(enum http_reject reject);

struct http_limits {
    u32 head_bytes_max; /* request or status line, fields and the empty line; <= 65535 */
    u32 target_bytes_max; /* >= HTTP_TARGET_BYTES_MIN; not used for responses and trailers */
    u32 fields_max; /* <= HTTP_FIELDS_MAX */
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
    u32 head_bytes;
    enum http_method method;
    enum http_reject reject; /* valid after HTTP_PARSE_REJECTED */
    u8 minor;                /* HTTP/1.minor: 0 or 1 (a higher minor counts as 1) */
    bool keep_alive;         /* what the client wants, from version and Connection */
    bool upgrade;            /* Connection names Upgrade and an Upgrade field is there (1.1 only) */
    bool expect_continue;
    bool accepts_html; /* Accept prefers text/html: which form an error page takes */
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

/* Parses the head at the beginning of data[0, len). After HTTP_PARSE_REJECTED what was read before
 * the fault is there (method_name, target and fields, for the log); the rest is empty. Leading CRLFs before a request line must be
 * skipped by the caller (http_skip_empty_lines). Limits that are exceeded reject at once, even in a
 * partial head, and so does any byte that cannot belong to a valid head. */
MUST_CHECK enum http_parse http_request_parse(struct slice data, const struct http_limits *limits,
                                              struct http_request *request);
MUST_CHECK enum http_parse http_response_parse(struct slice data, const struct http_limits *limits,
                                               struct http_response *response);

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

/* ---- Chunked (RFC 9112 §7.1) ---- */

enum {
    HTTP_CHUNK_EXTENSION_BYTES_MAX = 1024, /* per chunk */
    /* Framing may not outweigh what it carries without end. A chunk's framing has 16 bytes and
     * twice its payload free, which no honest sender exceeds, however small its chunks; what is
     * more than that may not add up to more than this. */
    HTTP_CHUNK_OVERHEAD_BYTES_FREE = 65536,
};

enum http_chunked_state {
    HTTP_CHUNKED_SIZE,      /* waiting for the first digit of a size */
    HTTP_CHUNKED_SIZE_MORE, /* ... for further digits, an extension or CR */
    HTTP_CHUNKED_EXTENSION,        /* behind ';' */
    HTTP_CHUNKED_EXTENSION_NAME,
    HTTP_CHUNKED_EXTENSION_EQUALS, /* behind '=' */
    HTTP_CHUNKED_EXTENSION_VALUE,  /* a token */
    HTTP_CHUNKED_QUOTED,           /* inside a quoted value */
    HTTP_CHUNKED_QUOTED_ESCAPED,   /* behind a backslash in it */
    HTTP_CHUNKED_QUOTED_ENDED,     /* behind its closing quote */
    HTTP_CHUNKED_SIZE_LF,
    HTTP_CHUNKED_DATA,
    HTTP_CHUNKED_DATA_CR,
    HTTP_CHUNKED_DATA_LF,
    HTTP_CHUNKED_END, /* behind the last chunk's line: the trailer section or CRLF follows */
    HTTP_CHUNKED_BAD,
};

/* Decoder state; zeroed is the beginning of a body. */
struct http_chunked {
    u64 remaining; /* of this chunk: size being read, then payload bytes to come */
    u64 payload_bytes;
    u64 overhead_bytes; /* see HTTP_CHUNK_OVERHEAD_BYTES_FREE */
    u16 extension_bytes;
    u8 state; /* enum http_chunked_state */
    u8 digits;
};

/* Takes data[0, len) up to the end of the body (HTTP_CHUNKED_END), a fault (HTTP_CHUNKED_BAD) or the
 * end of the data, and returns how many bytes were taken. Scan leaves the bytes as they are; decode
 * also moves the payload to the front of data and sets *payload_len. */
u32 http_chunked_scan(struct http_chunked *chunked, const char *data, u32 len);
u32 http_chunked_decode(struct http_chunked *chunked, char *data, u32 len, u32 *payload_len);

/* Parses a trailer section including its empty line, with the rules of http_request_parse for
 * fields. *section_bytes is its length after HTTP_PARSE_DONE. */
MUST_CHECK enum http_parse http_trailers_parse(struct slice data, const struct http_limits *limits,
                                               struct http_fields *fields, u32 *section_bytes);

/* ---- Writing heads ---- */

/* Appends to a fixed block. Overflow is sticky: once something did not fit, `full` stays true and
 * nothing more is written, so that a caller checks once at the end. */
struct http_writer {
    char *at;
    char *end;
    bool full;
};

static inline void http_write(struct http_writer *writer, struct slice bytes)
{
    if (UNLIKELY((usize)(writer->end - writer->at) < bytes.len)) {
        writer->full = true;
        writer->end = writer->at;
        return;
    }
    if (bytes.len > 0)
        memcpy(writer->at, bytes.data, bytes.len);
    writer->at += bytes.len;
}

void http_write_u64(struct http_writer *writer, u64 value);
/* `name: value\r\n` */
void http_write_field(struct http_writer *writer, struct slice name, struct slice value);

/* The standard reason phrase of a status, or "" when it has none. */
struct slice http_reason(u32 status);

enum { HTTP_DATE_BYTES = 29 };
/* IMF-fixdate (RFC 9110 §5.6.7) of `seconds` since 1970, not terminated. */
void http_date_format(u64 seconds, char out[HTTP_DATE_BYTES]);

/* True when `token` is one of the comma-separated elements of `list`, without case. */
bool http_list_contains(struct slice list, struct slice token);
/* Takes the next element from a comma-separated list (RFC 9110 §5.6.1: empty elements are skipped);
 * false when none is left. */
bool http_list_next(struct slice *list, struct slice *element);

#endif
