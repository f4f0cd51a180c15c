/* Addresses of name servers as settings name them. */
#ifndef NEXTPROXY_CONFIG_NAMESERVER_H
#define NEXTPROXY_CONFIG_NAMESERVER_H

#include "config.h"

/* "192.0.2.1", "192.0.2.1:5353", "::1" or "[::1]:5353"; port 53 where there is none. */
MUST_CHECK bool nameserver_parse(struct slice text, struct address *address);

#endif
