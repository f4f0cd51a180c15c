/* Texts, and strings of JSON, at the end of a writer. */
#include <stdarg.h>
#include <stdio.h>

#include "admin/admin_internal.h"
#include "base/calendar.h"
#include "base/clock.h"

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

void write_json_lines(struct http_writer *out, struct slice lines)
{
    bool first = true;
    http_write(out, SLICE("["));
    while (lines.len > 0) {
        http_write(out, first ? SLICE("") : SLICE(","));
        write_json(out, slice_take_until(&lines, '\n'));
        first = false;
    }
    http_write(out, SLICE("]"));
}

void write_json_time(struct http_writer *out, u64 wall_ns)
{
    const struct calendar at = calendar_utc(wall_ns / NS_PER_S);
    write_format(out, "\"%04u-%02u-%02uT%02u:%02u:%02u.%03uZ\"", at.year, at.month, at.day, at.hour,
                 at.minute, at.second, (u32)(wall_ns / NS_PER_MS % 1000));
}

/* ---- Names ---- */

const char *admin_event_kind_name(enum admin_event_kind kind)
{
    static const char *const names[ADMIN_EVENT_KINDS] = {
        [ADMIN_EVENT_RELOAD] = "reload", [ADMIN_EVENT_CHANGE] = "change"};
    return names[kind];
}

const char *admin_event_result_name(enum admin_event_result result)
{
    static const char *const names[ADMIN_EVENT_RESULTS] = {
        [ADMIN_EVENT_DONE] = "done",
        [ADMIN_EVENT_UNCHANGED] = "unchanged",
        [ADMIN_EVENT_REFUSED] = "refused",
        [ADMIN_EVENT_WAITING] = "waiting",
    };
    return names[result];
}
