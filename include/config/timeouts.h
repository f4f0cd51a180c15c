/* config: how long things may take. A part of config.h. */
#ifndef NEXTPROXY_CONFIG_TIMEOUTS_H
#define NEXTPROXY_CONFIG_TIMEOUTS_H

#include "base/types.h"

struct config_timeouts { /* milliseconds, all > 0 but for the last two */
    u32 connect_ms;
    u32 request_head_ms;      /* from the first byte of a request to the end of its head */
    u32 request_body_idle_ms; /* without a byte of request body while we wait for one */
    u32 response_head_ms;     /* from the end of the request to the final response's head */
    u32 response_idle_ms;     /* without progress in a response body */
    u32 keep_alive_ms;        /* an idle client between requests */
    u32 half_close_ms;        /* for bytes of the response, after the client's FIN */
    u32 tunnel_idle_ms;       /* without a byte in either direction */
    u32 drain_ms;             /* for what still runs at a graceful stop */
    u32 drain_idle_ms;        /* for an idle client to ask once more then */
    u32 queue_ms;             /* for a place among a route's active exchanges */
    u32 per_try_ms;           /* for an attempt that another may follow; 0 = no limit of its own */
    u32 removed_drain_ms; /* for what runs on backends and routes that are removed; 0 = no limit */
};

#endif
