/* The management API's memory, its accepting and its end. See include/admin.h. */
#include "admin.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/admin_internal.h"
#include "base/clock.h"
#include "ring/reserve.h"

enum {
    LOOK_MS = 1000,       /* for what nobody has told of */
    ACCEPT_RETRY_MS = 50, /* after the process ran out of file descriptors */
};

/* ---- When descriptors have run out ---- */

/* Without a descriptor the kernel does not even look whether there is anybody. */
static bool somebody_waits(const struct admin_door *door)
{
    struct pollfd look = {.fd = door->fd, .events = POLLIN};
    return poll(&look, 1, 0) == 1;
}

/* Whoever wants to know what is wrong must be answered. Somebody else may be quicker and get what
 * was given up for this one: then it is tried again, with the next one. */
static void accept_with_reserve(struct admin_door *door)
{
    ring_reserve_fill();
    if (!somebody_waits(door) || !ring_reserve_give_up())
        return;
    int fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        connection_start(door->admin, fd);
}

/* ---- Accepting ---- */

/* Who came while this process was the one to be woken; see worker.c, which does the same. */
static void accept_rest(struct admin_door *door)
{
    for (;;) {
        int fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        connection_start(door->admin, fd);
    }
}

static void on_accept(struct ring_op *op, struct ring_done done)
{
    struct admin_door *door = container_of(op, struct admin_door, accept_op);
    struct admin *admin = door->admin;
    if (done.status == RING_OK)
        connection_start(admin, done.result);
    if (done.more)
        return;
    if (admin->deaf) {
        accept_rest(door);
    } else if (done.status == RING_OK) {
        ring_accept(admin->ring, op, door->fd);
    } else if (done.status != RING_CANCELED) {
        if (done.status == RING_EXHAUSTED)
            accept_with_reserve(door);
        wheel_set(admin->wheel, &door->retry,
                  ring_now_ns(admin->ring) + ACCEPT_RETRY_MS * NS_PER_MS);
    }
}

static const struct ring_op_class accept_class = {"admin_accept", on_accept};

static void on_retry(struct wheel_timer *timer)
{
    struct admin_door *door = container_of(timer, struct admin_door, retry);
    ring_accept(door->admin->ring, &door->accept_op, door->fd);
}

/* For the same reason as in src/worker/accept.c. */
static void on_look(struct wheel_timer *timer)
{
    struct admin *admin = container_of(timer, struct admin, look);
    wheel_set(admin->wheel, timer, ring_now_ns(admin->ring) + LOOK_MS * NS_PER_MS);
    for (u32 i = 0; i < admin->door_count; i++)
        if (admin->doors[i].accept_op.owed)
            accept_rest(&admin->doors[i]);
}

static void door_open(struct admin *admin, struct admin_door *door, int fd)
{
    door->admin = admin;
    door->fd = fd;
    wheel_timer_init(&door->retry, on_retry);
    ring_op_init(&door->accept_op, &accept_class);
    ring_accept(admin->ring, &door->accept_op, fd);
}

static void begin(struct admin *admin, const struct admin_options *options)
{
    admin->start_ns = clock_monotonic_ns();
    admin->start_wall_ns = clock_wall_ns();
    if (gethostname(admin->host_name, sizeof(admin->host_name)) != 0)
        admin->host_name[0] = '\0';
    admin->host_name[sizeof(admin->host_name) - 1] = '\0';
    list_init(&admin->connected);
    for (u32 kind = 0; kind < ADMIN_BLOCK_KINDS; kind++)
        list_init(&admin->waiting[kind]);
    ring_reserve_begin();
    transport_reaper_init(&admin->reaper, admin->wheel);
    wheel_timer_init(&admin->look, on_look);
    wheel_set(admin->wheel, &admin->look, ring_now_ns(admin->ring) + LOOK_MS * NS_PER_MS);
    for (u32 i = 0; i < options->listen_count; i++)
        door_open(admin, &admin->doors[admin->door_count++], options->listen_fds[i]);
}

const struct admin_block_row admin_block_rows[ADMIN_BLOCK_KINDS] = {
    [ADMIN_BLOCK_LARGE] = {ADMIN_LARGE_BYTES, ADMIN_LARGE_COUNT, ADMIN_LARGE_WAIT_MS,
                           "too many large answers at once: ask again in a moment"},
    [ADMIN_BLOCK_VERDICT] = {ADMIN_VERDICT_BYTES, ADMIN_VERDICT_COUNT, 0,
                             "too many wait for a reload already: ask again in a moment"},
};

/* All or nothing. */
static bool memory_reserve(struct admin *admin)
{
    u32 kind = 0;
    if (!slab_init(&admin->connections, connection_bytes(), ADMIN_CONNECTIONS_MAX))
        return false;
    while (kind < ADMIN_BLOCK_KINDS && slab_init(&admin->blocks[kind], admin_block_rows[kind].bytes,
                                                 admin_block_rows[kind].count))
        kind++;
    if (kind == ADMIN_BLOCK_KINDS)
        return true;
    while (kind > 0)
        slab_deinit(&admin->blocks[--kind]);
    slab_deinit(&admin->connections);
    return false;
}

struct admin *admin_create(const struct admin_options *options)
{
    struct admin *admin = region_reserve(sizeof(*admin));
    if (!admin)
        return NULL;
    admin->ring = options->ring;
    admin->wheel = options->wheel;
    admin->source = options->source;
    if (memory_reserve(admin)) {
        begin(admin, options);
        return admin;
    }
    region_release(admin, sizeof(*admin));
    return NULL;
}

void admin_destroy(struct admin *admin)
{
    ASSERT(admin_quiet(admin));
    ring_reserve_end();
    slab_deinit(&admin->connections);
    for (u32 kind = 0; kind < ADMIN_BLOCK_KINDS; kind++)
        slab_deinit(&admin->blocks[kind]);
    region_release(admin, sizeof(*admin));
}

void admin_after_turn(struct admin *admin)
{
    transport_reap(&admin->reaper);
    connections_serve_waiting(admin);
}

void admin_retire(struct admin *admin)
{
    bool before = admin->deaf;
    admin->deaf = true;
    wheel_clear(admin->wheel, &admin->look);
    for (u32 i = 0; i < admin->door_count && !before; i++) {
        struct admin_door *door = &admin->doors[i];
        wheel_clear(admin->wheel, &door->retry);
        if (door->accept_op.owed)
            ring_cancel(admin->ring, &door->accept_op);
    }
}

void admin_stop(struct admin *admin)
{
    admin->stopping = true;
    admin_retire(admin);
    connections_cut(admin);
}

bool admin_quiet(const struct admin *admin)
{
    for (u32 i = 0; i < admin->door_count; i++)
        if (admin->doors[i].accept_op.owed)
            return false;
    return admin->stopping && admin->connections.in_use == 0;
}

u64 admin_uptime_s(const struct admin *admin)
{
    return (clock_monotonic_ns() - admin->start_ns) / NS_PER_S;
}
