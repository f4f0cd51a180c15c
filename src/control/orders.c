/*
 * What control is told to do: by its supervisor, on the channel between them, or by signals when
 * there is none.
 *
 * A supervised engine obeys no signals: Ctrl-C in a terminal goes to every process of the group,
 * and a service manager may signal all there are; the supervisor passes on what it is told, so
 * everything would be done twice, and a second order to stop cuts connections.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/control_internal.h"

/* Of a stop, on top of the drain: until stuck workers are given up and the logs are written. */
enum { STOP_SPARE_MS = WORKERS_SPARE_MS + FLUSH_MS };

/* ---- Orders ---- */

static void tell_management(struct control *control, enum live_reload result)
{
    static const struct {
        enum admin_event_result result;
        enum admin_reload verdict;
    } rows[] = {
        [LIVE_REPLACED] = {ADMIN_EVENT_DONE, ADMIN_RELOADED},
        [LIVE_SAME] = {ADMIN_EVENT_UNCHANGED, ADMIN_RELOAD_UNCHANGED},
        [LIVE_REFUSED] = {ADMIN_EVENT_REFUSED, ADMIN_RELOAD_REFUSED},
        [LIVE_WAITING] = {ADMIN_EVENT_WAITING, ADMIN_RELOAD_WAITING},
    };
    if (!control->management)
        return;
    management_event_ends(control->management, rows[result].result);
    if (result != LIVE_WAITING) /* the file is read once more when the names are there */
        management_reload_over(control->management, rows[result].verdict);
}

/* Another engine is about to take over, and reads the file itself. Of a socket that we opened now
 * it would not know, and the supervisor would keep it, where nobody accepts. */
static bool put_off(struct control *control)
{
    if (control->held && !control->put_off)
        control_note(control, LOG_INFO, "reload",
                     "Put off: another engine is about to take over, with the file as it is");
    control->put_off = control->held;
    return control->put_off;
}

void control_reload(struct control *control, enum log_severity same_severity, bool patient)
{
    if (put_off(control))
        return;
    if (control->watch)
        watch_loaded(control->watch);
    u64 read_wall_ns = clock_wall_ns();
    const struct live_workers workers = {control->workers, control->started};
    const struct snapshot *before = live_snapshot(control->live);
    if (control->management)
        management_event_begins(control->management, ADMIN_EVENT_RELOAD);
    control_tell(control, "RELOADING=1\nMONOTONIC_USEC=%llu",
                 (unsigned long long)(clock_monotonic_ns() / NS_PER_US));
    enum live_reload result = live_reload(control->live, &workers, same_severity, patient);
    if (live_snapshot(control->live) != before) {
        health_follow(control->health, live_snapshot(control->live));
        state_file_touch(control->state_file);
    }
    tell_management(control, result);
    if (result == LIVE_WAITING) {
        control_wait_for_names(control);
        return;
    }
    wheel_clear(&control->wheel, &control->patience);
    control_tell_served(control, result == LIVE_REFUSED);
    control_watch_file(control, read_wall_ns);
    if (result == LIVE_REPLACED)
        control_hand_over_config(control);
}

/* The operator may know of other addresses before their time to live is over. */
static void reload_all(struct control *control)
{
    resolver_ask_again(control->resolver);
    control_reload(control, LOG_INFO, true);
}

void control_obey_reload(struct control *control)
{
    if (control->reload_asked && control->stops_asked == 0)
        reload_all(control);
    control->reload_asked = false;
}

static void reload(struct control *control, const char *text)
{
    (void)text;
    if (control->stops_asked > 0)
        control_note(control, LOG_WARN, "reload", "Not reloaded: the proxy is stopping");
    else
        reload_all(control);
}

static u64 drain_ms(const struct control *control)
{
    return live_snapshot(control->live)->config->timeouts.drain_ms;
}

static void command(struct control *control, enum worker_command command, const char *message)
{
    u64 time_ms = (command == WORKER_STOP ? 0 : drain_ms(control)) + WORKERS_SPARE_MS;
    stop_clock_begin(&control->stop_clock, ring_now_ns(control->ring), time_ms * NS_PER_MS);
    control->stops_asked++;
    control_note(control, LOG_INFO, "stop", message);
    if (control->management)
        management_reload_over(control->management, ADMIN_RELOAD_STOPPING);
    for (u32 i = 0; i < control->started; i++)
        worker_command(control->workers[i], command);
}

static void stop_now(struct control *control, const char *text)
{
    (void)text;
    command(control, WORKER_STOP, "Stopping at once");
}

static void stop(struct control *control, const char *text)
{
    u64 within_us = (drain_ms(control) + STOP_SPARE_MS) * 1000;
    if (control->stops_asked > 0)
        return; /* it drains already, be it for a successor */
    (void)text;
    control_tell(control, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\nSTATUS=Stopping gracefully",
                 (unsigned long long)within_us);
    command(control, WORKER_DRAIN, "Stopping gracefully");
}

static void retire(struct control *control, const char *text)
{
    (void)text;
    if (control->stops_asked > 0)
        return;
    control->retired = true;
    if (control->management)
        management_retire(control->management);
    command(control, WORKER_RETIRE, "Another engine has taken over: finishing what has begun");
}

static void hold(struct control *control, const char *text)
{
    int fd = state_file_hand_over(control->state_file);
    (void)text;
    control->held = true;
    (void)channel_send(control->handover->channel, MESSAGE_HELD, &fd, fd >= 0);
    if (fd >= 0)
        (void)close(fd);
}

static void go_on(struct control *control, const char *text)
{
    bool reload_now = control->put_off && control->stops_asked == 0;
    (void)text;
    control->held = control->put_off = false;
    if (reload_now)
        reload_all(control);
}

static void note_info(struct control *control, const char *text)
{
    control_note(control, LOG_INFO, "supervisor", text);
}

static void note_warn(struct control *control, const char *text)
{
    control_note(control, LOG_WARN, "supervisor", text);
}

static void note_error(struct control *control, const char *text)
{
    control_note(control, LOG_ERROR, "supervisor", text);
}

static void note_crash(struct control *control, const char *text)
{
    control_note(control, LOG_ERROR, "crash", text);
}

/* The longer of two that begin alike comes first. */
static const struct order_row {
    const char *name;
    void (*obey)(struct control *control, const char *text);
} order_rows[] = {
    {ORDER_STOP_NOW, stop_now},
    {ORDER_STOP, stop},
    {ORDER_RETIRE, retire},
    {ORDER_RELOAD, reload},
    {ORDER_NOTE_INFO, note_info},
    {ORDER_NOTE_WARN, note_warn},
    {ORDER_NOTE_ERROR, note_error},
    {ORDER_NOTE_CRASH, note_crash},
    {ORDER_HOLD, hold},
    {ORDER_GO_ON, go_on},
};

/* What a later version of the supervisor may say besides is left alone. */
static void obey(struct control *control, const char *order)
{
    for (u32 i = 0; i < ARRAY_COUNT(order_rows); i++) {
        usize len = strlen(order_rows[i].name);
        if (strncmp(order, order_rows[i].name, len) == 0) {
            order_rows[i].obey(control, order + len);
            return;
        }
    }
}

/* Nobody would start us again, or could stop us: we end, but without cutting anything. */
static void lose_supervisor(struct control *control)
{
    (void)close(control->handover->channel);
    control->handover->channel = -1;
    control_note(control, LOG_ERROR, "supervisor", "The supervisor is gone: stopping gracefully");
    if (control->management)
        management_retire(control->management); /* the port is wanted by who comes next */
    stop(control, "");
}

static void on_order(struct ring_op *op, struct ring_done done)
{
    struct control *control = container_of(op, struct control, order_op);
    struct channel_message message;
    enum channel_result result;
    if (done.status != RING_OK)
        return;
    while ((result = channel_receive(control->handover->channel, &message)) == CHANNEL_MESSAGE) {
        for (u32 i = 0; i < message.fd_count; i++) /* none is expected */
            (void)close(message.fds[i]);
        obey(control, message.text);
    }
    if (result == CHANNEL_ENDED)
        lose_supervisor(control);
    else
        ring_poll_readable(control->ring, op, control->handover->channel);
}

static const struct ring_op_class order_class = {"order", on_order};

/* ---- Signals ---- */

static void obey_signal(struct control *control, u32 number)
{
    char line[128];
    if (control_supervised(control)) {
        (void)snprintf(line, sizeof(line), "Signal %u is for the supervisor, process %d", number,
                       control->handover->supervisor);
        control_note(control, LOG_DEBUG, "supervisor", line);
    } else if (number == SIGHUP) {
        reload(control, "");
    } else if (number == SIGUSR2) {
        note_warn(control, "Not upgraded: that needs a supervisor, and this runs without one");
    } else if (control->stops_asked == 0) {
        stop(control, "");
    } else {
        stop_now(control, "");
    }
}

static void on_signal(struct ring_op *op, struct ring_done done)
{
    struct control *control = container_of(op, struct control, signal_op);
    struct signalfd_siginfo info;
    if (done.status != RING_OK)
        return;
    while (read(control->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        obey_signal(control, info.ssi_signo);
    ring_poll_readable(control->ring, op, control->signal_fd);
}

static const struct ring_op_class signal_class = {"signal", on_signal};

bool control_catch_signals(struct control *control)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGQUIT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR2);
    /* A closed pipe or a file size limit is a result of a call, not a reason to die. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)signal(SIGUSR1, SIG_IGN); /* "open your logs again", for others: ours need none */
    /* Blocked before the first worker starts: threads inherit the mask. */
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) == 0)
        control->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (control->signal_fd < 0)
        (void)snprintf(control->why, sizeof(control->why),
                       "no file descriptor for signals: %s; raise the limit "
                       "(ulimit -n, LimitNOFILE=)",
                       strerror(errno));
    return control->signal_fd >= 0;
}

void control_obey(struct control *control)
{
    ring_op_init(&control->signal_op, &signal_class);
    ring_poll_readable(control->ring, &control->signal_op, control->signal_fd);
    ring_op_init(&control->order_op, &order_class);
    if (control_supervised(control))
        ring_poll_readable(control->ring, &control->order_op, control->handover->channel);
}
