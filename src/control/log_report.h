/*
 * What stderr hears about a log file that cannot be written: at most one line a minute and file,
 * with the number of lost records, since when, and why; and one when it is written again. The
 * counters themselves are the log writer's.
 */
#ifndef NEXTPROXY_CONTROL_LOG_REPORT_H
#define NEXTPROXY_CONTROL_LOG_REPORT_H

#include "base/types.h"

struct log_report {
    const char *log; /* "access log" */
    int fd;
    int error;         /* errno of the failure that lasts; 0 = none */
    int cause;         /* errno of the last failure since the last line */
    int retire_error;  /* errno of an old file that could not be deleted, not yet told */
    u64 since_wall_ns; /* when the trouble that the next line tells of began; 0 = none */
    u64 next_ns;       /* no line before */
    u64 lost_told;     /* records lost that earlier lines told of */
    bool told;         /* the last line said that the file cannot be written */
};

/* What a line is made from. */
struct log_report_facts {
    const char *path;
    u64 records_lost; /* since the start */
    u64 now_ns;
    u64 wall_ns;
};

void log_report_init(struct log_report *report, const char *log, int fd);
/* The file could not be opened or written; errno values. */
void log_report_failure(struct log_report *report, int error, u64 wall_ns);
/* All there was has been written. */
void log_report_success(struct log_report *report);
void log_report_retirement(struct log_report *report, int error);

/* Writes a line when there is something to say and the minute is over. Never waits for a reader of
 * stderr: what it cannot take now is said later, by a line that covers all of it. */
void log_report_tick(struct log_report *report, struct log_report_facts facts);
/* At stop: whatever is still to be said, without waiting for the minute. */
void log_report_final(struct log_report *report, struct log_report_facts facts);

#endif
