/* What the error log says about a backend's health. */
#ifndef NEXTPROXY_HEALTH_RECORD_H
#define NEXTPROXY_HEALTH_RECORD_H

#include "health/machine.h"
#include "health/probe.h"

struct health_report {
    const struct config_backend *backend;
    const struct probe_result *result;
    enum health_change change;
    bool first; /* nothing was known before */
};

/* A change, or, at level debug, a failed probe that changes nothing. `log` may be NULL. */
void health_record(struct log_buffer *log, enum log_severity severity_min,
                   const struct health_report *report);
/* The backend was down, and is not checked any more. */
void health_record_unchecked(struct log_buffer *log, enum log_severity severity_min,
                             const struct config_backend *backend);

/* Why a probe failed, in a word or two for programs: "status 503", "ECONNREFUSED"; and as the end
 * of a sentence. */
enum { HEALTH_REASON_BYTES = 32 };
const char *health_reason(const struct probe_result *result, char scratch[HEALTH_REASON_BYTES]);
const char *health_detail(const struct probe_result *result);

#endif
