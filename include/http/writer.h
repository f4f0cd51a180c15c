/* Writing heads. */
#ifndef NEXTPROXY_HTTP_WRITER_H
#define NEXTPROXY_HTTP_WRITER_H

#include "base/slice.h"

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

/* `name: value\r\n`. In line: most names are literals, and cost a few stores that way. */
static inline void http_write_field(struct http_writer *writer, struct slice name,
                                    struct slice value)
{
    if (UNLIKELY((usize)(writer->end - writer->at) < (usize)name.len + value.len + 4)) {
        writer->full = true;
        writer->end = writer->at;
        return;
    }
    char *at = writer->at;
    memcpy(at, name.data, name.len);
    at += name.len;
    memcpy(at, ": ", 2);
    at += 2;
    if (value.len > 0)
        memcpy(at, value.data, value.len);
    at += value.len;
    memcpy(at, "\r\n", 2);
    writer->at = at + 2;
}

/* The standard reason phrase of a status, or "" when it has none. */
struct slice http_reason(u32 status);

enum { HTTP_DATE_BYTES = 29 };
/* IMF-fixdate (RFC 9110 §5.6.7) of `seconds` since 1970, not terminated. */
void http_date_format(u64 seconds, char out[HTTP_DATE_BYTES]);

/* `status` has three digits. */
static inline void http_write_status_line(struct http_writer *writer, u32 status,
                                          struct slice reason)
{
    const char digits[3] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                            (char)('0' + status % 10)};
    http_write(writer, SLICE("HTTP/1.1 "));
    http_write(writer, slice_of(digits, sizeof(digits)));
    http_write(writer, SLICE(" "));
    http_write(writer, reason);
    http_write(writer, SLICE("\r\n"));
}

#endif
