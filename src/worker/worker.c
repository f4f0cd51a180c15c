/* A worker's thread: its loop, its accepting, its end. */
#include "worker.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/wheel.h"
#include "ring.h"
#include "state/routes.h"

enum {
    RING_ENTRIES = 2048,
    ACCEPT_RETRY_MS = 50,      /* after the process ran out of file descriptors */
    STACK_BYTES = 1024 * 1024, /* musl's default is too small for parsing scratch and pools */
};

struct acceptor {
    struct ring_op op;
    struct wheel_timer retry;
    struct worker *worker;
    const struct config_listener *listener;
    int fd;
};

enum worker_phase { PHASE_STARTING, PHASE_SERVING, PHASE_FAILED };

struct worker {
    struct worker_options with;
    struct ring *ring;
    struct proxy *proxy;
    struct acceptor *acceptors;
    struct wheel wheel;
    pthread_t thread;
    pthread_mutex_t lock; /* of `phase` while starting, of `ring` and `proxy` while it ends */
    pthread_cond_t started;
    enum worker_phase phase;
    enum worker_command obeyed;
    _Atomic int command;              /* enum worker_command */
    struct snapshot *_Atomic offered; /* by control, to be adopted */
    _Atomic u64 version;              /* of the snapshot in `with` */
    struct proxy_figures last;        /* when `proxy` is gone */
    char why[WORKER_WHY_BYTES];
};

/* ---- Accepting ---- */

/* From now on the kernel refuses connections. A unix socket is shared: control closes it. */
static void stop_listening(struct acceptor *acceptor)
{
    if (acceptor->fd >= 0 && acceptor->listener->address.any.sa_family != AF_UNIX)
        (void)close(acceptor->fd);
    acceptor->fd = -1;
}

static void on_accept(struct ring_op *op, struct ring_done done)
{
    struct acceptor *acceptor = container_of(op, struct acceptor, op);
    struct worker *worker = acceptor->worker;
    if (done.status == RING_OK) {
        proxy_accept(worker->proxy, done.result, acceptor->listener);
        if (worker->obeyed == WORKER_RUN && !done.more)
            ring_accept(worker->ring, op, acceptor->fd);
        return;
    }
    if (worker->obeyed != WORKER_RUN) {
        stop_listening(acceptor);
    } else if (done.status != RING_CANCELED) {
        proxy_accept_failed(worker->proxy, done.error);
        wheel_set(&worker->wheel, &acceptor->retry,
                  ring_now_ns(worker->ring) + ACCEPT_RETRY_MS * NS_PER_MS);
    }
}

static const struct ring_op_class accept_class = {"accept", on_accept};

static void on_retry(struct wheel_timer *timer)
{
    struct acceptor *acceptor = container_of(timer, struct acceptor, retry);
    ring_accept(acceptor->worker->ring, &acceptor->op, acceptor->fd);
}

static void accept_start(struct worker *worker)
{
    u32 count = worker->with.snapshot->config->listener_count;
    for (u32 i = 0; i < count; i++) {
        struct acceptor *acceptor = &worker->acceptors[i];
        acceptor->worker = worker;
        acceptor->listener = &worker->with.snapshot->config->listeners[i];
        acceptor->fd = worker->with.listen_fds[i];
        ring_op_init(&acceptor->op, &accept_class);
        wheel_timer_init(&acceptor->retry, on_retry);
        ring_accept(worker->ring, &acceptor->op, acceptor->fd);
    }
}

static void accept_stop(struct worker *worker)
{
    for (u32 i = 0; i < worker->with.snapshot->config->listener_count; i++) {
        struct acceptor *acceptor = &worker->acceptors[i];
        wheel_clear(&worker->wheel, &acceptor->retry);
        if (acceptor->op.owed)
            ring_cancel(worker->ring, &acceptor->op);
        else
            stop_listening(acceptor);
    }
}

static bool accept_quiet(const struct worker *worker)
{
    for (u32 i = 0; i < worker->with.snapshot->config->listener_count; i++)
        if (worker->acceptors[i].op.owed)
            return false;
    return true;
}

/* ---- The loop ---- */

static void obey(struct worker *worker)
{
    enum worker_command command = (enum worker_command)atomic_load(&worker->command);
    if (command == worker->obeyed)
        return;
    u64 drain_ns = worker->with.snapshot->config->timeouts.drain_ms * NS_PER_MS;
    if (worker->obeyed == WORKER_RUN)
        accept_stop(worker);
    worker->obeyed = command;
    if (command == WORKER_DRAIN)
        proxy_drain(worker->proxy, ring_now_ns(worker->ring) + drain_ns);
    else
        proxy_stop(worker->proxy);
}

static const struct config_listener *find_listener(const struct config *config, struct slice name)
{
    for (u32 i = 0; i < config->listener_count; i++)
        if (slice_equal(config->listeners[i].name, name))
            return &config->listeners[i];
    ASSERT(false); /* control takes no configuration with other listeners */
    return NULL;
}

static void adopt(struct worker *worker)
{
    struct snapshot *offered = atomic_load_explicit(&worker->offered, memory_order_acquire);
    if (LIKELY(offered == worker->with.snapshot))
        return;
    for (u32 i = 0; i < offered->config->listener_count; i++) {
        struct acceptor *acceptor = &worker->acceptors[i];
        acceptor->listener = find_listener(offered->config, acceptor->listener->name);
    }
    proxy_adopt(worker->proxy, offered);
    worker->with.snapshot = offered;
    atomic_store_explicit(&worker->version, offered->version, memory_order_release);
}

static bool finished(const struct worker *worker)
{
    return worker->obeyed != WORKER_RUN && proxy_quiet(worker->proxy) && accept_quiet(worker);
}

/* While draining the loop looks up now and then, for the drain's own deadline. */
static u64 next_deadline_ns(const struct worker *worker)
{
    u64 deadline_ns = wheel_next_ns(&worker->wheel);
    if (worker->obeyed == WORKER_RUN)
        return deadline_ns;
    return min_u64(deadline_ns, ring_now_ns(worker->ring) + 100 * NS_PER_MS);
}

static void turn(struct worker *worker)
{
    u64 now_ns = ring_turn(worker->ring, next_deadline_ns(worker));
    wheel_run(&worker->wheel, now_ns);
    adopt(worker);
    obey(worker);
    proxy_after_turn(worker->proxy);
}

static void serve(struct worker *worker)
{
    while (!finished(worker))
        turn(worker);
}

/* ---- The thread ---- */

usize worker_ring_bytes(const struct config *config)
{
    struct ring_options options = {.leases = proxy_leases(config), .entries = RING_ENTRIES};
    return ring_region_bytes(&options);
}

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

static void announce(struct worker *worker, enum worker_phase phase)
{
    pthread_mutex_lock(&worker->lock);
    worker->phase = phase;
    pthread_cond_signal(&worker->started);
    pthread_mutex_unlock(&worker->lock);
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    pin(worker);
    if (!prepare(worker)) {
        announce(worker, PHASE_FAILED);
        return NULL;
    }
    accept_start(worker);
    announce(worker, PHASE_SERVING);
    serve(worker);
    state_worker_deafen(state_routes(worker->with.snapshot->state), worker->with.index);
    pthread_mutex_lock(&worker->lock);
    proxy_figures_read(worker->proxy, &worker->last);
    proxy_destroy(worker->proxy);
    worker->proxy = NULL;
    ring_destroy(worker->ring);
    worker->ring = NULL;
    pthread_mutex_unlock(&worker->lock);
    worker->with.on_finished(worker->with.context);
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
    free(worker->acceptors);
    free(worker);
}

struct worker *worker_start(const struct worker_options *options, char *why, usize why_bytes)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker)
        worker->acceptors =
            calloc(options->snapshot->config->listener_count, sizeof(*worker->acceptors));
    if (!worker || !worker->acceptors) {
        free(worker);
        (void)snprintf(why, why_bytes, "no memory for a worker");
        return NULL;
    }
    worker->with = *options;
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

static void wake(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    if (worker->ring) /* it may have finished already */
        ring_wake(worker->ring);
    pthread_mutex_unlock(&worker->lock);
}

void worker_command(struct worker *worker, enum worker_command command)
{
    atomic_store(&worker->command, (int)command);
    wake(worker);
}

void worker_adopt(struct worker *worker, struct snapshot *snapshot)
{
    atomic_store_explicit(&worker->offered, snapshot, memory_order_release);
    wake(worker);
}

u64 worker_version(const struct worker *worker)
{
    return atomic_load_explicit(&worker->version, memory_order_acquire);
}

void worker_figures(struct worker *worker, struct proxy_figures *out)
{
    pthread_mutex_lock(&worker->lock);
    if (worker->proxy)
        proxy_figures_read(worker->proxy, out);
    else
        *out = worker->last;
    pthread_mutex_unlock(&worker->lock);
}

void worker_join(struct worker *worker, struct proxy_counters *counters)
{
    (void)pthread_join(worker->thread, NULL);
    *counters = worker->last.counters;
    free_worker(worker);
}
