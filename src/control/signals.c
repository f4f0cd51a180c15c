/* What control is told by signals. */
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "control/control_internal.h"

static void tell_management(struct control *control, enum live_reload result)
{
    static const enum admin_event_result results[] = {
        [LIVE_REPLACED] = ADMIN_EVENT_DONE,
        [LIVE_SAME] = ADMIN_EVENT_UNCHANGED,
        [LIVE_REFUSED] = ADMIN_EVENT_REFUSED,
    };
    if (control->management)
        management_event_ends(control->management, results[result]);
}

enum live_reload control_reload(struct control *control, enum log_severity same_severity)
{
    if (control->watch)
        watch_loaded(control->watch);
    const struct live_workers workers = {control->workers, control->started};
    const struct snapshot *before = live_snapshot(control->live);
    if (control->management)
        management_event_begins(control->management, ADMIN_EVENT_RELOAD);
    enum live_reload result = live_reload(control->live, &workers, same_severity);
    if (live_snapshot(control->live) != before)
        health_follow(control->health, live_snapshot(control->live));
    tell_management(control, result);
    return result;
}

static void reload(struct control *control)
{
    if (control->stops_asked > 0)
        control_note(control, LOG_WARN, "reload", "Not reloaded: the proxy is stopping");
    else
        (void)control_reload(control, LOG_INFO);
}

static void on_signal(struct ring_op *op, struct ring_done done)
{
    struct control *control = container_of(op, struct control, signal_op);
    struct signalfd_siginfo info;
    if (done.status != RING_OK)
        return;
    while (read(control->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            reload(control);
            continue;
        }
        control->stops_asked++;
        enum worker_command command = control->stops_asked == 1 ? WORKER_DRAIN : WORKER_STOP;
        control_note(control, LOG_INFO, "stop",
                     command == WORKER_DRAIN ? "Stopping gracefully" : "Stopping at once");
        for (u32 i = 0; i < control->started; i++)
            worker_command(control->workers[i], command);
    }
    ring_poll_readable(control->ring, op, control->signal_fd);
}

static const struct ring_op_class signal_class = {"signal", on_signal};

bool control_catch_signals(struct control *control)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    /* Blocked before the first worker starts: threads inherit the mask. */
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    /* A closed pipe or a file size limit is a result of a call, not a reason to die. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    control->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return control->signal_fd >= 0;
}

void control_obey_signals(struct control *control)
{
    ring_op_init(&control->signal_op, &signal_class);
    ring_poll_readable(control->ring, &control->signal_op, control->signal_fd);
}
