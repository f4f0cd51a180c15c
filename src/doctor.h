/* `nextproxy doctor`: what this kernel and its surroundings offer, in words or as JSON. */
#ifndef NEXTPROXY_DOCTOR_H
#define NEXTPROXY_DOCTOR_H

#include "base/types.h"

/* The process' exit status. */
enum doctor_status {
    DOCTOR_ALL = 0,        /* everything is there */
    DOCTOR_DEGRADED = 1,   /* runs, but slower or for fewer clients than it could */
    DOCTOR_CANNOT_RUN = 2, /* with the cause and the cure printed */
};

/* Writes the report to stdout. NEXTPROXY_RING_DISABLE counts: what it names is "forced off". */
enum doctor_status doctor_run(bool json);

#endif
