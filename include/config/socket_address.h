/*
 * Addresses and networks, as a configuration has them.
 */
#ifndef NEXTPROXY_CONFIG_SOCKET_ADDRESS_H
#define NEXTPROXY_CONFIG_SOCKET_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/slice.h"

/* A socket address of any of the three families we speak. */
struct address {
    union {
        struct sockaddr_un local; /* the first, for an initialiser clears no more than that */
        struct sockaddr_in6 v6;
        struct sockaddr_in v4;
        struct sockaddr any;
    };
    socklen_t len;
};

/* An IPv4 or IPv6 network; IPv4 as ::ffff:0:0/96 so that one comparison serves both. Or "unix:",
 * which is all peers at unix sockets. */
struct network {
    u8 address[16];
    u8 prefix_bits; /* 0..128 */
    bool local;     /* "unix:"; the rest means nothing */
};

struct network_list {
    const struct network *at;
    u32 count;
};

/* An IPv4 or IPv6 literal without brackets. False when it is neither. */
MUST_CHECK bool address_parse_ip(struct slice text, u16 port, struct address *address);
bool address_equal(const struct address *a, const struct address *b);
/* "1.2.3.4", "::1" or "unix:" without port; returns the length written (< 64). */
u32 address_format_ip(const struct address *address, char out[64]);
/* With port: "1.2.3.4:80", "[::1]:80", "unix:/path"; "" without address. */
enum { ADDRESS_TEXT_BYTES = 128 };
void address_format(const struct address *address, char out[ADDRESS_TEXT_BYTES]);
/* True when the peer's address is in one of the networks. */
bool network_list_contains(const struct network_list *list, const struct address *address);

#endif
