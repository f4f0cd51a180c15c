/* The access record: one line for each finished exchange. docs/logging.md explains the members. */
#include <assert.h>

#include "base/assert.h"
#include "log/buffer.h"
#include "log/line.h"

enum {
    METHOD_MAX = 64,
    PATH_MAX_BYTES = 11264,
    VALUES_MAX = METHOD_MAX + PATH_MAX_BYTES + LINE_HOST_MAX + 3 * LINE_ID_MAX + LINE_IP_MAX +
                 2 * LINE_TOKEN_MAX,
};

static_assert(VALUES_MAX + LINE_FIXED_MAX <= LOG_LINE_BYTES_MAX, "an access record fits");

/* A value that is not there is null, so that every record has the same members. */
static inline void line_optional(struct line *line, struct slice key, struct slice value,
                                 usize value_max)
{
    if (value.len > 0) {
        line_string(line, key, value, value_max);
        return;
    }
    line_put(line, key);
    line_put(line, SLICE("null"));
}

static inline void line_bool(struct line *line, struct slice key, bool value)
{
    line_put(line, key);
    if (value)
        line_put(line, SLICE("true"));
    else
        line_put(line, SLICE("false"));
}

static void put_latency(struct line *line, const struct log_access *entry)
{
    line_number(line, SLICE(",\"latency\":{\"totalUs\":"), entry->duration_us);
    line_number(line, SLICE(",\"headUs\":"), entry->head_us);
    line_number(line, SLICE(",\"queueUs\":"), entry->queue_us);
    line_number(line, SLICE(",\"connectUs\":"), entry->connect_us);
    line_number(line, SLICE(",\"firstByteUs\":"), entry->first_byte_us);
    line_number(line, SLICE(",\"bodyUs\":"), entry->body_us);
    line_number(line, SLICE(",\"ownUs\":"), entry->own_us);
    line_put(line, SLICE("}"));
}

/* Whole milliseconds, rounded to the nearest: a member that is 45 in one line and 0.4 in the next
 * confuses stores that fix a member's type by its first value. The µs are in "latency". */
static u64 duration_ms(u64 duration_us)
{
    return duration_us / 1000 + (duration_us % 1000 >= 500);
}

/* `out` has room for LOG_LINE_BYTES_MAX. */
static usize access_line(char *out, struct log_clock *clock, const struct log_access *entry)
{
    struct line line = {.at = out};
    line_put(&line, SLICE("{\"timestamp\":\""));
    log_timestamp(clock, entry->wall_ns, line.at);
    line.at += sizeof(clock->text);
    line_put(&line, SLICE("\""));
    line_optional(&line, SLICE(",\"method\":"), entry->method, METHOD_MAX);
    line_optional(&line, SLICE(",\"path\":"), entry->path, PATH_MAX_BYTES);
    line_optional(&line, SLICE(",\"backendId\":"), entry->backend_id, LINE_ID_MAX);
    line_number(&line, SLICE(",\"statusCode\":"), entry->status);
    line_number(&line, SLICE(",\"duration\":"), duration_ms(entry->duration_us));
    line_optional(&line, SLICE(",\"clientIp\":"), entry->client_ip, LINE_IP_MAX);
    line_optional(&line, SLICE(",\"requestId\":"), entry->request_id, LINE_ID_MAX);
    line_optional(&line, SLICE(",\"route\":"), entry->route, LINE_ID_MAX);
    line_optional(&line, SLICE(",\"host\":"), entry->host, LINE_HOST_MAX);
    line_number(&line, SLICE(",\"protocol\":\"HTTP/1."), entry->protocol_minor);
    line_number(&line, SLICE("\",\"bytesIn\":"), entry->bytes_in);
    line_number(&line, SLICE(",\"bytesOut\":"), entry->bytes_out);
    put_latency(&line, entry);
    line_bool(&line, SLICE(",\"reused\":"), entry->reused);
    line_number(&line, SLICE(",\"attempts\":"), entry->attempts);
    if (entry->hedge.len > 0)
        line_string(&line, SLICE(",\"hedge\":"), entry->hedge, LINE_TOKEN_MAX);
    if (entry->fault.len > 0)
        line_string(&line, SLICE(",\"fault\":"), entry->fault, LINE_TOKEN_MAX);
    return line_finish(&line, out);
}

usize log_access_format(char out[LOG_LINE_BYTES_MAX], const struct log_access *entry)
{
    struct log_clock clock = {0};
    return access_line(out, &clock, entry);
}

bool log_access_write(struct log_buffer *buffer, const struct log_access *entry)
{
    char *room = log_buffer_reserve(buffer);
    if (room == NULL)
        return false;
    log_buffer_commit(buffer, access_line(room, log_buffer_clock(buffer), entry));
    return true;
}
