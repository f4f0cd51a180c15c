/* Three sample backends in one thread on one ring: listening, signals, the loop. */
#include "demo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "demo_connection.h"
#include "ring/probe.h"

enum {
    CONNECTIONS_MAX = 512, /* below the usual limit of 1024 descriptors */
    RING_ENTRIES = 256,
    LEASES = 1024,
};

struct backend {
    struct ring_op accept_op;
    struct server *server;
    const char *id;
    int fd;
};

struct server {
    struct demo demo;
    struct backend backends[DEMO_BACKENDS];
    struct ring_op signal_op;
    int signal_fd;
    int exit_status;
    bool stopping;
};

/* ---- Listening ---- */

static void on_accept(struct ring_op *op, struct ring_done done)
{
    struct backend *backend = container_of(op, struct backend, accept_op);
    struct server *server = backend->server;
    if (done.status == RING_OK) {
        demo_connection_open(&server->demo, done.result, backend->id);
        if (!done.more && !server->stopping)
            ring_accept(server->demo.ring, op, backend->fd);
        return;
    }
    if (server->stopping)
        return;
    (void)fprintf(stderr, "nextproxy: %s cannot accept connections: %s\n", backend->id,
                  strerror(done.error));
    server->stopping = true;
    server->exit_status = 1;
}

static const struct ring_op_class accept_class = {"accept", on_accept};

/* The options are inherited by the sockets that it accepts. */
static bool listen_on(struct backend *backend, u16 port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;
    backend->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (backend->fd >= 0 &&
        setsockopt(backend->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        setsockopt(backend->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
        bind(backend->fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(backend->fd, SOMAXCONN) == 0)
        return true;
    (void)fprintf(stderr, "nextproxy: %s cannot listen on 127.0.0.1:%u: %s%s\n", backend->id, port,
                  strerror(errno),
                  errno == EADDRINUSE
                      ? "; stop the program that listens there (ss -ltnp shows it), or choose "
                        "other ports with --port"
                      : "");
    return false;
}

/* ---- Starting ---- */

static void on_signal(struct ring_op *op, struct ring_done done)
{
    (void)done;
    container_of(op, struct server, signal_op)->stopping = true;
}

static const struct ring_op_class signal_class = {"signal", on_signal};

static bool catch_signals(struct server *server)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    server->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return server->signal_fd >= 0;
}

static struct ring *create_ring(void)
{
    char why[RING_EXPLANATION_BYTES];
    struct ring_probe probe;
    ring_probe_run(&probe);
    const struct ring_options options = {
        .leases = LEASES, .entries = RING_ENTRIES, .disabled = ~probe.capabilities};
    struct ring *ring = ring_create(&options, why, sizeof(why));
    if (!ring)
        (void)fprintf(stderr, "nextproxy: %s\n", why);
    return ring;
}

static bool prepare(struct server *server, u16 port_first)
{
    static const char *const ids[DEMO_BACKENDS] = {"backend-1", "backend-2", "backend-3"};
    for (u32 i = 0; i < DEMO_BACKENDS; i++) {
        server->backends[i] = (struct backend){.server = server, .id = ids[i]};
        if (!listen_on(&server->backends[i], (u16)(port_first + i)))
            return false;
    }
    if (!catch_signals(server) ||
        !slab_init(&server->demo.connections, demo_connection_bytes(), CONNECTIONS_MAX)) {
        perror("nextproxy: the sample backends cannot start");
        return false;
    }
    server->demo.ring = create_ring();
    return server->demo.ring != NULL;
}

/* ---- Running ---- */

static void serve(struct server *server, u16 port_first)
{
    struct demo *demo = &server->demo;
    wheel_init(&demo->wheel, ring_now_ns(demo->ring));
    transport_reaper_init(&demo->reaper, &demo->wheel);
    ring_op_init(&server->signal_op, &signal_class);
    ring_poll_readable(demo->ring, &server->signal_op, server->signal_fd);
    for (u32 i = 0; i < DEMO_BACKENDS; i++) {
        ring_op_init(&server->backends[i].accept_op, &accept_class);
        ring_accept(demo->ring, &server->backends[i].accept_op, server->backends[i].fd);
    }
    (void)fprintf(stderr, "nextproxy: sample backends on http://127.0.0.1:%d to %d\n", port_first,
                  port_first + DEMO_BACKENDS - 1);
    while (!server->stopping) {
        u64 now_ns = ring_turn(demo->ring, wheel_next_ns(&demo->wheel));
        wheel_run(&demo->wheel, now_ns);
        transport_reap(&demo->reaper);
    }
}

static bool accepts_owed(const struct server *server)
{
    for (u32 i = 0; i < DEMO_BACKENDS; i++)
        if (server->backends[i].accept_op.owed)
            return true;
    return false;
}

/* A listening socket that an accept still refers to outlives the process for a moment, and who
 * starts again at once would find its port taken. What else is open ends with the process. */
static void stop_listening(struct server *server)
{
    struct demo *demo = &server->demo;
    for (u32 i = 0; i < DEMO_BACKENDS; i++)
        if (server->backends[i].accept_op.owed)
            ring_cancel(demo->ring, &server->backends[i].accept_op);
    while (accepts_owed(server)) {
        (void)ring_turn(demo->ring, wheel_next_ns(&demo->wheel));
        transport_reap(&demo->reaper);
    }
    for (u32 i = 0; i < DEMO_BACKENDS; i++)
        (void)close(server->backends[i].fd);
}

int demo_run(u16 port_first)
{
    struct server server = {.exit_status = 0};
    if (!prepare(&server, port_first))
        return 1;
    serve(&server, port_first);
    stop_listening(&server);
    ring_destroy(server.demo.ring);
    slab_deinit(&server.demo.connections);
    return server.exit_status;
}
