/*
 * Paths as a backend may read them. A path is forwarded as it came, and servers differ in what they
 * make of it: some decode escapes, those of slashes and backslashes too, take several slashes for
 * one, and leave out what follows a ';' in a segment (RFC 3986 §3.3). So a route is chosen by the
 * most lenient reading, in which /%61dmin, //admin and /admin;v=1 are all /admin. Dot segments are
 * looked for in every reading: whether /a/../b is below /a or /b is up to who resolves them.
 */
#include "http.h"
#include "http/bytes.h"
#include "http/scan.h"

enum { PATH_END = -1 };

struct reading {
    struct slice path;
    u32 at;
    bool parameters_skipped; /* from a ';' to the end of its segment */
};

static bool escape_at(struct slice path, u32 at)
{
    return path.data[at] == '%' && path.len - at > 2 &&
           http_byte_is(path.data[at + 1], HTTP_BYTE_HEX) &&
           http_byte_is(path.data[at + 2], HTTP_BYTE_HEX);
}

/* The next byte, decoded, or PATH_END. */
static int reading_next(struct reading *reading)
{
    struct slice path = reading->path;
    bool parameter =
        reading->parameters_skipped && reading->at < path.len && path.data[reading->at] == ';';
    while (parameter && reading->at < path.len && path.data[reading->at] != '/')
        reading->at++;
    if (reading->at == path.len)
        return PATH_END;
    u8 byte = (u8)path.data[reading->at];
    if (escape_at(path, reading->at)) {
        const char *digits = path.data + reading->at + 1;
        byte = (u8)(http_hex_value(digits[0]) << 4 | http_hex_value(digits[1]));
        reading->at += 2;
    }
    reading->at++;
    return byte == '\\' ? '/' : byte;
}

static bool has_dot_segment(struct reading reading)
{
    enum { NO_SEGMENT = 3, DOTS_MAX = 2 };
    u32 dots = NO_SEGMENT; /* of a segment that has nothing else */
    int byte = reading_next(&reading);
    for (; byte != PATH_END; byte = reading_next(&reading)) {
        if (byte == '/' && (dots == 1 || dots == DOTS_MAX))
            return true;
        if (byte == '/')
            dots = 0;
        else
            dots = byte == '.' ? min_u32(dots + 1, NO_SEGMENT) : NO_SEGMENT;
    }
    return dots == 1 || dots == DOTS_MAX;
}

enum http_path http_path_judge(struct slice path)
{
    const char *end = path.data + path.len;
    if (LIKELY(http_scan_odd(path.data, end) == end))
        return HTTP_PATH_PLAIN;
    if (has_dot_segment((struct reading){.path = path}) ||
        has_dot_segment((struct reading){.path = path, .parameters_skipped = true}))
        return HTTP_PATH_DOTS;
    return HTTP_PATH_ODD;
}

u32 http_path_decode(struct slice path, char *out)
{
    struct reading reading = {.path = path};
    u32 len = 0;
    for (int byte = reading_next(&reading); byte != PATH_END; byte = reading_next(&reading))
        out[len++] = (char)byte;
    return len;
}

bool http_path_below(struct slice path, struct slice prefix)
{
    struct reading reading = {.path = path, .parameters_skipped = true};
    u32 matched = 0;
    int before = PATH_END;
    for (;;) {
        int byte = reading_next(&reading);
        if (byte == '/' && before == '/')
            continue;
        if (matched == prefix.len)
            return byte == '/' || byte == PATH_END;
        if (byte != (u8)prefix.data[matched])
            return false;
        matched++;
        before = byte;
    }
}
