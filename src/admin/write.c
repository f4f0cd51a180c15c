/* Texts, and strings of JSON, at the end of a writer. */
#include <stdarg.h>
#include <stdio.h>

#include "admin/admin_internal.h"

static void overflow(struct http_writer *out)
{
    out->full = true;
    out->end = out->at;
}

void write_format(struct http_writer *out, const char *format, ...)
{
    usize room = (usize)(out->end - out->at);
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(out->at, room, format, arguments);
    va_end(arguments);
    if (len < 0 || (usize)len >= room)
        overflow(out);
    else
        out->at += len;
}

void write_json(struct http_writer *out, struct slice text)
{
    http_write(out, SLICE("\""));
    for (u32 i = 0; i < text.len; i++) {
        u8 c = (u8)text.data[i];
        if (c >= 0x7f)
            http_write(out, SLICE("?"));
        else if (c == '"' || c == '\\')
            write_format(out, "\\%c", c);
        else if (c < 0x20)
            write_format(out, "\\u%04x", c);
        else
            http_write(out, slice_of(text.data + i, 1));
    }
    http_write(out, SLICE("\""));
}

void write_json_path(struct http_writer *out, struct slice path)
{
    http_write(out, SLICE("\""));
    for (u32 i = 0; i < path.len; i++) {
        u8 c = (u8)path.data[i];
        if (c <= 0x20 || c >= 0x7f || memchr("\"\\%?#", c, 5))
            write_format(out, "%%%02X", c);
        else
            http_write(out, slice_of(path.data + i, 1));
    }
    http_write(out, SLICE("\""));
}
