/*
 * proxy: the data path of one worker. Clients come in through proxy_accept(); everything else
 * happens in handlers of the worker's ring. docs: src/README.md, "One request".
 */
#ifndef NEXTPROXY_PROXY_H
#define NEXTPROXY_PROXY_H

#include "base/histogram.h"
#include "base/wheel.h"
#include "config.h"
#include "log.h"
#include "proxy/overload.h"
#include "ring.h"
#include "snapshot.h"

struct proxy;

/* Why an exchange or a connection ended badly. Rows: src/proxy/fault.c. */
enum fault {
    FAULT_NONE,
    /* the client's doing */
    FAULT_BAD_REQUEST,
    FAULT_BAD_BODY,
    FAULT_BODY_TOO_LARGE,
    FAULT_HEAD_TIMEOUT,
    FAULT_BODY_TIMEOUT,
    FAULT_BODY_SLOW,
    FAULT_CLIENT_GONE,
    FAULT_CLIENT_STALLED,
    FAULT_PROXY_HEADER,
    FAULT_TRACE_REFUSED,
    /* ours */
    FAULT_NO_BACKEND,
    FAULT_ROUTE_FULL,
    FAULT_QUEUE_FULL,
    FAULT_QUEUE_TIMEOUT,
    FAULT_SHED,
    FAULT_BACKENDS_FULL,
    FAULT_EXHAUSTED,
    FAULT_OVERLOADED,
    FAULT_HEAD_OVERFLOW,
    FAULT_STOPPING,
    FAULT_REMOVED,
    /* the backend's */
    FAULT_CONNECT_REFUSED,
    FAULT_CONNECT_FAILED,
    FAULT_CONNECT_TIMEOUT,
    FAULT_UPSTREAM_STALE,
    FAULT_UPSTREAM_RESET,
    FAULT_BAD_RESPONSE,
    FAULT_RESPONSE_TIMEOUT,
    FAULT_TRY_TIMEOUT,
    FAULT_BAD_STATUS,
    FAULT_RESPONSE_CUT,
    FAULT_RESPONSE_STALLED,
    FAULT_TUNNEL_IDLE,
    FAULT_COUNT,
};

/* Why an attempt that had failed was not followed by another. */
enum retry_denial {
    RETRY_DENIED_LIMIT,    /* as many were made as `retries` allows */
    RETRY_DENIED_METHOD,   /* the request is not idempotent */
    RETRY_DENIED_BODY,     /* its body is too large to be kept */
    RETRY_DENIED_BACKEND,  /* no other backend is usable */
    RETRY_DENIED_BUDGET,   /* too many requests of the pool are retries */
    RETRY_DENIED_STOPPING, /* the proxy is being stopped */
    RETRY_DENIAL_COUNT,
};

/* What became of the sessions of clients, where the route has such. */
enum session_outcome {
    SESSION_KEPT,    /* answered by the client's backend */
    SESSION_NEW,     /* the client had none, or none that counts */
    SESSION_MOVED,   /* its backend could not be had: answered by another one */
    SESSION_IGNORED, /* cookies that were forged, too old, or of a backend that is not there */
    SESSION_OUTCOME_COUNT,
};

/* One worker's figures, written by it alone; others read them relaxed. */
struct proxy_counters {
    u64 clients_accepted;
    u64 clients_refused; /* no slot */
    u64 accepts_failed;  /* mostly for want of a descriptor: the connection waits */
    u64 clients_given;   /* to another worker, which accepts them */
    u64 clients_taken;   /* from another worker, among the accepted ones */
    u64 clients_shed;    /* idle ones, closed to make room */
    u64 overload_changes;
    u64 requests;
    u64 responses_by_class[6]; /* [0] = none was sent, [1] 1xx ... [5] 5xx */
    u64 retries;
    u64 retries_denied[RETRY_DENIAL_COUNT];
    u64 sessions[SESSION_OUTCOME_COUNT];
    u64 upstreams_opened;
    u64 upstreams_reused;
    u64 bytes_from_clients;
    u64 bytes_to_clients;
    u64 faults[FAULT_COUNT];
    struct histogram duration_us; /* of exchanges, from the first byte of a request to the end */
};

/* What one worker is doing and has done. */
struct proxy_figures {
    struct proxy_counters counters;
    struct ring_stats ring;
    u64 worker;  /* which one; of a sum nothing */
    u64 clients; /* open connections */
    u64 exchanges;
    u64 upstreams; /* connections to backends */
    u64 overload;  /* enum overload_stage */
    /* Of memory, in whole exchanges, buffers and the like, of which a part may never be touched: */
    u64 touched_bytes; /* what was in use at once, and is resident as far as it was written to */
    u64 spare_bytes;   /* what of that is free now */
};

struct proxy_environment {
    struct ring *ring;
    struct wheel *wheel;
    struct snapshot *snapshot;
    u32 worker;                              /* which of the snapshot's workers this is */
    struct log_buffer *logs[LOG_FILE_COUNT]; /* NULL = that log is off */
    u64 seed;                                /* of the worker's random numbers */
};

/* Everything the data path of one worker needs, allocated now. NULL when memory is refused. */
MUST_CHECK struct proxy *proxy_create(const struct proxy_environment *environment);
/* Only when proxy_quiet(). */
void proxy_destroy(struct proxy *proxy);

/* From now on new exchanges follow this snapshot; those that run keep theirs. What sizes the memory
 * must be as in the first, and proxy_adoptable() with it. */
void proxy_adopt(struct proxy *proxy, struct snapshot *snapshot);

/* True when the routes' header edits and the error pages of `next` fit into the memory that a proxy
 * with the configuration `first` has reserved for each message. */
bool proxy_adoptable(const struct config *first, const struct config *next);

/* Takes over an accepted connection. */
void proxy_accept(struct proxy *proxy, int fd, const struct config_listener *listener);
/* ... from another worker; `proxy_header` is what proxy_header_expected() has said there. */
void proxy_accept_given(struct proxy *proxy, int fd, bool proxy_header);
/* Whether this connection must begin with a PROXY protocol header. */
bool proxy_header_expected(struct proxy *proxy, int fd, const struct config_listener *listener);
/* A connection went to another worker. */
void proxy_gave_away(struct proxy *proxy);
/* What decides whether a worker or another one is to serve a new client. */
struct proxy_load {
    u32 busy;    /* clients with a request in progress, or that have yet to send their first one */
    u32 clients; /* these, and those that wait for a further request */
    u32 room;    /* how many more it is to accept */
};
struct proxy_load proxy_load(const struct proxy *proxy);
/* A connection could not be accepted: `error` is an errno. For the log. */
void proxy_accept_failed(struct proxy *proxy, i32 error);
/* To be called after every ring_turn and wheel_run: releases what ended, refreshes the date. */
void proxy_after_turn(struct proxy *proxy);

/* Graceful stop: idle clients are closed, the others after their exchange; tunnels and everything
 * else that still runs at deadline_ns are cut then. */
void proxy_drain(struct proxy *proxy, u64 deadline_ns);
/* The same for a proxy whose successor serves on the same sockets: idle clients are left alone
 * until their next request or their timeout, so that none is closed in the moment in which it asks;
 * each answer tells its client to connect anew; and what fails is retried as ever. */
void proxy_retire(struct proxy *proxy, u64 deadline_ns);
/* Cuts everything now. */
void proxy_stop(struct proxy *proxy);
/* True when no connection is left. */
bool proxy_quiet(const struct proxy *proxy);

const struct proxy_counters *proxy_counters(const struct proxy *proxy);
/* Adds up what two workers have counted. */
void proxy_counters_add(struct proxy_counters *sum, const struct proxy_counters *one);
/* A copy, taken from any thread while the worker goes on: each figure is a true one, but they may
 * be a moment apart. */
void proxy_figures_read(const struct proxy *proxy, struct proxy_figures *out);
const char *fault_name(enum fault fault);
const char *retry_denial_name(enum retry_denial denial);
const char *session_outcome_name(enum session_outcome outcome);

/* One row of the memory plan: what one worker takes and what happens when it is used up. */
struct proxy_budget_row {
    const char *what;
    u64 count;
    u64 item_bytes;
    const char *when_exhausted;
};
enum { PROXY_BUDGET_ROWS = 8 };
void proxy_budget(const struct config *config, struct proxy_budget_row rows[PROXY_BUDGET_ROWS]);
/* Receive buffers a worker's ring needs for this configuration: a power of two. */
u32 proxy_leases(const struct config *config);

#endif
