/* config: how names of backends are resolved. A part of config.h. */
#ifndef NEXTPROXY_CONFIG_DNS_H
#define NEXTPROXY_CONFIG_DNS_H

#include "config/socket_address.h"

/* Which addresses of a name that has IPv4 and IPv6 ones are used. */
enum config_family {
    CONFIG_FAMILY_PREFER_IPV4, /* IPv6 only of names without IPv4 */
    CONFIG_FAMILY_PREFER_IPV6,
    CONFIG_FAMILY_IPV4,
    CONFIG_FAMILY_IPV6,
    CONFIG_FAMILY_ALL,
    CONFIG_FAMILY_COUNT,
};

struct config_dns {
    const struct address *servers; /* count 0: those of the system */
    u32 server_count;
    u32 family;        /* enum config_family */
    u32 timeout_ms;    /* of the first try on a server; later ones may take longer */
    u32 tries;         /* on each server */
    u32 ttl_min_ms;    /* an answer is good for at least this, */
    u32 ttl_max_ms;    /* ... and at most this */
    u32 retry_ms;      /* after a failure; twice as long after each further one ... */
    u32 retry_max_ms;  /* ... up to this */
    u32 start_wait_ms; /* for answers, before a new configuration is served without them */
};

struct config;
struct config_backend;

/* Where a name leads, one of its addresses. */
struct config_endpoint {
    struct address address; /* with port */
    u32 weight;             /* times that of the backend */
};

enum {
    CONFIG_ENDPOINTS_MAX = 64,          /* of one name */
    CONFIG_ENDPOINTS_ALL_MAX = 1 << 15, /* of all backends */
};

/* Who knows where names lead. */
struct config_names {
    /* Fills `out` in an order that does not depend on chance, and returns how many; 0 = nothing is
     * known of the name. */
    u32 (*find)(void *context, const struct config_backend *backend,
                struct config_endpoint out[CONFIG_ENDPOINTS_MAX]);
    void *context;
};

/* True when some backend has a name instead of an address. */
bool config_has_names(const struct config *config);
/* The same configuration, in which each backend with a name is as many backends as the name has
 * addresses, alike but for the address and the weight; one without address when there are none. It
 * shares memory with `config`, which must outlive it. */
MUST_CHECK struct config *config_expand(const struct config *config,
                                        const struct config_names *names);

#endif
