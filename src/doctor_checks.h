/* What the doctor looks at besides io_uring itself: limits, sysctls, permissions. */
#ifndef NEXTPROXY_DOCTOR_CHECKS_H
#define NEXTPROXY_DOCTOR_CHECKS_H

#include "ring/probe.h"

enum doctor_verdict {
    DOCTOR_OK,
    DOCTOR_NOTE,    /* matters under high load or in some set-ups only */
    DOCTOR_WARNING, /* will be in the way sooner or later */
    DOCTOR_FAILURE, /* nextproxy cannot start */
    DOCTOR_VERDICT_COUNT,
};

const char *doctor_verdict_name(enum doctor_verdict verdict);

enum { DOCTOR_TEXT_BYTES = 256 };

struct doctor_check {
    const char *name;
    enum doctor_verdict verdict;
    char value[80];
    char meaning[DOCTOR_TEXT_BYTES];
    char cure[DOCTOR_TEXT_BYTES]; /* empty with DOCTOR_OK */
};

/* Numbers that could not be read are -1. */
struct doctor_facts {
    struct ring_host host;
    i32 ring_error; /* of the probe */
    char kernel[80];
    u32 cpus;             /* allowed for this process; "workers": "auto" makes one for each */
    i32 backlog_max;      /* net.core.somaxconn */
    i32 syn_backlog_max;  /* net.ipv4.tcp_max_syn_backlog */
    i32 local_port_first; /* net.ipv4.ip_local_port_range */
    i32 local_port_last;
    i32 unprivileged_port_first; /* net.ipv4.ip_unprivileged_port_start */
    bool may_bind_service;       /* CAP_NET_BIND_SERVICE */
    char congestion_control[16]; /* net.ipv4.tcp_congestion_control; empty = not known */
};

void doctor_facts_read(const struct ring_probe *probe, struct doctor_facts *out);

enum { DOCTOR_CHECK_COUNT = 11 };

/* Fills one entry for each check, in the order in which they are shown. */
void doctor_checks_run(const struct doctor_facts *facts,
                       struct doctor_check out[DOCTOR_CHECK_COUNT]);

#endif
