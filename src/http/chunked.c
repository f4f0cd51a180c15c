/*
 * The chunked coding (RFC 9112 §7.1).
 *
 *     SIZE ─hex→ SIZE_MORE ─CR→ SIZE_LF ─LF→ DATA → DATA_CR → DATA_LF → SIZE ...
 *                    │             ↑  └─ LF, size 0 → END
 *                   ';'            CR
 *                    ↓             │
 *                EXTENSION ... a name, perhaps '=' and a token or quoted-string, perhaps ';' again
 *
 * Payload is skipped, not read, so the cost is per chunk. White space is taken only behind ';':
 * RFC 9112 allows it elsewhere for the sake of old senders, and readers that disagree about it are
 * how requests are smuggled.
 */
#include "http.h"
#include "http/bytes.h"

enum {
    SIZE_DIGITS_MAX = 16,
    CHUNK_FREE_BYTES = 16, /* framing that any chunk may have */
    FRAMING_BYTES = 4,     /* CRLF behind the size and CRLF behind the payload */
};

/* The size line is complete. */
static enum http_chunked_state begin_payload(struct http_chunked *chunked)
{
    u64 framing = (u64)chunked->digits + chunked->extension_bytes + FRAMING_BYTES;
    u64 free = CHUNK_FREE_BYTES + 2 * min_u64(chunked->remaining, HTTP_CHUNK_EXTENSION_BYTES_MAX);
    u64 overhead = chunked->overhead_bytes + framing;
    chunked->overhead_bytes = overhead - min_u64(overhead, free);
    if (chunked->overhead_bytes > HTTP_CHUNK_OVERHEAD_BYTES_FREE)
        return HTTP_CHUNKED_BAD;
    chunked->digits = 0;
    chunked->extension_bytes = 0;
    return chunked->remaining == 0 ? HTTP_CHUNKED_END : HTTP_CHUNKED_DATA;
}

static enum http_chunked_state size_byte(struct http_chunked *chunked, char byte)
{
    if (http_byte_is(byte, HTTP_BYTE_HEX)) {
        bool overflow = chunked->remaining > (u64)INT64_MAX >> 4;
        if (chunked->digits == SIZE_DIGITS_MAX || overflow)
            return HTTP_CHUNKED_BAD;
        chunked->digits++;
        chunked->remaining = chunked->remaining << 4 | http_hex_value(byte);
        return HTTP_CHUNKED_SIZE_MORE;
    }
    if (chunked->state == HTTP_CHUNKED_SIZE)
        return HTTP_CHUNKED_BAD;
    if (byte == '\r')
        return HTTP_CHUNKED_SIZE_LF;
    return byte == ';' ? HTTP_CHUNKED_EXTENSION : HTTP_CHUNKED_BAD;
}

/* Behind a name or value: another extension or the end of the line. */
static enum http_chunked_state extension_end(char byte)
{
    if (byte == ';')
        return HTTP_CHUNKED_EXTENSION;
    return byte == '\r' ? HTTP_CHUNKED_SIZE_LF : HTTP_CHUNKED_BAD;
}

static enum http_chunked_state quoted_byte(char byte)
{
    if (byte == '"')
        return HTTP_CHUNKED_QUOTED_ENDED;
    if (byte == '\\')
        return HTTP_CHUNKED_QUOTED_ESCAPED;
    return http_byte_is(byte, HTTP_BYTE_QUOTED) ? HTTP_CHUNKED_QUOTED : HTTP_CHUNKED_BAD;
}

/* A byte of the extensions (RFC 9112 §7.1.1), `state` being one of theirs. */
static enum http_chunked_state extension_byte(enum http_chunked_state state, char byte)
{
    bool token = http_byte_is(byte, HTTP_BYTE_TOKEN);
    if (state == HTTP_CHUNKED_EXTENSION) {
        if (token)
            return HTTP_CHUNKED_EXTENSION_NAME;
        return byte == ' ' || byte == '\t' ? HTTP_CHUNKED_EXTENSION : HTTP_CHUNKED_BAD;
    }
    if (state == HTTP_CHUNKED_EXTENSION_NAME) {
        if (byte == '=')
            return HTTP_CHUNKED_EXTENSION_EQUALS;
        return token ? HTTP_CHUNKED_EXTENSION_NAME : extension_end(byte);
    }
    if (state == HTTP_CHUNKED_EXTENSION_EQUALS) {
        if (byte == '"')
            return HTTP_CHUNKED_QUOTED;
        return token ? HTTP_CHUNKED_EXTENSION_VALUE : HTTP_CHUNKED_BAD;
    }
    if (state == HTTP_CHUNKED_EXTENSION_VALUE)
        return token ? HTTP_CHUNKED_EXTENSION_VALUE : extension_end(byte);
    if (state == HTTP_CHUNKED_QUOTED)
        return quoted_byte(byte);
    if (state == HTTP_CHUNKED_QUOTED_ESCAPED)
        return http_byte_is(byte, HTTP_BYTE_VALUE) ? HTTP_CHUNKED_QUOTED : HTTP_CHUNKED_BAD;
    return extension_end(byte);
}

static enum http_chunked_state expect_byte(char byte, char expected, enum http_chunked_state next)
{
    return byte == expected ? next : HTTP_CHUNKED_BAD;
}

/* One byte of framing: the state it leads to. */
static enum http_chunked_state framing_byte(struct http_chunked *chunked, char byte)
{
    enum http_chunked_state state = (enum http_chunked_state)chunked->state;
    switch (state) {
    case HTTP_CHUNKED_SIZE:
    case HTTP_CHUNKED_SIZE_MORE:
        return size_byte(chunked, byte);
    case HTTP_CHUNKED_EXTENSION:
    case HTTP_CHUNKED_EXTENSION_NAME:
    case HTTP_CHUNKED_EXTENSION_EQUALS:
    case HTTP_CHUNKED_EXTENSION_VALUE:
    case HTTP_CHUNKED_QUOTED:
    case HTTP_CHUNKED_QUOTED_ESCAPED:
    case HTTP_CHUNKED_QUOTED_ENDED:
        if (++chunked->extension_bytes > HTTP_CHUNK_EXTENSION_BYTES_MAX)
            return HTTP_CHUNKED_BAD;
        return extension_byte(state, byte);
    case HTTP_CHUNKED_SIZE_LF:
        return byte == '\n' ? begin_payload(chunked) : HTTP_CHUNKED_BAD;
    case HTTP_CHUNKED_DATA_CR:
        return expect_byte(byte, '\r', HTTP_CHUNKED_DATA_LF);
    case HTTP_CHUNKED_DATA_LF:
        return expect_byte(byte, '\n', HTTP_CHUNKED_SIZE);
    case HTTP_CHUNKED_DATA:
    case HTTP_CHUNKED_END:
    case HTTP_CHUNKED_BAD:
        break;
    }
    return HTTP_CHUNKED_BAD;
}

/* Takes framing up to payload, the end or a fault, and returns where that is. */
static u32 take_framing(struct http_chunked *chunked, const char *data, u32 at, u32 len)
{
    while (at < len && chunked->state < HTTP_CHUNKED_END && chunked->state != HTTP_CHUNKED_DATA)
        chunked->state = (u8)framing_byte(chunked, data[at++]);
    return at;
}

/* Takes payload of the current chunk, at most `available` bytes, and returns how many. */
static u32 take_payload(struct http_chunked *chunked, u32 available)
{
    if (chunked->state != HTTP_CHUNKED_DATA)
        return 0;
    u32 taken = (u32)min_u64(available, chunked->remaining);
    chunked->remaining -= taken;
    chunked->payload_bytes += taken;
    if (chunked->remaining == 0)
        chunked->state = HTTP_CHUNKED_DATA_CR;
    return taken;
}

u32 http_chunked_scan(struct http_chunked *chunked, const char *data, u32 len)
{
    u32 at = 0;
    while (at < len && chunked->state < HTTP_CHUNKED_END) {
        at = take_framing(chunked, data, at, len);
        at += take_payload(chunked, len - at);
    }
    return at;
}

u32 http_chunked_decode(struct http_chunked *chunked, char *data, u32 len, u32 *payload_len)
{
    u32 at = 0;
    u32 kept = 0;
    while (at < len && chunked->state < HTTP_CHUNKED_END) {
        at = take_framing(chunked, data, at, len);
        u32 payload = take_payload(chunked, len - at);
        if (payload > 0)
            memmove(data + kept, data + at, payload);
        kept += payload;
        at += payload;
    }
    *payload_len = kept;
    return at;
}
