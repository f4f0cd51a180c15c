/* What is tried again on another backend, and how often. */
#ifndef NEXTPROXY_CONFIG_RETRY_H
#define NEXTPROXY_CONFIG_RETRY_H

#include "base/types.h"
#include "config/hedge.h"

enum config_retry_methods {
    CONFIG_RETRY_IDEMPOTENT, /* GET, HEAD, PUT, DELETE, ... (RFC 9110 §9.2.2) */
    CONFIG_RETRY_ALL,        /* the operator says that doing anything twice does no harm */
    CONFIG_RETRY_METHODS_COUNT,
};

enum {
    CONFIG_RETRY_STATUS_FIRST = 400,
    CONFIG_RETRY_STATUS_LAST = 599,
    CONFIG_RETRY_STATUS_WORDS = (CONFIG_RETRY_STATUS_LAST - CONFIG_RETRY_STATUS_FIRST) / 64 + 1,
};

struct config_retry {
    u64 statuses[CONFIG_RETRY_STATUS_WORDS]; /* one bit each, from CONFIG_RETRY_STATUS_FIRST on */
    u32 retries;                             /* further backends for one request */
    u32 backoff_ms;                          /* before the second retry, at most; then twice it */
    u32 backoff_max_ms;
    u32 budget_percent; /* share of the pool's requests in progress that may be retries */
    u32 budget_min;     /* ... and so many in any case */
    u32 methods;        /* enum config_retry_methods */
    struct config_hedge hedge;
};

static inline bool config_retry_status(const struct config_retry *retry, u32 status)
{
    u32 at = status - CONFIG_RETRY_STATUS_FIRST;
    return at <= CONFIG_RETRY_STATUS_LAST - CONFIG_RETRY_STATUS_FIRST &&
           (retry->statuses[at / 64] >> (at % 64) & 1) != 0;
}

#endif
