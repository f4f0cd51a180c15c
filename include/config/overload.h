/* config: what is done when the process runs out of something. A part of config.h. */
#ifndef NEXTPROXY_CONFIG_OVERLOAD_H
#define NEXTPROXY_CONFIG_OVERLOAD_H

#include "base/types.h"

/* Percent of a resource in use at which each stage (proxy/overload.h) begins; 0 = never. */
struct config_overload {
    u32 no_keep_alive;
    u32 close_idle;
    u32 refuse;
    u32 no_accept;
    u32 recovery; /* so far below its beginning a stage ends */
};

#endif
