/*
 * The workers, whose number may change while they serve: those that a snapshot wants, those that
 * finish what they have begun, and what is left of those that have ended.
 *
 * A worker has an index: its place in snapshots, in the team, among the log buffers. It is free
 * again when the worker has been joined; a new worker takes the lowest one that is free.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "control/control_internal.h"

enum {
    LOG_BUFFER_BYTES = 1 << 20, /* control's own, too: thousands of backends may go down at once */
    CLOSING_WAIT_MS = 1000,     /* for workers to let go of the listeners of an earlier reload */
};

/* ---- Log buffers: control's own, then one for each worker that there ever was ---- */

static bool log_enabled(const struct control *control, enum log_file file)
{
    const struct config_logging *logging = &control->config->logging;
    return file == LOG_FILE_ERROR ? logging->error.enabled : logging->access.enabled;
}

bool control_log_buffers(struct control *control, u32 place)
{
    for (u32 file = 0; file < LOG_FILE_COUNT; file++) {
        if (!log_enabled(control, (enum log_file)file) || control->buffers[file][place])
            continue;
        struct log_buffer *buffer = log_buffer_create(LOG_BUFFER_BYTES);
        if (!buffer)
            return false;
        control->buffers[file][place] = buffer;
        log_writer_add(control->log_writer, (enum log_file)file, buffer);
    }
    return true;
}

/* ---- Who is to serve ---- */

static bool serves(const struct worker *worker)
{
    return worker_last_command(worker) <= WORKER_RUN;
}

static bool taken(const struct control *control, u32 index)
{
    for (u32 i = 0; i < control->started; i++)
        if (worker_index(control->workers[i]) == index)
            return true;
    return false;
}

static bool serves_at(const struct control *control, u32 index)
{
    for (u32 i = 0; i < control->started; i++)
        if (worker_index(control->workers[i]) == index)
            return serves(control->workers[i]);
    return false;
}

/* The indexes of those that are to serve: the first ones that do so already, then free ones. */
static u32 plan(const struct control *control, u32 wanted, u32 indexes[STATE_WORKERS_MAX])
{
    u32 count = 0;
    for (u32 index = 0; index < STATE_WORKERS_MAX && count < wanted; index++)
        if (serves_at(control, index))
            indexes[count++] = index;
    for (u32 index = 0; index < STATE_WORKERS_MAX && count < wanted; index++)
        if (!taken(control, index))
            indexes[count++] = index;
    return count;
}

u32 control_places(void *context, const struct config *config)
{
    const struct control *control = context;
    u32 indexes[STATE_WORKERS_MAX], places = 0;
    u32 count = plan(control, config->workers, indexes);
    for (u32 i = 0; i < count; i++)
        places = max_u32(places, indexes[i] + 1);
    for (u32 i = 0; i < control->started; i++)
        places = max_u32(places, worker_index(control->workers[i]) + 1);
    return places;
}

/* ---- Starting ---- */

static void on_news(void *context)
{
    struct control *control = context;
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

/* Places in the team are made one after the other. */
static bool prepare_places(struct control *control, u32 index, char *why, usize why_bytes)
{
    for (; control->places <= index; control->places++)
        if (!team_prepare(control->team, control->places)) {
            (void)snprintf(
                why, why_bytes,
                "no file descriptor for a worker: raise the limit (ulimit -n, LimitNOFILE=)");
            return false;
        }
    return true;
}

static bool start_worker(struct control *control, struct snapshot *snapshot, u32 index, char *why,
                         usize why_bytes)
{
    if (!prepare_places(control, index, why, why_bytes))
        return false;
    if (!control_log_buffers(control, index + 1)) {
        (void)snprintf(why, why_bytes, "no memory for the log buffers of a worker");
        return false;
    }
    const struct worker_options options = {
        .snapshot = snapshot,
        .logs = {control->buffers[LOG_FILE_ERROR][index + 1],
                 control->buffers[LOG_FILE_ACCESS][index + 1]},
        .on_news = on_news,
        .context = control,
        .team = control->team,
        .ring_disabled = control->ring_disabled,
        .index = index,
        .cpu = cpu_for(index),
    };
    struct worker *worker = worker_start(&options, why, why_bytes);
    if (!worker)
        return false;
    watchdog_came(control->watchdog, control->started);
    control->workers[control->started++] = worker;
    return true;
}

/* Those that were started for a snapshot that is not served after all. */
static void dismiss(struct control *control, u32 started)
{
    struct proxy_counters nothing;
    for (u32 i = started; i < control->started; i++)
        worker_command(control->workers[i], WORKER_STOP);
    while (control->started > started)
        worker_join(control->workers[--control->started], &nothing);
}

/* ---- A snapshot that is to be served ---- */

static u64 version_of_all(const struct control *control)
{
    u64 version = UINT64_MAX;
    for (u32 i = 0; i < control->started; i++)
        if (!worker_has_finished(control->workers[i]))
            version = min_u64(version, worker_version(control->workers[i]));
    return version;
}

static u32 reap_listeners(struct control *control)
{
    return listeners_reap(control->listeners, version_of_all(control), control->handover->channel);
}

/* A listener may come back while its former sockets are still being closed: they must be gone
 * first, or nobody could tell the supervisor which ones to forget. It takes workers a turn. */
static bool wait_for_closing(struct control *control)
{
    const struct timespec moment = {.tv_nsec = NS_PER_MS};
    for (u32 i = 0; i < CLOSING_WAIT_MS && reap_listeners(control) > 0; i++)
        (void)nanosleep(&moment, NULL);
    return reap_listeners(control) == 0;
}

bool control_furnish(void *context, struct snapshot *snapshot, char *why, usize why_bytes)
{
    struct control *control = context;
    u32 indexes[STATE_WORKERS_MAX], started = control->started;
    if (!control->listeners) /* the first snapshot comes before them */
        return true;
    if (control->settled >
        0) /* one of this turn is served by now: what it has must not be undone */
        control_settle(control);
    if (!wait_for_closing(control)) {
        (void)snprintf(why, why_bytes, "workers are still busy with an earlier reload: try again");
        return false;
    }
    if (!listeners_prepare(control->listeners, snapshot->config, why, why_bytes))
        return false;
    u32 count = plan(control, snapshot->config->workers, indexes);
    listeners_furnish(control->listeners, snapshot, &(struct listeners_workers){indexes, count});
    for (u32 i = 0; i < count; i++) {
        if (serves_at(control, indexes[i]) ||
            start_worker(control, snapshot, indexes[i], why, why_bytes))
            continue;
        dismiss(control, started);
        listeners_undo(control->listeners);
        return false;
    }
    return true;
}

static void note_worker(struct control *control, u32 index, const char *what)
{
    char line[256];
    (void)snprintf(line, sizeof(line), "Worker %u %s", index, what);
    control_note(control, LOG_INFO, "workers", line);
}

static bool wanted(const struct control *control, u32 index, u32 count)
{
    u32 before = 0;
    for (u32 at = 0; at < index; at++)
        before += serves_at(control, at);
    return before < count;
}

void control_settle(struct control *control)
{
    const struct snapshot *snapshot = live_snapshot(control->live);
    u32 count = snapshot->config->workers;
    if (snapshot->version == control->settled || control->stops_asked > 0)
        return;
    bool first = control->settled == 0;
    control->settled = snapshot->version;
    for (u32 i = control->started; i-- > 0;) { /* the last ones first: they are the ones to go */
        struct worker *worker = control->workers[i];
        u32 index = worker_index(worker);
        if (serves(worker) && !wanted(control, index, count)) {
            worker_command(worker, WORKER_RETIRE);
            note_worker(control, index, "retires: what it serves may finish within timeouts.drain");
        } else if (worker_last_command(worker) == WORKER_WAIT) {
            worker_run(worker);
            if (!first)
                note_worker(control, index, "serves");
        }
    }
    listeners_settle(control->listeners, snapshot);
    if (!first && control_supervised(control))
        listeners_give(control->listeners, control->handover->channel);
}

/* ---- The end ---- */

static void join(struct control *control, u32 at)
{
    struct worker *worker = control->workers[at];
    struct proxy_counters counters;
    char what[128];
    u32 index = worker_index(worker);
    worker_join(worker, &counters);
    proxy_counters_add(&control->departed, &counters);
    (void)snprintf(what, sizeof(what), "has ended after %llu connections and %llu requests",
                   (unsigned long long)counters.clients_accepted,
                   (unsigned long long)counters.requests);
    control->started--;
    control->workers[at] = control->workers[control->started];
    watchdog_went(control->watchdog, at, control->started);
    note_worker(control, index, what);
}

bool control_tend_workers(struct control *control)
{
    bool deaf = control->stops_asked > 0, finished = true;
    for (u32 i = control->started; i-- > 0;) {
        if (control->stops_asked == 0 && worker_has_finished(control->workers[i])) {
            join(control, i);
            continue;
        }
        deaf = deaf && worker_is_deaf(control->workers[i]);
        finished = finished && worker_has_finished(control->workers[i]);
    }
    if (control->listeners && deaf)
        listeners_shut(control->listeners, control_keeps_files(control));
    else if (control->listeners)
        control->closing = reap_listeners(control) > 0;
    return finished;
}
