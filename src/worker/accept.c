/*
 * Accepting connections, and giving them to whichever worker has the least to do.
 *
 * As long as there is room for all that may wait in the kernel's queues, one op takes whatever
 * comes. It takes all that wait before we hear of the first, so with less room a worker only asks
 * to be told of them, and takes each itself: those that there is no room for stay in the queue.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "worker/team.h"
#include "worker/worker_internal.h"

enum {
    LOOK_MS = 1000,       /* for what nobody has told of */
    ACCEPT_RETRY_MS = 50, /* after the process ran out of file descriptors */
    QUEUE_MAX = 65535,    /* net.core.somaxconn can be no larger */
};

static const struct ring_op_class accept_class;
static const struct ring_op_class readable_class;

/* ---- One socket ---- */

/* The connections that are in the queue when this worker stops accepting. The kernel has woken it,
 * and nobody else, for those that came while it was still waiting (EPOLLEXCLUSIVE): its successor
 * would see them only when another one comes; and without one they would be reset. */
static void accept_rest(const struct acceptor *acceptor)
{
    const struct worker *worker = acceptor->worker;
    int fd = 0;
    for (u32 i = 0; i < QUEUE_MAX && fd >= 0; i++) {
        fd = ring_accept_now(worker->ring, acceptor->fd);
        if (fd >= 0)
            proxy_accept(worker->proxy, fd, acceptor->listener);
    }
}

/* The socket stays open: it is control's, and may be another worker's by now. */
static void acceptor_end(struct acceptor *acceptor)
{
    if (acceptor->worker->obeyed != WORKER_WAIT)
        accept_rest(acceptor);
    list_remove(&acceptor->node);
    free(acceptor);
}

static void acceptor_leave(struct acceptor *acceptor)
{
    struct worker *worker = acceptor->worker;
    acceptor->leaving = true;
    wheel_clear(&worker->wheel, &acceptor->retry);
    if (acceptor->op.owed)
        ring_cancel(worker->ring, &acceptor->op);
    else
        acceptor_end(acceptor);
}

static bool is_little(const struct worker *worker, u32 room)
{
    u32 sockets = worker->with.snapshot->sockets[worker->with.index].count;
    return UNLIKELY(room < sockets * LISTENER_QUEUE_MAX);
}

/* One that failed is armed by its timer. */
static void acceptor_arm(struct acceptor *acceptor)
{
    struct worker *worker = acceptor->worker;
    bool little = is_little(worker, proxy_load(worker->proxy).room);
    if (worker->obeyed != WORKER_RUN || worker->held || acceptor->leaving || acceptor->op.owed ||
        acceptor->retry.deadline_ns != 0)
        return;
    ring_op_init(&acceptor->op, little ? &readable_class : &accept_class);
    if (little)
        ring_poll_readable(worker->ring, &acceptor->op, acceptor->fd);
    else
        ring_accept(worker->ring, &acceptor->op, acceptor->fd);
}

static void acceptor_failed(struct acceptor *acceptor, i32 error)
{
    struct worker *worker = acceptor->worker;
    if (worker->held)
        return;
    proxy_accept_failed(worker->proxy, error);
    wheel_set(&worker->wheel, &acceptor->retry,
              ring_now_ns(worker->ring) + ACCEPT_RETRY_MS * NS_PER_MS);
}

/* The kernel spreads connections over the workers without regard to what they are doing. */
static bool give_away(struct acceptor *acceptor, int fd)
{
    struct worker *worker = acceptor->worker;
    const struct worker_options *with = &worker->with;
    u32 other = team_least_busy(with->team, with->index, proxy_load(worker->proxy));
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

static void keep(struct acceptor *acceptor, int fd)
{
    struct worker *worker = acceptor->worker;
    proxy_accept(worker->proxy, fd, acceptor->listener);
    team_publish(worker->with.team, worker->with.index, proxy_load(worker->proxy));
}

static void on_accept(struct ring_op *op, struct ring_done done)
{
    struct acceptor *acceptor = container_of(op, struct acceptor, op);
    struct worker *worker = acceptor->worker;
    bool runs = worker->obeyed == WORKER_RUN;
    if (done.status == RING_OK && (!runs || !give_away(acceptor, done.result)))
        keep(acceptor, done.result);
    if (done.more)
        return;
    if (acceptor->leaving) {
        acceptor_end(acceptor);
    } else if (done.status == RING_OK || done.status == RING_CANCELED) {
        acceptor_arm(acceptor); /* unless it is held: then let_go() does */
    } else {
        acceptor_failed(acceptor, done.error);
    }
}

static bool others_have_room(const struct worker *worker)
{
    const struct worker_options *with = &worker->with;
    return team_least_busy(with->team, with->index, proxy_load(worker->proxy)) != TEAM_NONE;
}

/* As long as another worker has room, what the kernel gives to this one is handed over; when that
 * is refused all the same, there is none. Returns 0, or why there is no more to take (errno). */
static i32 take_waiting(struct acceptor *acceptor)
{
    struct worker *worker = acceptor->worker;
    bool has_room = true;
    while (has_room && (proxy_room(worker->proxy) > 0 || others_have_room(worker))) {
        int fd = ring_accept_now(worker->ring, acceptor->fd);
        if (fd < 0)
            return errno;
        if (give_away(acceptor, fd))
            continue;
        has_room = proxy_room(worker->proxy) > 0;
        keep(acceptor, fd);
    }
    return 0;
}

static void on_readable(struct ring_op *op, struct ring_done done)
{
    struct acceptor *acceptor = container_of(op, struct acceptor, op);
    if (acceptor->leaving) {
        acceptor_end(acceptor);
        return;
    }
    i32 error = done.status == RING_CANCELED ? 0 : done.error;
    if (done.status == RING_OK && acceptor->worker->obeyed == WORKER_RUN)
        error = take_waiting(acceptor);
    if (error != 0 && error != EAGAIN)
        acceptor_failed(acceptor, error);
    else
        acceptor_arm(acceptor);
}

static const struct ring_op_class accept_class = {"accept", on_accept};
static const struct ring_op_class readable_class = {"readable", on_readable};

static void on_retry(struct wheel_timer *timer)
{
    acceptor_arm(container_of(timer, struct acceptor, retry));
}

/* The ring of an engine that was killed waits on its sockets for a moment longer than its process
 * lives, and the kernel may wake that one and nobody else (EPOLLEXCLUSIVE): without a look now and
 * then, who came at that moment would be found when the next one comes. */
static void on_look(struct wheel_timer *timer)
{
    struct worker *worker = container_of(timer, struct worker, look);
    if (worker->obeyed != WORKER_RUN)
        return;
    wheel_set(&worker->wheel, timer, ring_now_ns(worker->ring) + LOOK_MS * NS_PER_MS);
    list_each (node, following, &worker->acceptors) {
        struct acceptor *acceptor = container_of(node, struct acceptor, node);
        if (acceptor->op.owed && !acceptor->leaving && !worker->held)
            (void)take_waiting(acceptor);
    }
}

/* ---- All of them ---- */

static struct acceptor *find(struct worker *worker, int fd)
{
    list_each (node, following, &worker->acceptors) {
        struct acceptor *acceptor = container_of(node, struct acceptor, node);
        if (acceptor->fd == fd)
            return acceptor;
    }
    return NULL;
}

/* One for each socket that is not there yet, all or none; not armed. */
static bool add_missing(struct worker *worker, const struct snapshot_sockets *sockets)
{
    struct list added;
    list_init(&added);
    for (u32 i = 0; i < sockets->count; i++) {
        if (find(worker, sockets->at[i].fd))
            continue;
        struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
        if (!acceptor) {
            while (!list_empty(&added))
                free(container_of(list_pop_front(&added), struct acceptor, node));
            return false;
        }
        acceptor->worker = worker;
        acceptor->fd = sockets->at[i].fd;
        ring_op_init(&acceptor->op, &accept_class);
        wheel_timer_init(&acceptor->retry, on_retry);
        list_push_back(&added, &acceptor->node);
    }
    list_splice_back(&worker->acceptors, &added);
    return true;
}

bool accept_follow(struct worker *worker, const struct snapshot *snapshot)
{
    const struct snapshot_sockets *sockets = &snapshot->sockets[worker->with.index];
    if (worker->obeyed > WORKER_RUN)
        return true; /* what it has left behind it does not take up again */
    if (!add_missing(worker, sockets))
        return false;
    list_each (node, following, &worker->acceptors) {
        struct acceptor *acceptor = container_of(node, struct acceptor, node);
        const struct config_listener *listener = NULL;
        for (u32 i = 0; i < sockets->count; i++)
            if (sockets->at[i].fd == acceptor->fd)
                listener = &snapshot->config->listeners[sockets->at[i].listener];
        if (listener) {
            acceptor->listener = listener;
            acceptor->leaving = false; /* it may have been: then its cancellation arms it again */
            acceptor_arm(acceptor);
        } else if (!acceptor->leaving) {
            acceptor_leave(acceptor);
        }
    }
    return true;
}

bool accept_settled(const struct worker *worker)
{
    list_each (node, following, &worker->acceptors)
        if (container_of(node, struct acceptor, node)->leaving)
            return false;
    return true;
}

bool accept_init(struct worker *worker)
{
    list_init(&worker->acceptors);
    wheel_timer_init(&worker->look, on_look);
    return accept_follow(worker, worker->with.snapshot);
}

void accept_start(struct worker *worker)
{
    list_each (node, following, &worker->acceptors)
        acceptor_arm(container_of(node, struct acceptor, node));
    wheel_set(&worker->wheel, &worker->look, ring_now_ns(worker->ring) + LOOK_MS * NS_PER_MS);
    team_publish(worker->with.team, worker->with.index, proxy_load(worker->proxy));
    team_join(worker->with.team, worker->with.index);
}

/* Connections stay in the kernel's queues, and others give us none. */
static void hold(struct worker *worker)
{
    team_leave(worker->with.team, worker->with.index);
    list_each (node, following, &worker->acceptors) {
        struct acceptor *acceptor = container_of(node, struct acceptor, node);
        wheel_clear(&worker->wheel, &acceptor->retry);
        ring_cancel(worker->ring, &acceptor->op);
    }
}

/* One whose cancellation is not through yet is armed behind it. */
static void let_go(struct worker *worker)
{
    team_join(worker->with.team, worker->with.index);
    list_each (node, following, &worker->acceptors)
        acceptor_arm(container_of(node, struct acceptor, node));
}

static void follow_stage(struct worker *worker)
{
    bool full = UNLIKELY(proxy_is_full(worker->proxy)) && !others_have_room(worker);
    if (LIKELY(full == worker->held) || worker->obeyed != WORKER_RUN)
        return;
    worker->held = full;
    if (full)
        hold(worker);
    else
        let_go(worker);
}

static void follow_room(struct worker *worker, u32 room)
{
    bool careful = is_little(worker, room);
    if (LIKELY(careful == worker->careful))
        return;
    worker->careful = careful;
    list_each (node, following, &worker->acceptors) {
        struct acceptor *acceptor = container_of(node, struct acceptor, node);
        if (careful && acceptor->op.class == &accept_class)
            ring_cancel(worker->ring, &acceptor->op); /* behind it, it is armed the other way */
    }
}

void accept_after_turn(struct worker *worker)
{
    struct proxy_load load = proxy_load(worker->proxy);
    follow_stage(worker);
    follow_room(worker, load.room);
    team_publish(worker->with.team, worker->with.index, load);
    team_wake_others(worker->with.team, worker->with.index);
}

void accept_stop(struct worker *worker)
{
    team_leave(worker->with.team, worker->with.index);
    wheel_clear(&worker->wheel, &worker->look);
    list_each (node, following, &worker->acceptors) {
        struct acceptor *acceptor = container_of(node, struct acceptor, node);
        if (!acceptor->leaving)
            acceptor_leave(acceptor);
    }
}

void accept_given(struct worker *worker)
{
    struct team *team = worker->with.team;
    struct team_parcel parcel;
    while (team_take(team, worker->with.index, &parcel)) {
        proxy_accept_given(worker->proxy, parcel.fd, parcel.proxy_header);
        team_taken(team, worker->with.index, proxy_load(worker->proxy));
    }
}

bool accept_quiet(const struct worker *worker)
{
    return list_empty(&worker->acceptors) && !team_expects(worker->with.team, worker->with.index);
}
