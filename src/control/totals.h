/* What all workers have done, for the log's last line. */
#ifndef NEXTPROXY_CONTROL_TOTALS_H
#define NEXTPROXY_CONTROL_TOTALS_H

#include "proxy.h"

struct totals {
    u64 connections;
    u64 refused;
    u64 requests;
    u64 failed;
};

void totals_add(struct totals *totals, const struct proxy_counters *one);
/* One sentence; 256 bytes are enough. */
void totals_write(const struct totals *totals, char *out, usize bytes);

#endif
