/*
 * Client: a connection accepted from outside.
 */
#ifndef NEXTPROXY_PROXY_CLIENT_H
#define NEXTPROXY_PROXY_CLIENT_H

#include "base/list.h"
#include "proxy.h"
#include "transport.h"

struct exchange;

enum { CLIENT_IP_BYTES_MAX = 46 };

enum client_state {
    CLIENT_PROXY_HEADER, /* waits for a PROXY protocol header */
    CLIENT_IDLE,         /* waits for the first byte of a request */
    CLIENT_HEAD,         /* waits for the rest of a request head */
    CLIENT_EXCHANGING,   /* the exchange decides what it waits for */
    CLIENT_LINGERING,    /* our FIN is out; waits for the peer's, dropping what still comes */
    CLIENT_CLOSING,      /* waits for the kernel to let go */
    CLIENT_STATE_COUNT,
};

struct client {
    struct transport transport;
    struct wheel_timer timer;
    struct proxy *proxy;
    struct exchange *exchange;  /* while CLIENT_EXCHANGING */
    struct list node;           /* in proxy->connected */
    char *inbox;                /* bytes of the next head that could not be used yet, or NULL */
    struct lease_chain backlog; /* what did not fit into it */
    u64 request_start_ns;       /* first byte of the request being read */
    u64 key;                    /* hash of the address, for BALANCE_IP_HASH */
    u32 inbox_len;
    u8 state;     /* enum client_state */
    bool asked;   /* a request has come */
    bool trusted; /* the peer is one of trustedProxies */
    bool local;   /* ... is at a unix socket: it has no address */
    bool shed;    /* closed to make room */
    u8 ip_len;
    char ip[CLIENT_IP_BYTES_MAX];
};

/* The listener, or without one `proxy_header`, says whether a PROXY protocol header comes first. */
void client_start(struct proxy *proxy, int fd, const struct config_listener *listener,
                  bool proxy_header);
void client_set_deadline(struct client *client, u32 timeout_ms);
/* Closes a client that waits for a request or for the rest of its head. False when it does not. */
bool client_close_waiting(struct client *client);
/* A graceful stop: an idle client may ask once more, soon. */
void client_drain(struct client *client);
/* Sends a page that is not an exchange's, then closes. `page` is taken over. */
void client_refuse(struct client *client, struct lease_chain *page);
/* The exchange is over: next request, or the end. */
void client_exchange_ended(struct client *client, bool keep);
void client_close(struct client *client, bool reset);
/* Takes what was kept back, at the end of `data`; false when there is no room for it as leases. */
MUST_CHECK bool client_take_back(struct client *client, struct lease_chain *data);
/* Keeps bytes that came before their turn. False when there is no room for them. */
MUST_CHECK bool client_keep_back(struct client *client, struct lease_chain *data);
bool client_input_waiting(const struct client *client);
/* Takes what fits from the backlog into the inbox. False when there is no inbox to be had. */
MUST_CHECK bool client_inbox_refill(struct client *client);
void client_inbox_release(struct client *client);

static inline struct slice client_ip(const struct client *client)
{
    return slice_of(client->ip, client->ip_len);
}

#endif
