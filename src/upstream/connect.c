/*
 * Connecting, and waiting for a descriptor to connect with. When the process has none left, an idle
 * connection is closed for its own; the number may be somebody else's by the time it is free, as
 * other workers and clients take some, too.
 *
 * Those that wait stand in line, and whoever comes later stands behind them. As long as somebody
 * waits a connection is being closed: its end serves the first, has another idle one closed, or
 * tells them that there is nothing to wait for. So nobody is forgotten.
 */
#include <errno.h>

#include "upstream/upstream_internal.h"

static void on_connected(struct ring_op *op, struct ring_done done)
{
    struct upstream *upstream = container_of(op, struct upstream, connect_op);
    if (upstream->state == UPSTREAM_CLOSING) {
        transport_close(&upstream->transport, true);
        return;
    }
    ASSERT(upstream->state == UPSTREAM_CONNECTING);
    if (done.status == RING_OK) {
        upstream_move(upstream, UPSTREAM_ACTIVE);
        transport_read(&upstream->transport, RECV_STREAM, 0);
    }
    upstream->events->on_connected(upstream, done);
}

static const struct ring_op_class connect_class = {"connect", on_connected};

/* `fd` is -1 as long as it waits for one. */
static void open_on(struct upstream *upstream, int fd)
{
    const struct upstreams_environment *with = &upstream->owner->with;
    transport_open(&upstream->transport, with->ring, with->reaper, fd,
                   &upstream->events->transport);
}

static void connect_on(struct upstream *upstream, const struct address *address, int fd)
{
    open_on(upstream, fd);
    upstream_serve(upstream, upstream->events, upstream->user);
    ring_connect(upstream->owner->with.ring, &upstream->connect_op, fd, &address->any,
                 address->len);
}

static bool no_descriptor(i32 error)
{
    return error == EMFILE || error == ENFILE;
}

static bool one_will_come(struct upstreams *upstreams)
{
    return upstreams_shed_one(upstreams) || !list_empty(&upstreams->waiting);
}

bool upstream_connect(struct upstream *upstream, const struct address *address, i32 *error)
{
    struct upstreams *upstreams = upstream->owner;
    ring_op_init(&upstream->connect_op, &connect_class);
    *error = EMFILE; /* what is free is for those who wait already */
    int fd = -1;
    if (LIKELY(list_empty(&upstreams->waiting)))
        fd = ring_socket(upstreams->with.ring, &address->any, error);
    if (LIKELY(fd >= 0)) {
        connect_on(upstream, address, fd);
        return true;
    }
    if (!no_descriptor(*error) || !one_will_come(upstreams))
        return false;
    open_on(upstream, -1);
    upstream->wanted = address;
    list_push_back(&upstreams->waiting, &upstream->node);
    return true;
}

bool upstream_awaits_descriptor(const struct upstream *upstream)
{
    return upstream->state == UPSTREAM_CONNECTING && upstream->transport.fd < 0;
}

static void tell_exhausted(struct upstream *upstream, i32 error)
{
    const struct ring_done done = {.status = RING_EXHAUSTED, .error = error};
    upstream->events->on_connected(upstream, done);
}

void upstreams_connect_waiting(struct upstreams *upstreams)
{
    while (!list_empty(&upstreams->waiting)) {
        struct upstream *upstream = container_of(upstreams->waiting.next, struct upstream, node);
        i32 error = 0;
        int fd = ring_socket(upstreams->with.ring, &upstream->wanted->any, &error);
        if (fd < 0 && no_descriptor(error) &&
            (upstreams->closing > 0 || upstreams_shed_one(upstreams)))
            return;
        list_remove(&upstream->node);
        if (fd < 0) {
            tell_exhausted(upstream, error);
            continue;
        }
        connect_on(upstream, upstream->wanted, fd);
        upstream->events->on_begun(upstream);
    }
}
