/* The URL of a backend. */
#ifndef NEXTPROXY_CONFIG_URL_H
#define NEXTPROXY_CONFIG_URL_H

#include "config.h"

struct url {
    struct slice authority; /* host[:port] as written; "localhost" for a unix socket */
    struct slice name;      /* the host without brackets, for resolving; empty for a unix socket */
    struct slice path;      /* of a unix socket, else empty */
    u16 port;               /* 0 with `service` */
    bool literal;           /* the host is an address */
    bool service;           /* http+srv: the host is a name with SRV records */
};

/* NULL when `text` is the URL of a backend, else what is allowed, as one phrase. */
MUST_CHECK const char *url_parse(struct slice text, struct url *url);
/* True for names that may stand in DNS or in /etc/hosts: letters, digits, "-", "_" and ".", none of
 * whose labels is empty; and for the bytes that they consist of. */
bool host_name_valid(struct slice name);
bool host_byte_valid(char c);

#endif
