/*
 * upstream: live connections to backends. Each worker keeps its own, idle ones in a stack per
 * backend: the one used last is used first, so that the others grow old and are closed.
 *
 *            acquire (none idle)          connected             release
 *   (none) --------------------> CONNECTING -------> ACTIVE ----------------> IDLE
 *                                     |                ^  |     acquire         |
 *                                     |                |  +<--------------------+
 *                                     +----------------+--+-- discard, peer closed, idle too long
 *                                                         v
 *                                                      CLOSING --> (released)
 *
 * A connection that is released while its last send is under way goes through SETTLING on its way
 * to IDLE: the answer can be seen before the kernel says that the request is sent.
 *
 * An idle connection has a receive armed: a backend that closes it, or sends something nobody asked
 * for, is noticed at once.
 */
#ifndef NEXTPROXY_UPSTREAM_H
#define NEXTPROXY_UPSTREAM_H

#include "base/arena.h"
#include "base/wheel.h"
#include "config.h"
#include "transport.h"

enum upstream_state {
    UPSTREAM_CONNECTING, /* waits for the connection; the user's timeout applies */
    UPSTREAM_ACTIVE,     /* serves its user; the user's timeouts apply */
    UPSTREAM_SETTLING,   /* waits for the end of its last send; a second or two */
    UPSTREAM_IDLE,       /* waits for a user; upstream.idleTimeout applies */
    UPSTREAM_CLOSING,    /* waits for the kernel to let go */
};

struct state;
struct upstreams;
struct upstream;

/* What the user of a connection hears. */
struct upstream_events {
    struct transport_events transport; /* on_closed is never called: the upstream belongs to us */
    void (*on_connected)(struct upstream *upstream, struct ring_done done);
    /* It had to wait for a descriptor, and has one: only now its backend is asked. */
    void (*on_begun)(struct upstream *upstream);
};

struct upstream {
    struct transport transport;
    struct ring_op connect_op;
    const struct upstream_events *events;
    struct upstreams *owner;
    void *user;       /* the exchange it serves; NULL unless CONNECTING or ACTIVE */
    struct list node; /* in its backend's idle stack, or among those that settle, or wait */
    u64 idle_since_ns;
    u32 slot;                     /* of its backend */
    u32 requests;                 /* served so far, this one included */
    u8 state;                     /* enum upstream_state */
    bool reused;                  /* had served a request before this user got it */
    const struct address *wanted; /* while CONNECTING, if it waits for a descriptor */
};

struct upstreams_environment {
    struct ring *ring;
    struct wheel *wheel;
    struct transport_reaper *reaper;
    struct state *state; /* where the connections are counted, the worker's own there */
    u32 worker;
    u32 connections_max;                  /* without those that are being closed */
    const struct upstream_events *events; /* of whoever acquires */
};

/* Whom to connect to. */
struct upstream_target {
    u32 slot; /* of the backend, see state.h: its idle connections */
    const struct address *address;
};

/* NULL when memory is refused. Serves no backend before upstreams_adopt(). */
MUST_CHECK struct upstreams *upstreams_create(struct arena *arena,
                                              const struct upstreams_environment *environment);
void upstreams_destroy(struct upstreams *upstreams);

/* From now on these are the limits, and the backends whose connections are kept: idle ones to
 * others are closed, and busy ones when they are released. */
void upstreams_adopt(struct upstreams *upstreams, const struct config_upstream *limits,
                     const u32 *slots, u32 count);

/* One of these has a limit: from now on all workers together have no more connections to it than
 * `most` (> 0), but for those that are in use, and for the moment that it takes another worker to
 * close an idle one. */
void upstreams_limit(struct upstreams *upstreams, u32 slot, u32 most);
/* Another worker may have called: see state/connections.h. */
void upstreams_called(struct upstreams *upstreams);

/* An idle connection to the backend (ACTIVE, `reused`), or a new one (CONNECTING: on_connected
 * follows, with RING_OK or the reason why not); an idle one is closed for it when there are as many
 * as there may be, or when no descriptor is left. `fresh` declines idle ones. NULL with *error
 * (errno) when no socket is left, or all connections are in use. */
MUST_CHECK struct upstream *upstream_acquire(struct upstreams *upstreams,
                                             struct upstream_target target, bool fresh, void *user,
                                             i32 *error);
/* CONNECTING, but nobody was asked yet: an idle connection is being closed for its descriptor. The
 * first that comes is the first served; each is told as soon as there is none to be had. */
bool upstream_awaits_descriptor(const struct upstream *upstream);
/* From now on its user hears of it by these, which are for a user like those it was acquired with.
 */
void upstream_set_events(struct upstream *upstream, const struct upstream_events *events);
/* Gives a connection back whose exchange ended cleanly on both halves. The last send may be under
 * way still, when it is the end of the request. */
void upstream_release(struct upstream *upstream);
/* Ends a connection that cannot be used again; in any state, any number of times. */
void upstream_discard(struct upstream *upstream, bool reset);
/* Closes up to `count` idle connections, those of each backend that were idle for longest first.
 * Returns how many. */
u32 upstreams_shed(struct upstreams *upstreams, u32 count);
/* Closes all idle connections. */
void upstreams_drain(struct upstreams *upstreams);
/* Memory for how many is reserved: as many may be in the course of being closed. */
u32 upstreams_places(u32 connections_max);
/* Live connections in any state. */
u32 upstreams_count(const struct upstreams *upstreams);

#endif
