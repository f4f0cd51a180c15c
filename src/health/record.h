/* What the error log says about a backend's health. */
#ifndef NEXTPROXY_HEALTH_RECORD_H
#define NEXTPROXY_HEALTH_RECORD_H

#include "health/machine.h"
#include "health/probe.h"

struct health_report {
    const struct config_backend *backend;
    const struct probe_result *result;
    enum health_change change;
    bool first; /* nothing was known before; of skipped probes: the first in a row */
};

/* A change; the first probe of a row that could not be made; or, at level debug, a failed or
 * skipped probe that changes nothing. `log` may be NULL. */
void health_record(struct log_buffer *log, enum log_severity severity_min,
                   const struct health_report *report);
/* The backend was down, and is not checked any more. */
void health_record_unchecked(struct log_buffer *log, enum log_severity severity_min,
                             const struct config_backend *backend);

/* Why a probe failed, in a word or two for programs: "status 503", "ECONNREFUSED"; and as the end
 * of a sentence. */
const char *health_reason(const struct probe_result *result, char scratch[HEALTH_REASON_BYTES]);
void health_detail(const struct probe_result *result, char out[HEALTH_DETAIL_BYTES]);

#endif
