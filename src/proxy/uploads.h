/*
 * Uploads: exchanges whose clients are still sending their requests, while they have what others
 * may be waiting for: a place on a route, room at a backend, or the trial of an ejected one. Only
 * these are here; the requests of all others are whole when they get it.
 *
 * Once a second each is looked at (uploads.c):
 *   - A client that sends less than its route's `reqBodyRate` is ended when others cannot get what
 *     it has (`body_slow`). Who is in nobody's way may be as slow as timeouts.requestBodyIdle lets
 *     it.
 *   - A trial is passed on to the next request after timeouts.connect. It may still succeed.
 */
#ifndef NEXTPROXY_PROXY_UPLOADS_H
#define NEXTPROXY_PROXY_UPLOADS_H

#include "base/list.h"
#include "base/wheel.h"

struct exchange;
struct proxy;

/* In the exchange. */
struct upload {
    struct list node;
    u64 bytes;  /* sent either way when it was looked at last */
    u32 due_ms; /* how much longer its client has taken than its bytes are worth */
};

/* One worker's. */
struct uploads {
    struct list exchanges; /* by upload.node, in the order in which they came */
    struct wheel_timer timer;
};

void uploads_init(struct proxy *proxy);
void uploads_stop(struct proxy *proxy);

/* The exchange, which is to have one of these, is still to get a part of its request. */
void uploads_add(struct exchange *exchange);
/* It is over. Only when it was added. */
void uploads_remove(struct exchange *exchange);

#endif
