/*
 * admin: the management API, a small HTTP server on control's ring. What it may be asked is a row
 * of the table in src/admin/endpoints.c; docs/admin.md says it for people.
 *
 * It is as strict as the data plane, with which it shares the parser and the transport, and
 * bounded: ADMIN_CONNECTIONS_MAX connections, memory planned at the start, a timeout in every
 * state.
 */
#ifndef NEXTPROXY_ADMIN_H
#define NEXTPROXY_ADMIN_H

#include "base/wheel.h"
#include "config.h"
#include "health.h"
#include "proxy.h"
#include "resolve.h"
#include "ring.h"
#include "snapshot.h"

struct admin;

enum {
    ADMIN_CONNECTIONS_MAX = 64,
    ADMIN_RELOAD_REPORT_BYTES = 16384,
};

/* Something that was to change the configuration, and what became of it. */
enum admin_event_kind { ADMIN_EVENT_RELOAD, ADMIN_EVENT_CHANGE, ADMIN_EVENT_KINDS };
enum admin_event_result {
    ADMIN_EVENT_DONE,
    ADMIN_EVENT_UNCHANGED,
    ADMIN_EVENT_REFUSED,
    ADMIN_EVENT_WAITING, /* for names: another one follows */
    ADMIN_EVENT_RESULTS,
};
enum { ADMIN_EVENTS_MAX = 16 };
struct admin_event {
    u64 wall_ns;
    u64 version; /* of the configuration that is served since */
    enum admin_event_kind kind;
    enum admin_event_result result;
    struct slice report; /* what the log says of it, lines; its first part when `cut` */
    bool cut;
};

/* What is to be shown, as it is at the moment. */
struct admin_view {
    const struct snapshot *snapshot; /* what is served now */
    const struct config_overlay *overlay;
    const struct health *health; /* NULL: nothing is checked */
    struct resolve_figures names;
    u32 workers;
    u32 workers_stuck;                     /* of these, workers whose loop does not turn */
    const struct proxy_counters *departed; /* what workers that have ended have counted */
    u32 restarts;                          /* of the engine after crashes, by its supervisor */
    i32 supervisor;                        /* its process; 0 = there is none */
    bool draining;
    bool held; /* another engine is about to take over, and knows what is known: nothing is changed
                */
    u64 clock_steps;                             /* of the wall clock */
    bool clock_doubted;                          /* no log is deleted for its age */
    u64 log_dropped[LOG_FILE_COUNT];             /* records, since the start */
    u64 memory_bytes;                            /* resident and in use */
    u64 memory_bytes_max;                        /* limits.memoryBytes; 0 = any */
    u64 files_max;                               /* descriptors that the process may have */
    struct admin_event events[ADMIN_EVENTS_MAX]; /* the newest first */
    u32 event_count;
    u64 event_counts[ADMIN_EVENT_KINDS][ADMIN_EVENT_RESULTS]; /* since the start */
};

enum admin_reload {
    ADMIN_RELOADED,
    ADMIN_RELOAD_UNCHANGED, /* the file says what it said before */
    ADMIN_RELOAD_REFUSED,   /* something is wrong with the configuration, or needs a restart */
    ADMIN_RELOAD_STOPPING,  /* the proxy is being stopped */
    ADMIN_RELOAD_WAITING,   /* names in it are still being resolved: the log tells how it ends */
};

/* Whom it asks. */
struct admin_source {
    /* What requests must bear, until the next reload; "" = nothing. */
    struct slice (*token)(void *context);
    void (*view)(void *context, struct admin_view *out);
    void (*figures)(void *context, u32 worker, struct proxy_figures *out);
    /* Asks for a reload: admin_reload_over() follows, after the call. False while the proxy is
     * being stopped. */
    bool (*reload)(void *context);
    /* Changes what is served, as config_overlay_add() and config_overlay_remove() say. The caller
     * deinits `problems`. What was served before stays valid until the call that led to this one
     * is over. Not while the proxy is being stopped. */
    enum config_overlay_verdict (*add)(void *context, struct slice json,
                                       struct config_problems *problems);
    enum config_overlay_verdict (*remove)(void *context, struct slice id,
                                          struct config_problems *problems);
    /* Sets the operator's marks of a backend (an index into the configuration that is served):
     * exactly these of STATE_MANUAL. */
    void (*mark)(void *context, u32 backend, u32 marks);
    void *context;
};

struct admin_options {
    struct ring *ring;                          /* control's, with leases */
    struct wheel *wheel;                        /* run by the caller, after each ring_turn */
    const struct admin_source *source;          /* outlives the admin */
    int listen_fds[CONFIG_ADMIN_LISTENERS_MAX]; /* stay the caller's */
    u32 listen_count;
};

/* Serves from the ring's next turn on. NULL when memory is refused. */
MUST_CHECK struct admin *admin_create(const struct admin_options *options);
/* Only when admin_quiet(). */
void admin_destroy(struct admin *admin);
/* To be called after every ring_turn and wheel_run: releases connections that have ended. */
void admin_after_turn(struct admin *admin);
/* A reload has come to this end, and the log says these lines of it, each with a '\n' behind it (at
 * most ADMIN_RELOAD_REPORT_BYTES): whoever has asked for one so far is told. */
void admin_reload_over(struct admin *admin, enum admin_reload verdict, struct slice report);
/* Takes no more connections: another process does, from the same sockets. */
void admin_retire(struct admin *admin);
/* Takes no more connections and cuts those there are. */
void admin_stop(struct admin *admin);
/* True when it is stopped and the kernel owes it nothing. */
bool admin_quiet(const struct admin *admin);

#endif
