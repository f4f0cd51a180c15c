/* Accepting connections, and giving them to whichever worker has the least to do. */
#include "base/clock.h"
#include "team.h"
#include "worker_internal.h"

enum {
    ACCEPT_RETRY_MS = 50, /* after the process ran out of file descriptors */
    WAITING_MAX = 65535,  /* at a listening socket: net.core.somaxconn can be no larger */
};

/* The connections that are in the queue when this worker stops accepting. With the socket's end
 * they would be reset. When a successor has the socket the kernel has woken this worker, and nobody
 * else, for those that came while it was still waiting (EPOLLEXCLUSIVE): the successor would see
 * them only when another one comes. */
static void accept_rest(const struct acceptor *acceptor)
{
    const struct worker *worker = acceptor->worker;
    int fd;
    for (u32 i = 0; i < WAITING_MAX && (fd = ring_accept_now(worker->ring, acceptor->fd)) >= 0; i++)
        proxy_accept(worker->proxy, fd, acceptor->listener);
}

/* When nobody else has the socket the kernel refuses connections from now on. A unix socket is
 * shared: control closes it. */
static void stop_listening(struct acceptor *acceptor)
{
    if (acceptor->fd < 0)
        return;
    accept_rest(acceptor);
    if (acceptor->listener->address.any.sa_family != AF_UNIX)
        ring_close(acceptor->worker->ring, acceptor->fd, false);
    acceptor->fd = -1;
}

/* The kernel spreads connections over the workers without regard to what they are doing. */
static bool give_away(struct acceptor *acceptor, int fd)
{
    struct worker *worker = acceptor->worker;
    const struct worker_options *with = &worker->with;
    u32 other = team_least_busy(with->team, with->index, proxy_clients(worker->proxy));
    if (LIKELY(other == TEAM_NONE))
        return false;
    const struct team_parcel parcel = {
        .fd = fd,
        .proxy_header = proxy_header_expected(worker->proxy, fd, acceptor->listener),
    };
    if (!team_give(with->team, with->index, other, parcel))
        return false;
    proxy_gave_away(worker->proxy);
    return true;
}

static void on_accept(struct ring_op *op, struct ring_done done)
{
    struct acceptor *acceptor = container_of(op, struct acceptor, op);
    struct worker *worker = acceptor->worker;
    bool runs = worker->obeyed == WORKER_RUN;
    if (done.status == RING_OK && (!runs || !give_away(acceptor, done.result)))
        proxy_accept(worker->proxy, done.result, acceptor->listener);
    if (done.more)
        return;
    if (!runs) {
        stop_listening(acceptor);
    } else if (worker->held) {
        return; /* let_go() arms it */
    } else if (done.status == RING_OK || done.status == RING_CANCELED) {
        ring_accept(worker->ring, op, acceptor->fd);
    } else {
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

void accept_init(struct worker *worker)
{
    u32 count = worker->with.snapshot->config->listener_count;
    for (u32 i = 0; i < count; i++) {
        struct acceptor *acceptor = &worker->acceptors[i];
        acceptor->worker = worker;
        acceptor->listener = &worker->with.snapshot->config->listeners[i];
        acceptor->fd = worker->with.listen_fds[i];
        ring_op_init(&acceptor->op, &accept_class);
        wheel_timer_init(&acceptor->retry, on_retry);
    }
}

void accept_start(struct worker *worker)
{
    for (u32 i = 0; i < worker->with.snapshot->config->listener_count; i++)
        ring_accept(worker->ring, &worker->acceptors[i].op, worker->acceptors[i].fd);
    team_join(worker->with.team, worker->with.index);
}

/* Connections stay in the kernel's queues, and others give us none. */
static void hold(struct worker *worker)
{
    team_leave(worker->with.team, worker->with.index);
    for (u32 i = 0; i < worker->with.snapshot->config->listener_count; i++) {
        wheel_clear(&worker->wheel, &worker->acceptors[i].retry);
        ring_cancel(worker->ring, &worker->acceptors[i].op);
    }
}

static void let_go(struct worker *worker)
{
    team_join(worker->with.team, worker->with.index);
    for (u32 i = 0; i < worker->with.snapshot->config->listener_count; i++) {
        struct acceptor *acceptor = &worker->acceptors[i];
        if (!acceptor->op.owed) /* else its cancellation is not through yet */
            ring_accept(worker->ring, &acceptor->op, acceptor->fd);
    }
}

/* As long as another worker has room, what the kernel gives to this one is handed over. */
void accept_follow_stage(struct worker *worker)
{
    const struct worker_options *with = &worker->with;
    bool full = UNLIKELY(proxy_is_full(worker->proxy)) &&
                team_least_busy(with->team, with->index, proxy_clients(worker->proxy)) == TEAM_NONE;
    if (LIKELY(full == worker->held) || worker->obeyed != WORKER_RUN)
        return;
    worker->held = full;
    if (full)
        hold(worker);
    else
        let_go(worker);
}

void accept_stop(struct worker *worker)
{
    team_leave(worker->with.team, worker->with.index);
    for (u32 i = 0; i < worker->with.snapshot->config->listener_count; i++) {
        struct acceptor *acceptor = &worker->acceptors[i];
        wheel_clear(&worker->wheel, &acceptor->retry);
        if (acceptor->op.owed)
            ring_cancel(worker->ring, &acceptor->op);
        else
            stop_listening(acceptor);
    }
}

static const struct config_listener *find_listener(const struct config *config, struct slice name)
{
    for (u32 i = 0; i < config->listener_count; i++)
        if (slice_equal(config->listeners[i].name, name))
            return &config->listeners[i];
    ASSERT(false); /* control takes no configuration with other listeners */
    return NULL;
}

void accept_follow(struct worker *worker, const struct config *config)
{
    for (u32 i = 0; i < config->listener_count; i++) {
        struct acceptor *acceptor = &worker->acceptors[i];
        acceptor->listener = find_listener(config, acceptor->listener->name);
    }
}

void accept_given(struct worker *worker)
{
    struct team *team = worker->with.team;
    struct team_parcel parcel;
    while (team_take(team, worker->with.index, &parcel)) {
        proxy_accept_given(worker->proxy, parcel.fd, parcel.proxy_header);
        team_taken(team, worker->with.index, proxy_clients(worker->proxy));
    }
}

void accept_tell(struct worker *worker)
{
    team_publish(worker->with.team, worker->with.index, proxy_clients(worker->proxy));
    team_wake_others(worker->with.team, worker->with.index);
}

bool accept_quiet(const struct worker *worker)
{
    for (u32 i = 0; i < worker->with.snapshot->config->listener_count; i++)
        if (worker->acceptors[i].op.owed)
            return false;
    return !team_expects(worker->with.team, worker->with.index);
}
