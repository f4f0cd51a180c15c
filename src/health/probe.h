/*
 * Probes: one question of a check to its backend each, and one answer, told once. There are two
 * kinds, which have their own memory and bounds: over a connection (connection.c) and by a program
 * (script.c). In this file is what checks know of either.
 */
#ifndef NEXTPROXY_HEALTH_PROBE_H
#define NEXTPROXY_HEALTH_PROBE_H

#include "base/arena.h"
#include "base/list.h"
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
    PROBE_EXIT,       /* a script ended with another exit status than 0: `code` */
    PROBE_SIGNAL,     /* ... by a signal: `code` */
    PROBE_LATE,       /* ... not within the timeout: `code` milliseconds */
    PROBE_HELD_UP,    /* ... was not begun beside another one that was killed and does not end */
    PROBE_SKIPPED,    /* we could not ask: says nothing about the backend */
    PROBE_OUTCOME_COUNT,
};

enum { PROBE_TEXT_BYTES = 128 };

struct probe_result {
    enum probe_outcome outcome;
    enum http_reject reject;
    i32 error;                   /* errno */
    i32 code;                    /* see the outcomes of scripts */
    u16 status;                  /* of the final response; 0 = there was none */
    char text[PROBE_TEXT_BYTES]; /* the first line of what a script wrote, or what could not be
                                    begun; printable, "" = nothing */
};

struct prober;

/* The beginning of each probe's memory. */
struct probe {
    struct prober *prober;
    void *user;
    u64 question;
    struct list linger; /* in its prober's list */
    u64 killed_ns;      /* when it was put there */
};

struct probe_kind {
    usize bytes; /* of a probe */
    u32 count_max;
    /* The prober must not be full. Nothing of `backend` is looked at after this. NULL when it could
     * not be begun, which says nothing about the backend: *why is PROBE_SKIPPED. */
    struct probe *(*start)(struct prober *prober, const struct config_backend *backend,
                           struct probe_result *why);
    /* Ends it; no result is told any more. */
    void (*abandon)(struct probe *probe);
};

extern const struct probe_kind probe_by_connection, probe_by_script;

/* All probes of one kind. */
struct prober {
    struct ring *ring;
    struct wheel *wheel;
    struct transport_reaper *reaper;
    const struct probe_kind *kind;
    /* `user` is that of the asker. */
    void (*on_result)(void *user, const struct probe_result *result);
    struct slab slab;
    struct list due;       /* the checks' own: those that wait for a free probe */
    struct list lingering; /* programs that were killed and have not ended */
};

/* The first five members are the caller's to set. False when memory is refused. */
MUST_CHECK bool prober_init(struct prober *prober);
void prober_deinit(struct prober *prober);
/* No further probe can be started before one has ended. */
bool prober_is_full(const struct prober *prober);
/* The program that was begun to answer this question, and was killed, and has not ended; NULL when
 * there is none. */
const struct probe *prober_lingering(const struct prober *prober, u64 question);
/* None is there, in any state. */
bool prober_is_quiet(const struct prober *prober);

/* Who asks for a probe, and what: equal numbers, equal questions. */
struct probe_asker {
    void *user;
    u64 question;
};
/* As its kind's `start`. */
MUST_CHECK struct probe *probe_start(struct prober *prober, const struct config_backend *backend,
                                     struct probe_asker asker, struct probe_result *why);
void probe_abandon(struct probe *probe);

#endif
