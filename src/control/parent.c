/*
 * What control has to say to those that have started it: a supervisor, which keeps the listening
 * sockets and starts the next engine, and a service manager (sd_notify(3)).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

void control_ready(struct control *control)
{
    const struct config *config = control->config;
    watchdog_start(control, clock_monotonic_ns());
    if (control_supervised(control))
        listeners_give(control->listeners, control->handover->channel);
    control_tell(control, MESSAGE_READY "\nSTATUS=Serving with %u worker%s and %u backend%s",
                 config->workers, config->workers == 1 ? "" : "s", config->backend_count,
                 config->backend_count == 1 ? "" : "s");
    if (!control_supervised(control))
        return;
    control_hand_over_config(control);
    listeners_give_up_rest(control->listeners, control->handover->channel);
}

void control_tell_served(const struct control *control, bool refused)
{
    control_tell(control, MESSAGE_READY "\nSTATUS=%s, configuration version %llu",
                 refused ? "Serving, but the last reload was refused" : "Serving",
                 (unsigned long long)live_snapshot(control->live)->version);
}

void control_hand_over_config(struct control *control)
{
    char line[256];
    if (!control_supervised(control))
        return;
    int fd = config_sources_save(live_base_config(control->live));
    if (fd >= 0 && channel_send_patiently(control->handover->channel, MESSAGE_SERVED, &fd, 1)) {
        (void)close(fd);
        return;
    }
    (void)snprintf(line, sizeof(line),
                   "The supervisor cannot be given the configuration: %s; a crash while the file "
                   "is bad would bring an earlier one back, if there is one",
                   strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    control_note(control, LOG_WARN, "supervisor", line);
}
