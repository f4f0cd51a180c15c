/*
 * How the rows of src/config/settings*.c are written, and the tables that one file has for another.
 */
#ifndef NEXTPROXY_CONFIG_ROWS_H
#define NEXTPROXY_CONFIG_ROWS_H

#include "config/choices.h"
#include "config/forms.h"
#include "config/settings.h"

#define MEMBER(structure, member)                                                                  \
    .offset = offsetof(structure, member), .size = sizeof(((structure *)NULL)->member)
#define TABLE(structure, rows)                                                                     \
    {                                                                                              \
        rows, ARRAY_COUNT(rows), sizeof(structure)                                                 \
    }

#define MS "milliseconds"
#define BYTES "bytes"

enum {
    MS_MAX = 24 * 3600 * 1000,          /* a day */
    MS_LONG_MAX = 7 * 24 * 3600 * 1000, /* a week */
    COUNT_MAX = 1 << 20,
    WORKERS_MAX = 1024,
};

#define BODY_BYTES_MAX (1ull << 50)

/* Timeouts stand at the top and, some of them, in each route; only the defaults differ. */
#define TIMEOUT(name, member, longest, value, from, description)                                   \
    {                                                                                              \
        .key = name, .type = SETTING_INTEGER, MEMBER(struct config_timeouts, member), .min = 1,    \
        .max = longest, .unit = MS, .fallback = value, .inherits = from, .text = description       \
    }

#define TEXT_CONNECT "To connect to a backend."
#define TEXT_REQUEST_BODY_IDLE "Without a byte of a request's body while one is awaited."
#define TEXT_RESPONSE_HEAD "From the end of the request to the head of the final response."
#define TEXT_RESPONSE_IDLE "Without progress in a response's body."
#define TEXT_QUEUE "In the queue of a route (`reqQueueLength`); then the request is answered 503."
#define TEXT_PER_TRY                                                                               \
    "How long one attempt may take to the head of a final response when another one may follow. "  \
    "The last attempt has `timeouts.responseHead`. 0 = as long as that."
#define TEXT_TUNNEL_IDLE "A tunnel (WebSocket, say) without a byte in either direction."

/* How many requests a route serves and how many wait, and who may keep the others waiting, of the
 * route in `structure`. */
#define ROUTE_LIMITS(structure)                                                                    \
    {.key = "reqActiveLength",                                                                     \
     .type = SETTING_INTEGER,                                                                      \
     MEMBER(structure, active_max),                                                                \
     .min = 0,                                                                                     \
     .max = COUNT_MAX,                                                                             \
     .unit = "requests",                                                                           \
     .fallback = "0",                                                                              \
     .text = "Requests of this route in progress at once over all workers; more wait in its "      \
             "queue. 0 = no limit."},                                                              \
        {.key = "reqQueueLength",                                                                  \
         .type = SETTING_INTEGER,                                                                  \
         MEMBER(structure, queue_max),                                                             \
         .min = 0,                                                                                 \
         .max = COUNT_MAX,                                                                         \
         .unit = "requests",                                                                       \
         .fallback = "0",                                                                          \
         .text = "Requests that wait, over all workers, when `reqActiveLength` is reached; more "  \
                 "are answered 503."},                                                             \
    {                                                                                              \
        .key = "reqBodyRate", .type = SETTING_INTEGER, MEMBER(structure, body_rate_min), .min = 0, \
        .max = COUNT_MAX, .unit = "bytes per second", .fallback = "500",                           \
        .text = "How fast a client must send its request's body while other requests of the "      \
                "route need its place (`reqActiveLength`, `adaptive`) or its room at a backend "   \
                "(`backends[].maxConnections`): one that is five seconds behind is answered 408. " \
                "Without others it may be slower. 0 = always."                                     \
    }

/* ... and in which order. */
#define ROUTE_ADMISSION(structure, member)                                                         \
    {.key = "adaptive",                                                                            \
     .type = SETTING_OBJECT,                                                                       \
     MEMBER(structure, member.adaptive),                                                           \
     .table = &settings_adaptive,                                                                  \
     .text = "A limit of requests in progress that follows the latency."},                         \
        {.key = "shedding",                                                                        \
         .type = SETTING_OBJECT,                                                                   \
         MEMBER(structure, member.shedding),                                                       \
         .table = &settings_shedding,                                                              \
         .text = "What becomes of a queue that does not get shorter."},                            \
    {                                                                                              \
        .key = "priority", .type = SETTING_OBJECT, MEMBER(structure, member.priority),             \
        .table = &settings_priority, .text = "Who goes first among those that wait."               \
    }

extern const struct settings_table settings_backends;
extern const struct settings_table settings_routes;
extern const struct settings_table settings_adaptive;
extern const struct settings_table settings_shedding;
extern const struct settings_table settings_priority;
extern const struct settings_table settings_passive_check;
extern const struct settings_table settings_backend_passive_check;
extern const struct settings_table settings_sticky;
extern const struct settings_table settings_route_sticky;
extern const struct settings_table settings_retry;
extern const struct settings_table settings_route_retry;
extern const struct settings_table settings_hedge;
extern const struct settings_table settings_route_hedge;
extern const struct settings_table settings_overload;
extern const struct settings_table settings_dns_table;

#endif
