/* Control's state, for the files that run it: those that have a heading below. */
#ifndef NEXTPROXY_CONTROL_INTERNAL_H
#define NEXTPROXY_CONTROL_INTERNAL_H

#include "base/wheel.h"
#include "control.h"
#include "control/listeners.h"
#include "control/live.h"
#include "control/log_writer.h"
#include "control/management.h"
#include "control/pressure.h"
#include "control/state_file.h"
#include "control/stop_clock.h"
#include "control/wall_clock.h"
#include "control/watch.h"
#include "control/watchdog.h"
#include "health.h"
#include "log.h"
#include "resolve.h"
#include "ring.h"
#include "worker.h"

enum {
    /* For workers to end when timeouts.drain is over, or they were told to stop at once: the latter
     * is what they do then, and takes milliseconds. */
    WORKERS_SPARE_MS = 3000,
    FLUSH_MS = 2000, /* for the logs, at the end */
};

struct control {
    const struct config *config;
    struct ring *ring;
    struct wheel wheel;
    struct ring_op signal_op;
    struct management *management; /* NULL = the management API is off */
    struct live *live;
    struct watch *watch; /* NULL when the file is not watched, or cannot be */
    struct health *health;
    struct state_file *state_file;
    struct team *team;
    struct pressure pressure;
    struct resolver *resolver;
    struct wheel_timer patience;                 /* set while a reload waits for names */
    struct wheel_timer behind;                   /* ... while names lead where nobody follows */
    struct worker **workers;                     /* in no order; see crew.c */
    struct log_buffer **buffers[LOG_FILE_COUNT]; /* control's own, then one per worker's index */
    struct proxy_counters departed;              /* of workers that have ended */
    struct log_writer *log_writer;
    struct listeners *listeners;
    struct handover *handover;
    struct ring_op order_op; /* of the channel to the supervisor */
    struct watchdog *watchdog;
    struct wall_clock wall;
    struct stop_clock stop_clock; /* what the workers have left to end in */
    u64 hedging_ns;  /* when it is worked out next when requests of hedged routes are late */
    u32 started;     /* workers */
    u32 places;      /* that the team has */
    u64 settled;     /* the version of the last snapshot that control_settle() has seen */
    u32 stops_asked; /* orders to stop so far */
    bool held;       /* another engine knows what we know: nothing is changed at run time */
    bool put_off;    /* a reload, because of that */
    int signal_fd;
    u32 ring_disabled;
    bool reload_asked;          /* over the management API, for the end of this turn */
    bool retired;               /* another engine serves on our sockets */
    bool retiring;              /* earlier configurations are still used */
    bool closing;               /* listeners that are served no more are still in use */
    char why[WORKER_WHY_BYTES]; /* a start failed */
};

/* ---- control.c ---- */

/* One line of the error log. Nothing before there is one, or when the level leaves it out. */
void control_note(struct control *control, enum log_severity severity, const char *type,
                  const char *message);
/* The same for an event that says more; its time is now. */
void control_log(struct control *control, struct log_event *event);
/* Of live: an event, which whoever asked for a reload over the API hears too. */
void control_hear_live(void *context, enum log_severity severity, const char *message);

/* Whether the wall clock was set, and what follows. */
void control_look_at_clock(struct control *control);

/* ---- orders.c ---- */

/* Before the first worker starts, so that all threads inherit the mask. False with the reason in
 * control->why. */
MUST_CHECK bool control_catch_signals(struct control *control);
/* From now on signals are obeyed; with a supervisor, what it says instead. */
void control_obey(struct control *control);
/* Runs the reload that was asked for over the management API, if there was one. Not inside of a
 * request: what it looks at may be gone afterwards. */
void control_obey_reload(struct control *control);
/* Reads the configuration again; live logs what comes of it. `patient` as in live_reload(). Not
 * while another engine is about to take over: only when that has come to nothing. */
void control_reload(struct control *control, enum log_severity same_severity, bool patient);

/* ---- parent.c ---- */

/* Whether a supervisor is there: then signals are its business. */
static inline bool control_supervised(const struct control *control)
{
    return control->handover->channel >= 0;
}
/* Whether the files of unix sockets are ours to remove: not while the supervisor does so when
 * nobody is to use them any more, nor after another engine has them. */
static inline bool control_keeps_files(const struct control *control)
{
    return !control_supervised(control) && !control->retired;
}
/* Assignments for the service manager, by way of the supervisor if there is one. */
void control_tell(const struct control *control, const char *format, ...) PRINTF_LIKE(2, 3);
/* The workers serve: the supervisor gets what it is to keep, and all hear that we are ready. */
void control_ready(struct control *control);
/* What is served was made from this file: so is what the next engine serves, when the file is bad
 * by then. */
void control_hand_over_config(struct control *control);
/* What became of a reload, or of the file at a start after a crash: to the service manager. */
void control_tell_served(const struct control *control, bool refused);

/* ---- hedging.c ---- */

void control_hedging_tick(struct control *control, u64 now_ns);
/* When that is wanted next; UINT64_MAX = no route is hedged. */
u64 control_hedging_deadline_ns(const struct control *control);

/* ---- changes.c: what the management API asks for; `context` is the control ---- */

enum config_overlay_verdict control_add_backend(void *context, struct slice json,
                                                struct config_problems *problems);
enum config_overlay_verdict control_remove_backend(void *context, struct slice id,
                                                   struct config_problems *problems);
/* The operator's marks on a backend of this index, to be exactly `marks`. */
void control_mark_backend(void *context, u32 backend, u32 marks);

/* ---- names.c ---- */

/* False without memory. */
MUST_CHECK bool control_begin_names(struct control *control);
/* For live: returns when the names of what is served first are known, be it from an earlier
 * process, or after dns.startWait. */
void control_await_names(void *context);
/* A reload waits for the resolver, for so long at most. */
void control_wait_for_names(struct control *control);
/* Where a backend's name leads has changed: an event. */
void control_hear_moved(void *context, enum log_severity severity,
                        const struct config_backend *backend, const char *message);
void control_end_names(struct control *control);

/* ---- crew.c ---- */

/* The log buffers at a place of control->buffers. False when memory is refused. */
MUST_CHECK bool control_log_buffers(struct control *control, u32 place);
/* For live, whose context is the control: how many workers a snapshot of this configuration must
 * have room for, ... */
u32 control_places(void *context, const struct config *config);
/* ... and the sockets and workers that it needs. False, with the reason in `why`, when there is
 * something that cannot be had: then all is as before. */
MUST_CHECK bool control_furnish(void *context, struct snapshot *snapshot, char *why,
                                usize why_bytes);
/* The newest snapshot is served: new workers begin, and those that it does not want retire. Nothing
 * when it was so before. */
void control_settle(struct control *control);
/* Ends what is over: workers that have retired, listeners that nobody uses. True when all workers
 * have finished. */
bool control_tend_workers(struct control *control);

/* ---- abandon.c ---- */

/* Workers have not ended in time: logs which, and ends the process without them, with exit status
 * 1. */
__attribute__((noreturn)) void control_abandon(struct control *control);

/* ---- start.c ---- */

/* Watches the file for changes, when that is wanted and not so yet; it was read then last. When it
 * cannot be watched the log says why. */
void control_watch_file(struct control *control, u64 read_wall_ns);

/* False with the reason in control->why; what was started is to be ended in either case. */
MUST_CHECK bool control_start(struct control *control, const struct control_options *options);

#endif
