/* Health changes as events. */
#include "health/record.h"

#include <stdio.h>

#include "base/clock.h"

enum { MESSAGE_BYTES = HEALTH_DETAIL_BYTES + 128 };

const char *health_reason(const struct probe_result *result, char scratch[HEALTH_REASON_BYTES])
{
    switch (result->outcome) {
    case PROBE_GOOD:
    case PROBE_OUTCOME_COUNT:
        return "";
    case PROBE_STATUS:
        (void)snprintf(scratch, HEALTH_REASON_BYTES, "status %u", result->status);
        return scratch;
    case PROBE_BODY:
        return "body";
    case PROBE_CONNECT:
    case PROBE_LOST:
    case PROBE_SKIPPED:
        return log_errno_name(result->error, scratch);
    case PROBE_EXIT:
        (void)snprintf(scratch, HEALTH_REASON_BYTES, "exit status %d", result->code);
        return scratch;
    case PROBE_SIGNAL:
        (void)snprintf(scratch, HEALTH_REASON_BYTES, "signal %d", result->code);
        return scratch;
    case PROBE_TIMEOUT:
    case PROBE_LATE:
    case PROBE_HELD_UP:
        return "timeout";
    case PROBE_CLOSED:
        return "closed";
    case PROBE_UNREADABLE:
        return "bad_response";
    }
    return "";
}

/* The rest of what there is to say follows a colon. */
void health_detail(const struct probe_result *result, char out[HEALTH_DETAIL_BYTES])
{
    static const char *const texts[PROBE_OUTCOME_COUNT] = {
        [PROBE_GOOD] = "answered as expected",
        [PROBE_STATUS] = "answered with another status than healthCheck.expectedStatus",
        [PROBE_BODY] = "answered with a body that does not contain healthCheck.body",
        [PROBE_CONNECT] = "could not connect",
        [PROBE_TIMEOUT] = "had no answer within healthCheck.timeout",
        [PROBE_CLOSED] = "was closed by the backend before its answer",
        [PROBE_LOST] = "lost its connection before the answer",
        [PROBE_UNREADABLE] = "had an answer that is no HTTP response",
        [PROBE_EXIT] = "ended with exit status ",
        [PROBE_SIGNAL] = "was killed by signal ",
        [PROBE_LATE] = "timed out after ",
        [PROBE_HELD_UP] = ("was not begun: the program of an earlier one, which was killed, has "
                           "not ended"),
        [PROBE_SKIPPED] = "could not be made",
    };
    const char *more = result->text;
    char code[16] = "";
    if (result->outcome == PROBE_UNREADABLE)
        more = http_reject_info(result->reject)->text;
    if (result->outcome == PROBE_EXIT || result->outcome == PROBE_SIGNAL)
        (void)snprintf(code, sizeof(code), "%d", result->code);
    if (result->outcome == PROBE_LATE)
        (void)snprintf(code, sizeof(code), "%d ms", result->code);
    (void)snprintf(out, HEALTH_DETAIL_BYTES, "%s%s%s%s", texts[result->outcome], code,
                   *more ? ": " : "", more);
}

static enum log_severity severity_of(const struct health_report *report)
{
    static const enum log_severity severities[] = {
        [HEALTH_SAME] = LOG_DEBUG,
        [HEALTH_WENT_UP] = LOG_INFO,
        [HEALTH_WENT_DOWN] = LOG_WARN,
    };
    bool skipped = report->result->outcome == PROBE_SKIPPED;
    return skipped && report->first ? LOG_WARN : severities[report->change];
}

static void describe(const struct health_report *report, char message[MESSAGE_BYTES])
{
    const struct config_health_check *check = &report->backend->health_check;
    bool up = report->change == HEALTH_WENT_UP;
    u32 count = up ? check->healthy_threshold : check->unhealthy_threshold;
    char detail[HEALTH_DETAIL_BYTES];
    health_detail(report->result, detail);
    if (report->result->outcome == PROBE_SKIPPED)
        (void)snprintf(message, MESSAGE_BYTES, "A probe %s: the backend counts as it did before",
                       detail);
    else if (report->change == HEALTH_SAME)
        (void)snprintf(message, MESSAGE_BYTES, "A probe %s", detail);
    else if (up && report->first)
        (void)snprintf(message, MESSAGE_BYTES, "Backend is up: its first good probe");
    else
        (void)snprintf(message, MESSAGE_BYTES, "Backend is %s: %u %s probe%s in a row, the last %s",
                       up ? "up again" : "down", count, up ? "good" : "failed",
                       count == 1 ? "" : "s", detail);
}

static void write_event(struct log_buffer *log, enum log_severity severity,
                        const struct config_backend *backend, struct slice error,
                        const char *message)
{
    const struct log_event event = {
        .wall_ns = clock_wall_ns(),
        .severity = severity,
        .type = SLICE("health"),
        .backend_id = backend->id,
        .url = backend->url,
        .error = error,
        .message = slice_of_string(message),
    };
    (void)log_event_write(log, &event); /* a full buffer counts what it drops */
}

void health_record(struct log_buffer *log, enum log_severity severity_min,
                   const struct health_report *report)
{
    char message[MESSAGE_BYTES], scratch[HEALTH_REASON_BYTES];
    enum log_severity severity = severity_of(report);
    bool worth_it = report->change != HEALTH_SAME || report->result->outcome != PROBE_GOOD;
    if (!log || severity < severity_min || !worth_it)
        return;
    describe(report, message);
    write_event(log, severity, report->backend,
                slice_of_string(health_reason(report->result, scratch)), message);
}

void health_record_unchecked(struct log_buffer *log, enum log_severity severity_min,
                             const struct config_backend *backend)
{
    if (log && LOG_INFO >= severity_min)
        write_event(log, LOG_INFO, backend, SLICE(""),
                    "Backend was down, and counts as usable now: it is not checked any more");
}
