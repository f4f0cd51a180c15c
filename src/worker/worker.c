/* A worker's thread: its loop, its accepting, its end. */
#include "worker.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "state/routes.h"
#include "worker/team.h"
#include "worker/worker_internal.h"

enum {
    RING_ENTRIES = 2048,
    STACK_BYTES = 1024 * 1024, /* musl's default is too small for parsing scratch and pools */
};

/* ---- The loop ---- */

static void announce(struct worker *worker, enum worker_phase phase)
{
    pthread_mutex_lock(&worker->lock);
    worker->phase = phase;
    pthread_cond_signal(&worker->started);
    pthread_mutex_unlock(&worker->lock);
}

static void obey(struct worker *worker)
{
    enum worker_command command = (enum worker_command)atomic_load(&worker->command);
    if (command == worker->obeyed)
        return;
    u64 drain_ns = worker->with.snapshot->config->timeouts.drain_ms * NS_PER_MS;
    worker->obeyed = command;
    if (command == WORKER_RUN) {
        accept_start(worker);
        announce(worker, PHASE_SERVING);
        return;
    }
    accept_stop(worker);
    if (command == WORKER_DRAIN)
        proxy_drain(worker->proxy, ring_now_ns(worker->ring) + drain_ns);
    else if (command == WORKER_RETIRE)
        proxy_retire(worker->proxy, ring_now_ns(worker->ring) + drain_ns);
    else
        proxy_stop(worker->proxy);
}

static void adopt(struct worker *worker)
{
    struct snapshot *offered = atomic_load_explicit(&worker->offered, memory_order_acquire);
    if (UNLIKELY(offered != worker->with.snapshot) && accept_follow(worker, offered)) {
        proxy_adopt(worker->proxy, offered);
        worker->with.snapshot = offered;
        worker->settled = false;
    }
}

/* Its sockets leave behind their last completions, so this comes behind the handlers. */
static void tell_version(struct worker *worker)
{
    if (LIKELY(worker->settled) || !accept_settled(worker))
        return;
    worker->settled = true;
    atomic_store_explicit(&worker->version, worker->with.snapshot->version, memory_order_release);
}

/* Control closes the sockets when nobody accepts from them any more. */
static void tell_deaf(struct worker *worker)
{
    bool deaf = worker->obeyed > WORKER_RUN && list_empty(&worker->acceptors);
    if (LIKELY(!deaf) || atomic_load_explicit(&worker->deaf, memory_order_relaxed))
        return;
    atomic_store_explicit(&worker->deaf, true, memory_order_release);
    worker->with.on_news(worker->with.context);
}

static bool finished(const struct worker *worker)
{
    return worker->obeyed > WORKER_RUN && proxy_quiet(worker->proxy) && accept_quiet(worker);
}

/* While draining the loop looks up now and then, for the drain's own deadline. */
static u64 next_deadline_ns(const struct worker *worker)
{
    u64 deadline_ns = wheel_next_ns(&worker->wheel);
    if (worker->obeyed <= WORKER_RUN)
        return deadline_ns;
    return min_u64(deadline_ns, ring_now_ns(worker->ring) + 100 * NS_PER_MS);
}

/* The snapshot comes before the requests: whoever asks after control has said that it is served was
 * read behind the wait in which it was offered, if not later. */
static void turn(struct worker *worker)
{
    ring_wait(worker->ring, next_deadline_ns(worker));
    adopt(worker);
    u64 now_ns = ring_dispatch(worker->ring);
    wheel_run(&worker->wheel, now_ns);
    accept_given(worker);
    tell_version(worker);
    obey(worker);
    tell_deaf(worker);
    proxy_budget_changed(worker->proxy, team_budget(worker->with.team));
    proxy_after_turn(worker->proxy);
    accept_after_turn(worker);
    atomic_store_explicit(&worker->turns,
                          atomic_load_explicit(&worker->turns, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static void serve(struct worker *worker)
{
    while (!finished(worker))
        turn(worker);
}

/* ---- The thread ---- */

/* By other workers, as long as this one listens. */
static void wake_ring(void *context)
{
    ring_wake(context);
}

static bool prepare(struct worker *worker)
{
    const struct worker_options *with = &worker->with;
    struct ring_options ring_options = {
        .leases = proxy_leases(with->snapshot->config),
        .entries = RING_ENTRIES,
        .disabled = with->ring_disabled,
        .bell = team_bell(with->team, with->index),
        .restricted = true,
    };
    worker->ring = ring_create(&ring_options, worker->why, sizeof(worker->why));
    if (!worker->ring)
        return false;
    atomic_store(&worker->offered, with->snapshot);
    atomic_store(&worker->version, with->snapshot->version);
    wheel_init(&worker->wheel, ring_now_ns(worker->ring));
    struct proxy_environment environment = {
        .ring = worker->ring,
        .wheel = &worker->wheel,
        .snapshot = with->snapshot,
        .worker = with->index,
        .seed = hash_mix64(clock_wall_ns() + with->index),
    };
    memcpy(environment.logs, with->logs, sizeof(environment.logs));
    worker->proxy = proxy_create(&environment);
    if (!worker->proxy) {
        (void)snprintf(worker->why, sizeof(worker->why),
                       "no memory for a worker: lower limits.clients or limits.exchanges "
                       "(--print-budget shows what they take)");
        ring_destroy(worker->ring);
        return false;
    }
    if (!accept_init(worker)) {
        (void)snprintf(worker->why, sizeof(worker->why), "no memory for a worker's sockets");
        proxy_destroy(worker->proxy);
        ring_destroy(worker->ring);
        return false;
    }
    state_worker_listen(state_routes(with->snapshot->state), with->index, wake_ring, worker->ring);
    return true;
}

static void pin(const struct worker *worker)
{
    cpu_set_t set;
    if (worker->with.cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((unsigned)worker->with.cpu, &set);
    (void)sched_setaffinity(0, sizeof(set), &set); /* a hint: without it all works the same */
}

/* Control waits for the lock when it reads figures: it must not be held while the kernel takes its
 * time. */
static void retire_figures(struct worker *worker)
{
    struct proxy *proxy = worker->proxy;
    pthread_mutex_lock(&worker->lock);
    proxy_figures_read(proxy, &worker->last);
    worker->proxy = NULL;
    pthread_mutex_unlock(&worker->lock);
    proxy_destroy(proxy);
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    pin(worker);
    if (!prepare(worker)) {
        announce(worker, PHASE_FAILED);
        return NULL;
    }
    announce(worker, PHASE_READY);
    serve(worker);
    state_worker_deafen(state_routes(worker->with.snapshot->state), worker->with.index);
    retire_figures(worker);
    ring_destroy(worker->ring);
    atomic_store_explicit(&worker->deaf, true, memory_order_release);
    atomic_store_explicit(&worker->finished, true, memory_order_release);
    worker->with.on_news(worker->with.context);
    return NULL;
}

static bool start_thread(struct worker *worker)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    bool started = pthread_create(&worker->thread, &attributes, run, worker) == 0;
    (void)pthread_attr_destroy(&attributes);
    return started;
}

static void free_worker(struct worker *worker)
{
    pthread_cond_destroy(&worker->started);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}

struct worker *worker_start(const struct worker_options *options, char *why, usize why_bytes)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (!worker) {
        (void)snprintf(why, why_bytes, "no memory for a worker");
        return NULL;
    }
    worker->with = *options;
    worker->settled = true;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->started, NULL);
    if (!start_thread(worker)) {
        (void)snprintf(why, why_bytes,
                       "no thread for a worker: raise the process limit (ulimit -u)");
        free_worker(worker);
        return NULL;
    }
    pthread_mutex_lock(&worker->lock);
    while (worker->phase == PHASE_STARTING)
        pthread_cond_wait(&worker->started, &worker->lock);
    pthread_mutex_unlock(&worker->lock);
    if (worker->phase == PHASE_FAILED) {
        (void)snprintf(why, why_bytes, "%s", worker->why);
        (void)pthread_join(worker->thread, NULL);
        free_worker(worker);
        return NULL;
    }
    return worker;
}

void worker_shun(struct worker *worker, bool shun)
{
    (shun ? team_leave : team_join)(worker->with.team, worker->with.index);
}

void worker_nudge(struct worker *worker)
{
    ring_bell_ring(team_bell(worker->with.team, worker->with.index));
}

void worker_command(struct worker *worker, enum worker_command command)
{
    atomic_store(&worker->command, (int)command);
    worker_nudge(worker);
}

void worker_run(struct worker *worker)
{
    worker_command(worker, WORKER_RUN);
    pthread_mutex_lock(&worker->lock);
    while (worker->phase != PHASE_SERVING)
        pthread_cond_wait(&worker->started, &worker->lock);
    pthread_mutex_unlock(&worker->lock);
}

void worker_adopt(struct worker *worker, struct snapshot *snapshot)
{
    atomic_store_explicit(&worker->offered, snapshot, memory_order_release);
    worker_nudge(worker);
}

u64 worker_version(const struct worker *worker)
{
    return atomic_load_explicit(&worker->version, memory_order_acquire);
}

bool worker_is_deaf(const struct worker *worker)
{
    return atomic_load_explicit(&worker->deaf, memory_order_acquire);
}

bool worker_has_finished(const struct worker *worker)
{
    return atomic_load_explicit(&worker->finished, memory_order_acquire);
}

enum worker_command worker_last_command(const struct worker *worker)
{
    return (enum worker_command)atomic_load_explicit(&worker->command, memory_order_relaxed);
}

u32 worker_index(const struct worker *worker)
{
    return worker->with.index;
}

u64 worker_turns(const struct worker *worker)
{
    return atomic_load_explicit(&worker->turns, memory_order_relaxed);
}

void worker_figures(struct worker *worker, struct proxy_figures *out)
{
    pthread_mutex_lock(&worker->lock);
    if (worker->proxy)
        proxy_figures_read(worker->proxy, out);
    else
        *out = worker->last;
    pthread_mutex_unlock(&worker->lock);
    out->worker = worker->with.index;
}

void worker_join(struct worker *worker, struct proxy_counters *counters)
{
    (void)pthread_join(worker->thread, NULL);
    *counters = worker->last.counters;
    free_worker(worker);
}
