/*
 * The circuit breaker of one backend: what the ends of its requests say of it, all workers' taken
 * together. Pure: what happened and the time come in, what follows from it comes out.
 *
 *              refused, failures in a row, error rate
 *   CLOSED -----------------------------------------------> OPEN <------------+
 *      ^                                                      |               |
 *      |                     its time is over, or good probes |               | it failed
 *      |                                                      v               |
 *      +---- as many good ones as `trials` says ---- HALF_OPEN <----> TRIAL --+
 *
 * OPEN: no requests. HALF_OPEN: the next request is a trial. TRIAL: that one is under way, and no
 * other comes; when it ends without saying anything (its client went away), or takes too long to be
 * sent, the next one is.
 *
 * The time that it stays open doubles from ejection to ejection, up to a limit; a backend that has
 * served for as long as it was ejected last begins anew.
 */
#ifndef NEXTPROXY_STATE_CIRCUIT_H
#define NEXTPROXY_STATE_CIRCUIT_H

#include "base/list.h"
#include "config.h"

enum circuit_state { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_HALF_OPEN, CIRCUIT_TRIAL };

/* What a request is to the circuit. */
enum circuit_trial {
    CIRCUIT_TRIAL_NONE,
    CIRCUIT_TRIAL_HELD,      /* it is the trial under way */
    CIRCUIT_TRIAL_PASSED_ON, /* it was, and took so long that another request may be one meanwhile:
                              * when it goes well that counts, when it fails it does not */
};

/* Why it opens. */
enum circuit_reason {
    CIRCUIT_NO_REASON, /* it does not */
    CIRCUIT_BY_REFUSAL,
    CIRCUIT_BY_ROW,
    CIRCUIT_BY_RATE,
    CIRCUIT_BY_TRIAL,
};

/* How an attempt failed. */
struct circuit_failure {
    const char *what; /* static, for people and programs: "connect_refused", "status" */
    i32 error;        /* errno; 0 = none */
    u16 status;       /* of the response; 0 = it was none */
    bool refused;     /* nobody listens there */
    bool trial;       /* it was the trial */
};

/* So much had happened at that time. */
struct circuit_sample {
    u64 at_ns;
    u64 requests; /* that had ended */
    u64 failures;
};

enum { CIRCUIT_STEPS = 10, CIRCUIT_SAMPLES = CIRCUIT_STEPS + 2 };

struct circuit {
    struct list node;            /* whoever keeps circuits may link those that are open */
    u64 until_ns;                /* OPEN: when its time is over */
    u64 closed_ns;               /* when it closed last; 0 = it never opened */
    u64 failed_ns;               /* the last failure */
    u64 failures;                /* in all */
    u64 ejections;               /* how often it opened, failed trials included */
    u64 spared;                  /* how often it would have, had more been allowed to */
    struct circuit_failure last; /* failure */
    enum circuit_reason reason;  /* of the last ejection */
    u32 open_ms;                 /* how long the last ejection lasts */
    u32 row;                     /* failures in a row */
    u32 refused_row;
    u32 good; /* trials in a row, or, while OPEN, probes */
    u32 samples_begin, samples_count;
    struct circuit_sample samples[CIRCUIT_SAMPLES]; /* a ring, the oldest first */
    u8 state;                                       /* enum circuit_state */
    bool spared_now; /* since the last good request: to be said once */
};

void circuit_init(struct circuit *circuit);

/* An attempt failed. `requests` is how many have ended so far, this one included. Anything but
 * CIRCUIT_NO_REASON asks for circuit_open() or circuit_spare(). */
MUST_CHECK enum circuit_reason circuit_fail(struct circuit *circuit,
                                            const struct config_passive_check *check,
                                            const struct circuit_failure *failure, u64 requests,
                                            u64 now_ns);
void circuit_open(struct circuit *circuit, const struct config_passive_check *check,
                  enum circuit_reason reason, u64 now_ns);
/* It may not open, because too many are: the rows begin anew. */
void circuit_spare(struct circuit *circuit);

/* A request went well. True when the circuit has closed by that. */
MUST_CHECK bool circuit_succeed(struct circuit *circuit, const struct config_passive_check *check,
                                enum circuit_trial trial, u64 requests, u64 now_ns);
/* HALF_OPEN -> TRIAL; false in all other states. */
MUST_CHECK bool circuit_try(struct circuit *circuit);
/* TRIAL -> HALF_OPEN: nothing was learnt, or not yet. */
void circuit_untried(struct circuit *circuit);
/* OPEN -> HALF_OPEN when its time is over. True when it was. */
MUST_CHECK bool circuit_tick(struct circuit *circuit, u64 now_ns);
/* A probe of an active check has ended. OPEN -> HALF_OPEN with so many good ones in a row: true. */
MUST_CHECK bool circuit_probe(struct circuit *circuit, bool good, u32 needed);
/* Any state -> CLOSED, without a trial: the rules have changed. */
void circuit_close(struct circuit *circuit, u64 requests, u64 now_ns);

/* "closed", "open", "half-open"; static. */
const char *circuit_state_name(enum circuit_state state);
/* "none", "refused", "failures", "error-rate", "trial"; static. */
const char *circuit_reason_name(enum circuit_reason reason);

#endif
