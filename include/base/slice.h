/* A slice is a borrowed run of bytes: not terminated, not owned, valid as long as what it points
 * into. An empty slice may have a NULL pointer. */
#ifndef NEXTPROXY_BASE_SLICE_H
#define NEXTPROXY_BASE_SLICE_H

#include <string.h>

#include "base/types.h"

struct slice {
    const char *data;
    u32 len;
};

/* A slice over a string literal. */
#define SLICE(literal) ((struct slice){"" literal, (u32)(sizeof(literal) - 1)})

static inline struct slice slice_of(const char *data, usize len)
{
    return (struct slice){data, (u32)len};
}

static inline struct slice slice_of_string(const char *string)
{
    return (struct slice){string, (u32)strlen(string)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Equality that ignores ASCII case, as field names and host names are compared. */
static inline bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (u32 i = 0; i < a.len; i++)
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
            return false;
    return true;
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

/* The slice without spaces and tabs (RFC 9110 §5.6.3 OWS) at both ends. */
static inline struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = (struct slice){s.data + 1, s.len - 1};
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Takes what stands before the first `separator`, and that too; everything when there is none. */
static inline struct slice slice_take_until(struct slice *rest, char separator)
{
    if (rest->len == 0)
        return *rest;
    const char *end = memchr(rest->data, separator, rest->len);
    struct slice taken = slice_of(rest->data, end ? (usize)(end - rest->data) : rest->len);
    u32 used = end ? taken.len + 1 : taken.len;
    *rest = slice_of(rest->data + used, rest->len - used);
    return taken;
}

/* A number of 1 to 19 decimal digits and nothing else, at most `max`. False for all else: then
 * *value means nothing. */
MUST_CHECK static inline bool slice_parse_number(struct slice s, u64 max, u64 *value)
{
    enum { DIGITS_MAX = 19 }; /* all such numbers fit into 64 bits */
    u64 sum = 0;
    if (s.len == 0 || s.len > DIGITS_MAX)
        return false;
    for (u32 i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        sum = sum * 10 + (u64)(s.data[i] - '0');
    }
    *value = sum;
    return sum <= max;
}

#endif
