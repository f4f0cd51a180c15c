/* A connection to one of the sample backends of `nextproxy --demo`. */
#ifndef NEXTPROXY_DEMO_CONNECTION_H
#define NEXTPROXY_DEMO_CONNECTION_H

#include "base/arena.h"
#include "base/wheel.h"
#include "http.h"
#include "transport.h"

enum { DEMO_HEAD_BYTES_MAX = 16384 };

/* What all connections share; set up by whoever runs the loop. */
struct demo {
    struct ring *ring;
    struct wheel wheel;
    struct transport_reaper reaper;
    struct slab connections;
    struct http_request request;        /* scratch of the head or trailers being parsed */
    char trailers[DEMO_HEAD_BYTES_MAX]; /* scratch, too */
};

/* For the slab. */
usize demo_connection_bytes(void);
/* Takes the socket over and serves it until it ends. `backend` is the name in the answers. */
void demo_connection_open(struct demo *demo, int fd, const char *backend);

#endif
