/* config: how a backend is probed. A part of config.h. */
#ifndef NEXTPROXY_CONFIG_HEALTH_CHECK_H
#define NEXTPROXY_CONFIG_HEALTH_CHECK_H

#include "base/slice.h"

enum config_probe {
    CONFIG_PROBE_HTTP,
    CONFIG_PROBE_TCP,
    CONFIG_PROBE_SCRIPT, /* a program; only a file or the environment can say which */
    CONFIG_PROBE_COUNT,
};

enum config_probe_method {
    CONFIG_PROBE_GET,
    CONFIG_PROBE_HEAD,
    CONFIG_PROBE_OPTIONS,
    CONFIG_PROBE_METHOD_COUNT,
};

/* "GET" and so on; static. */
const char *config_probe_method_name(enum config_probe_method method);

enum {
    CONFIG_PROBE_BODY_BYTES_MAX = 255,     /* of what a response's body has to contain */
    CONFIG_PROBE_HEADERS_BYTES_MAX = 4096, /* of all `headers` as lines */
    /* ... and of the two that are there when they do not say otherwise */
    CONFIG_PROBE_FIELDS_BYTES_MAX = CONFIG_PROBE_HEADERS_BYTES_MAX + 64,
};

struct config_health_check {
    struct slice path;
    struct slice host;            /* of the Host field; "" = the backend's authority */
    struct slice expected_status; /* for config_status_in */
    struct slice body;            /* what the response's body has to contain; "" = anything */
    struct slice fields;          /* other lines of the request, each with its CRLF */
    const char *const *command;   /* the words of a script, of which the first is an absolute path;
                                     NULL behind the last */
    u32 type;                     /* enum config_probe */
    u32 method;                   /* enum config_probe_method */
    u32 interval_ms;
    u32 fast_interval_ms; /* while a change is being confirmed, and of one just down */
    u32 interval_max_ms;  /* for a backend that stays down; without effect below interval_ms */
    u32 timeout_ms;
    u32 healthy_threshold;
    u32 unhealthy_threshold;
    bool enabled;
};

enum { CONFIG_STATUS_RANGES_BYTES_MAX = 128 };
/* True when the status is in a list such as "200,301-303", which a setting's form has checked. */
bool config_status_in(struct slice ranges, u32 status);

#endif
