/* The control loop: runs what start.c has made, and ends it all. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/control_internal.h"
#include "control/totals.h"

enum { RETIRE_MS = 100 };

/* ---- Events worth a line ---- */

void control_log(struct control *control, struct log_event *event)
{
    struct log_buffer *own = control->buffers[LOG_FILE_ERROR][0];
    const struct config *config =
        control->live ? live_snapshot(control->live)->config : control->config;
    if (!own || event->severity < config->logging.severity_min)
        return;
    event->wall_ns = clock_wall_ns();
    (void)log_event_write(own, event);
}

void control_note(struct control *control, enum log_severity severity, const char *type,
                  const char *message)
{
    control_log(control, &(struct log_event){
                             .severity = severity,
                             .type = slice_of_string(type),
                             .message = slice_of_string(message),
                         });
}

void control_hear_live(void *context, enum log_severity severity, const char *message)
{
    struct control *control = context;
    control_note(control, severity, "reload", message);
    if (control->management)
        management_hear(control->management, message);
}

/* ---- Running ---- */

static u64 next_deadline_ns(const struct control *control)
{
    u64 deadline_ns =
        min_u64(log_writer_deadline_ns(control->log_writer), health_deadline_ns(control->health));
    deadline_ns = min_u64(deadline_ns, wheel_next_ns(&control->wheel));
    deadline_ns = min_u64(deadline_ns, state_file_deadline_ns(control->state_file));
    deadline_ns = min_u64(deadline_ns, pressure_deadline_ns(&control->pressure));
    deadline_ns = min_u64(deadline_ns, watchdog_deadline_ns(control->watchdog));
    deadline_ns = min_u64(deadline_ns, stop_clock_deadline_ns(&control->stop_clock));
    deadline_ns = min_u64(deadline_ns, control_hedging_deadline_ns(control));
    if (control->watch)
        deadline_ns = min_u64(deadline_ns, watch_deadline_ns(control->watch));
    if (!control->retiring && !control->closing)
        return deadline_ns;
    return min_u64(deadline_ns, ring_now_ns(control->ring) + RETIRE_MS * NS_PER_MS);
}

static void look_at_pressure(struct control *control, u64 now_ns)
{
    const struct pressure_sources sources = {
        .config = live_snapshot(control->live)->config,
        .team = control->team,
        .workers = control->workers,
        .worker_count = control->started,
    };
    pressure_tick(&control->pressure, &sources, now_ns);
}

static const char *const no_age =
    ": no log is deleted for its age until it has stayed so for a day";

static void note_step(struct control *control, i64 step_ns)
{
    char line[256];
    (void)snprintf(line, sizeof(line), "The wall clock was set %s by %.3f s%s",
                   step_ns < 0 ? "back" : "forward",
                   (double)(step_ns < 0 ? -step_ns : step_ns) / (double)NS_PER_S,
                   wall_clock_doubted(&control->wall) ? no_age : "");
    control_note(control, LOG_WARN, "clock", line);
    state_file_touch(control->state_file); /* the next engine is to know */
}

/* An earlier engine knew better, or it was set while none was there. */
static void note_old_doubt(struct control *control)
{
    const struct wall_clock *wall = &control->wall;
    char line[256];
    (void)snprintf(line, sizeof(line),
                   "The wall clock was set forward by %.3f s before this start%s",
                   (double)(wall->offset_ns - wall->believed_ns) / (double)NS_PER_S, no_age);
    control_note(control, LOG_WARN, "clock", line);
}

void control_look_at_clock(struct control *control)
{
    bool first = control->wall.offset_ns == 0;
    i64 step_ns = wall_clock_look(&control->wall, clock_boot_ns(), clock_wall_ns());
    if (UNLIKELY(step_ns != 0))
        note_step(control, step_ns);
    if (UNLIKELY(first && wall_clock_doubted(&control->wall)))
        note_old_doubt(control);
    log_writer_doubt(control->log_writer, wall_clock_doubted(&control->wall));
}

/* False when workers have not ended in the time that they had. */
static bool run_until_finished(struct control *control)
{
    while (!control_tend_workers(control)) {
        u64 now_ns = ring_turn(control->ring, next_deadline_ns(control));
        health_tick(control->health, now_ns);
        wheel_run(&control->wheel, now_ns);
        control_obey_reload(control);
        if (control->management)
            management_after_turn(control->management);
        if (control->stops_asked > 0)
            state_file_finish(control->state_file, control->retired);
        state_file_tick(control->state_file, now_ns);
        control_look_at_clock(control);
        log_writer_tick(control->log_writer, now_ns, clock_wall_ns());
        if (control->watch)
            watch_tick(control->watch, now_ns);
        control_settle(control);
        watchdog_tick(control, now_ns);
        control_hedging_tick(control, now_ns);
        const struct live_workers workers = {control->workers, control->started};
        look_at_pressure(control, now_ns);
        control->retiring = live_retire(control->live, &workers) > 0;
        if (stop_clock_over(&control->stop_clock, now_ns))
            return control_tend_workers(control);
    }
    return true;
}

static void join_workers(struct control *control)
{
    struct totals totals = {0};
    struct proxy_counters one;
    char line[256];
    for (u32 i = 0; i < control->started; i++) {
        worker_join(control->workers[i], &one);
        totals_add(&totals, &one);
    }
    control->started = 0;
    totals_add(&totals, &control->departed);
    totals_write(&totals, line, sizeof(line));
    control_note(control, LOG_INFO, "stop", line);
}

/* ---- Ending ---- */

static void end_health(struct control *control)
{
    if (!control->health)
        return;
    u64 deadline_ns = clock_monotonic_ns() + FLUSH_MS * NS_PER_MS;
    health_stop(control->health);
    while (!health_is_quiet(control->health) && ring_now_ns(control->ring) < deadline_ns)
        health_tick(control->health, ring_turn(control->ring, deadline_ns));
    if (health_is_quiet(control->health)) /* else its memory must stay: the kernel may use it */
        health_destroy(control->health);
}

static void free_logs(struct control *control, bool started)
{
    if (control->log_writer) {
        if (started) /* why a start failed is told when all is closed */
            (void)log_writer_flush(control->log_writer,
                                   clock_monotonic_ns() + FLUSH_MS * NS_PER_MS);
        if (!log_writer_is_quiet(control->log_writer))
            return; /* a write hangs in the kernel: its memory must stay */
        log_writer_destroy(control->log_writer);
    }
    for (u32 file = 0; file < LOG_FILE_COUNT; file++) {
        for (u32 i = 0; control->buffers[file] && i <= STATE_WORKERS_MAX; i++)
            if (control->buffers[file][i])
                log_buffer_destroy(control->buffers[file][i]);
        free(control->buffers[file]);
    }
}

int control_run(const struct control_options *options)
{
    struct control control = {
        .config = options->config,
        .handover = options->handover,
        .signal_fd = -1,
        .ring_disabled = options->ring_disabled,
    };
    pressure_init(&control.pressure);
    stop_clock_init(&control.stop_clock);
    bool started = control_start(&control, options);
    if (control.workers && !run_until_finished(&control))
        control_abandon(&control);
    if (control.workers)
        join_workers(&control);
    struct management *management = control.management;
    control.management = NULL; /* signals may still come while the rest ends */
    if (management)
        management_destroy(management);
    if (control.state_file)
        state_file_close(control.state_file);
    end_health(&control);
    control_end_names(&control);
    if (control.listeners) /* workers that were not all there have accepted nothing */
        listeners_close(control.listeners, control_keeps_files(&control));
    free_logs(&control, started);
    free(control.workers);
    pressure_deinit(&control.pressure);
    if (control.team)
        team_destroy(control.team);
    watchdog_destroy(control.watchdog);
    if (control.watch)
        watch_destroy(control.watch);
    if (control.live)
        live_destroy(control.live);
    if (control.signal_fd >= 0)
        (void)close(control.signal_fd);
    if (control.ring)
        ring_destroy(control.ring);
    if (started)
        return 0;
    /* Now, because the log needs a descriptor and memory, which may be what ran out. */
    control_refuse(options->config, control.why);
    return 1;
}
