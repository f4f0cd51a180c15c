/* Chunked bodies (RFC 9112 §7.1) and their trailer sections. */
#ifndef NEXTPROXY_HTTP_CHUNKED_H
#define NEXTPROXY_HTTP_CHUNKED_H

#include "http/message.h"

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
    HTTP_CHUNKED_EXTENSION, /* behind ';' */
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

/* Takes data[0, len) up to the end of the body (HTTP_CHUNKED_END), a fault (HTTP_CHUNKED_BAD) or
 * the end of the data, and returns how many bytes were taken. Scan leaves the bytes as they are;
 * decode also moves the payload to the front of data and sets *payload_len. */
u32 http_chunked_scan(struct http_chunked *chunked, const char *data, u32 len);
u32 http_chunked_decode(struct http_chunked *chunked, char *data, u32 len, u32 *payload_len);

/* Parses a trailer section including its empty line, with the rules of http_request_parse for
 * fields. *section_bytes is its length after HTTP_PARSE_DONE. */
MUST_CHECK enum http_parse http_trailers_parse(struct slice data, const struct http_limits *limits,
                                               struct http_fields *fields, u32 *section_bytes);

#endif
