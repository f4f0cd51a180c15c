/* config: a second attempt while the first one still waits. A part of config.h, of `retry`. */
#ifndef NEXTPROXY_CONFIG_HEDGE_H
#define NEXTPROXY_CONFIG_HEDGE_H

#include "base/types.h"

struct config_hedge {
    u32 percentile;   /* of the route's latest times to a response's head: what is later is late */
    u32 delay_min_ms; /* it begins no earlier than this */
    u8 enabled;       /* 0 or 1 */
};

#endif
