/* What each byte may be part of (RFC 9110 §5, RFC 3986 §2): one table, a flag per grammar rule. */
#ifndef NEXTPROXY_HTTP_BYTES_H
#define NEXTPROXY_HTTP_BYTES_H

#include "base/types.h"

enum http_byte {
    HTTP_BYTE_TOKEN = 1 << 0, /* tchar: methods, field names, list tokens */
    HTTP_BYTE_VALUE = 1 << 1, /* field value or reason: HTAB, SP, VCHAR, obs-text */
    HTTP_BYTE_PATH = 1 << 2,  /* path byte that needs no second look */
    HTTP_BYTE_QUERY = 1 << 3, /* query byte */
    HTTP_BYTE_HOST = 1 << 4,  /* unreserved: what a registered name may hold here */
    HTTP_BYTE_HEX = 1 << 5,
    HTTP_BYTE_QUOTED = 1 << 6, /* qdtext: inside a quoted-string */
    HTTP_BYTE_DIGIT = 1 << 7,
};

extern const u8 http_bytes[256];

static inline bool http_byte_is(char byte, enum http_byte kind)
{
    return (http_bytes[(u8)byte] & (u8)kind) != 0;
}

/* The value of a hexadecimal digit; only for bytes that are HTTP_BYTE_HEX. */
static inline u32 http_hex_value(char digit)
{
    return digit <= '9' ? (u32)(digit - '0') : (u32)((digit | 0x20) - 'a') + 10u;
}

#endif
