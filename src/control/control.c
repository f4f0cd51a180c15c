/* The control loop: starts the workers, listens to signals, writes the logs, ends it all. */
#include "control.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/wheel.h"
#include "control/file_limit.h"
#include "control/listeners.h"
#include "control/live.h"
#include "control/log_writer.h"
#include "control/management.h"
#include "control/totals.h"
#include "control/watch.h"
#include "health.h"
#include "log.h"
#include "ring.h"
#include "worker.h"

enum {
    CONTROL_RING_ENTRIES = 256,
    CONTROL_LEASES = 64,        /* what is received is copied out at once */
    LOG_BUFFER_BYTES = 1 << 20, /* control's own, too: thousands of backends may go down at once */
    FLUSH_MS = 2000,
    RETIRE_MS = 100,
};

struct control {
    const struct config *config;
    struct ring *ring;
    struct wheel wheel;
    struct ring_op signal_op;
    struct management *management; /* NULL = the management API is off */
    struct live *live;
    struct watch *watch; /* NULL when the file cannot be watched */
    struct health *health;
    struct worker **workers;
    struct log_buffer **buffers[LOG_FILE_COUNT]; /* one per worker, then control's own */
    struct log_writer *log_writer;
    int *listen_fds; /* per worker, per listener */
    u32 started;     /* workers */
    u32 stops_asked; /* signals to stop so far */
    int signal_fd;
    u32 ring_disabled;
    bool retiring;              /* earlier configurations are still used */
    _Atomic u32 finished;       /* workers */
    char why[WORKER_WHY_BYTES]; /* a start failed */
};

/* ---- Events worth a line ---- */

static void note(struct control *control, enum log_severity severity, const char *type,
                 const char *message)
{
    struct log_buffer *own = control->buffers[LOG_FILE_ERROR][control->config->workers];
    if (!own || !control->live ||
        severity < live_snapshot(control->live)->config->logging.severity_min)
        return;
    const struct log_event event = {
        .wall_ns = clock_wall_ns(),
        .severity = severity,
        .type = slice_of_string(type),
        .message = slice_of_string(message),
    };
    (void)log_event_write(own, &event);
}

static void on_live(void *context, enum log_severity severity, const char *message)
{
    struct control *control = context;
    note(control, severity, "reload", message);
    if (control->management)
        management_hear(control->management, message);
}

/* ---- Signals ---- */

static enum live_reload read_again(struct control *control, enum log_severity same_severity)
{
    if (control->watch)
        watch_loaded(control->watch);
    const struct snapshot *before = live_snapshot(control->live);
    enum live_reload result =
        live_reload(control->live, control->workers, control->started, same_severity);
    if (live_snapshot(control->live) != before)
        health_follow(control->health, live_snapshot(control->live));
    return result;
}

static void reload(struct control *control)
{
    if (control->stops_asked > 0)
        note(control, LOG_WARN, "reload", "Not reloaded: the proxy is stopping");
    else
        (void)read_again(control, LOG_INFO);
}

static enum live_reload on_reload_asked(void *context)
{
    return read_again(context, LOG_INFO);
}

static void on_file_changed(void *context)
{
    struct control *control = context;
    if (control->stops_asked > 0 || !live_snapshot(control->live)->config->reload_watch)
        return;
    note(control, LOG_DEBUG, "reload", "The configuration file may have changed");
    (void)read_again(control, LOG_DEBUG);
}

static void watch_file(struct control *control, const struct control_options *options)
{
    char line[256];
    control->watch =
        watch_create(control->ring, control->config->file.data,
                     (struct watch_listener){on_file_changed, control}, options->read_wall_ns);
    if (control->watch || !control->config->reload_watch)
        return;
    (void)snprintf(line, sizeof(line),
                   "Changes of the configuration file are not seen (inotify: %s): send SIGHUP",
                   strerror(errno));
    note(control, LOG_WARN, "reload", line);
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
        note(control, LOG_INFO, "stop",
             command == WORKER_DRAIN ? "Stopping gracefully" : "Stopping at once");
        for (u32 i = 0; i < control->started; i++)
            worker_command(control->workers[i], command);
    }
    ring_poll_readable(control->ring, op, control->signal_fd);
}

static const struct ring_op_class signal_class = {"signal", on_signal};

static bool catch_signals(struct control *control)
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

/* ---- Starting ---- */

/* False, for the caller to pass on: the start has failed because of this. */
static bool refuse(struct control *control, const char *why)
{
    (void)snprintf(control->why, sizeof(control->why), "%s", why);
    return false;
}

static const char *const no_memory = "no memory to start: lower workers, or raise the memory limit";

static bool create_buffers(struct control *control)
{
    const struct config_logging *logging = &control->config->logging;
    const bool enabled[LOG_FILE_COUNT] = {
        [LOG_FILE_ERROR] = logging->error.enabled, [LOG_FILE_ACCESS] = logging->access.enabled};
    struct log_writer_options options = {
        .logging = logging, .ring = control->ring, .report_fd = STDERR_FILENO};
    u32 count = control->config->workers + 1;
    for (u32 file = 0; file < LOG_FILE_COUNT; file++) {
        control->buffers[file] = calloc(count, sizeof(struct log_buffer *));
        if (!control->buffers[file])
            return false;
        if (!enabled[file])
            continue;
        for (u32 i = 0; i < count; i++) {
            control->buffers[file][i] = log_buffer_create(LOG_BUFFER_BYTES);
            if (!control->buffers[file][i])
                return false;
        }
        options.sources[file] = (struct log_sources){control->buffers[file], count};
    }
    control->log_writer = log_writer_create(&options);
    return control->log_writer != NULL;
}

static bool create_health(struct control *control)
{
    const struct health_options options = {
        .ring = control->ring,
        .log = control->buffers[LOG_FILE_ERROR][control->config->workers],
        .seed = hash_mix64(clock_wall_ns()),
    };
    control->health = health_create(&options);
    return control->health != NULL;
}

static bool open_management(struct control *control)
{
    struct management_options options = {
        .config = control->config,
        .ring = control->ring,
        .wheel = &control->wheel,
        .live = control->live,
        .health = control->health,
        .workers = (struct worker *const *const *)&control->workers,
        .started = &control->started,
        .stops_asked = &control->stops_asked,
        .reload = on_reload_asked,
        .context = control,
        .buffer_count = control->config->workers + 1,
    };
    for (u32 file = 0; file < LOG_FILE_COUNT; file++)
        options.buffers[file] = (struct log_buffer *const *const *)&control->buffers[file];
    if (!control->config->admin.enabled)
        return true;
    control->management = management_create(&options, control->why, sizeof(control->why));
    return control->management != NULL;
}

static void on_worker_finished(void *context)
{
    struct control *control = context;
    atomic_fetch_add(&control->finished, 1);
    ring_wake(control->ring);
}

/* The index-th CPU this process may use; -1 when there are more workers than CPUs. */
static int cpu_for(u32 index)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((unsigned)cpu, &set) && index-- == 0)
            return cpu;
    return -1;
}

static bool start_workers(struct control *control)
{
    const struct config *config = control->config;
    control->workers = calloc(config->workers, sizeof(struct worker *));
    if (!control->workers)
        return refuse(control, no_memory);
    for (u32 i = 0; i < config->workers; i++) {
        const struct worker_options options = {
            .snapshot = live_snapshot(control->live),
            .listen_fds = control->listen_fds + (usize)i * config->listener_count,
            .logs = {control->buffers[LOG_FILE_ERROR][i], control->buffers[LOG_FILE_ACCESS][i]},
            .on_finished = on_worker_finished,
            .context = control,
            .ring_disabled = control->ring_disabled,
            .index = i,
            .cpu = cpu_for(i),
        };
        control->workers[i] = worker_start(&options, control->why, sizeof(control->why));
        if (!control->workers[i])
            return false;
        control->started++;
    }
    return true;
}

/* The listeners' names, as many as fit. */
static void list_listeners(const struct config *config, char *out, usize bytes)
{
    usize len = 0;
    for (u32 i = 0; i < config->listener_count; i++) {
        struct slice name = config->listeners[i].name;
        if (len + name.len + sizeof(", ...") > bytes) {
            (void)snprintf(out + len, bytes - len, "...");
            return;
        }
        len += (usize)snprintf(out + len, bytes - len, "%.*s%s", (int)name.len, name.data,
                               i + 1 < config->listener_count ? ", " : "");
    }
}

static void announce_management(struct control *control)
{
    char name[MANAGEMENT_NAME_BYTES], line[128];
    if (!control->management)
        return;
    management_name(control->management, name);
    (void)fprintf(stderr, "nextproxy: management API on http://%s\n", name);
    (void)snprintf(line, sizeof(line), "Management API on http://%s", name);
    note(control, LOG_INFO, "start", line);
}

static void announce(struct control *control, const struct config_problems *notes)
{
    const struct config *config = control->config;
    char line[512], message[600];
    list_listeners(config, line, sizeof(line));
    (void)fprintf(stderr, "nextproxy: serving on %s with %u worker%s and %u backend%s\n", line,
                  config->workers, config->workers == 1 ? "" : "s", config->backend_count,
                  config->backend_count == 1 ? "" : "s");
    (void)snprintf(message, sizeof(message), "Serving on %s", line);
    note(control, LOG_INFO, "start", message);
    announce_management(control);
    for (u32 i = 0; i < notes->count; i++) {
        (void)fprintf(stderr, "nextproxy: note: %s: %s\n", notes->at[i].path, notes->at[i].text);
        (void)snprintf(line, sizeof(line), "%s: %s", notes->at[i].path, notes->at[i].text);
        note(control, LOG_INFO, "config_note", line);
    }
}

/* ---- Running ---- */

static u64 next_deadline_ns(const struct control *control)
{
    u64 deadline_ns =
        min_u64(log_writer_deadline_ns(control->log_writer), health_deadline_ns(control->health));
    deadline_ns = min_u64(deadline_ns, wheel_next_ns(&control->wheel));
    if (control->watch)
        deadline_ns = min_u64(deadline_ns, watch_deadline_ns(control->watch));
    if (!control->retiring)
        return deadline_ns;
    return min_u64(deadline_ns, ring_now_ns(control->ring) + RETIRE_MS * NS_PER_MS);
}

static void run_until_finished(struct control *control)
{
    while (atomic_load(&control->finished) < control->started) {
        u64 now_ns = ring_turn(control->ring, next_deadline_ns(control));
        health_tick(control->health, now_ns);
        wheel_run(&control->wheel, now_ns);
        if (control->management)
            management_after_turn(control->management);
        log_writer_tick(control->log_writer, now_ns, clock_wall_ns());
        if (control->watch)
            watch_tick(control->watch, now_ns);
        control->retiring = live_retire(control->live, control->workers, control->started) > 0;
    }
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
    totals_write(&totals, line, sizeof(line));
    note(control, LOG_INFO, "stop", line);
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
        for (u32 i = 0; control->buffers[file] && i <= control->config->workers; i++)
            if (control->buffers[file][i])
                log_buffer_destroy(control->buffers[file][i]);
        free(control->buffers[file]);
    }
}

/* False with the reason in control->why. */
static bool start(struct control *control, const struct control_options *options)
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
    if (!catch_signals(control)) {
        (void)snprintf(control->why, sizeof(control->why),
                       "no file descriptor for signals: %s; raise the limit "
                       "(ulimit -n, LimitNOFILE=)",
                       strerror(errno));
        return false;
    }
    if (!create_buffers(control))
        return refuse(control, no_memory);
    control->live = live_create(control->config, (struct live_listener){on_live, control});
    if (!control->live || !create_health(control))
        return refuse(control, no_memory);
    ring_op_init(&control->signal_op, &signal_class);
    ring_poll_readable(control->ring, &control->signal_op, control->signal_fd);
    control->listen_fds = listeners_open(control->config, control->why, sizeof(control->why));
    if (!control->listen_fds || !open_management(control))
        return false;
    if (start_workers(control)) {
        announce(control, options->notes);
        health_follow(control->health, live_snapshot(control->live));
        watch_file(control, options);
        return true;
    }
    for (u32 i = 0; i < control->started; i++)
        worker_command(control->workers[i], WORKER_STOP);
    return false;
}

int control_run(const struct control_options *options)
{
    struct control control = {
        .config = options->config, .signal_fd = -1, .ring_disabled = options->ring_disabled};
    bool started = start(&control, options);
    if (control.workers) {
        run_until_finished(&control);
        join_workers(&control);
    }
    if (control.management)
        management_destroy(control.management);
    end_health(&control);
    listeners_close(control.config, control.listen_fds, control.started);
    free_logs(&control, started);
    free(control.workers);
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
