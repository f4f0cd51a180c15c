/* Addresses and networks from text. */
#ifndef NEXTPROXY_CONFIG_ADDRESS_H
#define NEXTPROXY_CONFIG_ADDRESS_H

#include "config.h"

/* False when the path is empty or too long for a socket address. */
MUST_CHECK bool address_from_path(struct slice path, struct address *address);
/* True when a connection to `endpoint` ends at a socket that listens at `listening`, as far as that
 * can be told from the two: a wildcard (`dual`: of both families) takes all of the loopback, and so
 * does whoever connects to the wildcard. */
bool address_reaches(const struct address *endpoint, const struct address *listening, bool dual);
void address_set_port(struct address *address, u16 port);

/* "10.0.0.0/8", "2001:db8::/32", an address for itself alone, or "unix:" for unix sockets.
 * NULL when it is one, else what is allowed, as one phrase. */
MUST_CHECK const char *network_parse(struct slice text, struct network *network);

#endif
