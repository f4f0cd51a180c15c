/* The error log's record: something went wrong, or changed. Members: docs/logging.md. */
#include <assert.h>

#include "base/assert.h"
#include "log/buffer.h"
#include "log/line.h"

enum {
    URL_MAX = 4096,
    MESSAGE_MAX = 4096,
    VALUES_MAX = 2 * LINE_TOKEN_MAX + 3 * LINE_ID_MAX + URL_MAX + MESSAGE_MAX + LINE_IP_MAX,
};

static_assert(VALUES_MAX + LINE_FIXED_MAX <= LOG_LINE_BYTES_MAX, "an event fits");

static const char *const severity_names[LOG_SEVERITY_COUNT] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

const char *log_severity_name(enum log_severity severity)
{
    ASSERT((u32)severity < LOG_SEVERITY_COUNT);
    return severity_names[severity];
}

static inline void line_unless_empty(struct line *line, struct slice key, struct slice value,
                                     usize value_max)
{
    if (value.len > 0)
        line_string(line, key, value, value_max);
}

/* `out` has room for LOG_LINE_BYTES_MAX. */
static usize event_line(char *out, struct log_clock *clock, const struct log_event *event)
{
    struct line line = {.at = out};
    line_put(&line, SLICE("{\"timestamp\":\""));
    log_timestamp(clock, event->wall_ns, line.at);
    line.at += sizeof(clock->text);
    line_put(&line, SLICE("\",\"level\":\""));
    line_put(&line, slice_of_string(log_severity_name(event->severity)));
    line_put(&line, SLICE("\""));
    line_unless_empty(&line, SLICE(",\"type\":"), event->type, LINE_TOKEN_MAX);
    line_unless_empty(&line, SLICE(",\"backendId\":"), event->backend_id, LINE_ID_MAX);
    line_unless_empty(&line, SLICE(",\"url\":"), event->url, URL_MAX);
    line_unless_empty(&line, SLICE(",\"error\":"), event->error, LINE_TOKEN_MAX);
    line_unless_empty(&line, SLICE(",\"message\":"), event->message, MESSAGE_MAX);
    line_unless_empty(&line, SLICE(",\"clientIp\":"), event->client_ip, LINE_IP_MAX);
    line_unless_empty(&line, SLICE(",\"requestId\":"), event->request_id, LINE_ID_MAX);
    line_unless_empty(&line, SLICE(",\"route\":"), event->route, LINE_ID_MAX);
    if (event->attempt > 0)
        line_number(&line, SLICE(",\"attempt\":"), event->attempt);
    return line_finish(&line, out);
}

usize log_event_format(char out[LOG_LINE_BYTES_MAX], const struct log_event *event)
{
    struct log_clock clock = {0};
    return event_line(out, &clock, event);
}

bool log_event_write(struct log_buffer *buffer, const struct log_event *event)
{
    char *room = log_buffer_reserve(buffer);
    if (room == NULL)
        return false;
    log_buffer_commit(buffer, event_line(room, log_buffer_clock(buffer), event));
    return true;
}
