/* The management API in the control thread: its socket, and what it is told. */
#ifndef NEXTPROXY_CONTROL_MANAGEMENT_H
#define NEXTPROXY_CONTROL_MANAGEMENT_H

#include "admin.h"
#include "base/wheel.h"
#include "control/live.h"
#include "control/pressure.h"
#include "control/wall_clock.h"
#include "control/watchdog.h"
#include "handover.h"
#include "health.h"
#include "log.h"
#include "worker.h"

struct management;

/* What it looks at, as control has it at the moment. All of it outlives the management. */
struct management_options {
    const struct config *config; /* the first */
    struct ring *ring;
    struct wheel *wheel;
    struct live *live;
    const struct health *health;
    const struct resolver *resolver;
    struct worker *const *const *workers;
    const u32 *started;     /* how many of them there are */
    const bool *held;       /* nothing is changed: another engine is about to take over */
    const u32 *stops_asked; /* > 0: the proxy is being stopped */
    struct log_buffer *const *const *buffers[LOG_FILE_COUNT]; /* of `buffer_count` each, or none */
    const struct handover *handover;
    u32 buffer_count;
    const struct proxy_counters *departed; /* of workers that have ended */
    const struct pressure *pressure;
    struct watchdog *const *watchdog;
    const struct wall_clock *wall;
    int listen_fds[CONFIG_ADMIN_LISTENERS_MAX]; /* stay the caller's */
    u32 listen_count;
    void (*reload)(void *context); /* asks for one: management_reload_over() follows */
    /* See struct admin_source. */
    enum config_overlay_verdict (*add)(void *context, struct slice json,
                                       struct config_problems *problems);
    enum config_overlay_verdict (*remove)(void *context, struct slice id,
                                          struct config_problems *problems);
    void (*mark)(void *context, u32 backend, u32 marks);
    void *context;
};

/* Serves. NULL with the reason in `why` (WORKER_WHY_BYTES). Only when the API
 * is enabled. */
MUST_CHECK struct management *management_create(const struct management_options *options, char *why,
                                                usize why_bytes);
/* Another process answers on the socket from now on: takes no more connections. */
void management_retire(struct management *management);
/* Ends all connections and frees it; turns the ring for that. */
void management_destroy(struct management *management);
/* To be called after every turn and wheel_run. */
void management_after_turn(struct management *management);
/* The configuration is about to be changed; what became of it. */
void management_event_begins(struct management *management, enum admin_event_kind kind);
void management_event_ends(struct management *management, enum admin_event_result result);
/* The event that has ended was a reload, or none is possible any more: who asked is told. */
void management_reload_over(struct management *management, enum admin_reload verdict);
/* Live has said something: it is kept with the event, and repeated to whoever asked for a reload.
 */
void management_hear(struct management *management, const char *message);
/* Where its listeners are, by their number: "http://127.0.0.1:8081", "unix:/run/x.sock". */
enum { MANAGEMENT_NAME_BYTES = ADDRESS_TEXT_BYTES + sizeof("http://") };
void management_name(const struct management *management, u32 listener,
                     char out[MANAGEMENT_NAME_BYTES]);

#endif
