/* Sticky sessions: whether a client stays with its backend, and how it is recognised. */
#ifndef NEXTPROXY_CONFIG_STICKY_H
#define NEXTPROXY_CONFIG_STICKY_H

#include "base/slice.h"

enum config_sticky_source {
    CONFIG_STICKY_COOKIE,
    CONFIG_STICKY_CLIENT_IP, /* the pool's strategy is BALANCE_IP_HASH then */
    CONFIG_STICKY_SOURCE_COUNT,
};

struct config_sticky {
    struct slice cookie_name;
    u32 ttl_ms;
    u32 source; /* enum config_sticky_source */
    u8 enabled; /* 0 or 1 */
};

#endif
