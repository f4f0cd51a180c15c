/* Everything that there is before the first request: logs, listeners, workers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "control/control_internal.h"
#include "control/file_limit.h"

enum {
    CONTROL_RING_ENTRIES = 256,
    CONTROL_LEASES = 64, /* what is received is copied out at once */
};

/* False, for the caller to pass on: the start has failed because of this. */
static bool refuse(struct control *control, const char *why)
{
    (void)snprintf(control->why, sizeof(control->why), "%s", why);
    return false;
}

static const char *const no_memory = "no memory to start: lower workers, or raise the memory limit";

static bool create_logs(struct control *control)
{
    const struct log_writer_options options = {
        .logging = &control->config->logging, .ring = control->ring, .report_fd = STDERR_FILENO};
    for (u32 file = 0; file < LOG_FILE_COUNT; file++) {
        control->buffers[file] = calloc(STATE_WORKERS_MAX + 1, sizeof(struct log_buffer *));
        if (!control->buffers[file])
            return false;
    }
    control->log_writer = log_writer_create(&options);
    return control->log_writer && control_log_buffers(control, 0);
}

/* On a worker's thread. */
static void on_circuit(void *context)
{
    ring_wake(context);
}

static bool create_health(struct control *control)
{
    const struct health_options options = {
        .ring = control->ring,
        .log = control->buffers[LOG_FILE_ERROR][0],
        .seed = hash_mix64(clock_wall_ns()),
    };
    state_on_circuit(live_snapshot(control->live)->state, on_circuit, control->ring);
    control->health = health_create(&options);
    return control->health != NULL;
}

static void on_state_file(void *context, enum log_severity severity, const char *message)
{
    control_note(context, severity, "state_file", message);
}

static void tell_known(void *context, int fd)
{
    struct control *control = context;
    (void)channel_send(control->handover->channel, MESSAGE_KNOWN, &fd, 1);
    (void)close(fd);
}

static bool open_state_file(struct control *control)
{
    const struct state_file_options options = {
        .config = &control->config->state,
        .handed_over = control->handover->state,
        .ring = control->ring,
        .wall = &control->wall,
        .tell = control_supervised(control) ? tell_known : NULL,
        .say = on_state_file,
        .context = control,
    };
    control->state_file = state_file_open(&options);
    return control->state_file != NULL;
}

static bool create_live(struct control *control)
{
    struct siphash_key sticky_key;
    bool has_key = state_file_sticky_key(control->state_file, &sticky_key);
    const struct live_options options = {
        .first = control->config,
        .resolver = control->resolver,
        .kept = state_file_kept(control->state_file),
        .sticky_key = has_key ? &sticky_key : NULL,
        .listener =
            {
                .say = control_hear_live,
                .moved = control_hear_moved,
                .await = control_await_names,
                .places = control_places,
                .furnish = control_furnish,
                .context = control,
            },
    };
    control->live = live_create(&options);
    return control->live != NULL;
}

static void on_reload_asked(void *context)
{
    struct control *control = context;
    control->reload_asked = true;
}

static bool open_management(struct control *control)
{
    struct management_options options = {
        .config = control->config,
        .ring = control->ring,
        .wheel = &control->wheel,
        .live = control->live,
        .health = control->health,
        .resolver = control->resolver,
        .workers = (struct worker *const *const *)&control->workers,
        .started = &control->started,
        .stops_asked = &control->stops_asked,
        .held = &control->held,
        .reload = on_reload_asked,
        .add = control_add_backend,
        .remove = control_remove_backend,
        .mark = control_mark_backend,
        .context = control,
        .pressure = &control->pressure,
        .handover = control->handover,
        .buffer_count = STATE_WORKERS_MAX + 1,
        .departed = &control->departed,
        .watchdog = &control->watchdog,
        .wall = &control->wall,
    };
    options.listen_count = listeners_management(control->listeners, options.listen_fds);
    for (u32 file = 0; file < LOG_FILE_COUNT; file++)
        options.buffers[file] = (struct log_buffer *const *const *)&control->buffers[file];
    if (!control->config->admin.enabled)
        return true;
    control->management = management_create(&options, control->why, sizeof(control->why));
    return control->management != NULL;
}

static bool start_workers(struct control *control)
{
    control->team = team_create();
    control->workers = calloc(STATE_WORKERS_MAX, sizeof(struct worker *));
    control->watchdog = watchdog_create(control->handover->watchdog_us);
    if (!control->team || !control->workers || !control->watchdog)
        return refuse(control, no_memory);
    if (!control_furnish(control, live_snapshot(control->live), control->why, sizeof(control->why)))
        return false;
    /* Not before all of them are there: when one is missing, whoever was accepted would be cut. */
    control_settle(control);
    return true;
}

static void announce_management(struct control *control)
{
    char name[MANAGEMENT_NAME_BYTES], line[MANAGEMENT_NAME_BYTES + 32];
    const struct config_admin *admin = &control->config->admin;
    for (u32 i = 0; control->management && i < admin->listener_count; i++) {
        management_name(control->management, i, name);
        (void)fprintf(stderr, "nextproxy: management API on %s\n", name);
        (void)snprintf(line, sizeof(line), "Management API on %s", name);
        control_note(control, LOG_INFO, "start", line);
    }
}

static void announce(struct control *control, const struct config_problems *notes)
{
    const struct config *config = control->config;
    char line[512], message[600];
    listeners_list(control->listeners, config, line, sizeof(line));
    (void)fprintf(stderr, "nextproxy: serving on %s with %u worker%s and %u backend%s\n", line,
                  config->workers, config->workers == 1 ? "" : "s", config->backend_count,
                  config->backend_count == 1 ? "" : "s");
    (void)snprintf(message, sizeof(message), "Serving on %s", line);
    control_note(control, LOG_INFO, "start", message);
    announce_management(control);
    for (u32 i = 0; i < notes->count; i++) {
        (void)fprintf(stderr, "nextproxy: note: %s: %s\n", notes->at[i].path, notes->at[i].text);
        (void)snprintf(line, sizeof(line), "%s: %s", notes->at[i].path, notes->at[i].text);
        control_note(control, LOG_INFO, "config_note", line);
    }
}

/* As a reload that was refused: the file is not what is served. */
static void tell_refused(struct control *control, const struct config_problems *problems)
{
    if (problems->count == 0)
        return;
    if (control->management)
        management_event_begins(control->management, ADMIN_EVENT_RELOAD);
    live_refuse(control->live, problems);
    if (control->management)
        management_event_ends(control->management, ADMIN_EVENT_REFUSED);
    control_tell_served(control, true);
}

static void on_file_changed(void *context)
{
    struct control *control = context;
    if (control->stops_asked > 0 || !live_snapshot(control->live)->config->reload_watch)
        return;
    control_note(control, LOG_DEBUG, "reload", "The configuration file may have changed");
    control_reload(control, LOG_DEBUG, true);
}

void control_watch_file(struct control *control, u64 read_wall_ns)
{
    char line[256];
    if (control->watch || !live_snapshot(control->live)->config->reload_watch)
        return;
    control->watch = watch_create(control->ring, control->config->file.data,
                                  (struct watch_listener){on_file_changed, control}, read_wall_ns);
    if (control->watch)
        return;
    (void)snprintf(line, sizeof(line),
                   "Changes of the configuration file are not seen (inotify: %s): send SIGHUP, "
                   "which also tries again; the limits are ulimit -n and fs.inotify.max_user_*",
                   strerror(errno));
    control_note(control, LOG_WARN, "reload", line);
}

static void warn_of_listeners(void *context, const char *message)
{
    control_note(context, LOG_WARN, "listener", message);
}

bool control_start(struct control *control, const struct control_options *options)
{
    if (!file_limit_raise(control->config, control->why, sizeof(control->why)))
        return false;
    const struct ring_options ring_options = {.leases = CONTROL_LEASES + HEALTH_LEASES,
                                              .entries = CONTROL_RING_ENTRIES,
                                              .disabled = options->ring_disabled};
    control->ring = ring_create(&ring_options, control->why, sizeof(control->why));
    if (!control->ring)
        return false;
    wheel_init(&control->wheel, ring_now_ns(control->ring));
    if (!control_catch_signals(control))
        return false;
    if (!create_logs(control) || !open_state_file(control) || !control_begin_names(control) ||
        !create_live(control) || !create_health(control))
        return refuse(control, no_memory);
    control_look_at_clock(control);
    control_obey(control);
    const struct listeners_voice voice = {warn_of_listeners, control};
    control->listeners = listeners_open(control->config, control->handover, voice, control->why,
                                        sizeof(control->why));
    if (!control->listeners || !open_management(control))
        return false;
    health_follow(control->health, live_snapshot(control->live));
    state_file_restore(control->state_file, control->live, control->health);
    if (start_workers(control)) {
        control_ready(control);
        announce(control, options->notes);
        tell_refused(control, options->refused);
        control_watch_file(control, options->read_wall_ns);
        return true;
    }
    stop_clock_begin(&control->stop_clock, ring_now_ns(control->ring),
                     WORKERS_SPARE_MS * NS_PER_MS);
    for (u32 i = 0; i < control->started; i++)
        worker_command(control->workers[i], WORKER_STOP);
    return false;
}
