/*
 * What control has to say to those that have started it: a supervisor, which keeps the listening
 * sockets and starts the next engine, and a service manager (sd_notify(3)).
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "control/control_internal.h"

void control_tell(const struct control *control, const char *format, ...)
{
    char text[CHANNEL_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (control_supervised(control))
        (void)channel_send(control->handover->channel, text, NULL, 0);
    else if (!control->retired)
        (void)notify_send(text);
}

/* Half of the time that we are given, as sd_watchdog_enabled(3) advises. */
static u64 watchdog_period_ns(const struct control *control)
{
    return control->handover->watchdog_us * NS_PER_US / 2;
}

static void nudge(struct control *control, u64 now_ns)
{
    control->watchdog_ns = now_ns + watchdog_period_ns(control);
    for (u32 i = 0; i < control->started; i++) {
        control->turns_seen[i] = worker_turns(control->workers[i]);
        worker_nudge(control->workers[i]);
    }
}

void control_ready(struct control *control)
{
    const struct config *config = control->config;
    if (watchdog_period_ns(control) > 0)
        nudge(control, clock_monotonic_ns());
    if (control_supervised(control))
        listeners_give(control->listeners, control->handover->channel);
    control_tell(control, MESSAGE_READY "\nSTATUS=Serving with %u worker%s and %u backend%s",
                 config->workers, config->workers == 1 ? "" : "s", config->backend_count,
                 config->backend_count == 1 ? "" : "s");
    if (control_supervised(control))
        listeners_give_up_rest(control->listeners, control->handover->channel);
}

/* Control turns: it is here. While workers end, that they do so is watched by timeouts.drain. */
static bool all_turn(struct control *control, u32 *stuck)
{
    for (*stuck = 0; *stuck < control->started && control->stops_asked == 0; (*stuck)++)
        if (worker_turns(control->workers[*stuck]) == control->turns_seen[*stuck])
            return false;
    return true;
}

void control_watchdog_tick(struct control *control, u64 now_ns)
{
    char line[128];
    u32 stuck;
    if (now_ns < control->watchdog_ns)
        return;
    bool well = all_turn(control, &stuck);
    if (well) {
        control_tell(control, "WATCHDOG=1");
    } else if (!control->stuck) {
        (void)snprintf(line, sizeof(line),
                       "Worker %u has not turned for %llu ms: the watchdog will end this process",
                       stuck, (unsigned long long)(watchdog_period_ns(control) / NS_PER_MS));
        control_note(control, LOG_ERROR, "watchdog", line);
    }
    control->stuck = !well;
    nudge(control, now_ns);
}
