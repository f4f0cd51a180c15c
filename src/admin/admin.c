/* The management API's memory, its accepting and its end. See include/admin.h. */
#include "admin.h"

#include <sys/socket.h>
#include <unistd.h>

#include "admin/admin_internal.h"
#include "base/clock.h"

enum { ACCEPT_RETRY_MS = 50 }; /* after the process ran out of file descriptors */

/* Who came while this process was the one to be woken; see worker.c, which does the same. */
static void accept_rest(struct admin *admin)
{
    for (;;) {
        int fd = accept4(admin->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        connection_start(admin, fd);
    }
}

static void on_accept(struct ring_op *op, struct ring_done done)
{
    struct admin *admin = container_of(op, struct admin, accept_op);
    if (done.status == RING_OK)
        connection_start(admin, done.result);
    if (done.more)
        return;
    if (admin->deaf) {
        accept_rest(admin);
    } else if (done.status == RING_OK) {
        ring_accept(admin->ring, op, admin->listen_fd);
    } else if (done.status != RING_CANCELED) {
        wheel_set(admin->wheel, &admin->accept_retry,
                  ring_now_ns(admin->ring) + ACCEPT_RETRY_MS * NS_PER_MS);
    }
}

static const struct ring_op_class accept_class = {"admin_accept", on_accept};

static void on_retry(struct wheel_timer *timer)
{
    struct admin *admin = container_of(timer, struct admin, accept_retry);
    ring_accept(admin->ring, &admin->accept_op, admin->listen_fd);
}

static void begin(struct admin *admin)
{
    admin->start_ns = clock_monotonic_ns();
    admin->start_wall_ns = clock_wall_ns();
    if (gethostname(admin->host_name, sizeof(admin->host_name)) != 0)
        admin->host_name[0] = '\0';
    admin->host_name[sizeof(admin->host_name) - 1] = '\0';
    list_init(&admin->connected);
    transport_reaper_init(&admin->reaper, admin->wheel);
    wheel_timer_init(&admin->accept_retry, on_retry);
    ring_op_init(&admin->accept_op, &accept_class);
    ring_accept(admin->ring, &admin->accept_op, admin->listen_fd);
}

struct admin *admin_create(const struct admin_options *options)
{
    struct admin *admin = region_reserve(sizeof(*admin), false);
    if (!admin)
        return NULL;
    admin->ring = options->ring;
    admin->wheel = options->wheel;
    admin->config = options->config;
    admin->source = options->source;
    admin->listen_fd = options->listen_fd;
    if (slab_init(&admin->connections, connection_bytes(), ADMIN_CONNECTIONS_MAX)) {
        if (slab_init(&admin->large, ADMIN_LARGE_BYTES, ADMIN_LARGE_COUNT)) {
            begin(admin);
            return admin;
        }
        slab_deinit(&admin->connections);
    }
    region_release(admin, sizeof(*admin));
    return NULL;
}

void admin_destroy(struct admin *admin)
{
    ASSERT(admin_quiet(admin));
    slab_deinit(&admin->connections);
    slab_deinit(&admin->large);
    region_release(admin, sizeof(*admin));
}

void admin_after_turn(struct admin *admin)
{
    transport_reap(&admin->reaper);
}

void admin_retire(struct admin *admin)
{
    bool before = admin->deaf;
    admin->deaf = true;
    wheel_clear(admin->wheel, &admin->accept_retry);
    if (admin->accept_op.owed && !before)
        ring_cancel(admin->ring, &admin->accept_op);
}

void admin_stop(struct admin *admin)
{
    admin->stopping = true;
    admin_retire(admin);
    connections_cut(admin);
}

bool admin_quiet(const struct admin *admin)
{
    return admin->stopping && !admin->accept_op.owed && admin->connections.in_use == 0;
}

u64 admin_uptime_s(const struct admin *admin)
{
    return (clock_monotonic_ns() - admin->start_ns) / NS_PER_S;
}
