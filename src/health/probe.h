/*
 * One probe: a connection of its own, a request, and the head of the response, perhaps with the
 * beginning of its body, all within one timeout.
 *
 *   CONNECTING --connected--> ASKING --final head, or anything else--> CLOSING --> (released)
 *        |                       |                                        ^
 *        |                       +--head, and a body to look at--> READING -
 *        +------ tcp: connected; refused; timeout; abandoned -------------+
 *
 * The result is told once, on the way to CLOSING.
 */
#ifndef NEXTPROXY_HEALTH_PROBE_H
#define NEXTPROXY_HEALTH_PROBE_H

#include "base/arena.h"
#include "base/wheel.h"
#include "config.h"
#include "transport.h"

enum probe_outcome {
    PROBE_GOOD,
    PROBE_STATUS,     /* another status than expected */
    PROBE_BODY,       /* a body without what it has to contain */
    PROBE_CONNECT,    /* no connection; `error` says why */
    PROBE_TIMEOUT,    /* no connection, or no answer that decides, within the timeout */
    PROBE_CLOSED,     /* the connection ended before the answer did */
    PROBE_LOST,       /* the same, with an `error` */
    PROBE_UNREADABLE, /* what came is no response; `reject` says why */
    PROBE_SKIPPED,    /* we could not ask: says nothing about the backend */
    PROBE_OUTCOME_COUNT,
};

struct probe_result {
    enum probe_outcome outcome;
    enum http_reject reject;
    i32 error;  /* errno */
    u16 status; /* of the final response; 0 = there was none */
};

struct probe;

struct prober {
    struct ring *ring;
    struct wheel *wheel;
    struct transport_reaper *reaper;
    /* `user` is what was given to probe_start. */
    void (*on_result)(void *user, const struct probe_result *result);
    struct slab slab;
};

/* The first four members are the caller's to set. False when memory is refused. */
MUST_CHECK bool prober_init(struct prober *prober);
void prober_deinit(struct prober *prober);
/* No further probe can be started before one has ended. */
bool prober_is_full(const struct prober *prober);
/* None is there, in any state. */
bool prober_is_quiet(const struct prober *prober);

/* The prober must not be full. Nothing of `backend` is looked at after this. NULL when there is no
 * socket, which says nothing about the backend. */
MUST_CHECK struct probe *probe_start(struct prober *prober, const struct config_backend *backend,
                                     void *user);
/* Ends it; no result is told any more. */
void probe_abandon(struct probe *probe);

#endif
