/* See log_report.h. */
#include "control/log_report.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "log.h"

#define REPORT_INTERVAL_NS (60 * NS_PER_S)

enum { REPORT_LINE_BYTES = PATH_MAX + 512 };

/* What a line is about, the most important first. */
enum topic {
    TOPIC_LOST,
    TOPIC_FAILING,
    TOPIC_RECOVERED,
    TOPIC_RETIREMENT,
    TOPIC_NONE,
};

void log_report_init(struct log_report *report, const char *log, int fd)
{
    *report = (struct log_report){.log = log, .fd = fd};
}

void log_report_failure(struct log_report *report, int error, u64 wall_ns)
{
    if (report->error == 0 && report->since_wall_ns == 0)
        report->since_wall_ns = wall_ns;
    report->error = error;
    report->cause = error;
}

void log_report_success(struct log_report *report)
{
    report->error = 0;
}

void log_report_retirement(struct log_report *report, int error)
{
    report->retire_error = error;
}

static enum topic report_topic(const struct log_report *report, u64 lost)
{
    if (lost > 0)
        return TOPIC_LOST;
    if (report->error != 0 && !report->told)
        return TOPIC_FAILING;
    if (report->error == 0 && report->told)
        return TOPIC_RECOVERED;
    return report->retire_error != 0 ? TOPIC_RETIREMENT : TOPIC_NONE;
}

/* One write(2) for a whole line, so that lines of others do not mix with it. */
static void report_write(const struct log_report *report, char *line, int length)
{
    if (length >= REPORT_LINE_BYTES)
        length = REPORT_LINE_BYTES - 1;
    line[length - 1] = '\n';
    /* When even stderr is gone there is nobody left to tell. */
    ssize_t written = write(report->fd, line, (usize)length);
    (void)written;
}

static void tell_lost(const struct log_report *report, const struct log_report_facts *facts)
{
    struct log_clock clock = {0};
    char since[24];
    char scratch[16];
    char line[REPORT_LINE_BYTES];
    log_timestamp(&clock, report->since_wall_ns, since);
    u64 lost = facts->records_lost - report->lost_told;
    int length =
        snprintf(line, sizeof line,
                 "nextproxy: %s: %" PRIu64 " records lost since %.24s: ", report->log, lost, since);
    char *rest = line + length;
    usize room = sizeof line - (usize)length;
    if (report->cause == 0) {
        length += snprintf(rest, room, "its buffer was full before it could be written\n");
    } else {
        length += snprintf(rest, room, "%s (%s), %s; %s\n", log_errno_name(report->cause, scratch),
                           strerror(report->cause), facts->path,
                           report->error != 0 ? "tried again every second" : "written again now");
    }
    report_write(report, line, length);
}

static void tell_failing(const struct log_report *report, const struct log_report_facts *facts)
{
    char scratch[16];
    char line[REPORT_LINE_BYTES];
    int length = snprintf(line, sizeof line,
                          "nextproxy: %s: cannot write %s: %s (%s); records are kept in memory, "
                          "then dropped; tried again every second\n",
                          report->log, facts->path, log_errno_name(report->error, scratch),
                          strerror(report->error));
    report_write(report, line, length);
}

static void tell_recovered(const struct log_report *report, const struct log_report_facts *facts)
{
    char line[REPORT_LINE_BYTES];
    int length = snprintf(line, sizeof line, "nextproxy: %s: %s is written again\n", report->log,
                          facts->path);
    report_write(report, line, length);
}

static void tell_retirement(const struct log_report *report, const struct log_report_facts *facts)
{
    char scratch[16];
    char line[REPORT_LINE_BYTES];
    int length =
        snprintf(line, sizeof line, "nextproxy: %s: cannot delete old files beside %s: %s (%s)\n",
                 report->log, facts->path, log_errno_name(report->retire_error, scratch),
                 strerror(report->retire_error));
    report_write(report, line, length);
}

static void tell(struct log_report *report, enum topic topic, const struct log_report_facts *facts)
{
    switch (topic) {
    case TOPIC_LOST:
        tell_lost(report, facts);
        break;
    case TOPIC_FAILING:
        tell_failing(report, facts);
        break;
    case TOPIC_RECOVERED:
        tell_recovered(report, facts);
        break;
    case TOPIC_RETIREMENT:
        tell_retirement(report, facts);
        report->retire_error = 0;
        break;
    case TOPIC_NONE:
        return;
    }
    report->next_ns = facts->now_ns + REPORT_INTERVAL_NS;
    report->lost_told = facts->records_lost;
    report->told = report->error != 0;
    report->cause = report->error;
    report->since_wall_ns = report->error != 0 ? facts->wall_ns : 0;
}

void log_report_tick(struct log_report *report, struct log_report_facts facts)
{
    u64 lost = facts.records_lost - report->lost_told;
    if (lost > 0 && report->since_wall_ns == 0)
        report->since_wall_ns = facts.wall_ns;
    if (lost == 0 && report->error == 0) {
        /* A failure that cost nothing does not explain a loss that comes later. */
        report->cause = 0;
        report->since_wall_ns = 0;
    }
    enum topic topic = report_topic(report, lost);
    if (topic != TOPIC_NONE && facts.now_ns >= report->next_ns && file_has_room(report->fd))
        tell(report, topic, &facts);
}

void log_report_final(struct log_report *report, struct log_report_facts facts)
{
    report->next_ns = 0;
    log_report_tick(report, facts);
}
