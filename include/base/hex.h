/* Bytes as hexadecimal digits: two for each, in small letters. */
#ifndef NEXTPROXY_BASE_HEX_H
#define NEXTPROXY_BASE_HEX_H

#include "base/slice.h"

enum { HEX_NONE = 16 };

/* The value of a digit; HEX_NONE when it is none. */
static inline u32 hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return (u32)(digit - '0');
    return digit >= 'a' && digit <= 'f' ? (u32)(digit - 'a') + 10 : HEX_NONE;
}

/* `out` has room for 2 * count digits; they are not terminated. */
static inline void hex_write(const u8 *bytes, usize count, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (usize i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

/* Exactly `count` bytes; false when it is anything else. */
MUST_CHECK static inline bool hex_read(struct slice text, u8 *out, usize count)
{
    if (text.len != 2 * count)
        return false;
    for (usize i = 0; i < count; i++) {
        u32 high = hex_value(text.data[2 * i]);
        u32 low = hex_value(text.data[2 * i + 1]);
        if (high == HEX_NONE || low == HEX_NONE)
            return false;
        out[i] = (u8)(high << 4 | low);
    }
    return true;
}

#endif
