/* Names of backends: control looks for them, and has the workers follow where they lead. */
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "control/control_internal.h"

enum { END_MS = 2000, STOP_LOOK_MS = 100, BEHIND_MS = 1000 };

static void on_said(void *context, enum log_severity severity, const char *error,
                    const char *message)
{
    control_log(context, &(struct log_event){
                             .severity = severity,
                             .type = SLICE("dns"),
                             .error = slice_of_string(error),
                             .message = slice_of_string(message),
                         });
}

void control_hear_moved(void *context, enum log_severity severity,
                        const struct config_backend *backend, const char *message)
{
    control_log(context, &(struct log_event){
                             .severity = severity,
                             .type = SLICE("dns"),
                             .backend_id = backend->id,
                             .url = backend->url,
                             .message = slice_of_string(message),
                         });
}

/* ---- Reloads that wait ---- */

static bool is_waiting(const struct control *control)
{
    return control->patience.deadline_ns > 0;
}

static void on_impatient(struct wheel_timer *timer)
{
    struct control *control = container_of(timer, struct control, patience);
    if (control->stops_asked == 0)
        control_reload(control, LOG_INFO, false);
}

/* From the first time on: whoever asks again and again does not put it off. */
void control_wait_for_names(struct control *control)
{
    if (is_waiting(control))
        return;
    wheel_set(&control->wheel, &control->patience,
              ring_now_ns(control->ring) + live_patience_ms(control->live) * NS_PER_MS + 1);
}

/* ---- Changes ---- */

static void fall_behind(struct control *control)
{
    wheel_set(&control->wheel, &control->behind,
              ring_now_ns(control->ring) + BEHIND_MS * NS_PER_MS);
}

/* The resolver tells of a change once: what cannot be followed now is to be followed later. */
static void follow(struct control *control)
{
    const struct live_workers workers = {control->workers, control->started};
    enum live_reload result = live_refresh(control->live, &workers);
    wheel_clear(&control->wheel, &control->behind);
    if (result == LIVE_REPLACED)
        health_follow(control->health, live_snapshot(control->live));
    else if (result == LIVE_REFUSED)
        fall_behind(control);
}

/* Not while a listener is still in use, for which control would stand still: see control_furnish().
 */
static void on_behind(struct wheel_timer *timer)
{
    struct control *control = container_of(timer, struct control, behind);
    if (control->stops_asked > 0)
        return;
    if (control->closing)
        fall_behind(control);
    else
        follow(control);
}

static void on_change(void *context)
{
    struct control *control = context;
    if (!control->live || control->stops_asked > 0)
        return; /* the first snapshot is still to be made; or no other one is wanted */
    state_file_touch(control->state_file);
    follow(control);
    if (is_waiting(control) && resolver_settled(control->resolver))
        control_reload(control, LOG_INFO, true);
}

/* ---- Beginning and end ---- */

/* A signal that nobody has taken yet: control_obey() comes later. A supervisor signals, too, to
 * whoever may not listen to orders. */
static bool stop_is_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1 ||
            sigismember(&pending, SIGQUIT) == 1);
}

/* After a crash the service manager's watchdog has not stopped, and none of ours runs yet. */
static void stay_alive(const struct control *control)
{
    if (control->handover->watchdog_us > 0)
        control_tell(control, "WATCHDOG=1");
}

/* Workers must not begin without addresses that are a moment away. What another process knew is
 * there at once. */
void control_await_names(void *context)
{
    struct control *control = context;
    state_file_recall_names(control->state_file, control->resolver);
    u64 deadline_ns = ring_now_ns(control->ring) + control->config->dns.start_wait_ms * NS_PER_MS;
    u64 look_ns = 0;
    while (!resolver_settled(control->resolver) && ring_now_ns(control->ring) < deadline_ns &&
           !stop_is_pending()) {
        if (ring_now_ns(control->ring) >= look_ns) {
            look_ns = ring_now_ns(control->ring) + STOP_LOOK_MS * NS_PER_MS;
            stay_alive(control);
        }
        u64 wake_ns = min_u64(min_u64(deadline_ns, look_ns), wheel_next_ns(&control->wheel));
        wheel_run(&control->wheel, ring_turn(control->ring, wake_ns));
    }
}

bool control_begin_names(struct control *control)
{
    const struct resolve_options options = {
        .ring = control->ring,
        .wheel = &control->wheel,
        .listener = {on_change, on_said, control},
        .seed = hash_mix64(clock_wall_ns()),
    };
    wheel_timer_init(&control->patience, on_impatient);
    wheel_timer_init(&control->behind, on_behind);
    control->resolver = resolver_create(&options);
    return control->resolver != NULL;
}

void control_end_names(struct control *control)
{
    if (!control->resolver)
        return;
    u64 deadline_ns = clock_monotonic_ns() + END_MS * NS_PER_MS;
    resolver_stop(control->resolver);
    while (!resolver_is_quiet(control->resolver) && ring_now_ns(control->ring) < deadline_ns)
        (void)ring_turn(control->ring, deadline_ns);
    if (resolver_is_quiet(control->resolver)) /* else the kernel may still use its memory */
        resolver_destroy(control->resolver);
}
